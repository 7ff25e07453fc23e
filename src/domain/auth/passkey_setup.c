/*
 * Registering a passkey. Who begins must have logged in within the last minutes, or send the
 * password (reauth.h); the challenge is theirs alone, so that completing needs nothing more.
 *
 * Everything is looked at outside the batch, where BearSSL's curve arithmetic holds nobody up. The
 * batch takes the challenge and looks at what may have changed. A refusal is recorded, and the
 * challenge is gone in any case.
 */
#include "base/time.h"
#include "domain/auth/passkey_api.h"

/* ---- begin ---- */

static enum err begin_prepare(struct request *request) {
    const struct passkey_begin_body *body = request->command.body;
    struct reauth *reauth = request->command.prepared;
    request->step++;
    if (request->step == 1) {
        reauth = ARENA_NEW(request->arena, struct reauth);
        if (reauth == NULL) {
            return ERR_NO_MEMORY;
        }
        request->command.prepared = reauth;
        enum err err = reauth_start(request, body->password, reauth);
        if (err != ERR_OK) {
            return err;
        }
    }
    reauth_finish(request, reauth);
    return ERR_OK;
}

static enum err begin_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    struct passkey_list list;
    enum err err = reauth_check(view, command, command->prepared, true, outcome);
    if (err == ERR_OK) {
        err = passkey_list_load(view, command->caller.user_id, command->arena, &list);
    }
    if (err != ERR_OK) {
        return err;
    }
    return list.count < PASSKEYS_PER_USER_MAX ? ERR_OK : ERR_LIMIT;
}

static void user_add(const struct command *command, const struct user *user,
                     struct outcome *outcome) {
    char memory[USER_HANDLE_LEN];
    yyjson_mut_val *object = json_add_object(outcome->doc, outcome->data, "user");
    struct str handle = passkey_user_handle(user->id, memory);
    struct str name = str_is_none(user->full_name) ? user->email : user->full_name;
    json_add_str(outcome->doc, object, "id", passkey_base64url(command, handle));
    json_add_str(outcome->doc, object, "name", arena_copy(command->arena, user->email));
    json_add_str(outcome->doc, object, "displayName", arena_copy(command->arena, name));
}

static void parameters_add(yyjson_mut_doc *doc, yyjson_mut_val *data) {
    static const enum cose_algorithm algorithms[] = {COSE_ES256, COSE_RS256};
    yyjson_mut_val *list = json_add_array(doc, data, "pubKeyCredParams");
    for (uint32_t i = 0; i < COUNT_OF(algorithms); i++) {
        yyjson_mut_val *object = json_object(doc);
        json_add_str(doc, object, "type", STR("public-key"));
        json_add_int(doc, object, "alg", algorithms[i]);
        json_append_val(doc, list, object);
    }
}

/* The members of PublicKeyCredentialCreationOptions (L2, 5.4). */
static void begin_reply(const struct command *command, const struct user *user,
                        const struct passkey_list *list, struct outcome *outcome) {
    struct relying_party party = relying_party_of(command->settings);
    yyjson_mut_doc *doc = outcome->doc;
    yyjson_mut_val *data = outcome->data;
    yyjson_mut_val *rp = json_add_object(doc, data, "rp");
    json_add_str(doc, rp, "name", party.name);
    json_add_str(doc, rp, "id", party.id);
    user_add(command, user, outcome);
    parameters_add(doc, data);
    yyjson_mut_val *exclude = json_add_array(doc, data, "excludeCredentials");
    for (uint32_t i = 0; i < list->count; i++) {
        passkey_descriptor_add(command, doc, exclude, list->items[i].credential_id,
                               list->items[i].transports);
    }
    yyjson_mut_val *selection = json_add_object(doc, data, "authenticatorSelection");
    json_add_str(doc, selection, "residentKey", STR("preferred"));
    json_add_str(doc, selection, "userVerification", passkey_verification(command->settings));
    json_add_str(doc, data, "attestation", STR("none"));
}

static void begin_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    struct challenge draft = {.purpose = CHALLENGE_REGISTER, .user_id = command->caller.user_id};
    struct passkey_list list;
    struct user user;
    enum err err = user_get(store_tx_view(tx), draft.user_id, command->arena, &user);
    CHECK(err == ERR_OK); /* the batch has just looked at it */
    err = passkey_list_load(store_tx_view(tx), draft.user_id, command->arena, &list);
    CHECK(err == ERR_OK);
    SCHEMA_SET(&challenge_schema, &draft, user_id);
    challenge_open(tx, command, draft, outcome);
    begin_reply(command, &user, &list, outcome);
    outcome->resource = user.id;
}

const struct command_row passkey_register_begin_command = {
    .name = "passkey.register_begin",
    .action = "webauthn.register.initiated",
    .resource = "user",
    .prepare = begin_prepare,
    .check = begin_check,
    .apply = begin_apply,
    .refused = reauth_refused,
};

/* ---- complete ---- */

struct registration {
    enum err verdict; /* on all that the request alone tells */
    struct client_data client;
    struct webauthn_attestation attestation;
};

static bool ids_agree(const struct passkey_body *body, struct str credential_id) {
    return str_equal(body->id, credential_id) && str_equal(body->raw_id, credential_id);
}

static enum err registration_judge(const struct settings *settings, const struct passkey_body *body,
                                   struct registration *registration) {
    struct webauthn_attestation *attestation = &registration->attestation;
    struct cose_key key;
    if (!webauthn_attestation_parse(body->response.attestation, attestation)) {
        return ERR_PASSKEY_WRONG;
    }
    enum err err = passkey_ceremony_check(settings, &registration->client, &attestation->data,
                                          CHALLENGE_REGISTER);
    if (err != ERR_OK) {
        return err;
    }
    bool is_good = ids_agree(body, attestation->data.credential_id) &&
                   cose_key_parse(attestation->data.public_key, &key);
    return is_good ? ERR_OK : ERR_PASSKEY_WRONG;
}

