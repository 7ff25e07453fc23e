/* Making customers' tokens, and turning a token into a caller; see tokens.h. */
#include "domain/gatekeeper/tokens.h"

#include <string.h>

#include "base/time.h"
#include "crypto/jose.h"

static struct secret_key token_key;

/* Contract, 3; all but password_at are the original's. */
struct customer_claims {
    struct schema_set set;
    struct str sub;
    struct str type;
    bool fresh;
    int64_t iat;
    int64_t nbf;
    int64_t exp;
    struct str jti;
    struct str csrf;
    struct str account_type;
    struct str name;
    struct str account_number;
    int64_t password_at;
};

static const struct field customer_claims_fields[] = {
    FIELD(struct customer_claims, sub, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Account."),
    FIELD(struct customer_claims, type, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "access."),
    FIELD(struct customer_claims, fresh, FIELD_BOOL, .flags = FIELD_REQUIRED, .doc = "false."),
    FIELD(struct customer_claims, iat, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Issued at."),
    FIELD(struct customer_claims, nbf, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Not before."),
    FIELD(struct customer_claims, exp, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "Expires at."),
    FIELD(struct customer_claims, jti, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Token id."),
    FIELD(struct customer_claims, csrf, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Unused."),
    FIELD(struct customer_claims, account_type, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Kind of bank account."),
    FIELD(struct customer_claims, name, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Full name."),
    FIELD(struct customer_claims, account_number, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "As sub."),
    FIELD(struct customer_claims, password_at, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "When the password was set, in microseconds."),
};

static const struct schema customer_claims_schema =
    SCHEMA("CustomerClaims", struct customer_claims, customer_claims_fields);

void customer_tokens_start(const struct store_seal_key *seal_key) {
    struct secret_key master;
    _Static_assert(sizeof(master.bytes) == sizeof(seal_key->bytes), "both are 32 bytes");
    memcpy(master.bytes, seal_key->bytes, sizeof(master.bytes));
    token_key = kdf_key(&master, STR("gatekeeper tokens"));
    crypto_wipe(&master, sizeof(master));
}

/* ---- making ---- */

struct str customer_full_name(const struct customer *customer, struct arena *arena) {
    uint32_t bytes = customer->first_name.len + 1 + customer->last_name.len;
    char *memory = arena_take(arena, bytes);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf out = buf_over(memory, bytes);
    buf_put_str(&out, customer->first_name);
    buf_put_byte(&out, ' ');
    buf_put_str(&out, customer->last_name);
    return buf_str(&out);
}

static enum err claims_write(const struct request *request, const struct customer *customer,
                             struct str *claims) {
    const struct command *command = &request->command;
    int64_t now_s = command->now_us / TIME_US_PER_S;
    int64_t life_s = settings_int(command->settings, SETTING_GATEKEEPER_TOKEN_SECONDS_ID);
    yyjson_mut_doc *doc = json_doc(request->arena);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    json_add_bool(doc, root, "fresh", false);
    json_add_int(doc, root, "iat", now_s);
    json_add_id(doc, root, "jti", command_id(command, "customer token"));
    json_add_str(doc, root, "type", STR("access"));
    json_add_str(doc, root, "sub", customer->account_number);
    json_add_int(doc, root, "nbf", now_s);
    json_add_id(doc, root, "csrf", command_id(command, "customer csrf"));
    json_add_int(doc, root, "exp", now_s + life_s);
    json_add_str(doc, root, "account_type", customer->bank_account_type);
    json_add_str(doc, root, "name", customer_full_name(customer, request->arena));
    json_add_str(doc, root, "account_number", customer->account_number);
    json_add_int(doc, root, "password_at", customer->password_changed_at);
    return json_write(doc, root, request->arena, claims);
}

enum err customer_token_make(struct request *request, const struct customer *customer,
                             struct str *token) {
    struct str claims;
    char *memory = arena_take(request->arena, JOSE_TOKEN_BYTES_MAX);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, JOSE_TOKEN_BYTES_MAX);
    enum err err = claims_write(request, customer, &claims);
    if (err != ERR_OK) {
        return err;
    }
    err = jose_mac_sign(&token_key, claims, &out);
    CHECK(err == ERR_OK); /* names have 50 characters at most */
    *token = buf_str(&out);
    return ERR_OK;
}

/* ---- resolving ---- */

/* "Authorization: Bearer TOKEN", the word in this case, blanks around the parts. */
static enum err bearer_take(const struct http_head *head, struct str *token) {
    struct str rest = http_header(head, STR("Authorization"));
    if (str_is_none(rest) || str_trim(rest).len == 0) {
        return ERR_AUTH_REQUIRED;
    }
    rest = str_trim(rest);
    if (!str_equal(str_split(&rest, ' '), STR("Bearer"))) {
        return ERR_BEARER_MISSING;
    }
    *token = str_is_none(rest) ? STR("") : str_trim(rest);
    bool is_one = token->len > 0 && !str_has_byte(*token, ' ') && !str_has_byte(*token, '\t');
    return is_one ? ERR_OK : ERR_AUTH_FORMAT;
}

static enum err claims_read(const struct command *command, struct str token,
                            struct customer_claims *claims) {
    struct schema_faults *faults = ARENA_NEW(command->arena, struct schema_faults);
    char *memory = arena_take(command->arena, JOSE_CLAIMS_BYTES_MAX);
    if (memory == NULL || faults == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, JOSE_CLAIMS_BYTES_MAX);
    int64_t now_s = command->now_us / TIME_US_PER_S;
    if (jose_mac_verify(&token_key, token, &out) != ERR_OK ||
        schema_decode(&customer_claims_schema, buf_str(&out), command->arena, claims, faults) !=
            ERR_OK ||
        !str_equal(claims->type, STR("access")) || claims->nbf > now_s) {
        return ERR_TOKEN_INVALID;
    }
    return claims->exp <= now_s ? ERR_TOKEN_EXPIRED : ERR_OK;
}

static void caller_fill(const struct customer *customer, struct caller *caller) {
    *caller = (struct caller){
        .kind = CALLER_CUSTOMER,
        .user_id = customer->id,
        .role = customer->is_admin ? ROLE_ADMIN : ROLE_CUSTOMER,
        .password_at = customer->password_changed_at,
    };
}

static enum err customer_by_token(struct command *command, const struct store_view *view,
                                  struct str token) {
    struct customer_claims claims;
    struct customer customer;
    enum err err = claims_read(command, token, &claims);
    if (err == ERR_OK) {
        err = customer_find(view, claims.sub, command->arena, &customer);
    }
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_CUSTOMER_GONE : err;
    }
    if (customer.password_changed_at != claims.password_at) {
        return ERR_TOKEN_REVOKED;
    }
    caller_fill(&customer, &command->caller);
    return ERR_OK;
}

static bool has_three_segments(struct str token) {
    uint32_t count = 0;
    while (!str_is_none(token)) {
        (void)str_split(&token, '.');
        count++;
    }
    return count >= 3;
}

enum err customer_resolve(struct request *request, const struct store_view *view) {
    struct command *command = &request->command;
    struct str token;
    enum err err = bearer_take(&request->exchange->head, &token);
    if (err != ERR_OK) {
        return err;
    }
    if (jose_mac_is_form(token) && has_three_segments(token)) {
        return customer_by_token(command, view, token);
    }
    err = auth_authenticator.resolve(view, command->settings, command->now_us, token,
                                     request->arena, &command->caller);
    switch (err) {
    case ERR_TOKEN_INVALID:
        return has_three_segments(token) ? ERR_TOKEN_INVALID : ERR_TOKEN_SEGMENTS;
    case ERR_SESSION_INACTIVE:
        return ERR_TOKEN_EXPIRED;
    case ERR_ACCOUNT_INACTIVE:
        return ERR_TOKEN_REVOKED;
    default:
        return err;
    }
}

enum err customer_recheck(const struct store_view *view, int64_t now_us, struct arena *arena,
                          struct caller *caller) {
    struct store_scope own = caller_scope(caller);
    struct customer customer;
    (void)now_us;
    enum err err =
        store_get(view, own, &customer_table, id_bytes(&caller->user_id), arena, &customer);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_CUSTOMER_GONE : err;
    }
    if (customer.password_changed_at != caller->password_at) {
        return ERR_TOKEN_REVOKED;
    }
    caller_fill(&customer, caller);
    return ERR_OK;
}
