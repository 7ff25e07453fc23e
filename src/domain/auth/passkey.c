/* The records of passkeys and challenges; see passkey.h. */
#include "domain/auth/passkey.h"

#include "engine/job.h"

/* Those of the identity contract (row 15), and the one that came later. */
const char *const passkey_transport_names[] = {
    "usb", "nfc", "ble", "hybrid", "internal", "platform", "smart-card", NULL,
};

static const struct field passkey_fields[] = {
    FIELD(struct passkey, key, FIELD_BYTES, .tag = 1, .flags = FIELD_REQUIRED, .max = HASH_BYTES,
          .doc = "SHA-256 of the credential id."),
    FIELD(struct passkey, user_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED,
          .doc = "Whose it is."),
    FIELD(struct passkey, credential_id, FIELD_BYTES, .tag = 3, .flags = FIELD_REQUIRED,
          .max = WEBAUTHN_ID_BYTES_MAX, .doc = "Its id, as the authenticator chose it."),
    FIELD(struct passkey, public_key, FIELD_BYTES, .tag = 4, .flags = FIELD_REQUIRED,
          .max = COSE_KEY_BYTES_MAX, .doc = "Public key (COSE_Key)."),
    FIELD(struct passkey, sign_count, FIELD_INT, .tag = 5, .flags = FIELD_REQUIRED,
          .max = UINT32_MAX, .doc = "Counter of the last good assertion."),
    FIELD(struct passkey, name, FIELD_TEXT, .tag = 6, .flags = FIELD_REQUIRED | FIELD_PERSONAL,
          .max = PASSKEY_NAME_MAX, .doc = "What its owner calls it."),
    FIELD(struct passkey, transports, FIELD_INT, .tag = 7, .flags = FIELD_REQUIRED, .max = 127,
          .doc = "How browsers reach it, as bits."),
    FIELD(struct passkey, aaguid, FIELD_ID, .tag = 8, .flags = FIELD_REQUIRED,
          .doc = "Model of the authenticator, as it says."),
    FIELD(struct passkey, format, FIELD_TEXT, .tag = 9, .flags = FIELD_REQUIRED,
          .max = WEBAUTHN_FORMAT_LEN_MAX, .doc = "Format of the attestation, not verified."),
    FIELD(struct passkey, is_backup_eligible, FIELD_BOOL, .tag = 10, .flags = FIELD_REQUIRED,
          .doc = "Whether it may exist on several devices."),
    FIELD(struct passkey, is_backed_up, FIELD_BOOL, .tag = 11, .flags = FIELD_REQUIRED,
          .doc = "Whether it did at its last use."),
    FIELD(struct passkey, was_verified, FIELD_BOOL, .tag = 12, .flags = FIELD_REQUIRED,
          .doc = "Whether the user was verified when it was registered."),
    FIELD(struct passkey, created_at, FIELD_TIME, .tag = 13, .flags = FIELD_REQUIRED,
          .doc = "When it was registered."),
    FIELD(struct passkey, last_used_at, FIELD_TIME, .tag = 14, .doc = "Last login with it."),
    FIELD(struct passkey, updated_at, FIELD_TIME, .tag = 15, .flags = FIELD_REQUIRED,
          .doc = "Last change."),
};

const struct schema passkey_schema = SCHEMA("PasskeyRecord", struct passkey, passkey_fields);

static const struct table_index passkey_indexes[] = {
    [PASSKEY_INDEX_USER] = {.name = "user",
                            .offsets = {offsetof(struct passkey, user_id),
                                        offsetof(struct passkey, created_at)},
                            .offset_count = 2},
};

const struct table passkey_table = {
    .name = "passkeys",
    .id = 15,
    .version = 1,
    .schema = &passkey_schema,
    .key_offset = offsetof(struct passkey, key),
    .scope_offset = offsetof(struct passkey, user_id),
    .indexes = passkey_indexes,
    .index_count = COUNT_OF(passkey_indexes),
    .person = {.kind = PERSON_DATA, .of = "users", .index = PASSKEY_INDEX_USER},
    .doc = "Passkeys, several per user.",
};

static const char *const challenge_purpose_names[] = {"register", "login", NULL};