static enum err register_prepare(struct request *request) {
    const struct passkey_body *body = request->command.body;
    struct registration *registration = ARENA_NEW(request->arena, struct registration);
    if (registration == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = passkey_client_data(request, &registration->client);
    if (err != ERR_OK) {
        return err;
    }
    registration->verdict = registration_judge(request_settings(request), body, registration);
    request->command.prepared = registration;
    return ERR_OK;
}

static enum err register_check(const struct store_view *view, const struct command *command,
                               struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->prepared != NULL);
    return ERR_OK;
}

/* Those that we know, from the first list that was sent. */
static int64_t transport_bits(const struct passkey_body *body) {
    const struct schema_list *list =
        body->transports.count > 0 ? &body->transports : &body->response.transports;
    const struct str *names = list->items;
    int64_t bits = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        for (uint32_t k = 0; passkey_transport_names[k] != NULL; k++) {
            bool is_it = str_equal(names[i], str_from_c(passkey_transport_names[k]));
            bits |= is_it ? INT64_C(1) << k : 0;
        }
    }
    return bits;
}

/* "Passkey 2026-11-21" */
static struct str default_name(const struct command *command, char memory[PASSKEY_NAME_MAX]) {
    struct time_fields date;
    time_split(command->now_us, &date);
    struct buf out = buf_over(memory, PASSKEY_NAME_MAX);
    buf_printf(&out, "Passkey %04d-%02d-%02d", date.year, date.month, date.day);
    return buf_str(&out);
}

static struct passkey passkey_make(const struct command *command,
                                   const struct webauthn_attestation *attestation,
                                   const struct hash *key, char name[PASSKEY_NAME_MAX]) {
    const struct passkey_body *body = command->body;
    const struct webauthn_data *data = &attestation->data;
    struct passkey passkey = {
        .set.present = UINT64_MAX >> (64 - passkey_schema.field_count),
        .key = hash_bytes(key),
        .user_id = command->caller.user_id,
        .credential_id = data->credential_id,
        .public_key = data->public_key,
        .sign_count = data->sign_count,
        .name = body->name.len > 0 ? body->name : default_name(command, name),
        .transports = transport_bits(body),
        .format = attestation->format,
        .is_backup_eligible = webauthn_has(data, WEBAUTHN_BACKUP_ELIGIBLE),
        .is_backed_up = webauthn_has(data, WEBAUTHN_BACKED_UP),
        .was_verified = webauthn_has(data, WEBAUTHN_USER_VERIFIED),
        .created_at = command->now_us,
        .updated_at = command->now_us,
    };
    for (uint32_t i = 0; i < ID_BYTES; i++) {
        passkey.aaguid.bytes[i] = (uint8_t)data->aaguid.data[i];
    }
    SCHEMA_CLEAR(&passkey_schema, &passkey, last_used_at);
    return passkey;
}

static void passkey_add(struct store_tx *tx, const struct command *command,
                        const struct webauthn_attestation *attestation, struct outcome *outcome) {
    char name[PASSKEY_NAME_MAX];
    struct hash key = passkey_key_of(attestation->data.credential_id);
    struct passkey passkey = passkey_make(command, attestation, &key, name);
    struct user user;
    enum err err = user_get(store_tx_view(tx), passkey.user_id, command->arena, &user);
    CHECK(err == ERR_OK);
    store_put(tx, &passkey_table, &passkey);
    user_set_factor(&user, USER_FACTOR_PASSKEY, true, command->now_us);
    store_put(tx, &user_table, &user);
    passkey_reply(command, &passkey, outcome);
    outcome->message = "From now on the passkey logs in";
}

static enum err register_judge(struct store_tx *tx, const struct command *command) {
    const struct registration *registration = command->prepared;
    struct challenge challenge;
    struct passkey passkey;
    struct passkey_list list;
    enum err err =
        challenge_take(tx, command, registration->client.challenge, CHALLENGE_REGISTER, &challenge);
    if (err == ERR_OK && !id_equal(challenge.user_id, command->caller.user_id)) {
        err = ERR_CHALLENGE;
    }
    if (err != ERR_OK || registration->verdict != ERR_OK) {
        return err != ERR_OK ? err : registration->verdict;
    }
    err = passkey_find(store_tx_view(tx), registration->attestation.data.credential_id,
                       command->arena, &passkey);
    if (err != ERR_NOT_FOUND) {
        return ERR_PASSKEY_EXISTS; /* 7.1 step 22: whoever's it is */
    }
    err = passkey_list_load(store_tx_view(tx), command->caller.user_id, command->arena, &list);
    return err == ERR_OK && list.count >= PASSKEYS_PER_USER_MAX ? ERR_LIMIT : err;
}

static void register_apply(struct store_tx *tx, const struct command *command,
                           struct outcome *outcome) {
    const struct registration *registration = command->prepared;
    outcome->resource = command->caller.user_id;
    outcome->err = register_judge(tx, command);
    if (outcome->err != ERR_OK) {
        outcome->action = "webauthn.register.failed";
        return;
    }
    passkey_add(tx, command, &registration->attestation, outcome);
}

const struct command_row passkey_register_command = {
    .name = "passkey.register",
    .action = "webauthn.register.completed",
    .resource = "user",
    .prepare = register_prepare,
    .check = register_check,
    .apply = register_apply,
};
