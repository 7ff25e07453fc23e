/* Password rules and the counting of failed logins. */
#include "domain/auth/rules.h"

#include <string.h>

#include "base/decode.h"
#include "crypto/hash.h"

/* Those that every list of leaked passwords begins with (contract 3.1), compared without case. */
static const char *const common_passwords[] = {
    "password", "123456", "password123", "admin",     "qwerty",  "letmein",
    "welcome",  "monkey", "1234567890",  "password1", "flowlet", "flowlet123",
};

static uint32_t class_count(struct str password) {
    bool has_upper = false;
    bool has_lower = false;
    bool has_digit = false;
    bool has_other = false;
    for (uint32_t i = 0; i < password.len; i++) {
        char c = password.data[i];
        bool is_upper = c >= 'A' && c <= 'Z';
        bool is_lower = c >= 'a' && c <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        has_upper |= is_upper;
        has_lower |= is_lower;
        has_digit |= is_digit;
        has_other |= !is_upper && !is_lower && !is_digit;
    }
    return (uint32_t)has_upper + has_lower + has_digit + has_other;
}

static bool has_run_of_three(struct str password) {
    for (uint32_t i = 2; i < password.len; i++) {
        if (password.data[i] == password.data[i - 1] && password.data[i] == password.data[i - 2]) {
            return true;
        }
    }
    return false;
}

static bool is_common(struct str password) {
    for (uint32_t i = 0; i < COUNT_OF(common_passwords); i++) {
        if (str_equal_nocase(password, str_from_c(common_passwords[i]))) {
            return true;
        }
    }
    return false;
}

bool password_rules_check(const struct settings *settings, struct str password, struct str path,
                          struct schema_faults *faults) {
    uint32_t length_min = (uint32_t)settings_int(settings, SETTING_PASSWORD_LENGTH_ID);
    uint32_t classes_min = (uint32_t)settings_int(settings, SETTING_PASSWORD_CLASSES_ID);
    struct str problem = STR_NONE;
    if (utf8_count(password) < length_min) {
        problem = STR("Password is shorter than this server allows.");
    } else if (password.len > PASSWORD_BYTES_MAX) {
        problem = STR("Password must be at most 72 bytes of UTF-8.");
    } else if (!password_is_usable(password)) {
        problem = STR("Password must not hold a zero byte.");
    } else if (class_count(password) < classes_min) {
        problem = STR("Password must mix upper case, lower case, digits and other characters.");
    } else if (has_run_of_three(password)) {
        problem = STR("Password must not repeat a character three times in a row.");
    } else if (is_common(password)) {
        problem = STR("Password is on the list of common passwords.");
    }
    if (str_is_none(problem)) {
        return true;
    }
    schema_fault_add(faults, path, problem);
    return false;
}

/* ---- lockout ---- */

void failures_load(const struct store_view *view, const struct command *command, struct str subject,
                   struct str address, struct login_failures *failures) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct hash_stream stream;
    hash_stream_init(&stream);
    hash_stream_add_field(&stream, subject);
    hash_stream_add_field(&stream, address);
    struct hash key = hash_stream_value(&stream);
    enum err err =
        store_get(view, system, &login_failures_table, hash_bytes(&key), command->arena, failures);
    if (err != ERR_OK || failures->expires_at <= command->now_us) {
        memset(failures, 0, sizeof(*failures));
        failures->key = arena_copy(command->arena, hash_bytes(&key));
        SCHEMA_SET(&login_failures_schema, failures, key);
    }
}

void lockout_load(const struct store_view *view, const struct command *command, struct str subject,
                  struct lockout *lockout) {
    struct str address = str_from((const char *)command->peer.bytes, sizeof(command->peer.bytes));
    failures_load(view, command, subject, address, &lockout->by_address);
    failures_load(view, command, subject, STR("account"), &lockout->by_account);
    int64_t until_us = lockout->by_address.locked_until;
    if (lockout->by_account.locked_until > until_us) {
        until_us = lockout->by_account.locked_until;
    }
    lockout->locked_until = until_us > command->now_us ? until_us : 0;
}

static void failures_count(struct store_tx *tx, const struct command *command,
                           struct login_failures *failures, const struct lockout_rule *rule) {
    if (str_is_none(failures->key)) {
        return; /* no memory for the key: the next one counts */
    }
    CHECK(rule->memory_us >= rule->lock_us);
    failures->count++;
    failures->expires_at = command->now_us + rule->memory_us;
    SCHEMA_SET(&login_failures_schema, failures, count);
    SCHEMA_SET(&login_failures_schema, failures, expires_at);
    if (failures->count >= rule->failures_max) {
        failures->locked_until = command->now_us + rule->lock_us;
        SCHEMA_SET(&login_failures_schema, failures, locked_until);
    }
    store_put(tx, &login_failures_table, failures);
}

void lockout_count_by(struct store_tx *tx, const struct command *command,
                      const struct lockout_rules *rules, struct lockout *lockout) {
    failures_count(tx, command, &lockout->by_address, &rules->by_address);
    failures_count(tx, command, &lockout->by_account, &rules->by_account);
}

bool lockout_count(struct store_tx *tx, const struct command *command, struct lockout *lockout) {
    const struct settings *settings = command->settings;
    int64_t time_us = settings_us(settings, SETTING_LOCKOUT_SECONDS_ID);
    struct lockout_rules rules = {
        .by_address = {settings_int(settings, SETTING_LOCKOUT_FAILURES_ID), time_us, time_us},
        .by_account = {settings_int(settings, SETTING_LOCKOUT_ACCOUNT_ID), time_us, time_us},
    };
    lockout_count_by(tx, command, &rules, lockout);
    return lockout->by_address.locked_until > command->now_us ||
           lockout->by_account.locked_until > command->now_us;
}

void lockout_clear(struct store_tx *tx, struct lockout *lockout) {
    if (lockout->by_address.count > 0) {
        store_del(tx, &login_failures_table, lockout->by_address.key);
    }
    if (lockout->by_account.count > 0) {
        store_del(tx, &login_failures_table, lockout->by_account.key);
    }
}

void lockout_reply(const struct command *command, const struct lockout *lockout,
                   struct outcome *outcome) {
    CHECK(lockout->locked_until > command->now_us);
    outcome->err = ERR_ACCOUNT_LOCKED;
    yyjson_mut_val *details = outcome_details(outcome, command);
    json_add_time(outcome->doc, details, "locked_until", lockout->locked_until, TIME_FORM_RFC3339);
    outcome->retry_after_s =
        (uint32_t)((lockout->locked_until - command->now_us) / INT64_C(1000000) + 1);
}
