/*
 * Logins between password and second factor, and what becomes of those that are not finished: in a
 * real store, with the clock in the test's hands. What clients see of it is tested in
 * tests/http/test_totp_limits.py.
 */
#include "test.h"

#include "domain/auth/jobs.h"
#include "domain/auth/pending.h"
#include "domain/auth/totp.h"
#include "support/store_support.h"

enum { ATTEMPTS = 5 };
static const int64_t second_us = 1000000;
static const int64_t start_us = INT64_C(1700000000) * 1000000;

static const struct table *const tables[] = {&user_table, &login_failures_table, &totp_factor_table,
                                             &pending_login_table};
static struct store_bench bench;
static struct settings settings;
static struct command command;
static struct outcome outcome;
static struct user user;
static char key_bytes[32];

static struct str key(void) {
    return str_from(key_bytes, sizeof(key_bytes));
}

static bool start(void) {
    struct store_options options = bench_options();
    options.tables = tables;
    options.table_count = COUNT_OF(tables);
    settings_init(&settings);
    command = (struct command){.settings = &settings, .now_us = start_us, .arena = &bench.arena};
    user = (struct user){.id = id_from_number(1),
                         .email = STR("a@example.com"),
                         .status = USER_ACTIVE,
                         .password_hash = STR("$2b$04$hash"),
                         .password_changed_at = start_us - second_us,
                         .created_at = start_us,
                         .updated_at = start_us};
    user.set.present = schema_bit(&user_schema, offsetof(struct user, id));
    SCHEMA_SET(&user_schema, &user, email);
    SCHEMA_SET(&user_schema, &user, email_verified);
    SCHEMA_SET(&user_schema, &user, status);
    SCHEMA_SET(&user_schema, &user, role);
    SCHEMA_SET(&user_schema, &user, password_hash);
    SCHEMA_SET(&user_schema, &user, password_changed_at);
    SCHEMA_SET(&user_schema, &user, created_at);
    SCHEMA_SET(&user_schema, &user, updated_at);
    return bench_open_with(&bench, NULL, options);
}

static uint32_t put_user(struct store_tx *tx, void *ctx) {
    (void)ctx;
    store_tx_command(tx, command.entropy);
    store_put(tx, &user_table, &user);
    return 1;
}

/* Opens a pending login and notes its key. */
static uint32_t open_login(struct store_tx *tx, void *ctx) {
    struct str *text = ctx;
    store_tx_command(tx, command.entropy);
    outcome = (struct outcome){.err = ERR_OK};
    pending_open(tx, &command, &user, true, &outcome);
    const char *token = yyjson_mut_get_str(yyjson_mut_obj_get(outcome.data, "temp_token"));
    size_t len = yyjson_mut_get_len(yyjson_mut_obj_get(outcome.data, "temp_token"));
    *text = str_from(token, len);
    struct hash hash = hash_of(*text);
    memcpy(key_bytes, hash.bytes, sizeof(key_bytes));
    return 1;
}

static enum err get(struct pending_login *pending) {
    struct user found;
    enum err err = pending_get(store_snapshot(bench.store), &command, key(), pending, &found);
    store_tick_end(bench.store);
    return err;
}

static bool begin(void) {
    struct str text;
    if (!start()) {
        return false;
    }
    bench_batch(&bench, put_user, NULL);
    bench_batch(&bench, open_login, &text);
    return text.len == 43;
}

TEST(a_pending_login_says_who_and_how_long)
{
    struct pending_login pending;
    REQUIRE(begin());
    EXPECT_EQ_INT(get(&pending), ERR_OK);
    EXPECT(id_equal(pending.user_id, user.id));
    EXPECT(pending.is_remembered);
    EXPECT_EQ_INT(pending.attempts, 0);
    EXPECT_EQ_INT(pending.expires_at, start_us + 300 * second_us);
    command.now_us = pending.expires_at - 1;
    EXPECT_EQ_INT(get(&pending), ERR_OK);
    command.now_us++;
    EXPECT_EQ_INT(get(&pending), ERR_TEMP_EXPIRED);
    key_bytes[0] ^= 1;
    EXPECT_EQ_INT(get(&pending), ERR_TEMP_INVALID);
    bench_close(&bench);
}

TEST(it_is_void_when_the_user_is_not_who_he_was)
{
    struct pending_login pending;
    REQUIRE(begin());
    static const int32_t states[] = {
        USER_SUSPENDED, USER_INACTIVE, USER_DELETED, USER_PENDING, USER_COMPLIANCE_SUSPENDED,
        USER_ACTIVE};
    static const enum err answers[] = {
        ERR_ACCOUNT_INACTIVE, ERR_ACCOUNT_INACTIVE, ERR_TEMP_INVALID, ERR_OK, ERR_OK, ERR_OK};
    for (uint32_t i = 0; i < COUNT_OF(states); i++) {
        user.status = states[i];
        bench_batch(&bench, put_user, NULL);
        EXPECT_EQ_INT(get(&pending), answers[i]);
    }
    user.password_hash = STR("$2b$12$made anew");
    bench_batch(&bench, put_user, NULL);
    EXPECT_EQ_INT(get(&pending), ERR_OK); /* a new hash of the same password */
    user.password_changed_at++;
    bench_batch(&bench, put_user, NULL);
    EXPECT_EQ_INT(get(&pending), ERR_TEMP_INVALID);
    bench_close(&bench);
}

