/*
 * Logging in with a passkey, in three ways that end alike:
 *
 *   behind a password   the password's login left a pending login (pending.h); the passkey is the
 *                       second factor, and being there is enough
 *   with an address     the passkeys of that account are asked for
 *   without a name      any passkey of this server is asked for; it says whose it is
 *
 * Without a password the passkey is the only factor, so the authenticator must have verified its
 * user (PIN, finger, face). Nothing that `begin` leaves behind is of use to the one-time code
 * endpoints (contract defect 2).
 *
 * `begin` gives an answer of the same form for every address (defect 21): who has no passkeys is
 * asked for made-up ones, the same each time, because they are a MAC of the address.
 *
 * The signature is verified outside the batch; the batch takes the challenge and looks at what may
 * have changed. A failed login is not a refused command: it uses the challenge up and is recorded.
 */
#include <string.h>

#include "crypto/mac.h"
#include "domain/auth/login.h"
#include "domain/auth/passkey_api.h"
#include "domain/auth/pending.h"
#include "engine/audit.h"

/* Of made-up credentials: from the sealing key, so that it is the same after a restart. */
static struct secret_key made_up_key;

void passkey_login_start(const struct engine *engine) {
    const struct store_seal_key *seal = engine_seal_key(engine);
    kdf_derive(str_from((const char *)seal->bytes, sizeof(seal->bytes)), STR_NONE,
               STR("made-up passkeys"), made_up_key.bytes, sizeof(made_up_key.bytes));
}

/* ---- begin ---- */

struct begin {
    struct str pending_key; /* of the login that waits for a second factor, or STR_NONE */
    struct hash made_up;
};

/* A token in the body has to be good; the cookie may be an old one, and then does not count. */
static enum err begin_pending(struct request *request, struct begin *begin) {
    const struct passkey_begin_body *body = request->command.body;
    struct pending_login pending;
    struct user user;
    enum err err = pending_key(request, body->temp_token, &begin->pending_key);
    if (err == ERR_OK) {
        err = pending_get(request_view(request), &request->command, begin->pending_key, &pending,
                          &user);
    }
    if (err == ERR_OK && (str_is_none(body->email) || str_equal(body->email, user.email))) {
        return ERR_OK;
    }
    begin->pending_key = STR_NONE;
    if (err == ERR_NO_MEMORY) {
        return err;
    }
    return str_is_none(body->temp_token) ? ERR_OK : ERR_PENDING_NONE;
}

static enum err begin_prepare(struct request *request) {
    const struct passkey_begin_body *body = request->command.body;
    struct begin *begin = ARENA_NEW(request->arena, struct begin);
    if (begin == NULL) {
        return ERR_NO_MEMORY;
    }
    struct str key = str_from((const char *)made_up_key.bytes, sizeof(made_up_key.bytes));
    struct str email = str_is_none(body->email) ? STR("") : body->email;
    begin->made_up = mac_of(key, email);
    request->command.prepared = begin;
    return begin_pending(request, begin);
}

/* Whose passkeys are asked for. */
struct begin_subject {
    struct user user;
    bool is_named; /* an account was named, there or not */
    bool is_known;
    bool has_password; /* a pending login was found */
};

static enum err subject_find(const struct store_view *view, const struct command *command,
                             struct begin_subject *subject) {
    const struct passkey_begin_body *body = command->body;
    const struct begin *begin = command->prepared;
    struct pending_login pending;
    memset(subject, 0, sizeof(*subject));
    if (!str_is_none(begin->pending_key)) {
        enum err err = pending_get(view, command, begin->pending_key, &pending, &subject->user);
        subject->has_password = err == ERR_OK;
        subject->is_named = subject->is_known = subject->has_password;
        return err == ERR_OK ? ERR_OK : ERR_PENDING_NONE;
    }
    subject->is_named = !str_is_none(body->email);
    if (!subject->is_named) {
        return ERR_OK;
    }
    enum err err = user_find_email(view, body->email, command->arena, &subject->user);
    subject->is_known = err == ERR_OK && subject->user.status != USER_DELETED;
    return err == ERR_OK || err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err begin_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)outcome;
    struct begin_subject subject;
    return subject_find(view, command, &subject);
}

/* Lengths that real authenticators have. */
static void made_up_add(const struct command *command, yyjson_mut_doc *doc, yyjson_mut_val *list) {
    static const uint8_t lengths[] = {16, 20, 32, 32};
    const struct begin *begin = command->prepared;
    const uint8_t *bytes = begin->made_up.bytes;
    struct hash id = hash_of(hash_bytes(&begin->made_up));
    uint32_t length = lengths[bytes[0] % COUNT_OF(lengths)];
    enum { HYBRID = 1 << 3, INTERNAL = 1 << 4 };
    passkey_descriptor_add(command, doc, list, str_from((const char *)id.bytes, length),
                           bytes[1] % 2 == 0 ? INTERNAL : INTERNAL | HYBRID);
}

