/* API keys in the store: making, rotating, revoking, finding; and their lists as text. */
#include "domain/orgs/keys.h"

#include "base/time.h"
#include "net/address.h"

enum err key_get(const struct store_view *view, struct id organization_id, struct id id,
                 struct arena *arena, struct api_key_record *key) {
    return store_get(view, organization_scope(organization_id), &api_key_table, id_bytes(&id),
                     arena, key);
}

bool key_is_active(const struct api_key_record *key, int64_t now_us) {
    return !SCHEMA_HAS(&api_key_schema, key, revoked_at) && key->expires_at > now_us;
}

/* ---- lists as text ---- */

uint32_t key_scopes_parse(const struct schema_list *names) {
    const struct str *items = names->items;
    uint32_t scopes = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        for (uint32_t bit = 0; bit < SCOPE_COUNT; bit++) {
            scopes |= str_equal(items[i], str_from_c(scope_names[bit])) ? 1u << bit : 0;
        }
    }
    return scopes;
}

/* Joins; false when it does not fit. */
static bool list_join(const struct schema_list *list, char separator, struct buf *out) {
    const struct str *items = list->items;
    for (uint32_t i = 0; i < list->count; i++) {
        if (i > 0) {
            buf_put_byte(out, (uint8_t)separator);
        }
        buf_put_str(out, items[i]);
        if (items[i].len == 0 || str_has_byte(items[i], separator)) {
            return false;
        }
    }
    return !out->is_full;
}

enum err key_addresses_parse(const struct schema_list *list, struct str path, struct arena *arena,
                             struct schema_faults *faults, struct str *text) {
    struct net_list parsed;
    *text = STR_NONE;
    if (list->count == 0) {
        return ERR_OK;
    }
    char *memory = arena_take(arena, KEY_ADDRESSES_BYTES_MAX);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, KEY_ADDRESSES_BYTES_MAX);
    if (!list_join(list, ',', &out) || !net_list_parse(buf_str(&out), &parsed)) {
        schema_fault_add(faults, path, STR("Must be addresses or ADDRESS/BITS."));
        return ERR_OK;
    }
    *text = buf_str(&out);
    return ERR_OK;
}

static bool are_paths(const struct schema_list *list) {
    const struct str *items = list->items;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!str_starts(items[i], STR("/")) || str_has_byte(items[i], '?')) {
            return false;
        }
    }
    return true;
}

enum err key_paths_parse(const struct schema_list *list, struct str path, struct arena *arena,
                         struct schema_faults *faults, struct str *text) {
    *text = STR_NONE;
    if (list->count == 0) {
        return ERR_OK;
    }
    char *memory = arena_take(arena, KEY_PATHS_BYTES_MAX);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, KEY_PATHS_BYTES_MAX);
    if (!are_paths(list) || !list_join(list, '\n', &out)) {
        schema_fault_add(faults, path, STR("Must be paths that start with /."));
        return ERR_OK;
    }
    *text = buf_str(&out);
    return ERR_OK;
}

void key_add_scopes(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name,
                    const struct api_key_record *key) {
    yyjson_mut_val *list = json_add_array(doc, object, name);
    for (uint32_t bit = 0; bit < SCOPE_COUNT; bit++) {
        if ((key->scopes >> bit & 1) != 0) {
            json_append_str(doc, list, str_from_c(scope_names[bit]));
        }
    }
}

void key_add_list(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, struct str text,
                  char separator) {
    yyjson_mut_val *list = json_add_array(doc, object, name);
    while (!str_is_none(text)) {
        json_append_str(doc, list, str_split(&text, separator));
    }
}

/* ---- rows of one owner ---- */

static enum err rows_open(struct store_scan *scan, const struct store_view *view,
                          struct id organization_id, struct buf *prefix) {
    store_key_put_id(prefix, organization_id);
    return store_scan_open(scan, view, organization_scope(organization_id), &api_key_table,
                           KEY_INDEX_OWNER, buf_str(prefix), STR_NONE, false);
}

enum err key_each(const struct store_view *view, struct id organization_id, struct arena *arena,
                  void (*each)(void *ctx, const struct api_key_record *key), void *ctx) {
    char prefix_bytes[ID_BYTES];
    struct buf prefix = buf_over(prefix_bytes, sizeof(prefix_bytes));
    struct store_scan scan;
    enum err err = rows_open(&scan, view, organization_id, &prefix);
    while (err == ERR_OK) {
        struct api_key_record key;
        err = store_scan_next(&scan, arena, &key);
        if (err == ERR_OK) {
            each(ctx, &key);
        }
    }
    store_scan_close(&scan);
    return err == ERR_END ? ERR_OK : err;
}

