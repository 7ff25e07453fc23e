/* Mails as an organization wants them. */
#ifndef DOMAIN_ORGS_MAIL_TEMPLATE_API_H
#define DOMAIN_ORGS_MAIL_TEMPLATE_API_H

#include "domain/orgs/orgs.h"

extern const struct schema mail_template_params_schema;
extern const struct schema mail_template_body_schema;
extern const struct schema mail_template_data_schema;
extern const struct schema mail_templates_data_schema;
extern const struct command_row mail_template_put_command;
extern const struct command_row mail_template_delete_command;
enum err mail_template_read(struct request *request, const struct store_view *view);
enum err mail_templates_read(struct request *request, const struct store_view *view);

#endif