static void allowed_add(const struct store_view *view, const struct command *command,
                        const struct begin_subject *subject, struct outcome *outcome) {
    struct passkey_list list = {.count = 0};
    yyjson_mut_val *array = json_add_array(outcome->doc, outcome->data, "allowCredentials");
    if (!subject->is_named) {
        return;
    }
    if (subject->is_known) {
        enum err err = passkey_list_load(view, subject->user.id, command->arena, &list);
        list.count = err == ERR_OK ? list.count : 0;
    }
    for (uint32_t i = 0; i < list.count; i++) {
        passkey_descriptor_add(command, outcome->doc, array, list.items[i].credential_id,
                               list.items[i].transports);
    }
    if (list.count == 0 && !subject->has_password) {
        made_up_add(command, outcome->doc, array);
    }
}

static void begin_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    const struct begin *begin = command->prepared;
    struct challenge draft = {.purpose = CHALLENGE_LOGIN, .pending_hash = begin->pending_key};
    struct begin_subject subject;
    enum err err = subject_find(store_tx_view(tx), command, &subject);
    CHECK(err == ERR_OK);
    if (subject.is_named) {
        /* Of nobody when there is no such account: then no passkey fits. */
        draft.user_id = subject.is_known ? subject.user.id : command_id(command, "nobody");
        SCHEMA_SET(&challenge_schema, &draft, user_id);
    }
    if (subject.has_password) {
        SCHEMA_SET(&challenge_schema, &draft, pending_hash);
    }
    challenge_open(tx, command, draft, outcome);
    struct relying_party party = relying_party_of(command->settings);
    json_add_str(outcome->doc, outcome->data, "rpId", party.id);
    allowed_add(store_tx_view(tx), command, &subject, outcome);
    json_add_str(outcome->doc, outcome->data, "userVerification",
                 passkey_verification(command->settings));
    outcome->actor = subject.user.id;
}

const struct command_row passkey_login_begin_command = {
    .name = "passkey.login_begin",
    .action = "webauthn.login.initiated",
    .resource = "user",
    .prepare = begin_prepare,
    .check = begin_check,
    .apply = begin_apply,
};

/* ---- complete ---- */

struct assertion {
    enum err verdict; /* on all that does not change */
    struct client_data client;
    struct webauthn_data data;
    struct str public_key; /* that the signature fits */
    struct id user_id;
    struct token_set tokens;
};

/* 7.2 step 6: what the authenticator says whose it is must be so; a login without a name depends
 * on it (see login_judge). */
static bool handle_fits(struct str handle, struct id user_id) {
    char memory[USER_HANDLE_LEN];
    return str_is_none(handle) || str_equal(handle, passkey_user_handle(user_id, memory));
}

