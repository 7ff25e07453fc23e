/*
 * Fills a store with users, each with one session, as if all of them had registered and logged in:
 * the records are written by the tables' own codec, only faster than over HTTPS.
 *
 *     bench_fill USERS TOKENS_FILE PASSWORD TOTP_SECRET --data DIR
 *
 * User N is user-N@bench.example with that password (cost 4); those with an even N have an app with
 * that secret (20 characters). TOKENS_FILE gets the session tokens of up to 20,000 users, evenly
 * chosen.
 */
#include <crypt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "crypto/token.h"
#include "domain/auth/auth.h"
#include "domain/auth/totp.h"
#include "os/clock.h"

enum { BATCH_USERS = 500, TOKENS_MAX = 20000 };

struct fill {
    uint64_t users;
    uint64_t next;
    int64_t now_us;
    struct str password_hash;
    struct str totp_secret;
    FILE *tokens;
};

/* 32 bytes that belong to user and purpose. */
static struct hash entropy_of(const char *purpose, uint64_t user) {
    struct hash_stream stream;
    hash_stream_init(&stream);
    hash_stream_add_field(&stream, str_from_c(purpose));
    hash_stream_add_field(&stream, (struct str){(const char *)&user, sizeof user});
    return hash_stream_value(&stream);
}

static void user_put(struct store_tx *tx, const struct fill *fill, uint64_t number,
                     struct id user_id) {
    char email[64];
    char name[64];
    struct user user = {
        .id = user_id,
        .email = {email, (uint32_t)snprintf(email, sizeof email, "user-%llu@bench.example",
                                            (unsigned long long)number)},
        .full_name = {name, (uint32_t)snprintf(name, sizeof name, "User Number %llu",
                                               (unsigned long long)number)},
        .status = USER_ACTIVE,
        .role = 0,
        .password_hash = fill->password_hash,
        .password_changed_at = fill->now_us,
        .created_at = fill->now_us + (int64_t)number,
        .updated_at = fill->now_us,
    };
    while (1u << user.role != ROLE_CUSTOMER) {
        user.role += 1;
    }
    SCHEMA_SET(&user_schema, &user, id);
    SCHEMA_SET(&user_schema, &user, email);
    SCHEMA_SET(&user_schema, &user, email_verified);
    SCHEMA_SET(&user_schema, &user, full_name);
    SCHEMA_SET(&user_schema, &user, status);
    SCHEMA_SET(&user_schema, &user, role);
    SCHEMA_SET(&user_schema, &user, password_hash);
    SCHEMA_SET(&user_schema, &user, password_changed_at);
    SCHEMA_SET(&user_schema, &user, created_at);
    SCHEMA_SET(&user_schema, &user, updated_at);
    if (number % 2 == 0) {
        user_set_factor(&user, USER_FACTOR_TOTP, true, fill->now_us);
    }
    store_put(tx, &user_table, &user);
}

static void totp_put(struct store_tx *tx, const struct fill *fill, struct id user_id) {
    struct totp_factor factor = {
        .user_id = user_id,
        .secret = fill->totp_secret,
        .is_verified = true,
        .created_at = fill->now_us,
        .updated_at = fill->now_us,
    };
    SCHEMA_SET(&totp_factor_schema, &factor, user_id);
    SCHEMA_SET(&totp_factor_schema, &factor, secret);
    SCHEMA_SET(&totp_factor_schema, &factor, is_verified);
    SCHEMA_SET(&totp_factor_schema, &factor, backup_used);
    SCHEMA_SET(&totp_factor_schema, &factor, created_at);
    SCHEMA_SET(&totp_factor_schema, &factor, updated_at);
    store_put(tx, &totp_factor_table, &factor);
}

static void session_put(struct store_tx *tx, const struct fill *fill, uint64_t number,
                        struct id user_id) {
    struct hash session_entropy = entropy_of("session", number);
    struct hash token_entropy = entropy_of("token", number);
    struct token token = token_from_entropy(token_entropy.bytes);
    struct hash key;
    CHECK(token_store_key(token_str(&token), &key));
    struct session session = {
        .id = id_from_entropy(session_entropy.bytes),
        .user_id = user_id,
        .status = SESSION_ACTIVE,
        .token_hash = hash_bytes(&key),
        .ip_address = STR("127.0.0.1"),
        .user_agent = STR("bench"),
        .expires_at = fill->now_us + INT64_C(86400000000),
        .last_activity_at = fill->now_us,
        .created_at = fill->now_us,
        .updated_at = fill->now_us,
    };
    session.set.present = UINT64_MAX >> (64 - session_schema.field_count);
    SCHEMA_CLEAR(&session_schema, &session, revoked_at);
    SCHEMA_CLEAR(&session_schema, &session, revoked_reason);
    store_put(tx, &session_table, &session);
}

static uint32_t batch_run(struct store_tx *tx, void *ctx) {
    const struct fill *fill = ctx;
    uint64_t end = fill->next + BATCH_USERS < fill->users ? fill->next + BATCH_USERS : fill->users;
    for (uint64_t number = fill->next; number < end; number += 1) {
        struct hash entropy = entropy_of("user", number);
        struct id user_id = id_from_entropy(entropy.bytes);
        store_tx_command(tx, entropy.bytes);
        user_put(tx, fill, number, user_id);
        session_put(tx, fill, number, user_id);
        if (number % 2 == 0) {
            totp_put(tx, fill, user_id);
        }
        store_tx_breathe(tx);
    }
    return (uint32_t)(end - fill->next);
}

static void batch_done(void *ctx) {
    (void)ctx;
}

static void batch_wait(struct store *store) {
    while (store_batch_is_busy(store)) {
        if (!store_batch_wants_cpu(store)) {
            struct pollfd poll_fd = {.fd = store_wait_fd(store), .events = POLLIN};
            (void)poll(&poll_fd, 1, -1);
        }
        store_batch_step(store);
    }
}

static void tokens_write(const struct fill *fill) {
    uint64_t step = fill->users > TOKENS_MAX ? fill->users / TOKENS_MAX : 1;
    for (uint64_t number = 0; number < fill->users; number += step) {
        struct hash entropy = entropy_of("token", number);
        struct token token = token_from_entropy(entropy.bytes);
        (void)fprintf(fill->tokens, "%.*s\n", STR_ARG(token_str(&token)));
    }
}

int main(int argc, char **argv) {
    struct cli_options options;
    struct store_seal_key key;
    struct store *store = NULL;
    if (!cli_options_parse(argc - 1, (const char *const *)(void *)(argv + 1), &options) ||
        options.word_count != 4 || !cli_folder_make(&options) ||
        !cli_key_load(&options, true, &key) || !cli_store_open(&options, &key, false, &store)) {
        return 1;
    }
    struct fill fill = {
        .users = strtoull(options.words[0], NULL, 10),
        .now_us = clock_wall_us(),
        .tokens = fopen(options.words[1], "w"),
        .password_hash = str_from_c(crypt(options.words[2], "$2b$04$BenchBenchBenchBenchBu")),
        .totp_secret = str_from_c(options.words[3]),
    };
    if (fill.tokens == NULL) {
        perror(options.words[1]);
        return 1;
    }
    for (; fill.next < fill.users; fill.next += BATCH_USERS) {
        if (store_batch_start(store, batch_run, batch_done, &fill) != ERR_OK) {
            fprintf(stderr, "the store is full\n");
            return 1;
        }
        batch_wait(store);
    }
    tokens_write(&fill);
    fclose(fill.tokens);
    store_close(store);
    return 0;
}
