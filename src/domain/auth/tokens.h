/* The three tokens of a session: making them, and turning a bearer token back into a caller. */
#ifndef DOMAIN_AUTH_TOKENS_H
#define DOMAIN_AUTH_TOKENS_H

#include "crypto/jose.h"
#include "crypto/token.h"
#include "domain/auth/auth.h"

/* Everything that a login-like command needs to know before the batch. */
struct token_set {
    struct id session_id;
    struct token token;
    struct token refresh;
    struct str access; /* JWT, in the request's arena */
    int64_t access_expires_in_s;
};

/* Loads the signing keys, makes the first one. */
enum err tokens_start(struct engine *engine, const char **problem);

/* For prepare. ERR_NO_MEMORY. `session_id` zero = a new one from the command's entropy. */
enum err tokens_make(struct request *request, struct id user_id, enum role role,
                     struct id session_id, struct token_set *tokens);

/* Puts a new session and its refresh token, and adds the tokens to the reply's data. */
void tokens_open_session(struct store_tx *tx, const struct command *command,
                         const struct user *user, const struct token_set *tokens,
                         bool is_remembered, bool is_limited, struct outcome *outcome);
/* Puts the refresh token's row. */
void tokens_put_refresh(struct store_tx *tx, const struct command *command,
                        const struct token_set *tokens);
/* access_token, refresh_token, token_type, expires_in, flat and under `tokens`. */
void tokens_reply(const struct command *command, const struct token_set *tokens,
                  struct outcome *outcome);

/* Ends all other active sessions of the caller; how many. */
uint32_t session_revoke_others(struct store_tx *tx, const struct command *command);
/* Marks a session revoked; all of a user: session_revoke_all in auth.h. */
void session_revoke(struct store_tx *tx, const struct command *command, struct session *session,
                    const char *reason);

enum err tokens_resolve(const struct store_view *view, const struct settings *settings,
                        int64_t now_us, struct str token, struct arena *arena,
                        struct caller *caller);
enum err tokens_recheck(const struct store_view *view, const struct settings *settings,
                        int64_t now_us, struct arena *arena, struct caller *caller);
/* Is the session past its life, or unused for too long? */
bool session_is_over(const struct session *session, const struct settings *settings,
                     int64_t now_us);

/* GET /.well-known/jwks.json */
enum err tokens_jwks(struct request *request, const struct store_view *view);

extern const struct schema jwks_schema;
extern const struct command_row session_touch_command;

#endif
