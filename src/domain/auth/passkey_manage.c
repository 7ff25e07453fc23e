/* What the owner of passkeys can do with them: list, rename, remove. The last one may go, too
 * (contract defect 35), unless an organization's policy asks for it. */
#include "base/decode.h"
#include "domain/auth/extension.h"
#include "domain/auth/passkey_api.h"

/* ---- reading ---- */

enum err passkey_list_read(struct request *request, const struct store_view *view) {
    const struct command *command = &request->command;
    struct outcome *outcome = &request->outcome;
    struct passkey_list list;
    enum err err = passkey_list_load(view, command->caller.user_id, request->arena, &list);
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(outcome, command);
    yyjson_mut_val *array = json_add_array(outcome->doc, data, "credentials");
    for (uint32_t i = 0; i < list.count; i++) {
        json_append_val(outcome->doc, array, passkey_view(command, outcome->doc, &list.items[i]));
    }
    json_add_int(outcome->doc, data, "count", list.count);
    return ERR_OK;
}

enum err passkey_status_read(struct request *request, const struct store_view *view) {
    struct outcome *outcome = &request->outcome;
    struct passkey_list list;
    enum err err = passkey_list_load(view, request->command.caller.user_id, request->arena, &list);
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(outcome, &request->command);
    json_add_bool(outcome->doc, data, "webauthn_enabled", list.count > 0);
    json_add_int(outcome->doc, data, "credential_count", list.count);
    return ERR_OK;
}

/* ---- one of them ---- */

static enum err own_passkey(const struct store_view *view, const struct command *command,
                            struct passkey *passkey) {
    const struct passkey_params *params = command->params;
    char memory[WEBAUTHN_ID_BYTES_MAX];
    struct buf id = buf_over(memory, sizeof(memory));
    if (!decode_base64url(params->id, &id) || id.len == 0) {
        return ERR_NOT_FOUND;
    }
    struct hash key = passkey_key_of(buf_str(&id));
    return store_get(view, caller_scope(&command->caller), &passkey_table, hash_bytes(&key),
                     command->arena, passkey);
}

static enum err rename_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    struct passkey passkey;
    return own_passkey(view, command, &passkey);
}

static void rename_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct passkey_name_body *body = command->body;
    struct passkey passkey;
    enum err err = own_passkey(store_tx_view(tx), command, &passkey);
    CHECK(err == ERR_OK);
    passkey.name = body->name;
    passkey.updated_at = command->now_us;
    store_put(tx, &passkey_table, &passkey);
    outcome->resource = passkey.user_id;
    passkey_reply(command, &passkey, outcome);
}

const struct command_row passkey_rename_command = {
    .name = "passkey.rename",
    .action = "webauthn.credential.renamed",
    .resource = "user",
    .check = rename_check,
    .apply = rename_apply,
};

/* Is it the only one? */
static enum err is_last(const struct store_view *view, const struct command *command,
                        bool *answer) {
    struct passkey_list list;
    enum err err = passkey_list_load(view, command->caller.user_id, command->arena, &list);
    *answer = list.count <= 1;
    return err;
}

static enum err delete_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    (void)outcome;
    struct passkey passkey;
    struct user user;
    bool was_last = false;
    enum err err = own_passkey(view, command, &passkey);
    if (err == ERR_OK) {
        err = is_last(view, command, &was_last);
    }
    if (err != ERR_OK || !was_last) {
        return err;
    }
    err = user_get(view, passkey.user_id, command->arena, &user);
    if (err == ERR_OK) {
        uint32_t left = (uint32_t)user.factors & ~(uint32_t)USER_FACTOR_PASSKEY;
        err = auth_extension()->factors_check(view, command, &user, left);
    }
    return err;
}

static void delete_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    struct passkey passkey;
    struct user user;
    bool was_last = false;
    enum err err = own_passkey(store_tx_view(tx), command, &passkey);
    CHECK(err == ERR_OK);
    err = is_last(store_tx_view(tx), command, &was_last);
    CHECK(err == ERR_OK);
    store_del(tx, &passkey_table, passkey.key);
    outcome->resource = passkey.user_id;
    outcome->message = "The passkey no longer logs in";
    if (was_last) {
        err = user_get(store_tx_view(tx), passkey.user_id, command->arena, &user);
        CHECK(err == ERR_OK);
        user_set_factor(&user, USER_FACTOR_PASSKEY, false, command->now_us);
        store_put(tx, &user_table, &user);
    }
}

const struct command_row passkey_delete_command = {
    .name = "passkey.delete",
    .action = "webauthn.credential.deleted",
    .resource = "user",
    .frees_room = true,
    .check = delete_check,
    .apply = delete_apply,
};
