/* Audit records: their schema, the chain over them, and how a command becomes one. */
#include "engine/audit.h"

#include <string.h>

#include "base/time.h"
#include "crypto/hash.h"
#include "crypto/mac.h"
#include "engine/person.h"
#include "os/panic.h"

enum {
    ORIGIN_BYTES_MAX = NET_ADDRESS_TEXT_MAX + 1 + USER_AGENT_LEN_MAX,
    ORIGIN_SEALED_BYTES_MAX = SEAL_OVERHEAD_BYTES + ORIGIN_BYTES_MAX,
};

static const char *const outcome_names[] = {"success", "failed", "refused", NULL};

static const struct field audit_event_fields[] = {
    FIELD(struct audit_event, sequence, FIELD_INT, .tag = 1, .flags = FIELD_REQUIRED,
          .doc = "Position in the chain, from 1."),
    FIELD(struct audit_event, time, FIELD_TIME, .tag = 2, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "When the command was committed."),
    FIELD(struct audit_event, actor_id, FIELD_ID, .tag = 3, .flags = FIELD_NULLABLE,
          .doc = "User who acted."),
    FIELD(struct audit_event, session_id, FIELD_ID, .tag = 4, .flags = FIELD_NULLABLE,
          .doc = "Session used."),
    FIELD(struct audit_event, organization_id, FIELD_ID, .tag = 5, .flags = FIELD_NULLABLE,
          .doc = "Organization concerned."),
    FIELD(struct audit_event, action, FIELD_TEXT, .tag = 6, .flags = FIELD_REQUIRED, .max = 64,
          .doc = "What was done."),
    FIELD(struct audit_event, resource_type, FIELD_TEXT, .tag = 7, .flags = FIELD_NULLABLE,
          .max = 64, .doc = "Kind of thing it was done to."),
    FIELD(struct audit_event, resource_id, FIELD_ID, .tag = 8, .flags = FIELD_NULLABLE,
          .doc = "The thing it was done to."),
    FIELD(struct audit_event, outcome, FIELD_ENUM, .tag = 9, .flags = FIELD_REQUIRED,
          .values = outcome_names, .doc = "Whether it happened."),
    FIELD(struct audit_event, error_type, FIELD_TEXT, .tag = 10, .flags = FIELD_NULLABLE, .max = 64,
          .doc = "Why it did not."),
    FIELD(struct audit_event, address, FIELD_TEXT, .tag = 11,
          .flags = FIELD_NULLABLE | FIELD_PERSONAL, .max = NET_ADDRESS_TEXT_MAX,
          .doc = "Address of the client."),
    FIELD(struct audit_event, user_agent, FIELD_TEXT, .tag = 12,
          .flags = FIELD_NULLABLE | FIELD_PERSONAL, .max = USER_AGENT_LEN_MAX,
          .doc = "Program of the client."),
    FIELD(struct audit_event, request_id, FIELD_TEXT, .tag = 13, .flags = FIELD_NULLABLE,
          .max = REQUEST_ID_LEN_MAX, .doc = "X-Request-ID of the request."),
    FIELD(struct audit_event, changed, FIELD_TEXT, .tag = 14, .flags = FIELD_NULLABLE, .max = 2048,
          .doc = "Changed fields, comma separated."),
    FIELD(struct audit_event, hash, FIELD_BYTES, .tag = 15, .flags = FIELD_REQUIRED, .max = 32,
          .doc = "Chain value: covers this record and all before it."),
    FIELD(struct audit_event, api_key_id, FIELD_ID, .tag = 16, .flags = FIELD_NULLABLE,
          .doc = "API key used."),
    FIELD(struct audit_event, origin, FIELD_BYTES, .tag = 17, .flags = FIELD_HIDDEN,
          .max = ORIGIN_SEALED_BYTES_MAX, .doc = "Address and program of the client, sealed."),
};

const struct schema audit_event_schema =
    SCHEMA("AuditEvent", struct audit_event, audit_event_fields);