/* How many rows there are, and the oldest whose place may be taken. */
struct room {
    int64_t now_us;
    uint32_t count;
    bool has_dead;
    struct id dead_id;
};

static void room_add(void *ctx, const struct api_key_record *key) {
    struct room *room = ctx;
    room->count++;
    if (!room->has_dead && !key_is_active(key, room->now_us)) {
        room->has_dead = true;
        room->dead_id = key->id;
    }
}

enum err key_has_room(const struct store_view *view, struct id organization_id, int64_t now_us,
                      struct arena *arena) {
    struct room room = {.now_us = now_us};
    enum err err = key_each(view, organization_id, arena, room_add, &room);
    if (err != ERR_OK) {
        return err;
    }
    return room.count < KEYS_PER_OWNER_MAX || room.has_dead ? ERR_OK : ERR_LIMIT;
}

static void room_make(struct store_tx *tx, const struct command *command,
                      struct id organization_id) {
    struct room room = {.now_us = command->now_us};
    enum err err = key_each(store_tx_view(tx), organization_id, command->arena, room_add, &room);
    CHECK(err == ERR_OK);
    if (room.count >= KEYS_PER_OWNER_MAX) {
        CHECK(room.has_dead);
        store_del(tx, &api_key_table, id_bytes(&room.dead_id));
    }
}

/* ---- making ---- */

/* The text, in the arena; its hash and hint go into the record. */
static struct str text_make(const struct command *command, struct api_key_record *key) {
    uint8_t entropy[32];
    struct api_key *text = ARENA_NEW(command->arena, struct api_key);
    struct hash *hash = ARENA_NEW(command->arena, struct hash);
    CHECK(text != NULL);
    CHECK(hash != NULL);
    command_entropy(command, "api key text", entropy);
    *text = api_key_make(id_is_zero(key->organization_id) ? "flw_" : "cfk_", entropy);
    crypto_wipe(entropy, sizeof(entropy));
    *hash = api_key_hash(api_key_str(text));
    key->key_hash = hash_bytes(hash);
    key->hint = str_slice(api_key_str(text), 0, KEY_HINT_LEN);
    return api_key_str(text);
}

void key_put_new(struct store_tx *tx, const struct command *command, struct id organization_id,
                 const struct key_draft *draft, struct api_key_record *key, struct str *secret) {
    room_make(tx, command, organization_id);
    *key = (struct api_key_record){
        .set.present = UINT64_MAX >> (64 - api_key_schema.field_count),
        .id = command_id(command, "api key"),
        .organization_id = organization_id,
        .name = draft->name,
        .scopes = draft->scopes,
        .addresses = draft->addresses,
        .paths = draft->paths,
        .rate_limit = draft->rate_limit,
        .expires_at = draft->expires_at,
        .created_by_id = command->caller.user_id,
        .created_at = command->now_us,
        .updated_at = command->now_us,
    };
    SCHEMA_CLEAR(&api_key_schema, key, previous_hash);
    SCHEMA_CLEAR(&api_key_schema, key, previous_until);
    SCHEMA_CLEAR(&api_key_schema, key, last_used_at);
    SCHEMA_CLEAR(&api_key_schema, key, last_used_ip);
    SCHEMA_CLEAR(&api_key_schema, key, revoked_at);
    if (str_is_none(draft->addresses)) {
        SCHEMA_CLEAR(&api_key_schema, key, addresses);
    }
    if (str_is_none(draft->paths)) {
        SCHEMA_CLEAR(&api_key_schema, key, paths);
    }
    *secret = text_make(command, key);
    store_put(tx, &api_key_table, key);
}

static void previous_forget(struct api_key_record *key) {
    SCHEMA_CLEAR(&api_key_schema, key, previous_hash);
    SCHEMA_CLEAR(&api_key_schema, key, previous_until);
}

void key_rotate(struct store_tx *tx, const struct command *command, struct api_key_record *key,
                int64_t overlap_us, struct str *secret) {
    CHECK(key_is_active(key, command->now_us));
    previous_forget(key);
    if (overlap_us > 0) {
        key->previous_hash = key->key_hash;
        key->previous_until = command->now_us + overlap_us;
        SCHEMA_SET(&api_key_schema, key, previous_hash);
        SCHEMA_SET(&api_key_schema, key, previous_until);
    }
    *secret = text_make(command, key);
    key->updated_at = command->now_us;
    store_put(tx, &api_key_table, key);
}

void key_revoke(struct store_tx *tx, const struct command *command, struct api_key_record *key) {
    if (SCHEMA_HAS(&api_key_schema, key, revoked_at)) {
        return;
    }
    previous_forget(key);
    key->revoked_at = command->now_us;
    key->updated_at = command->now_us;
    SCHEMA_SET(&api_key_schema, key, revoked_at);
    store_put(tx, &api_key_table, key);
}