static const struct field challenge_fields[] = {
    FIELD(struct challenge, challenge, FIELD_BYTES, .tag = 1, .flags = FIELD_REQUIRED,
          .max = CHALLENGE_BYTES, .doc = "What the authenticator has to sign."),
    FIELD(struct challenge, purpose, FIELD_ENUM, .tag = 2, .flags = FIELD_REQUIRED,
          .values = challenge_purpose_names, .doc = "What it is good for."),
    FIELD(struct challenge, user_id, FIELD_ID, .tag = 3, .doc = "For whom; absent: anybody."),
    FIELD(struct challenge, pending_hash, FIELD_BYTES, .tag = 4, .max = HASH_BYTES,
          .doc = "The pending login that it finishes."),
    FIELD(struct challenge, expires_at, FIELD_TIME, .tag = 5, .flags = FIELD_REQUIRED,
          .doc = "When it is forgotten."),
};

const struct schema challenge_schema = SCHEMA("Challenge", struct challenge, challenge_fields);

static const struct table_index challenge_indexes[] = {
    [CHALLENGE_INDEX_EXPIRES] = {.name = "expires",
                                 .offsets = {offsetof(struct challenge, expires_at)},
                                 .offset_count = 1},
};

const struct table challenge_table = {
    .name = "passkey_challenges",
    .id = 16,
    .version = 1,
    .schema = &challenge_schema,
    .key_offset = offsetof(struct challenge, challenge),
    .indexes = challenge_indexes,
    .index_count = COUNT_OF(challenge_indexes),
    .person = {.kind = PERSON_NOBODY}, /* random bytes and ids, gone within minutes */
    .doc = "Challenges of passkeys that wait for their answer.",
};

/* ---- looking up ---- */

struct hash passkey_key_of(struct str credential_id) {
    return hash_of(credential_id);
}

enum err passkey_find(const struct store_view *view, struct str credential_id, struct arena *arena,
                      struct passkey *passkey) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct hash key = passkey_key_of(credential_id);
    return store_get(view, system, &passkey_table, hash_bytes(&key), arena, passkey);
}

struct str passkey_user_prefix(struct id user_id, char memory[ID_BYTES]) {
    struct buf prefix = buf_over(memory, ID_BYTES);
    store_key_put_id(&prefix, user_id);
    return buf_str(&prefix);
}

enum err passkey_list_load(const struct store_view *view, struct id user_id, struct arena *arena,
                           struct passkey_list *list) {
    struct store_scope owner = {.kind = STORE_SCOPE_OWNER, .owner = user_id};
    char memory[ID_BYTES];
    struct store_scan scan;
    list->count = 0;
    enum err err = store_scan_open(&scan, view, owner, &passkey_table, PASSKEY_INDEX_USER,
                                   passkey_user_prefix(user_id, memory), STR_NONE, true);
    while (err == ERR_OK && list->count < PASSKEYS_PER_USER_MAX) {
        err = store_scan_next(&scan, arena, &list->items[list->count]);
        list->count += err == ERR_OK ? 1 : 0;
    }
    store_scan_close(&scan);
    return err == ERR_END ? ERR_OK : err;
}

void passkey_forget(struct store_tx *tx, const struct command *command, struct user *user) {
    struct store_scope owner = {.kind = STORE_SCOPE_OWNER, .owner = user->id};
    char memory[ID_BYTES];
    struct store_scan scan;
    struct passkey passkey;
    enum err err =
        store_scan_open(&scan, store_tx_view(tx), owner, &passkey_table, PASSKEY_INDEX_USER,
                        passkey_user_prefix(user->id, memory), STR_NONE, false);
    while (err == ERR_OK) {
        err = store_scan_next(&scan, command->arena, &passkey);
        if (err == ERR_OK) {
            store_del(tx, &passkey_table, passkey.key);
        }
    }
    store_scan_close(&scan);
    CHECK(err == ERR_END);
    user_set_factor(user, USER_FACTOR_PASSKEY, false, command->now_us);
}

/* ---- in replies ---- */

struct str passkey_base64url(const struct command *command, struct str bytes) {
    uint32_t chars = (bytes.len * 4 + 2) / 3;
    char *memory = arena_take(command->arena, chars);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf out = buf_over(memory, chars);
    buf_put_base64url(&out, bytes.data, bytes.len);
    CHECK(!out.is_full);
    return buf_str(&out);
}

