/*
 * One list of everything that can go wrong. A row is: enum name, `type` (error.type of the reply,
 * the identity contract's word), `reason` (error.details.code, the financial contract's word, or
 * ""), HTTP status, and one sentence for people that says what to do next.
 *
 * Rows with status 0 never reach the wire by themselves; whoever gets one turns it into another.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/str.h"

#define ERR_TABLE(ROW)                                                                             \
    ROW(OK, "", "", 200, "OK")                                                                     \
    /* inside only */                                                                              \
    ROW(AGAIN, "", "", 0, "Not ready yet.")                                                        \
    ROW(END, "", "", 0, "No more.")                                                                \
    ROW(FORMAT, "", "", 0, "Not in the expected form.")                                            \
    ROW(FULL, "", "", 0, "Does not fit.")                                                          \
    ROW(IO, "", "", 0, "The system refused an input or output operation.")                         \
    ROW(CORRUPT, "", "", 0, "The stored data fails its checks.")                                   \
    ROW(EXISTS, "", "", 0, "It is there already.")                                                 \
    ROW(CRYPTO, "", "", 0, "A signature, seal or key does not fit.")                               \
    /* bad requests */                                                                             \
    ROW(VALIDATION, "VALIDATION_ERROR", "VALIDATION_ERROR", 400,                                   \
        "Some fields are not acceptable; see details.")                                            \
    ROW(BAD_REQUEST, "BAD_REQUEST", "BAD_REQUEST", 400, "The request is not well-formed.")         \
    ROW(JSON_INVALID, "BAD_REQUEST", "INVALID_JSON", 400, "The body must be valid JSON.")          \
    ROW(MEDIA_TYPE, "BAD_REQUEST", "INVALID_CONTENT_TYPE", 400,                                    \
        "Send the body as Content-Type: application/json.")                                        \
    ROW(HTTP_MALFORMED, "BAD_REQUEST", "BAD_REQUEST", 400,                                         \
        "This is not a valid HTTP/1.1 request.")                                                   \
    ROW(HOST_MISMATCH, "BAD_REQUEST", "BAD_REQUEST", 400,                                          \
        "Send exactly one Host header, equal to the host of an absolute target.")                  \
    ROW(CURSOR_INVALID, "BAD_REQUEST", "INVALID_CURSOR", 400,                                      \
        "Use the cursor of an earlier reply unchanged, or none.")                                  \
    /* who are you */                                                                              \
    ROW(AUTH_REQUIRED, "AUTH_REQUIRED", "TOKEN_MISSING", 401,                                      \
        "Log in and send the token as Authorization: Bearer.")                                     \
    ROW(AUTH_FORMAT, "INVALID_AUTH_FORMAT", "INVALID_AUTH_HEADER", 401,                            \
        "Send the token as Authorization: Bearer TOKEN.")                                          \
    ROW(TOKEN_INVALID, "INVALID_TOKEN", "TOKEN_INVALID", 401,                                      \
        "The token is unknown, revoked or was changed; log in again.")                             \
    ROW(TOKEN_EXPIRED, "INVALID_TOKEN", "TOKEN_EXPIRED", 401,                                      \
        "The token has expired; refresh it or log in again.")                                      \
    ROW(SESSION_INACTIVE, "SESSION_INACTIVE", "TOKEN_EXPIRED", 401,                                \
        "The session has expired; log in again.")                                                  \
    ROW(CREDENTIALS_WRONG, "AUTHENTICATION_ERROR", "INVALID_CREDENTIALS", 401,                     \
        "The e-mail address or the password is wrong.")                                            \
    ROW(PASSWORD_WRONG, "AUTHENTICATION_ERROR", "INVALID_CURRENT_PASSWORD", 401,                   \
        "The current password is wrong.")                                                          \
    ROW(REFRESH_INVALID, "TOKEN_INVALID", "TOKEN_INVALID", 401,                                    \
        "The refresh token is unknown, used or revoked; log in again.")                            \
    ROW(REFRESH_EXPIRED, "TOKEN_EXPIRED", "TOKEN_EXPIRED", 401,                                    \
        "The refresh token has expired; log in again.")                                            \
    ROW(REFRESH_MISSING, "MISSING_TOKEN", "MISSING_TOKEN", 400,                                    \
        "Send the refresh token as Bearer or in refresh_token.")                                   \
    ROW(KEY_INVALID, "INVALID_API_KEY", "API_KEY_INVALID", 401,                                    \
        "The API key is mistyped, unknown or revoked.")                                            \
    ROW(KEY_EXPIRED, "INVALID_API_KEY", "API_KEY_EXPIRED", 401,                                    \
        "The API key has expired; make a new one.")                                                \
    /* may you */                                                                                  \
    ROW(FORBIDDEN, "AUTHORIZATION_ERROR", "INSUFFICIENT_PRIVILEGES", 403,                          \
        "Your role does not allow this.")                                                          \
    ROW(SCOPE_MISSING, "AUTHORIZATION_ERROR", "INSUFFICIENT_PERMISSIONS", 403,                     \
        "The API key does not have the scope for this.")                                           \
    ROW(KEY_PLACE, "AUTHORIZATION_ERROR", "API_KEY_RESTRICTED", 403,                               \
        "The API key is not for this address or this path.")                                       \
    ROW(ACCOUNT_INACTIVE, "AUTHORIZATION_ERROR", "ACCOUNT_INACTIVE", 403,                          \
        "The account is suspended or inactive; ask an administrator.")                             \
    ROW(ACCOUNT_LOCKED, "ACCOUNT_LOCKED", "ACCOUNT_LOCKED", 423,                                   \
        "Too many failed logins; try again after locked_until.")                                   \
    ROW(EMAIL_UNVERIFIED, "AUTHORIZATION_ERROR", "EMAIL_NOT_VERIFIED", 403,                        \
        "Confirm the e-mail address first: the link was sent to it.")                              \
    ROW(LIMITED_SESSION, "MFA_COMPLIANCE_REQUIRED", "MFA_COMPLIANCE_REQUIRED", 403,                \
        "Set up the required second factor first.")                                                \
    ROW(CSRF, "AUTHORIZATION_ERROR", "CSRF_TOKEN_INVALID", 403,                                    \
        "With a session cookie, send its csrf_token as X-CSRF-Token, from a page of ours.")        \
    ROW(SELF, "AUTHORIZATION_ERROR", "SELF_DELETE_FORBIDDEN", 403,                                 \
        "Administrators do this to others; their own account is at /api/v1/users/me.")             \
    ROW(PASSWORD_CHANGE, "PASSWORD_CHANGE_REQUIRED", "PASSWORD_CHANGE_REQUIRED", 403,              \
        "Change the password first, at /api/v1/users/me/password.")                                \
    ROW(SETUP_TOKEN_WRONG, "AUTHENTICATION_ERROR", "SETUP_TOKEN_INVALID", 401,                     \
        "The one-time token is wrong or used; `coffer admin create` makes an administrator.")      \
    /* is it there */                                                                              \
    ROW(NOT_FOUND, "NOT_FOUND", "NOT_FOUND", 404, "There is nothing here under that name.")        \
    ROW(METHOD, "METHOD_NOT_ALLOWED", "METHOD_NOT_ALLOWED", 405,                                   \
        "This resource does not have that method; see Allow.")                                     \
    ROW(CONFLICT, "CONFLICT", "INTEGRITY_ERROR", 409, "It conflicts with what is stored.")         \
    ROW(EMAIL_TAKEN, "CONFLICT", "EMAIL_EXISTS", 409, "This e-mail address is in use.")            \
    ROW(USERNAME_TAKEN, "CONFLICT", "USERNAME_EXISTS", 409, "This user name is in use.")           \
    ROW(SLUG_TAKEN, "CONFLICT", "SLUG_EXISTS", 409, "An organization with this slug exists.")      \
    ROW(MEMBER_EXISTS, "CONFLICT", "ALREADY_MEMBER", 409, "This account is a member already.")     \
    ROW(LAST_OWNER, "CONFLICT", "LAST_OWNER", 409,                                                 \
        "An organization keeps one owner; make another one first, or delete it.")                  \
    ROW(LAST_ADMIN, "CONFLICT", "LAST_ADMIN", 409,                                                 \
        "The last active administrator stays one; make another one first.")                        \
    ROW(PASSWORD_NONE, "CONFLICT", "NO_PASSWORD", 409, "This account has no password.")            \
    ROW(LIMIT, "CONFLICT", "LIMIT_REACHED", 409, "There are as many as there may be.")             \
    ROW(PRECONDITION, "PRECONDITION_FAILED", "PRECONDITION_FAILED", 412,                           \
        "The resource has changed; read it again.")                                                \
    ROW(IDEMPOTENCY_REUSED, "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_REUSED", 422,               \
        "This Idempotency-Key belongs to another request; use a new one.")                         \
    ROW(KEY_INACTIVE, "BAD_REQUEST", "API_KEY_INACTIVE", 400,                                      \
        "The API key is revoked or expired; make a new one.")                                      \
    /* updates of the appliance */                                                                 \
    ROW(UPDATE_KEY, "CONFLICT", "UPDATE_KEY_MISSING", 409,                                         \
        "This server was built without a key for updates, so it takes none.")                      \
    ROW(UPDATE_FORMAT, "BAD_REQUEST", "UPDATE_FORMAT", 400,                                        \
        "This is not the header of an update bundle, or it is cut short.")                         \
    ROW(UPDATE_UNSIGNED, "BAD_REQUEST", "UPDATE_SIGNATURE", 400,                                   \
        "The bundle is not signed by the key that this server was built with.")                    \
    ROW(UPDATE_OLD, "CONFLICT", "UPDATE_NOT_NEWER", 409,                                           \
        "The bundle is not newer than the server that runs.")                                      \
    ROW(UPDATE_BASE, "CONFLICT", "UPDATE_TOO_NEW", 409,                                            \
        "The bundle needs a newer server than this; install a version in between first.")          \
    ROW(UPDATE_PART, "BAD_REQUEST", "UPDATE_PART", 400,                                            \
        "The part is not the one that the bundle's header names; send it again.")                  \
    ROW(UPDATE_INCOMPLETE, "CONFLICT", "UPDATE_INCOMPLETE", 409,                                   \
        "Parts of the bundle are missing; send them first.")                                       \
    ROW(UPDATE_BUSY, "CONFLICT", "UPDATE_FETCHING", 409,                                           \
        "An update is being fetched; wait until that has ended.")                                  \
    ROW(UPDATE_FETCH, "BAD_GATEWAY", "UPDATE_FETCH", 502,                                          \
        "The update could not be fetched; its state says why.")                                    \
    ROW(UPDATE_MACHINE, "CONFLICT", "UPDATE_NO_SLOTS", 409,                                        \
        "This machine was not started from a disk with our two slots; replace its files instead.") \
    /* customers of the Gatekeeper paths; their dialect has words of its own for these */          \
    ROW(BEARER_MISSING, "INVALID_AUTH_FORMAT", "INVALID_AUTH_HEADER", 401,                         \
        "Send the token as Authorization: Bearer TOKEN.")                                          \
    ROW(TOKEN_SEGMENTS, "INVALID_TOKEN", "TOKEN_INVALID", 422, "The token is none.")               \
    ROW(TOKEN_REVOKED, "INVALID_TOKEN", "TOKEN_REVOKED", 401,                                      \
        "The token ended with the password that it was made for; log in again.")                   \
    ROW(CUSTOMER_GONE, "NOT_FOUND", "CUSTOMER_NOT_FOUND", 404,                                     \
        "The customer whose token this was is gone.")                                              \
    ROW(CUSTOMER_NONE, "NOT_FOUND", "CUSTOMER_NOT_FOUND", 404,                                     \
        "There is no customer with this account number.")                                          \
    ROW(CUSTOMER_EXISTS, "CONFLICT", "CUSTOMER_EXISTS", 409,                                       \
        "There is a customer with this account number.")                                           \
    ROW(CUSTOMER_CREDENTIALS, "AUTHENTICATION_ERROR", "INVALID_CREDENTIALS", 401,                  \
        "The account number or the password is wrong.")                                            \
    ROW(CUSTOMER_LOCKED, "ACCOUNT_LOCKED", "ACCOUNT_LOCKED", 403,                                  \
        "Too many failed logins; try again a minute after the last one.")                          \
    ROW(REGISTRATION_CLOSED, "AUTHORIZATION_ERROR", "REGISTRATION_CLOSED", 403,                    \
        "Registration is closed; an administrator can add customers.")                             \
    /* passwords */                                                                                \
    ROW(PASSWORD_SAME, "BAD_REQUEST", "SAME_PASSWORD", 400,                                        \
        "The new password must differ from the current one.")                                      \
    /* second factors; the two financial vocabularies differ by path */                            \
    ROW(FACTOR_EXISTS, "CONFLICT", "TWO_FACTOR_ALREADY_ENABLED", 409,                              \
        "A one-time code app is set up already; disable it first.")                                \
    ROW(FACTOR_ENABLED, "TWO_FACTOR_ALREADY_ENABLED", "TWO_FACTOR_ALREADY_ENABLED", 400,           \
        "A one-time code app is set up already; disable it first.")                                \
    ROW(FACTOR_ENABLED_2FA, "2FA_ALREADY_ENABLED", "2FA_ALREADY_ENABLED", 400,                     \
        "A one-time code app is set up already; disable it first.")                                \
    ROW(FACTOR_NONE, "AUTHENTICATION_ERROR", "TWO_FACTOR_NOT_ENABLED", 401,                        \
        "No one-time code app is set up.")                                                         \
    ROW(FACTOR_NOT_SET_UP, "TWO_FACTOR_NOT_SETUP", "TWO_FACTOR_NOT_SETUP", 400,                    \
        "Set up a one-time code app first; a set-up that was not confirmed in time is gone.")      \
    ROW(FACTOR_NOT_ENABLED, "TWO_FACTOR_NOT_ENABLED", "TWO_FACTOR_NOT_ENABLED", 400,               \
        "No one-time code app is set up.")                                                         \
    ROW(FACTOR_NOT_ENABLED_2FA, "2FA_NOT_ENABLED", "2FA_NOT_ENABLED", 400,                         \
        "No one-time code app is set up.")                                                         \
    ROW(CODE_WRONG, "AUTHENTICATION_ERROR", "INVALID_CODE", 401,                                   \
        "The code is wrong, used or too old; take the next one.")                                  \
    ROW(CODE_WRONG_MFA, "INVALID_CODE", "INVALID_CODE", 401,                                       \
        "The code is wrong, used or too old; take the next one.")                                  \
    ROW(CODE_WRONG_LOGIN, "INVALID_TWO_FACTOR", "INVALID_TWO_FACTOR", 401,                         \
        "The one-time code is wrong, used or too old; take the next one.")                         \
    ROW(CODE_WRONG_2FA, "INVALID_2FA_CODE", "INVALID_2FA_CODE", 401,                               \
        "The code is wrong, used or too old; take the next one.")                                  \
    ROW(CODE_MISSING, "CODE_MISSING", "CODE_MISSING", 400, "Send the one-time code as code.")      \
    ROW(CODE_REQUIRED, "TWO_FACTOR_CODE_REQUIRED", "TWO_FACTOR_CODE_REQUIRED", 401,                \
        "Send the one-time code as code.")                                                         \
    ROW(DATA_MISSING, "MISSING_DATA", "MISSING_DATA", 400,                                         \
        "A member is missing; the documentation lists what this needs.")                           \
    ROW(PASSWORD_REQUIRED, "PASSWORD_REQUIRED", "PASSWORD_REQUIRED", 401,                          \
        "Send the password, too.")                                                                 \
    ROW(REAUTH_REQUIRED, "AUTHENTICATION_ERROR", "PASSWORD_REQUIRED", 401,                         \
        "Send the password, or log in again first.")                                               \
    ROW(TEMP_INVALID, "TOKEN_INVALID", "TOKEN_INVALID", 401,                                       \
        "No login waits under this token; log in with the password first.")                        \
    ROW(TEMP_EXPIRED, "TOKEN_EXPIRED", "TOKEN_EXPIRED", 401,                                       \
        "The login waited too long for its code; log in again.")                                   \
    ROW(PENDING_NONE, "AUTHENTICATION_ERROR", "TOKEN_INVALID", 401,                                \
        "No login waits for a code here; log in with the password first.")                         \
    /* passkeys */                                                                                 \
    ROW(CHALLENGE, "AUTHENTICATION_ERROR", "CHALLENGE_INVALID", 401,                               \
        "The challenge is unknown, used or too old; begin again.")                                 \
    ROW(PASSKEY_WRONG, "AUTHENTICATION_ERROR", "PASSKEY_INVALID", 401,                             \
        "The passkey is not known here, or its answer does not fit.")                              \
    ROW(PASSKEY_ORIGIN, "AUTHENTICATION_ERROR", "ORIGIN_MISMATCH", 401,                            \
        "The answer is for another site; see the settings webauthn.origins and webauthn.rp-id.")   \
    ROW(PASSKEY_UNVERIFIED, "AUTHENTICATION_ERROR", "USER_VERIFICATION_REQUIRED", 401,             \
        "The authenticator has to ask for PIN, finger or face; or log in with the password "       \
        "first.")                                                                                  \
    ROW(PASSKEY_COUNTER, "AUTHENTICATION_ERROR", "PASSKEY_COUNTER", 401,                           \
        "The passkey's counter went back: it may have been copied; register it anew.")             \
    ROW(PASSKEY_EXISTS, "AUTHENTICATION_ERROR", "PASSKEY_EXISTS", 401,                             \
        "This passkey is registered already.")                                                     \
    ROW(FACTOR_NEEDED, "BAD_REQUEST", "FACTOR_REQUIRED", 400,                                      \
        "The policy of an organization asks for this; set up another one first.")                  \
    /* links in mails */                                                                           \
    ROW(LINK_INVALID, "TOKEN_INVALID", "TOKEN_INVALID", 401,                                       \
        "The link is not complete, used or replaced by a newer one; ask for another.")             \
    ROW(LINK_EXPIRED, "TOKEN_EXPIRED", "TOKEN_EXPIRED", 401,                                       \
        "The link is too old; ask for another.")                                                   \
    ROW(INVITATION_INVALID, "NOT_FOUND", "INVITATION_INVALID", 404,                                \
        "The invitation was accepted, revoked or replaced by a newer one; ask for another.")       \
    ROW(INVITATION_EXPIRED, "NOT_FOUND", "INVITATION_EXPIRED", 404,                                \
        "The invitation is too old; ask for another.")                                             \
    ROW(INVITATION_OTHER, "AUTHORIZATION_ERROR", "INVITATION_FOR_ANOTHER", 403,                    \
        "The invitation is for another address; log in with the account of that one.")             \
    /* too much */                                                                                 \
    ROW(REQUEST_TIMEOUT, "REQUEST_TIMEOUT", "REQUEST_TIMEOUT", 408,                                \
        "The request took too long to arrive.")                                                    \
    ROW(BODY_TOO_LARGE, "PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE", 413, "The body is too large.")   \
    ROW(URI_TOO_LONG, "URI_TOO_LONG", "URI_TOO_LONG", 414, "The request target is too long.")      \
    ROW(EXPECTATION, "EXPECTATION_FAILED", "EXPECTATION_FAILED", 417,                              \
        "Only Expect: 100-continue is known.")                                                     \
    ROW(RATE_LIMITED, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT_EXCEEDED", 429,                           \
        "Too many requests; wait for Retry-After seconds.")                                        \
    ROW(HEAD_TOO_LARGE, "HEADERS_TOO_LARGE", "HEADERS_TOO_LARGE", 431,                             \
        "The request headers are too large.")                                                      \
    /* ours */                                                                                     \
    ROW(INTERNAL, "INTERNAL_ERROR", "INTERNAL_ERROR", 500,                                         \
        "Something went wrong here; the request id names it in the log.")                          \
    ROW(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "NOT_IMPLEMENTED", 501,                                \
        "This transfer coding or method is not implemented.")                                      \
    ROW(UNAVAILABLE, "SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE", 503,                            \
        "The server cannot take this now; wait for Retry-After seconds.")                          \
    ROW(NO_MEMORY, "SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE", 503,                              \
        "The server is busy; try again shortly.")                                                  \
    ROW(HTTP_VERSION, "HTTP_VERSION_NOT_SUPPORTED", "HTTP_VERSION_NOT_SUPPORTED", 505,             \
        "Use HTTP/1.1.")                                                                           \
    ROW(STORE_FULL, "INSUFFICIENT_STORAGE", "INSUFFICIENT_STORAGE", 507,                           \
        "The store is full; delete something or give it more room.")

enum err {
#define ERR_ENUM(name, type, reason, status, sentence) ERR_##name,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

struct err_row {
    const char *name; /* the enum's name without ERR_ */
    const char *type;
    const char *reason;
    const char *sentence;
    uint16_t status; /* HTTP status, 0 = inside only */
};

const struct err_row *err_row(enum err err);

#endif
