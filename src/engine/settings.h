/*
 * Settings: one table. `coffer --help`, `coffer settings`, README and the boot log derive from it.
 * Sources, later wins: default < DIR/coffer.conf < environment COFFER_* < flags. Unknown names and
 * values outside the limits stop the start.
 */
#ifndef ENGINE_SETTINGS_H
#define ENGINE_SETTINGS_H

#include "base/buf.h"
#include "base/err.h"

/* name, kind, default, min, max, sentence. INT is a number; SECONDS a number of seconds; BOOL true
 * or false; TEXT is text of at most `max` bytes. */
#define SETTINGS_TABLE(ROW)                                                                        \
    ROW(NAME, "name", TEXT, "Coffer", 1, 64, "Name shown in pages and in one-time-code apps.")     \
    ROW(ENVIRONMENT, "environment", TEXT, "production", 1, 32,                                     \
        "Word shown by /health; `production` hides development aids.")                             \
    ROW(PUBLIC_URL, "public-url", TEXT, "https://localhost:8443", 1, 255,                          \
        "Address under which people reach this server; issuer of tokens.")                         \
    ROW(USER, "user", TEXT, "", 0, 64, "User (NAME or UID[:GID]) to become when started as root.") \
    ROW(SANDBOX, "sandbox", BOOL, "true", 0, 1,                                                    \
        "Limit system calls (seccomp) and files (Landlock) after the start.")                      \
    ROW(LOG_LEVEL, "log.level", TEXT, "info", 4, 5, "debug, info, warn or error.")                 \
    ROW(CONNECTIONS, "http.connections", INT, "1024", 16, 20000,                                   \
        "Connections at once; each TLS connection takes about 40 KB when used.")                   \
    ROW(CONNECTIONS_PER_ADDRESS, "http.connections-per-address", INT, "256", 0, 20000,             \
        "Connections of one address at once; 0 = no limit; loopback has none.")                    \
    ROW(TRUSTED_PROXIES, "http.trusted-proxies", TEXT, "", 0, 512,                                 \
        "Addresses or ADDRESS/BITS, comma separated, whose X-Forwarded-For is believed.")          \
    ROW(HEAD_TIMEOUT, "http.head-timeout", SECONDS, "10", 1, 300,                                  \
        "Time for TLS handshake and request head.")                                                \
    ROW(BODY_TIMEOUT, "http.body-timeout", SECONDS, "30", 1, 3600,                                 \
        "Time for a body of up to 64 KiB.")                                                        \
    ROW(IDLE_TIMEOUT, "http.idle-timeout", SECONDS, "75", 1, 3600,                                 \
        "How long an idle keep-alive connection stays.")                                           \
    ROW(WRITE_TIMEOUT, "http.write-timeout", SECONDS, "30", 1, 3600,                               \
        "How long a client may take nothing while we send.")                                       \
    ROW(STOP_TIMEOUT, "http.stop-timeout", SECONDS, "10", 0, 300,                                  \
        "How long SIGTERM waits for running requests.")                                            \
    ROW(REQUEST_MEMORY, "http.request-memory", INT, "67108864", 1048576, 1073741824,               \
        "Bytes that all running requests together may hold.")                                      \
    ROW(CORS_ORIGINS, "cors.origins", TEXT, "http://localhost:3000,http://localhost:5173", 0,      \
        1024, "Origins that browsers may call from, comma separated; * for any, no credentials.")  \
    ROW(TLS_CERTIFICATE, "tls.certificate", TEXT, "", 0, 1024,                                     \
        "PEM file with the certificate chain; empty = self-signed, kept in DIR.")                  \
    ROW(TLS_KEY, "tls.key", TEXT, "", 0, 1024, "PEM file with the key of tls.certificate.")        \
    ROW(TLS_SESSIONS, "tls.sessions", INT, "8192", 0, 1000000,                                     \
        "TLS sessions remembered for resumption; 100 bytes each.")                                 \
    ROW(KEY_FILE, "key-file", TEXT, "", 0, 1024,                                                   \
        "File with the sealing key (64 hex digits); empty = DIR.key beside the data folder.")      \
    ROW(METRICS, "metrics.enabled", BOOL, "true", 0, 1, "Serve /metrics.")                         \
    ROW(HEALTH_DETAILS, "health.details", BOOL, "true", 0, 1, "Serve /health/detailed.")           \
    ROW(RATE_ENABLED, "rate.enabled", BOOL, "true", 0, 1, "Rate limits; leave on.")                \
    ROW(RATE_REGISTER, "rate.register", INT, "5", 1, 1000000, "Registrations per minute.")         \
    ROW(RATE_LOGIN, "rate.login", INT, "10", 1, 1000000, "Logins per minute.")                     \
    ROW(RATE_FACTOR, "rate.factor", INT, "10", 1, 1000000, "One-time codes per minute.")           \
    ROW(RATE_PASSKEY, "rate.passkey", INT, "60", 1, 1000000,                                       \
        "Requests of passkeys per minute; a login has two.")                                       \
    ROW(RATE_TOKEN, "rate.token", INT, "30", 1, 1000000,                                           \
        "Token refreshes, and links of mails, per minute.")                                        \
    ROW(RATE_READ, "rate.read", INT, "1200", 1, 100000000, "Other reads per minute.")              \
    ROW(RATE_WRITE, "rate.write", INT, "600", 1, 100000000, "Other writes per minute.")            \
    ROW(PASSWORD_LENGTH, "password.length-min", INT, "12", 1, 72,                                  \
        "Fewest characters of a password.")                                                        \
    ROW(PASSWORD_CLASSES, "password.classes-min", INT, "4", 1, 4,                                  \
        "How many of upper case, lower case, digit and other a password needs.")                   \
    ROW(PASSWORD_COST, "password.cost", INT, "12", 4, 16, "bcrypt cost of new password hashes.")   \
    ROW(LOCKOUT_FAILURES, "lockout.failures", INT, "5", 1, 1000,                                   \
        "Failed logins to one account from one address before both are locked.")                   \
    ROW(LOCKOUT_ACCOUNT, "lockout.account-failures", INT, "20", 1, 100000,                         \
        "Failed logins to one account from all addresses before it is locked.")                    \
    ROW(LOCKOUT_SECONDS, "lockout.time", SECONDS, "1800", 1, 864000,                               \
        "How long a lock lasts, and how long failures are counted.")                               \
    ROW(SESSION_SECONDS, "session.time", SECONDS, "86400", 60, 31536000, "Life of a session.")     \
    ROW(SESSION_LONG_SECONDS, "session.remembered-time", SECONDS, "2592000", 60, 31536000,         \
        "Life of a session with remember_me.")                                                     \
    ROW(SESSION_IDLE_SECONDS, "session.idle-time", SECONDS, "0", 0, 31536000,                      \
        "How long an unused session stays open; 0 = for its whole life.")                          \
    ROW(SESSION_MOST_SECONDS, "session.longest-time", SECONDS, "7776000", 60, 315360000,           \
        "Longest life of a session, however often it is refreshed.")                               \
    ROW(ACCESS_SECONDS, "token.access-time", SECONDS, "900", 10, 86400,                            \
        "Life of an access token.")                                                                \
    ROW(REFRESH_SECONDS, "token.refresh-time", SECONDS, "2592000", 60, 31536000,                   \
        "Life of a refresh token.")                                                                \
    ROW(FRESH_SECONDS, "session.fresh-time", SECONDS, "600", 0, 86400,                             \
        "How long after a login a second factor is set up without the password.")                  \
    ROW(FACTOR_ATTEMPTS, "factor.attempts", INT, "5", 1, 100,                                      \
        "Wrong one-time codes before a login has to begin again.")                                 \
    ROW(FACTOR_PENDING_SECONDS, "factor.login-time", SECONDS, "300", 10, 3600,                     \
        "How long a login waits for its second factor.")                                           \
    ROW(FACTOR_SETUP_SECONDS, "factor.setup-time", SECONDS, "600", 10, 86400,                      \
        "How long a new second factor waits for its first code.")                                  \
    ROW(WEBAUTHN_RP_ID, "webauthn.rp-id", TEXT, "", 0, 253,                                        \
        "Domain that passkeys belong to; empty = the host of public-url. Never change it.")        \
    ROW(WEBAUTHN_RP_NAME, "webauthn.rp-name", TEXT, "", 0, 64,                                     \
        "Name that browsers show for it; empty = name.")                                           \
    ROW(WEBAUTHN_ORIGINS, "webauthn.origins", TEXT, "", 0, 1024,                                   \
        "Origins whose pages use passkeys, comma separated; empty = that of public-url.")          \
    ROW(WEBAUTHN_VERIFICATION, "webauthn.user-verification", TEXT, "preferred", 1, 16,             \
        "required, preferred or discouraged: PIN, finger or face at the authenticator.")           \
    ROW(WEBAUTHN_SECONDS, "webauthn.time", SECONDS, "300", 1, 3600,                                \
        "How long a passkey's challenge waits for its answer.")                                    \
    ROW(IDEMPOTENCY_SECONDS, "idempotency.time", SECONDS, "86400", 60, 2592000,                    \
        "How long the answer to an Idempotency-Key is kept.")                                      \
    ROW(GATEKEEPER, "gatekeeper.enabled", BOOL, "true", 0, 1,                                      \
        "Serve the Gatekeeper paths: /login, /register, /profile, /{account} and so on.")          \
    ROW(GATEKEEPER_REGISTRATION, "gatekeeper.registration", BOOL, "true", 0, 1,                    \
        "Let anybody register a Gatekeeper customer; off: administrators add them.")               \
    ROW(GATEKEEPER_RATE, "gatekeeper.rate", INT, "10", 1, 1000000,                                 \
        "Registrations, and logins, of Gatekeeper customers per minute.")                          \
    ROW(GATEKEEPER_TOKEN_SECONDS, "gatekeeper.token-time", SECONDS, "3600", 1, 86400,              \
        "Life of a Gatekeeper customer's token.")                                                  \
    ROW(MAIL_FOLDER, "mail.folder", TEXT, "", 0, 900,                                              \
        "Folder for mails, one file each, instead of sending them; for development.")              \
    ROW(MAIL_FROM, "mail.from", TEXT, "coffer@localhost", 3, 254,                                  \
        "E-mail address that mails come from.")                                                    \
    ROW(MAIL_QUOTA, "mail.per-hour", INT, "3", 1, 1000,                                            \
        "Mails of one kind that one address can be made to get per hour.")                         \
    ROW(VERIFY_SECONDS, "mail.verify-time", SECONDS, "86400", 1, 2592000,                          \
        "Life of a link that confirms an address.")                                                \
    ROW(RESET_SECONDS, "mail.reset-time", SECONDS, "3600", 1, 86400,                               \
        "Life of a link that sets a new password.")                                                \
    ROW(REQUIRE_VERIFIED, "auth.require-verified-email", BOOL, "false", 0, 1,                      \
        "No login before the address is confirmed.")                                               \
    ROW(OUTBOX_ATTEMPTS, "outbox.attempts", INT, "16", 1, 1000,                                    \
        "How often something is tried to be sent; with pauses as they are, two days.")             \
    ROW(OUTBOX_PAUSE, "outbox.retry-time", SECONDS, "30", 1, 86400,                                \
        "Pause before the second try; it doubles each time, up to six hours.")                     \
    ROW(SMTP_HOST, "mail.smtp-host", TEXT, "", 0, 253,                                             \
        "Name of the mail server that sends our mails on; empty = none.")                          \
    ROW(SMTP_PORT, "mail.smtp-port", INT, "0", 0, 65535,                                           \
        "Its port; 0 = 587, or 465 with mail.smtp-security=tls, 25 with none.")                    \
    ROW(SMTP_SECURITY, "mail.smtp-security", TEXT, "starttls", 3, 8,                               \
        "starttls, tls (from the first byte), optional (starttls if offered) or none.")            \
    ROW(SMTP_USER, "mail.smtp-user", TEXT, "", 0, 512,                                             \
        "User name for the mail server; empty = no login. Never sent without TLS.")                \
    ROW(SMTP_PASSWORD, "mail.smtp-password", SECRET, "", 0, 512, "Its password.")                  \
    ROW(SMTP_TIMEOUT, "mail.smtp-timeout", SECONDS, "30", 1, 600,                                  \
        "How long the mail server may take for a step; the end of a mail gets five times that.")   \
    ROW(UPDATE_TIMEOUT, "update.timeout", SECONDS, "30", 1, 600,                                   \
        "How long a server that updates are fetched from may say nothing.")                        \
    ROW(UPDATE_PLAIN, "update.plain-http", BOOL, "false", 0, 1,                                    \
        "Fetch updates by http:// from other machines, too; they are signed, but seen.")           \
    ROW(RESOLVERS, "net.resolvers", TEXT, "", 0, 256,                                              \
        "Name servers, up to three ADDRESS[:PORT], comma separated; empty = /etc/resolv.conf.")    \
    ROW(TRUST_STORE, "net.trust-store", TEXT, "", 0, 1000,                                         \
        "PEM file with the authorities whose certificates we accept; empty = the system's.")

