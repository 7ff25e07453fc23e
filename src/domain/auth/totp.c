/* The record of a one-time code app, and the rules for its codes; see totp.h. */
#include "domain/auth/totp.h"

#include <string.h>

#include "crypto/secret.h"
#include "domain/auth/notices.h"
#include "engine/audit.h"

/* One step to each side: clocks of telephones are off by seconds, people type slowly. */
enum { WINDOW_STEPS = 1 };

static const struct field totp_factor_fields[] = {
    FIELD(struct totp_factor, user_id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED,
          .doc = "Whose it is."),
    FIELD(struct totp_factor, secret, FIELD_BYTES, .tag = 2, .flags = FIELD_SECRET,
          .max = TOTP_SECRET_BYTES_MAX, .doc = "Key of the codes."),
    FIELD(struct totp_factor, is_verified, FIELD_BOOL, .tag = 3, .flags = FIELD_REQUIRED,
          .doc = "Whether a code of it was shown."),
    FIELD(struct totp_factor, verified_at, FIELD_TIME, .tag = 4, .doc = "When."),
    FIELD(struct totp_factor, pending_until, FIELD_TIME, .tag = 5,
          .doc = "When an unproven one is forgotten."),
    FIELD(struct totp_factor, last_step, FIELD_INT, .tag = 6, .doc = "Step of the last good code."),
    FIELD(struct totp_factor, backup_hashes, FIELD_BYTES, .tag = 7, .flags = FIELD_SECRET,
          .max = BACKUP_CODES * BACKUP_HASH_BYTES, .doc = "SHA-256 of the backup codes."),
    FIELD(struct totp_factor, backup_used, FIELD_INT, .tag = 8, .flags = FIELD_REQUIRED,
          .max = (1 << BACKUP_CODES) - 1, .doc = "Which of them are used up, as bits."),
    FIELD(struct totp_factor, created_at, FIELD_TIME, .tag = 9, .flags = FIELD_REQUIRED,
          .doc = "When it was set up."),
    FIELD(struct totp_factor, updated_at, FIELD_TIME, .tag = 10, .flags = FIELD_REQUIRED,
          .doc = "Last change."),
};

const struct schema totp_factor_schema =
    SCHEMA("TotpFactor", struct totp_factor, totp_factor_fields);

static const struct table_index totp_factor_indexes[] = {
    [TOTP_INDEX_PENDING] = {.name = "pending",
                            .offsets = {offsetof(struct totp_factor, pending_until)},
                            .offset_count = 1},
};

const struct table totp_factor_table = {
    .name = "totp_factors",
    .id = 18,
    .version = 1,
    .schema = &totp_factor_schema,
    .key_offset = offsetof(struct totp_factor, user_id),
    .scope_offset = offsetof(struct totp_factor, user_id),
    .indexes = totp_factor_indexes,
    .index_count = COUNT_OF(totp_factor_indexes),
    .person = {.kind = PERSON_DATA, .of = "users", .index = STORE_PRIMARY},
    .doc = "One-time code apps, one per user.",
};

enum err totp_get(const struct store_view *view, struct id user_id, struct arena *arena,
                  struct totp_factor *factor) {
    struct store_scope owner = {.kind = STORE_SCOPE_OWNER, .owner = user_id};
    return store_get(view, owner, &totp_factor_table, id_bytes(&user_id), arena, factor);
}

enum err totp_get_verified(const struct store_view *view, struct id user_id, struct arena *arena,
                           struct totp_factor *factor) {
    enum err err = totp_get(view, user_id, arena, factor);
    return err == ERR_OK && !factor->is_verified ? ERR_NOT_FOUND : err;
}

void totp_forget(struct store_tx *tx, struct user *user, int64_t now_us) {
    store_del(tx, &totp_factor_table, id_bytes(&user->id));
    user_set_factor(user, USER_FACTOR_TOTP, false, now_us);
}

/* ---- backup codes ---- */

static struct hash backup_hash(struct id user_id, struct str code) {
    struct hash_stream stream;
    hash_stream_init(&stream);
    hash_stream_add_field(&stream, id_bytes(&user_id));
    hash_stream_add_field(&stream, code);
    return hash_stream_value(&stream);
}

void backup_codes_make(const struct command *command, struct id user_id,
                       struct backup_codes *codes) {
    static const char *const labels[] = {"backup codes 0-3", "backup codes 4-7",
                                         "backup codes 8-9"};
    static const char digits[] = "0123456789ABCDEF";
    uint8_t entropy[COUNT_OF(labels)][32];
    _Static_assert(sizeof(entropy) >= BACKUP_CODES * BACKUP_CODE_LEN / 2, "too little entropy");
    for (uint32_t i = 0; i < COUNT_OF(labels); i++) {
        command_entropy(command, labels[i], entropy[i]);
    }
    for (uint32_t i = 0; i < BACKUP_CODES; i++) {
        char *text = codes->texts[i];
        for (uint32_t k = 0; k < BACKUP_CODE_LEN; k++) {
            uint8_t byte = entropy[i / 4][i % 4 * 8 + k / 2];
            text[k] = digits[k % 2 == 0 ? byte >> 4 : byte & 15];
        }
        struct hash hash = backup_hash(user_id, str_from(text, BACKUP_CODE_LEN));
        memcpy(codes->hashes + i * BACKUP_HASH_BYTES, hash.bytes, BACKUP_HASH_BYTES);
    }
    crypto_wipe(entropy, sizeof(entropy));
}