static const struct table_index audit_indexes[] = {
    [AUDIT_INDEX_ACTOR] = {.name = "actor",
                           .offsets = {offsetof(struct audit_event, actor_id)},
                           .offset_count = 1},
    [AUDIT_INDEX_ACTION] = {.name = "action",
                            .offsets = {offsetof(struct audit_event, action)},
                            .offset_count = 1},
    [AUDIT_INDEX_ORGANIZATION] = {.name = "organization",
                                  .offsets = {offsetof(struct audit_event, organization_id)},
                                  .offset_count = 1},
};

const struct table audit_table = {
    .name = "audit_events",
    .id = 1,
    .version = 1,
    .schema = &audit_event_schema,
    .key_offset = offsetof(struct audit_event, sequence),
    .scope_offset = offsetof(struct audit_event, actor_id),
    .indexes = audit_indexes,
    .index_count = COUNT_OF(audit_indexes),
    .person = {.kind = PERSON_KEPT, .of = "users", .index = AUDIT_INDEX_ACTOR},
    .doc = "The tamper-evident audit trail.",
};

/* ---- the chain ---- */

void audit_chain_init(struct audit_chain *chain, const struct store_seal_key *seal_key) {
    memset(chain, 0, sizeof(*chain));
    struct secret_key master;
    memcpy(master.bytes, seal_key->bytes, sizeof(master.bytes));
    struct secret_key key = kdf_key(&master, STR("audit chain"));
    mac_stream_init(&chain->mac, str_from((const char *)key.bytes, sizeof(key.bytes)));
    crypto_wipe(&master, sizeof(master));
    crypto_wipe(&key, sizeof(key));
}

static void add_field(struct mac_stream *mac, struct str value) {
    uint8_t length[4];
    struct buf out = buf_over(length, sizeof(length));
    buf_put_be32(&out, value.len);
    mac_stream_add(mac, buf_str(&out));
    mac_stream_add(mac, value);
}

static void add_int(struct mac_stream *mac, int64_t value) {
    uint8_t bytes[8];
    struct buf out = buf_over(bytes, sizeof(bytes));
    buf_put_be64(&out, (uint64_t)value);
    add_field(mac, buf_str(&out));
}

/* Canonical: every field in fixed order, each with its length; absent ids and texts are empty. */
static struct hash chain_value(const struct audit_chain *chain, const struct audit_event *event) {
    static const struct id no_id;
    struct mac_stream mac = chain->mac;
    mac_stream_add(&mac, str_from((const char *)chain->hash, sizeof(chain->hash)));
    add_int(&mac, event->sequence);
    add_int(&mac, event->time);
    const struct id *ids[] = {&event->actor_id, &event->session_id, &event->organization_id,
                              &event->resource_id};
    for (uint32_t i = 0; i < COUNT_OF(ids); i++) {
        add_field(&mac, id_equal(*ids[i], no_id) ? STR("") : id_bytes(ids[i]));
    }
    add_int(&mac, event->outcome);
    const struct str texts[] = {event->action,  event->resource_type, event->error_type,
                                event->address, event->user_agent,    event->request_id,
                                event->changed};
    for (uint32_t i = 0; i < COUNT_OF(texts); i++) {
        add_field(&mac, str_is_none(texts[i]) ? STR("") : texts[i]);
    }
    /* Only where there is one: events from before there were keys keep their value. */
    if (!id_is_zero(event->api_key_id)) {
        add_field(&mac, id_bytes(&event->api_key_id));
    }
    /* Likewise; never as long as an id. */
    if (!str_is_none(event->origin)) {
        add_field(&mac, event->origin);
    }
    return mac_stream_finish(&mac);
}

enum err audit_chain_step(struct audit_chain *chain, const struct audit_event *event,
                          struct arena *arena) {
    (void)arena;
    if (event->sequence != chain->sequence + 1 || event->hash.len != sizeof(chain->hash)) {
        return ERR_CORRUPT;
    }
    struct hash expected = chain_value(chain, event);
    if (!crypto_equal(expected.bytes, event->hash.data, sizeof(expected.bytes))) {
        return ERR_CORRUPT;
    }
    memcpy(chain->hash, expected.bytes, sizeof(chain->hash));
    chain->sequence = event->sequence;
    return ERR_OK;
}

