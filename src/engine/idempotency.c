/* Kept answers: one table, keyed by caller and key, sealed, pruned by age. */
#include "engine/idempotency.h"

#include <string.h>

#include "base/time.h"
#include "crypto/hash.h"

struct kept_reply {
    struct schema_set set;
    struct str key; /* 32 bytes: hash of caller and key */
    struct str fingerprint;
    int64_t status;
    struct str body;
    int64_t created_at;
    struct id user_id; /* whose answer it is; absent: an API key's, or nobody's */
};

static const struct field kept_reply_fields[] = {
    FIELD(struct kept_reply, key, FIELD_BYTES, .tag = 1, .flags = FIELD_REQUIRED, .max = 32,
          .doc = "Hash of caller and Idempotency-Key."),
    /* Sealed: a plain hash of a body with a password would be a quick way to guess that. */
    FIELD(struct kept_reply, fingerprint, FIELD_BYTES, .tag = 2, .flags = FIELD_SECRET, .max = 32,
          .doc = "Hash of method, path, query and body."),
    FIELD(struct kept_reply, status, FIELD_INT, .tag = 3, .flags = FIELD_REQUIRED, .min = 100,
          .max = 599, .doc = "Status of the kept answer."),
    FIELD(struct kept_reply, body, FIELD_BYTES, .tag = 4, .flags = FIELD_SECRET,
          .max = STORE_RECORD_BYTES_MAX, .doc = "Body of the kept answer."),
    FIELD(struct kept_reply, created_at, FIELD_TIME, .tag = 5, .flags = FIELD_REQUIRED,
          .doc = "When it was given."),
    FIELD(struct kept_reply, user_id, FIELD_ID, .tag = 6, .doc = "Who got it."),
};

static const struct schema kept_reply_schema =
    SCHEMA("KeptReply", struct kept_reply, kept_reply_fields);

enum { KEPT_INDEX_CREATED, KEPT_INDEX_USER };

static const struct table_index kept_reply_indexes[] = {
    [KEPT_INDEX_CREATED] = {.name = "created",
                            .offsets = {offsetof(struct kept_reply, created_at)},
                            .offset_count = 1},
    [KEPT_INDEX_USER] = {.name = "user",
                         .offsets = {offsetof(struct kept_reply, user_id)},
                         .offset_count = 1},
};

const struct table idempotency_table = {
    .name = "kept_replies",
    .id = 2,
    .version = 1,
    .schema = &kept_reply_schema,
    .key_offset = offsetof(struct kept_reply, key),
    .indexes = kept_reply_indexes,
    .index_count = COUNT_OF(kept_reply_indexes),
    .person = {.kind = PERSON_MARKS, .of = "users", .index = KEPT_INDEX_USER},
    .doc = "Answers kept for Idempotency-Key.",
};

