/*
 * From an API key to a caller, at the gate and again in the batch, and the note of its last use.
 *
 * A key works while it is active, its organization lives, and the request comes from an allowed
 * address for an allowed path. Who made it does not matter: keys belong to organizations.
 */
#include "base/time.h"
#include "domain/orgs/keys.h"
#include "net/address.h"

enum { TOUCH_AFTER_US = 60 * 1000 * 1000 };

static enum err caller_fill(const struct store_view *view, const struct api_key_record *key,
                            int64_t now_us, struct arena *arena, struct caller *caller) {
    struct organization organization;
    if (SCHEMA_HAS(&api_key_schema, key, revoked_at)) {
        return ERR_KEY_INVALID;
    }
    if (key->expires_at <= now_us) {
        return ERR_KEY_EXPIRED;
    }
    if (!id_is_zero(key->organization_id)) {
        enum err err = organization_get(view, key->organization_id, arena, &organization);
        if (err != ERR_OK) {
            return err == ERR_NOT_FOUND ? ERR_KEY_INVALID : err;
        }
    }
    *caller = (struct caller){
        .kind = CALLER_KEY,
        .is_stale = !SCHEMA_HAS(&api_key_schema, key, last_used_at) ||
                    key->last_used_at + TOUCH_AFTER_US < now_us,
        .key_id = key->id,
        .organization_id = key->organization_id,
        .scopes = (uint32_t)key->scopes,
        .rate_per_hour = (uint32_t)key->rate_limit,
    };
    return ERR_OK;
}

/* By its hash, or by that of the one it replaced while that is still good. */
static enum err key_find(const struct store_view *view, const struct key_attempt *attempt,
                         struct arena *arena, struct api_key_record *key) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM}; /* the key says whose it is */
    struct hash hash = api_key_hash(attempt->key);
    char memory[2 * HASH_BYTES]; /* bytes 00 and 01 take two */
    struct buf out = buf_over(memory, sizeof(memory));
    store_key_put_text(&out, hash_bytes(&hash), true);
    enum err err =
        store_find(view, system, &api_key_table, KEY_INDEX_HASH, buf_str(&out), arena, key);
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    err = store_find(view, system, &api_key_table, KEY_INDEX_PREVIOUS, buf_str(&out), arena, key);
    return err == ERR_OK && key->previous_until <= attempt->now_us ? ERR_NOT_FOUND : err;
}

static bool is_address_allowed(const struct api_key_record *key, struct net_address peer) {
    struct net_list list;
    if (str_is_none(key->addresses)) {
        return true;
    }
    return net_list_parse(key->addresses, &list) && net_list_has(&list, peer);
}

/* Equal to one of the beginnings, or below it. */
static bool is_path_allowed(const struct api_key_record *key, struct str path) {
    struct str rest = key->paths;
    if (str_is_none(rest)) {
        return true;
    }
    while (!str_is_none(rest)) {
        struct str start = str_split(&rest, '\n');
        bool is_below = path.len == start.len || str_ends(start, STR("/")) ||
                        (path.len > start.len && path.data[start.len] == '/');
        if (str_starts(path, start) && is_below) {
            return true;
        }
    }
    return false;
}

static enum err key_resolve(const struct store_view *view, const struct key_attempt *attempt,
                            struct arena *arena, struct caller *caller) {
    struct api_key_record key;
    if (!api_key_is_sound(attempt->key)) {
        return ERR_KEY_INVALID;
    }
    enum err err = key_find(view, attempt, arena, &key);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_KEY_INVALID : err;
    }
    err = caller_fill(view, &key, attempt->now_us, arena, caller);
    if (err == ERR_OK &&
        (!is_address_allowed(&key, attempt->peer) || !is_path_allowed(&key, attempt->path))) {
        *caller = (struct caller){.kind = CALLER_NOBODY};
        return ERR_KEY_PLACE;
    }
    return err;
}

static enum err key_recheck(const struct store_view *view, int64_t now_us, struct arena *arena,
                            struct caller *caller) {
    struct api_key_record key;
    enum err err = key_get(view, caller->organization_id, caller->key_id, arena, &key);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_KEY_INVALID : err;
    }
    return caller_fill(view, &key, now_us, arena, caller);
}

/* ---- last use ---- */

static enum err touch_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->prepared != NULL);
    return ERR_OK;
}

static void touch_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    (void)outcome;
    const struct touch_list *list = command->prepared;
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    for (uint32_t i = 0; i < list->count; i++) {
        char address[NET_ADDRESS_TEXT_MAX];
        struct buf out = buf_over(address, sizeof(address));
        struct api_key_record key;
        enum err err = store_get(store_tx_view(tx), system, &api_key_table,
                                 id_bytes(&list->touches[i].id), command->arena, &key);
        if (err == ERR_OK) {
            net_address_format(list->touches[i].peer, &out);
            key.last_used_at = command->now_us;
            key.last_used_ip = buf_str(&out);
            SCHEMA_SET(&api_key_schema, &key, last_used_at);
            SCHEMA_SET(&api_key_schema, &key, last_used_ip);
            store_put(tx, &api_key_table, &key);
        }
    }
}

/* Not audited: it says nothing that the audited requests do not. */
static const struct command_row key_touch_command = {
    .name = "api_key.touch",
    .check = touch_check,
    .apply = touch_apply,
};

const struct key_authenticator orgs_key_authenticator = {
    .resolve = key_resolve,
    .recheck = key_recheck,
    .touch = &key_touch_command,
};