static uint32_t drop_mark(struct store_tx *tx, void *ctx) {
    struct pending_login pending = *(struct pending_login *)ctx;
    store_tx_command(tx, command.entropy);
    SCHEMA_CLEAR(&pending_login_schema, &pending, password_at);
    store_put(tx, &pending_login_table, &pending);
    return 1;
}

/* Contract defect 2: a login that something else than a password began. */
TEST(without_a_checked_password_no_code_helps)
{
    struct pending_login pending;
    REQUIRE(begin());
    EXPECT_EQ_INT(get(&pending), ERR_OK);
    bench_batch(&bench, drop_mark, &pending);
    EXPECT_EQ_INT(get(&pending), ERR_TEMP_INVALID);
    bench_close(&bench);
}

static uint32_t fail_once(struct store_tx *tx, void *ctx) {
    struct pending_login pending = *(struct pending_login *)ctx;
    store_tx_command(tx, command.entropy);
    outcome = (struct outcome){.err = ERR_OK};
    pending_fail(tx, &command, &pending, &outcome);
    return 1;
}

TEST(the_last_wrong_code_ends_it)
{
    struct pending_login pending;
    REQUIRE(begin());
    for (uint32_t i = 0; i < ATTEMPTS; i++) {
        EXPECT_EQ_INT(get(&pending), ERR_OK);
        EXPECT_EQ_INT(pending.attempts, i);
        bench_batch(&bench, fail_once, &pending);
        EXPECT_EQ_INT(str_is_none(outcome.set_cookie), i + 1 < ATTEMPTS);
    }
    EXPECT_EQ_INT(get(&pending), ERR_TEMP_INVALID);
    bench_close(&bench);
}

/* ---- what is not finished goes ---- */

static uint32_t put_factors(struct store_tx *tx, void *ctx) {
    (void)ctx;
    store_tx_command(tx, command.entropy);
    for (uint32_t i = 0; i < 600; i++) {
        bool is_verified = i % 3 == 0;
        struct totp_factor factor = {.user_id = id_from_number(100 + i),
                                     .secret = STR("12345678901234567890"),
                                     .is_verified = is_verified,
                                     .pending_until = start_us + i * second_us,
                                     .created_at = start_us,
                                     .updated_at = start_us};
        factor.set.present = UINT64_MAX >> (64 - totp_factor_schema.field_count);
        SCHEMA_CLEAR(&totp_factor_schema, &factor, backup_hashes);
        SCHEMA_CLEAR(&totp_factor_schema, &factor, last_step);
        if (is_verified) {
            SCHEMA_CLEAR(&totp_factor_schema, &factor, pending_until);
        }
        store_put(tx, &totp_factor_table, &factor);
    }
    return 1;
}

static uint32_t prune(struct store_tx *tx, void *ctx) {
    (void)ctx;
    store_tx_command(tx, command.entropy);
    outcome = (struct outcome){.err = ERR_OK};
    factor_prune_command.apply(tx, &command, &outcome);
    return 1;
}

static uint64_t rows_of(const struct table *table) {
    uint64_t count = store_count(store_snapshot(bench.store), table);
    store_tick_end(bench.store);
    return count;
}

TEST(unfinished_setups_go_and_proven_factors_stay)
{
    REQUIRE(start());
    bench_batch(&bench, put_factors, NULL);
    bench_batch(&bench, prune, NULL); /* those of now and before: the one of i = 0 is proven */
    EXPECT_EQ_INT(rows_of(&totp_factor_table), 600);
    command.now_us = start_us + 10 * second_us;
    bench_batch(&bench, prune, NULL); /* 1, 2, 4, 5, 7, 8, 10 */
    EXPECT_EQ_INT(rows_of(&totp_factor_table), 593);
    command.now_us = start_us + 1000 * second_us;
    bench_batch(&bench, prune, NULL); /* a bounded number at a time */
    EXPECT_EQ_INT(rows_of(&totp_factor_table), 593 - 256);
    bench_batch(&bench, prune, NULL);
    EXPECT_EQ_INT(rows_of(&totp_factor_table), 200);
    bench_close(&bench);
}

TEST(expired_logins_go_an_hour_later)
{
    REQUIRE(begin());
    command.now_us = start_us + 3899 * second_us;
    bench_batch(&bench, prune, NULL);
    EXPECT_EQ_INT(rows_of(&pending_login_table), 1);
    command.now_us = start_us + 3900 * second_us;
    bench_batch(&bench, prune, NULL);
    EXPECT_EQ_INT(rows_of(&pending_login_table), 0);
    bench_close(&bench);
}
