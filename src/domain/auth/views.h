/* How users and sessions look in replies: the union of the contracts' keys. */
#ifndef DOMAIN_AUTH_VIEWS_H
#define DOMAIN_AUTH_VIEWS_H

#include "domain/auth/auth.h"

/* Embedded by the outputs that hold a user. */
struct user_view {
    struct schema_set set;
    struct id id;
    struct str email;
    bool email_verified;
    bool is_email_verified;
    struct str full_name;
    struct str first_name;
    struct str last_name;
    struct str phone;
    struct str phone_number;
    bool phone_verified;
    bool is_phone_verified;
    struct str avatar_url;
    int32_t status;
    int32_t role;
    bool is_active;
    bool mfa_enabled;
    bool two_factor_enabled;
    int64_t last_login_at;
    struct str last_login_ip;
    int64_t created_at;
    int64_t updated_at;
    int64_t deleted_at;
};

extern const struct schema user_view_schema;
extern const struct schema session_view_schema;
extern const struct schema compliance_schema;

/* Adds the user as an object. */
yyjson_mut_val *user_view_add(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                              const struct user *user, struct arena *arena);
/* A session as an object, not yet added anywhere. */
yyjson_mut_val *session_view_make(yyjson_mut_doc *doc, const struct session *session,
                                  struct id current_id, struct arena *arena);
/* mfa_compliance of somebody whom no organization asks anything. */
void compliance_view_add(yyjson_mut_doc *doc, yyjson_mut_val *object);

#endif