static bool is_printable(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x21 || text.data[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* Callers without an account are told apart by their address and by what they show: a refresh token
 * sent as Bearer, or the cookie of a pending login, is no part of the fingerprint, and the answer
 * belongs to who has it. */
static struct hash kept_key(const struct request *request) {
    const struct command *command = &request->command;
    struct hash_stream stream;
    hash_stream_init(&stream);
    if (caller_is_person(&command->caller)) {
        hash_stream_add_field(&stream, STR("user"));
        hash_stream_add_field(&stream, id_bytes(&command->caller.user_id));
    } else if (command->caller.kind == CALLER_KEY) {
        hash_stream_add_field(&stream, STR("key"));
        hash_stream_add_field(&stream, id_bytes(&command->caller.key_id));
    } else {
        hash_stream_add_field(&stream, STR("address"));
        hash_stream_add_field(&stream, str_from((const char *)command->peer.bytes, 16));
        static const struct str names[] = {{"Authorization", 13}, {"Cookie", 6}};
        for (uint32_t i = 0; i < COUNT_OF(names); i++) {
            struct str shown = http_header(&request->exchange->head, names[i]);
            hash_stream_add_field(&stream, str_is_none(shown) ? STR("") : shown);
        }
    }
    hash_stream_add_field(&stream, request->idempotency_key);
    return hash_stream_value(&stream);
}

enum err idempotency_parse(struct request *request) {
    struct str key = http_header(&request->exchange->head, STR("Idempotency-Key"));
    if (str_is_none(key)) {
        return ERR_OK;
    }
    if (key.len == 0 || key.len > IDEMPOTENCY_KEY_LEN_MAX || !is_printable(key)) {
        struct schema_faults *faults = ARENA_NEW(request->arena, struct schema_faults);
        if (faults == NULL) {
            return ERR_NO_MEMORY;
        }
        schema_fault_add(faults, STR("Idempotency-Key"),
                         STR("Must be 1 to 255 printable ASCII characters."));
        request->outcome.faults = faults;
        return ERR_VALIDATION;
    }
    const struct http_head *head = &request->exchange->head;
    struct hash_stream stream;
    hash_stream_init(&stream);
    hash_stream_add_field(&stream, head->method_text);
    hash_stream_add_field(&stream, head->path);
    hash_stream_add_field(&stream, str_is_none(head->query) ? STR("") : head->query);
    hash_stream_add_field(&stream,
                          str_is_none(request->exchange->body) ? STR("") : request->exchange->body);
    struct hash fingerprint = hash_stream_value(&stream);
    memcpy(request->fingerprint, fingerprint.bytes, sizeof(request->fingerprint));
    request->idempotency_key = key;
    return ERR_OK;
}

enum err idempotency_find(const struct store_view *view, struct request *request) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct kept_reply kept;
    struct hash key = kept_key(request);
    enum err err =
        store_get(view, system, &idempotency_table, hash_bytes(&key), request->arena, &kept);
    if (err != ERR_OK) {
        return err;
    }
    int64_t life_us = settings_us(request->command.settings, SETTING_IDEMPOTENCY_SECONDS_ID);
    if (kept.created_at + life_us <= request->command.now_us) {
        return ERR_NOT_FOUND;
    }
    struct str fingerprint = str_from((const char *)request->fingerprint, 32);
    if (!str_equal(kept.fingerprint, fingerprint)) {
        return ERR_IDEMPOTENCY_REUSED;
    }
    request->outcome.status = (uint16_t)kept.status;
    request->reply.status = (uint16_t)kept.status;
    request->reply.body = kept.body;
    return ERR_OK;
}

void idempotency_keep(struct store_tx *tx, const struct request *request) {
    struct hash key = kept_key(request);
    struct kept_reply kept = {
        .key = hash_bytes(&key),
        .fingerprint = str_from((const char *)request->fingerprint, 32),
        .status = request->reply.status,
        .body = request->reply.body,
        .created_at = request->command.now_us,
    };
    SCHEMA_SET(&kept_reply_schema, &kept, key);
    SCHEMA_SET(&kept_reply_schema, &kept, fingerprint);
    SCHEMA_SET(&kept_reply_schema, &kept, status);
    if (!str_is_none(kept.body)) {
        SCHEMA_SET(&kept_reply_schema, &kept, body);
    }
    SCHEMA_SET(&kept_reply_schema, &kept, created_at);
    if (request->command.caller.kind == CALLER_USER) {
        kept.user_id = request->command.caller.user_id;
        SCHEMA_SET(&kept_reply_schema, &kept, user_id);
    }
    store_put(tx, &idempotency_table, &kept);
}

/* ---- pruning ---- */

enum { PRUNE_MAX = 256 };

static enum err prune_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)view;
    (void)command;
    (void)outcome;
    return ERR_OK;
}

static void prune_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    (void)outcome;
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    int64_t life_us = settings_us(command->settings, SETTING_IDEMPOTENCY_SECONDS_ID);
    for (uint32_t i = 0; i < PRUNE_MAX; i++) {
        struct store_scan scan;
        struct kept_reply kept;
        if (store_scan_open(&scan, store_tx_view(tx), system, &idempotency_table,
                            KEPT_INDEX_CREATED, STR_NONE, STR_NONE, false) != ERR_OK) {
            return;
        }
        enum err err = store_scan_next(&scan, command->arena, &kept);
        store_scan_close(&scan);
        if (err != ERR_OK || kept.created_at + life_us > command->now_us) {
            return;
        }
        store_del(tx, &idempotency_table, kept.key);
    }
}

const struct command_row idempotency_prune_command = {
    .name = "idempotency.prune",
    .frees_room = true,
    .check = prune_check,
    .apply = prune_apply,
};