struct str passkey_user_handle(struct id user_id, char memory[USER_HANDLE_LEN]) {
    struct buf out = buf_over(memory, USER_HANDLE_LEN);
    id_format(user_id, &out);
    CHECK(!out.is_full);
    return buf_str(&out);
}

static void transports_add(yyjson_mut_doc *doc, yyjson_mut_val *object, int64_t transports) {
    yyjson_mut_val *list = json_add_array(doc, object, "transports");
    for (uint32_t i = 0; passkey_transport_names[i] != NULL; i++) {
        if ((transports >> i & 1) != 0) {
            json_append_str(doc, list, str_from_c(passkey_transport_names[i]));
        }
    }
}

yyjson_mut_val *passkey_view(const struct command *command, yyjson_mut_doc *doc,
                             const struct passkey *passkey) {
    yyjson_mut_val *object = json_object(doc);
    json_add_str(doc, object, "id", passkey_base64url(command, passkey->credential_id));
    json_add_str(doc, object, "name", arena_copy(command->arena, passkey->name));
    transports_add(doc, object, passkey->transports);
    json_add_time(doc, object, "created_at", passkey->created_at, TIME_FORM_OFFSET);
    if (SCHEMA_HAS(&passkey_schema, passkey, last_used_at)) {
        json_add_time(doc, object, "last_used_at", passkey->last_used_at, TIME_FORM_OFFSET);
    } else {
        json_add_null(doc, object, "last_used_at");
    }
    json_add_int(doc, object, "sign_count", passkey->sign_count);
    json_add_id(doc, object, "aaguid", passkey->aaguid);
    json_add_str(doc, object, "attestation", arena_copy(command->arena, passkey->format));
    json_add_bool(doc, object, "backed_up", passkey->is_backed_up);
    return object;
}

void passkey_descriptor_add(const struct command *command, yyjson_mut_doc *doc,
                            yyjson_mut_val *list, struct str credential_id, int64_t transports) {
    yyjson_mut_val *object = json_object(doc);
    json_add_str(doc, object, "id", passkey_base64url(command, credential_id));
    json_add_str(doc, object, "type", STR("public-key"));
    transports_add(doc, object, transports);
    json_append_val(doc, list, object);
}

/* ---- challenges ---- */

/* Identity contract, row 14: what the browser is told, in milliseconds. */
enum { TIMEOUT_MS = 60000 };

void challenge_prune(struct store_tx *tx, const struct command *command) {
    job_prune(tx, command, &challenge_table, CHALLENGE_INDEX_EXPIRES, command->now_us);
}

void challenge_open(struct store_tx *tx, const struct command *command, struct challenge draft,
                    struct outcome *outcome) {
    uint8_t bytes[CHALLENGE_BYTES];
    command_entropy(command, "challenge", bytes);
    draft.challenge = str_from((const char *)bytes, sizeof(bytes));
    draft.expires_at =
        command->now_us + settings_us(command->settings, SETTING_WEBAUTHN_SECONDS_ID);
    SCHEMA_SET(&challenge_schema, &draft, challenge);
    SCHEMA_SET(&challenge_schema, &draft, purpose);
    SCHEMA_SET(&challenge_schema, &draft, expires_at);
    store_put(tx, &challenge_table, &draft);
    challenge_prune(tx, command); /* anybody may ask for one: the table must not grow by that */
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_str(outcome->doc, data, "challenge", passkey_base64url(command, draft.challenge));
    json_add_int(outcome->doc, data, "timeout", TIMEOUT_MS);
}

enum err challenge_take(struct store_tx *tx, const struct command *command, struct str bytes,
                        enum challenge_purpose purpose, struct challenge *challenge) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    if (bytes.len != CHALLENGE_BYTES || store_get(store_tx_view(tx), system, &challenge_table,
                                                  bytes, command->arena, challenge) != ERR_OK) {
        return ERR_CHALLENGE;
    }
    store_del(tx, &challenge_table, bytes);
    bool is_good =
        challenge->expires_at > command->now_us && challenge->purpose == (int32_t)purpose;
    return is_good ? ERR_OK : ERR_CHALLENGE;
}
