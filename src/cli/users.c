/* coffer admin create, coffer admin promote: writes to a store that no server has open. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "crypto/password.h"
#include "crypto/token.h"
#include "domain/auth/auth.h"
#include "domain/gatekeeper/gatekeeper.h"
#include "os/clock.h"

/* ---- admin create ---- */

/* Upper, lower, digit and another for certain, and 24 characters of entropy. */
static void password_make(char text[32]) {
    uint8_t entropy[TOKEN_ENTROPY_BYTES];
    random_bytes(entropy, sizeof(entropy));
    struct token token = token_from_entropy(entropy);
    struct buf out = buf_over(text, 31);
    for (uint32_t i = 0; i < 24; i++) {
        char c = token.text[i];
        bool repeats = out.len > 0 && text[out.len - 1] == c;
        buf_put_byte(&out, (uint8_t)(repeats ? '.' : c));
    }
    buf_put_c(&out, "-Aa7");
    text[out.len] = 0;
    crypto_wipe(entropy, sizeof(entropy));
    crypto_wipe(&token, sizeof(token));
}

/* Here nobody waits: the pool is stepped until the hash is there. */
static bool password_hash_now(const struct settings *settings, const char *password,
                              struct password_job *job) {
    static struct password_pool pool;
    uint8_t salt[BCRYPT_SALT_BYTES];
    uint32_t cost = (uint32_t)settings_int(settings, SETTING_PASSWORD_COST_ID);
    random_bytes(salt, sizeof(salt));
    password_pool_init(&pool, (struct password_memory){0});
    if (password_job_hash(job, str_from_c(password), cost, salt) != ERR_OK ||
        password_pool_start(&pool, job) != ERR_OK) {
        return false;
    }
    while (password_pool_step(&pool)) {
    }
    return password_pool_take_done(&pool) == job;
}

static int admin_create(struct cli_options *options, const char *email) {
    static struct password_job job;
    struct engine *engine;
    char password[32];
    struct user_draft draft = {.role = ROLE_ADMIN, .replaces = true};
    enum err result = ERR_AGAIN;
    struct str lower = str_from_c(email);
    char memory[EMAIL_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof(memory));
    for (uint32_t i = 0; i < lower.len; i++) {
        char c = lower.data[i];
        buf_put_byte(&out, (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
    }
    draft.email = buf_str(&out);
    if (out.is_full || !str_has_byte(draft.email, '@')) {
        return cli_fail("%s is not an e-mail address", email);
    }
    if (!cli_engine_open(options, &engine)) {
        return CLI_EXIT_FAILED;
    }
    password_make(password);
    CHECK(password_hash_now(options->settings, password, &job));
    draft.password_hash = password_job_text(&job);
    if (engine_run_system(engine, &user_import_command, &draft, &result) == ERR_OK) {
        engine_settle(engine);
    }
    cli_engine_close(engine);
    if (result != ERR_OK) {
        return cli_fail("the administrator was not made: %s", err_row(result)->sentence);
    }
    cli_say("%.*s is an administrator. The password, shown only now:\n%s", STR_ARG(draft.email),
            password);
    crypto_wipe(password, sizeof(password));
    return 0;
}

/* A customer of the Gatekeeper paths becomes an administrator of the others. */
static int admin_promote(struct cli_options *options, const char *account) {
    struct engine *engine;
    struct str account_number = str_from_c(account);
    enum err result = ERR_AGAIN;
    if (!cli_engine_open(options, &engine)) {
        return CLI_EXIT_FAILED;
    }
    if (engine_run_system(engine, &customer_promote_command, &account_number, &result) == ERR_OK) {
        engine_settle(engine);
    }
    cli_engine_close(engine);
    if (result != ERR_OK) {
        return cli_fail("%s: %s", account, err_row(result)->sentence);
    }
    cli_say("%s is an administrator of the customers.", account);
    return 0;
}

int cli_admin(struct cli_options *options) {
    const char *verb = options->word_count == 2 ? options->words[0] : "";
    if (strcmp(verb, "create") == 0) {
        return admin_create(options, options->words[1]);
    }
    if (strcmp(verb, "promote") == 0) {
        return admin_promote(options, options->words[1]);
    }
    cli_fail("usage: coffer admin create EMAIL | promote ACCOUNT_NUMBER [--data DIR]");
    return CLI_EXIT_USAGE;
}