/* ---- appending ---- */

/* The last record's place in the chain; the store is the only memory of it. */
static void chain_load(struct audit_chain *chain, const struct store_view *view,
                       struct arena *arena) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct store_scan scan;
    struct audit_event last;
    enum err err =
        store_scan_open(&scan, view, system, &audit_table, STORE_PRIMARY, STR_NONE, STR_NONE, true);
    if (err == ERR_OK) {
        err = store_scan_next(&scan, arena, &last);
    }
    if (err != ERR_OK && err != ERR_END) {
        panic_exit("audit", "the last record cannot be read: run coffer fsck");
    }
    if (err == ERR_OK) {
        CHECK(last.hash.len == sizeof(chain->hash));
        memcpy(chain->hash, last.hash.data, sizeof(chain->hash));
        chain->sequence = last.sequence;
    }
    store_scan_close(&scan);
}

static void set_text(struct audit_event *event, struct str *member, struct str value,
                     uint64_t bit) {
    if (!str_is_none(value)) {
        *member = value;
        event->set.present |= bit;
    }
}

#define SET_TEXT(event, member, value)                                                             \
    set_text((event), &(event)->member, (value),                                                   \
             schema_bit(&audit_event_schema, offsetof(struct audit_event, member)))

static void event_fill_ids(struct audit_event *event, const struct command *command,
                           const struct outcome *outcome) {
    struct id actor = caller_is_person(&command->caller) ? command->caller.user_id : outcome->actor;
    if (!id_is_zero(actor)) {
        event->actor_id = actor;
        SCHEMA_SET(&audit_event_schema, event, actor_id);
    }
    if (!id_is_zero(command->caller.session_id)) {
        event->session_id = command->caller.session_id;
        SCHEMA_SET(&audit_event_schema, event, session_id);
    }
    if (command->caller.kind == CALLER_KEY) {
        event->api_key_id = command->caller.key_id;
        SCHEMA_SET(&audit_event_schema, event, api_key_id);
    }
    struct id organization =
        id_is_zero(outcome->organization) ? command->caller.organization_id : outcome->organization;
    if (!id_is_zero(organization)) {
        event->organization_id = organization;
        SCHEMA_SET(&audit_event_schema, event, organization_id);
    }
    if (!id_is_zero(outcome->resource)) {
        event->resource_id = outcome->resource;
        SCHEMA_SET(&audit_event_schema, event, resource_id);
    }
}

static void event_fill_texts(struct audit_event *event, const struct command *command,
                             const struct outcome *outcome, enum err failure) {
    const char *action = outcome->action ? outcome->action : command->row->action;
    SET_TEXT(event, action, str_from_c(action ? action : command->row->name));
    SET_TEXT(event, resource_type, str_from_c(command->row->resource));
    if (failure != ERR_OK) {
        SET_TEXT(event, error_type, str_from_c(err_row(failure)->type));
    }
    SET_TEXT(event, request_id, command->request_id);
}

/* ---- from where ---- */

/* A sealed origin opens only in its own record. */
static struct str origin_purpose(const struct audit_event *event, struct buf *out) {
    buf_put_c(out, "audit origin ");
    buf_put(out, event->actor_id.bytes, ID_BYTES);
    buf_put_be64(out, (uint64_t)event->sequence);
    CHECK(!out->is_full);
    return buf_str(out);
}

