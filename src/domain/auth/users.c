/* Looking users up. */
#include "domain/auth/passkey.h"
#include "domain/auth/totp.h"

enum err user_get(const struct store_view *view, struct id id, struct arena *arena,
                  struct user *user) {
    struct store_scope owner = {.kind = STORE_SCOPE_OWNER, .owner = id};
    enum err err = store_get(view, owner, &user_table, id_bytes(&id), arena, user);
    return err == ERR_OK && user->status == USER_DELETED ? ERR_NOT_FOUND : err;
}

static enum err find_text(const struct store_view *view, uint32_t index, struct str text,
                          struct arena *arena, struct user *user) {
    char memory[STORE_KEY_BYTES_MAX];
    struct buf key = buf_over(memory, sizeof(memory));
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    if (text.len == 0 || text.len > EMAIL_BYTES_MAX) {
        return ERR_NOT_FOUND;
    }
    store_key_put_text(&key, text, true);
    CHECK(!key.is_full); /* no byte takes more than two */
    return store_find(view, system, &user_table, index, buf_str(&key), arena, user);
}

_Static_assert(2 * EMAIL_BYTES_MAX <= STORE_KEY_BYTES_MAX, "every address fits its index key");

enum err user_find_email(const struct store_view *view, struct str email, struct arena *arena,
                         struct user *user) {
    return find_text(view, USER_INDEX_EMAIL, email, arena, user);
}

enum err user_find_username(const struct store_view *view, struct str username, struct arena *arena,
                            struct user *user) {
    return find_text(view, USER_INDEX_USERNAME, username, arena, user);
}

void user_set_factor(struct user *user, enum user_factor factor, bool is_set, int64_t now_us) {
    int64_t bit = (int64_t)factor;
    CHECK(bit > 0);
    user->factors = is_set ? user->factors | bit : user->factors & ~bit;
    user->updated_at = now_us;
    SCHEMA_SET(&user_schema, user, factors);
}

struct password_mark password_mark_of(const struct user *user) {
    return (struct password_mark){user->id, user->password_changed_at};
}

bool password_mark_holds(struct password_mark mark, const struct user *user) {
    return id_equal(mark.user_id, user->id) && mark.changed_at == user->password_changed_at &&
           !str_is_none(user->password_hash);
}

void user_mark_verified(struct user *user, int64_t now_us) {
    if (user->email_verified) {
        return;
    }
    user->email_verified = true;
    user->email_verified_at = now_us;
    SCHEMA_SET(&user_schema, user, email_verified_at);
    if (user->status == USER_PENDING) {
        user->status = USER_ACTIVE;
    }
    user->updated_at = now_us;
}

struct str user_display_name(const struct user *user) {
    return user->full_name.len > 0 ? user->full_name : user->email;
}

/* Is there an active administrator other than this one? There are few of them. */
static bool has_other_admin(const struct store_view *view, struct id id, struct arena *arena) {
    char memory[8];
    struct buf key = buf_over(memory, sizeof(memory));
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct store_scan scan;
    struct user user;
    bool is_found = false;
    store_key_put_int(&key, __builtin_ctz(ROLE_ADMIN));
    enum err err = store_scan_open(&scan, view, system, &user_table, USER_INDEX_ROLE, buf_str(&key),
                                   STR_NONE, false);
    while (err == ERR_OK && !is_found) {
        err = store_scan_next(&scan, arena, &user);
        is_found = err == ERR_OK && user.status == USER_ACTIVE && !id_equal(user.id, id);
    }
    store_scan_close(&scan);
    return is_found;
}

bool user_any_admin(const struct store_view *view, struct arena *arena) {
    return has_other_admin(view, (struct id){{0}}, arena);
}

bool user_is_last_admin(const struct store_view *view, const struct user *user,
                        struct arena *arena) {
    return user->role == __builtin_ctz(ROLE_ADMIN) && user->status == USER_ACTIVE &&
           !has_other_admin(view, user->id, arena);
}

void user_forget_factors(struct store_tx *tx, const struct command *command, struct user *user) {
    totp_forget(tx, user, command->now_us);
    passkey_forget(tx, command, user);
}

struct str user_deleted_email(const struct command *command, const struct user *user) {
    enum { DELETED_EMAIL_BYTES = 64 };
    char *memory = arena_take(command->arena, DELETED_EMAIL_BYTES);
    CHECK(memory != NULL);
    struct buf out = buf_over(memory, DELETED_EMAIL_BYTES);
    buf_put_c(&out, "deleted_");
    id_format(user->id, &out);
    buf_put_c(&out, "@deleted.com");
    return buf_str(&out);
}
