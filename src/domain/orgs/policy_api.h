/* Policies over HTTP. */
#ifndef DOMAIN_ORGS_POLICY_API_H
#define DOMAIN_ORGS_POLICY_API_H

#include "domain/orgs/policy.h"

extern const struct schema policy_body_schema;
extern const struct schema policy_data_schema;
extern const struct schema compliance_list_params_schema;
extern const struct schema compliance_list_schema;
extern const struct schema member_policy_params_schema;
extern const struct schema member_policy_body_schema;
extern const struct schema member_policy_data_schema;
extern const struct schema my_compliance_schema;
extern const struct command_row policy_put_command;
extern const struct command_row member_policy_command;
enum err policy_read(struct request *request, const struct store_view *view);
enum err compliance_list_read(struct request *request, const struct store_view *view);
enum err my_compliance_read(struct request *request, const struct store_view *view);

#endif