/* "ADDRESS PROGRAM"; addresses have no blanks. */
static void origin_seal(struct store_tx *tx, const struct command *command, struct str address,
                        struct buf *sealed, struct audit_event *event) {
    char text[ORIGIN_BYTES_MAX];
    char purpose_bytes[64];
    struct buf plain = buf_over(text, sizeof(text));
    struct buf purpose = buf_over(purpose_bytes, sizeof(purpose_bytes));
    struct seal_key key;
    if (!person_key_take(tx, command, event->actor_id, &key)) {
        return; /* erased: nothing about them is written down any more */
    }
    buf_put_str(&plain, address);
    buf_put_byte(&plain, ' ');
    buf_put_str(&plain, str_is_none(command->user_agent) ? STR("") : command->user_agent);
    CHECK(!plain.is_full);
    struct str entropy = str_from((const char *)command->entropy, sizeof(command->entropy));
    enum err err =
        seal_put(&key, origin_purpose(event, &purpose), entropy, buf_str(&plain), sealed);
    CHECK(err == ERR_OK);
    seal_key_close(&key);
    event->origin = buf_str(sealed);
    SCHEMA_SET(&audit_event_schema, event, origin);
}

enum err audit_origin_open(const struct store_view *view, struct arena *arena,
                           struct audit_event *event) {
    char purpose_bytes[64];
    struct buf purpose = buf_over(purpose_bytes, sizeof(purpose_bytes));
    struct seal_key key;
    if (str_is_none(event->origin)) {
        return ERR_OK;
    }
    enum err err = person_key_get(view, event->actor_id, arena, &key);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    char *memory = arena_take(arena, ORIGIN_BYTES_MAX);
    struct buf plain = buf_over(memory, memory == NULL ? 0 : ORIGIN_BYTES_MAX);
    err = seal_open(&key, origin_purpose(event, &purpose), event->origin, &plain);
    seal_key_close(&key);
    if (err != ERR_OK) {
        return memory == NULL ? ERR_NO_MEMORY : ERR_CORRUPT;
    }
    struct str program = buf_str(&plain);
    SET_TEXT(event, address, str_split(&program, ' '));
    if (!str_is_none(program) && program.len > 0) {
        SET_TEXT(event, user_agent, program);
    }
    return ERR_OK;
}

/* The system comes from nowhere. */
static void event_fill_origin(struct audit_event *event, struct store_tx *tx,
                              const struct command *command, struct buf *address,
                              struct buf *sealed) {
    if (command->caller.kind == CALLER_SYSTEM) {
        return;
    }
    net_address_format(command->peer, address);
    if (!id_is_zero(event->actor_id)) {
        origin_seal(tx, command, buf_str(address), sealed, event);
    } else {
        SET_TEXT(event, address, buf_str(address));
        SET_TEXT(event, user_agent, command->user_agent);
    }
}

void audit_append(struct store_tx *tx, const struct command *command, const struct outcome *outcome,
                  enum err denied) {
    char address[NET_ADDRESS_TEXT_MAX];
    char sealed[ORIGIN_SEALED_BYTES_MAX];
    struct buf address_out = buf_over(address, sizeof(address));
    struct buf sealed_out = buf_over(sealed, sizeof(sealed));
    struct audit_chain chain = *command->audit_chain;
    struct audit_event event = {.time = command->now_us};
    enum err failure = denied != ERR_OK ? denied : outcome->err;

    chain_load(&chain, store_tx_view(tx), command->arena);
    event.sequence = chain.sequence + 1;
    event.outcome =
        denied != ERR_OK ? AUDIT_REFUSED : (outcome->err != ERR_OK ? AUDIT_FAILED : AUDIT_SUCCESS);
    SCHEMA_SET(&audit_event_schema, &event, sequence);
    SCHEMA_SET(&audit_event_schema, &event, time);
    SCHEMA_SET(&audit_event_schema, &event, outcome);
    event_fill_ids(&event, command, outcome);
    event_fill_texts(&event, command, outcome, failure);
    struct str changes = store_tx_changes(tx);
    if (changes.len > 0) {
        SET_TEXT(&event, changed, changes);
    }
    event_fill_origin(&event, tx, command, &address_out, &sealed_out);
    struct hash hash = chain_value(&chain, &event);
    SET_TEXT(&event, hash, hash_bytes(&hash));
    store_put(tx, &audit_table, &event);
    crypto_wipe(&chain, sizeof(chain));
}