static enum err assertion_judge(struct request *request, const struct passkey_body *body,
                                struct assertion *assertion) {
    struct passkey passkey;
    struct cose_key key;
    if (!webauthn_data_parse(body->response.data, &assertion->data)) {
        return ERR_PASSKEY_WRONG;
    }
    enum err err = passkey_ceremony_check(request_settings(request), &assertion->client,
                                          &assertion->data, CHALLENGE_LOGIN);
    if (err != ERR_OK) {
        return err;
    }
    err = passkey_find(request_view(request), body->id, request->arena, &passkey);
    if (err != ERR_OK || !str_equal(body->id, body->raw_id) ||
        !handle_fits(body->response.user_handle, passkey.user_id)) {
        return ERR_PASSKEY_WRONG;
    }
    struct hash hash = webauthn_signed_hash(body->response.data, body->response.client_data);
    if (!cose_key_parse(passkey.public_key, &key) ||
        !cose_key_verify(&key, hash, body->response.signature)) {
        return ERR_PASSKEY_WRONG;
    }
    assertion->public_key = arena_copy(request->arena, passkey.public_key);
    assertion->user_id = passkey.user_id;
    return str_is_none(assertion->public_key) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err login_tokens(struct request *request, struct assertion *assertion) {
    struct user user;
    enum err err = user_get(request_view(request), assertion->user_id, request->arena, &user);
    if (err != ERR_OK) {
        assertion->verdict = ERR_PASSKEY_WRONG;
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    return tokens_make(request, user.id, (enum role)(1u << user.role), (struct id){{0}},
                       &assertion->tokens);
}

static enum err login_prepare(struct request *request) {
    const struct passkey_body *body = request->command.body;
    struct assertion *assertion = ARENA_NEW(request->arena, struct assertion);
    if (assertion == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = passkey_client_data(request, &assertion->client);
    if (err != ERR_OK) {
        return err;
    }
    request->command.prepared = assertion;
    assertion->verdict = assertion_judge(request, body, assertion);
    return assertion->verdict == ERR_OK ? login_tokens(request, assertion) : ERR_OK;
}

static enum err login_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    (void)view;
    (void)outcome;
    CHECK(command->prepared != NULL);
    return ERR_OK;
}

/* What the batch found for one login. */
struct login_state {
    struct passkey passkey;
    struct user user;
    struct challenge challenge;
    struct pending_login pending;
    bool has_pending;
};

static enum err pending_find(struct store_tx *tx, const struct command *command,
                             struct login_state *state) {
    struct user user;
    if (!SCHEMA_HAS(&challenge_schema, &state->challenge, pending_hash)) {
        return ERR_OK;
    }
    enum err err = pending_get(store_tx_view(tx), command, state->challenge.pending_hash,
                               &state->pending, &user);
    state->has_pending = err == ERR_OK;
    return err == ERR_OK || err == ERR_ACCOUNT_INACTIVE ? err : ERR_PENDING_NONE;
}

/* The passkey of a good assertion, still there and with the same key, and the one that was asked
 * for. */
static enum err passkey_recheck(struct store_tx *tx, const struct command *command,
                                struct login_state *state) {
    const struct assertion *assertion = command->prepared;
    const struct passkey_body *body = command->body;
    bool is_named = SCHEMA_HAS(&challenge_schema, &state->challenge, user_id);
    enum err err = passkey_find(store_tx_view(tx), body->id, command->arena, &state->passkey);
    if (err == ERR_OK) {
        err = user_get(store_tx_view(tx), state->passkey.user_id, command->arena, &state->user);
    }
    if (err != ERR_OK || !str_equal(state->passkey.public_key, assertion->public_key) ||
        (is_named && !id_equal(state->challenge.user_id, state->user.id)) ||
        (!is_named && str_is_none(body->response.user_handle)) ||
        state->passkey.is_backup_eligible !=
            webauthn_has(&assertion->data, WEBAUTHN_BACKUP_ELIGIBLE)) { /* L3, 7.2 step 19 */
        return ERR_PASSKEY_WRONG;
    }
    return ERR_OK;
}

static enum err login_judge(struct store_tx *tx, const struct command *command,
                            struct login_state *state) {
    const struct assertion *assertion = command->prepared;
    enum err err = challenge_take(tx, command, assertion->client.challenge, CHALLENGE_LOGIN,
                                  &state->challenge);
    if (err == ERR_OK) {
        err = pending_find(tx, command, state);
    }
    if (err == ERR_OK) {
        err = assertion->verdict;
    }
    if (err == ERR_OK) {
        err = passkey_recheck(tx, command, state);
    }
    if (err != ERR_OK) {
        return err;
    }
    err = login_admit(command, &state->user);
    if (err != ERR_OK) {
        return err;
    }
    if (!webauthn_counter_holds((uint32_t)state->passkey.sign_count, assertion->data.sign_count)) {
        return ERR_PASSKEY_COUNTER;
    }
    bool is_verified = webauthn_has(&assertion->data, WEBAUTHN_USER_VERIFIED);
    return is_verified || state->has_pending ? ERR_OK : ERR_PASSKEY_UNVERIFIED;
}

static void note(struct store_tx *tx, const struct command *command,
                 const struct login_state *state, const char *action) {
    struct outcome event = {.action = action, .actor = state->user.id, .resource = state->user.id};
    audit_append(tx, command, &event, ERR_OK);
}

static void login_fail(struct store_tx *tx, const struct command *command,
                       struct login_state *state, struct outcome *outcome) {
    outcome->action = "webauthn.login.failed";
    if (outcome->err == ERR_PASSKEY_COUNTER) {
        note(tx, command, state, "webauthn.credential.cloned");
    }
    if (state->has_pending) {
        pending_fail(tx, command, &state->pending, outcome);
    }
}

static void login_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    const struct assertion *assertion = command->prepared;
    struct login_state state;
    memset(&state, 0, sizeof(state));
    outcome->err = login_judge(tx, command, &state);
    outcome->actor = state.user.id;
    outcome->resource = state.user.id;
    if (outcome->err != ERR_OK) {
        login_fail(tx, command, &state, outcome);
        return;
    }
    state.passkey.sign_count = assertion->data.sign_count;
    state.passkey.is_backed_up = webauthn_has(&assertion->data, WEBAUTHN_BACKED_UP);
    state.passkey.last_used_at = command->now_us;
    SCHEMA_SET(&passkey_schema, &state.passkey, last_used_at);
    store_put(tx, &passkey_table, &state.passkey);
    note(tx, command, &state, "webauthn.login.success");
    bool is_remembered = state.has_pending && state.pending.is_remembered;
    if (state.has_pending) {
        pending_close(tx, command, &state.pending, outcome);
    }
    login_finish(tx, command, &state.user, &assertion->tokens, is_remembered, outcome);
}

const struct command_row passkey_login_command = {
    .name = "passkey.login",
    .action = "session.create",
    .resource = "session",
    .prepare = login_prepare,
    .check = login_check,
    .apply = login_apply,
};