void backup_codes_set(struct totp_factor *factor, const struct backup_codes *codes) {
    factor->backup_hashes = str_from((const char *)codes->hashes, sizeof(codes->hashes));
    factor->backup_used = 0;
    SCHEMA_SET(&totp_factor_schema, factor, backup_hashes);
    SCHEMA_SET(&totp_factor_schema, factor, backup_used);
}

uint32_t backup_codes_left(const struct totp_factor *factor) {
    return BACKUP_CODES - (uint32_t)__builtin_popcountll((uint64_t)factor->backup_used);
}

void backup_codes_reply(const struct command *command, const struct backup_codes *codes,
                        struct outcome *outcome) {
    yyjson_mut_val *data = outcome_data(outcome, command);
    yyjson_mut_val *list = json_add_array(outcome->doc, data, "backup_codes");
    for (uint32_t i = 0; i < BACKUP_CODES; i++) {
        json_append_str(outcome->doc, list, str_from(codes->texts[i], BACKUP_CODE_LEN));
    }
}

/* All ten are compared, whatever the result. */
static bool backup_try(struct totp_factor *factor, struct str code) {
    struct hash hash = backup_hash(factor->user_id, code);
    int64_t found = 0;
    if (factor->backup_hashes.len != BACKUP_CODES * BACKUP_HASH_BYTES) {
        return false;
    }
    for (uint32_t i = 0; i < BACKUP_CODES; i++) {
        const char *stored = factor->backup_hashes.data + i * BACKUP_HASH_BYTES;
        if (crypto_equal(stored, hash.bytes, BACKUP_HASH_BYTES)) {
            found |= INT64_C(1) << i;
        }
    }
    if (found == 0 || (factor->backup_used & found) != 0) {
        return false;
    }
    factor->backup_used |= found;
    return true;
}

/* ---- codes ---- */

static bool app_try(struct totp_factor *factor, int64_t now_us, struct str code) {
    bool has_last = SCHEMA_HAS(&totp_factor_schema, factor, last_step);
    int64_t step = 0;
    if (!totp_check(factor->secret, now_us, WINDOW_STEPS, has_last ? factor->last_step : -1, code,
                    &step)) {
        return false;
    }
    factor->last_step = step;
    SCHEMA_SET(&totp_factor_schema, factor, last_step);
    return true;
}

enum totp_answer totp_try(struct totp_factor *factor, int64_t now_us, struct str code,
                          enum totp_kind kind) {
    enum totp_answer answer = TOTP_ANSWER_WRONG;
    if (kind != TOTP_BACKUP && code.len == TOTP_DIGITS) {
        answer = app_try(factor, now_us, code) ? TOTP_ANSWER_APP : TOTP_ANSWER_WRONG;
    } else if (kind != TOTP_APP && code.len == BACKUP_CODE_LEN) {
        answer = backup_try(factor, code) ? TOTP_ANSWER_BACKUP : TOTP_ANSWER_WRONG;
    }
    if (answer != TOTP_ANSWER_WRONG) {
        factor->updated_at = now_us;
    }
    return answer;
}

/* Failures of the second factor are counted apart from those of the password: whoever gets here
 * has shown the password already, so nobody else can lock the account this way. */
static void factor_lockout_load(const struct store_view *view, const struct command *command,
                                struct id user_id, struct lockout *lockout) {
    char memory[64];
    struct buf key = buf_over(memory, sizeof(memory));
    buf_put_c(&key, "second factor ");
    id_format(user_id, &key);
    CHECK(!key.is_full);
    lockout_load(view, command, buf_str(&key), lockout);
}

bool totp_is_locked(const struct store_view *view, const struct command *command, struct id user_id,
                    struct outcome *outcome) {
    struct lockout lockout;
    factor_lockout_load(view, command, user_id, &lockout);
    if (lockout.locked_until == 0) {
        return false;
    }
    lockout_reply(command, &lockout, outcome);
    return true;
}

/* Beside the record of what the code was good for. */
static void note_answer(struct store_tx *tx, const struct command *command, struct id user_id,
                        enum totp_answer answer) {
    struct outcome note = {
        .action = answer == TOTP_ANSWER_BACKUP ? "totp.backup_code.used" : "totp.verify.success",
        .actor = user_id,
    };
    audit_append(tx, command, &note, ERR_OK);
}

bool totp_spend(struct store_tx *tx, const struct command *command, struct totp_factor *factor,
                struct str code, enum totp_kind kind, enum err wrong, struct outcome *outcome) {
    struct lockout lockout;
    CHECK(factor->is_verified);
    factor_lockout_load(store_tx_view(tx), command, factor->user_id, &lockout);
    if (lockout.locked_until != 0) {
        lockout_reply(command, &lockout, outcome);
        return false;
    }
    enum totp_answer answer = totp_try(factor, command->now_us, code, kind);
    if (answer == TOTP_ANSWER_WRONG) {
        struct user user;
        if (lockout_count(tx, command, &lockout) &&
            user_get(store_tx_view(tx), factor->user_id, command->arena, &user) == ERR_OK) {
            notice_locked_out(tx, command, &user); /* somebody has the password already */
        }
        outcome->err = wrong;
        outcome->action = "totp.verify.failed";
        return false;
    }
    lockout_clear(tx, &lockout);
    store_put(tx, &totp_factor_table, factor);
    note_answer(tx, command, factor->user_id, answer);
    return true;
}
