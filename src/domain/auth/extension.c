/* The one place that knows who extends accounts: see struct auth_extension. */
#include "domain/auth/extension.h"

#include "domain/auth/views.h"

static enum err no_me(const struct store_view *view, struct id user_id, struct arena *arena,
                      yyjson_mut_doc *doc, yyjson_mut_val *list) {
    (void)view;
    (void)user_id;
    (void)arena;
    (void)doc;
    (void)list;
    return ERR_OK;
}

static enum err no_roles(const struct store_view *view, struct id user_id, struct arena *arena,
                         yyjson_mut_doc *doc, yyjson_mut_val *list, bool *is_whole) {
    *is_whole = true;
    return no_me(view, user_id, arena, doc, list);
}

static bool no_login(struct store_tx *tx, const struct command *command, struct user *user,
                     struct outcome *outcome) {
    (void)tx;
    (void)user;
    yyjson_mut_val *data = outcome_data(outcome, command);
    compliance_view_add(outcome->doc, data);
    return false;
}

static enum err no_factors_check(const struct store_view *view, const struct command *command,
                                 const struct user *user, uint32_t left) {
    (void)view;
    (void)command;
    (void)user;
    (void)left;
    return ERR_OK;
}

static enum err no_close_check(const struct store_view *view, struct id user_id,
                               struct arena *arena) {
    (void)view;
    (void)user_id;
    (void)arena;
    return ERR_OK;
}

static void no_close_apply(struct store_tx *tx, const struct command *command, struct id user_id) {
    (void)tx;
    (void)command;
    (void)user_id;
}

/* A program without organizations. */
static const struct auth_extension nothing = {
    .me = no_me,
    .roles = no_roles,
    .login = no_login,
    .factors_check = no_factors_check,
    .close_check = no_close_check,
    .close_apply = no_close_apply,
};

static const struct auth_extension *the_extension = &nothing;

void auth_extend(const struct auth_extension *extension) {
    CHECK(extension->me != NULL);
    CHECK(extension->roles != NULL);
    CHECK(extension->login != NULL);
    CHECK(extension->factors_check != NULL);
    CHECK(extension->close_check != NULL);
    CHECK(extension->close_apply != NULL);
    the_extension = extension;
}

const struct auth_extension *auth_extension(void) {
    return the_extension;
}
