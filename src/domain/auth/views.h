/* How sessions and the like look in replies: the union of the contracts' keys. Users: auth.h. */
#ifndef DOMAIN_AUTH_VIEWS_H
#define DOMAIN_AUTH_VIEWS_H

#include "domain/auth/auth.h"

struct session_view {
    struct schema_set set;
    struct id id;
    struct id user_id;
    int32_t status;
    struct str ip_address;
    struct str user_agent;
    struct str device_info;
    struct str device_name;
    int64_t expires_at;
    int64_t last_activity_at;
    int64_t last_activity;
    int64_t revoked_at;
    struct str revoked_reason;
    bool is_compliance_only;
    bool current;
    int64_t created_at;
    int64_t updated_at;
    int64_t deleted_at;
};

extern const struct schema session_view_schema;
extern const struct schema compliance_schema;

/* A session as an object, not yet added anywhere. */
yyjson_mut_val *session_view_make(yyjson_mut_doc *doc, const struct session *session,
                                  struct id current_id, struct arena *arena);
/* mfa_compliance of somebody whom no organization asks anything. */
void compliance_view_add(yyjson_mut_doc *doc, yyjson_mut_val *object);

#endif