/* A SECRET is a TEXT that is never shown. */
enum setting_kind { SETTING_INT, SETTING_SECONDS, SETTING_BOOL, SETTING_TEXT, SETTING_SECRET };

enum setting {
#define SETTING_ENUM(id, name, kind, value, min, max, doc) SETTING_##id##_ID,
    SETTINGS_TABLE(SETTING_ENUM)
#undef SETTING_ENUM
        SETTINGS_COUNT
};

struct setting_row {
    const char *name;
    enum setting_kind kind;
    const char *value; /* default */
    int64_t min, max;  /* INT, SECONDS: value; TEXT, SECRET: bytes */
    const char *doc;
};

enum { SETTING_TEXT_BYTES_MAX = 1025 };

struct settings {
    int64_t numbers[SETTINGS_COUNT];
    char texts[SETTINGS_COUNT][SETTING_TEXT_BYTES_MAX];
    const char *sources[SETTINGS_COUNT]; /* "default", "coffer.conf", "environment", "flag" */
};

const struct setting_row *setting_row(enum setting id);

void settings_init(struct settings *settings); /* all defaults */
/* `source` is a constant name. On failure *problem is a sentence (static memory) that names the
 * setting and its limits. */
enum err settings_set(struct settings *settings, struct str name, struct str value,
                      const char *source, const char **problem);
/* Lines "name = value", "# comment", blank. The same name twice is a failure. */
enum err settings_parse_file(struct settings *settings, struct str text, const char **problem);
/* "COFFER_HTTP_HEAD_TIMEOUT=5" is http.head-timeout; other variables are left alone, an unknown
 * COFFER_ name is a failure. */
enum err settings_parse_environment(struct settings *settings, const char *const *environment,
                                    const char **problem);

int64_t settings_int(const struct settings *settings, enum setting id);
int64_t settings_us(const struct settings *settings, enum setting id); /* SECONDS as microseconds */
bool settings_bool(const struct settings *settings, enum setting id);
struct str settings_text(const struct settings *settings, enum setting id); /* SECRET too */

/* One line per setting: name, value, source, sentence. */
void settings_print(const struct settings *settings, struct buf *out);

#endif
