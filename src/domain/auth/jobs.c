/* Once a minute: what has expired is removed, a bounded number at a time. */
#include "domain/auth/jobs.h"

#include "base/time.h"
#include "domain/auth/links.h"
#include "domain/auth/notices.h"
#include "domain/auth/pending.h"
#include "domain/auth/totp.h"
#include "engine/job.h"

enum { PRUNE_MAX = 256 };

/* The first row of an index by time, if it is due. */
static bool first_due(struct store_tx *tx, const struct command *command, const struct table *table,
                      uint32_t index, void *record, const int64_t *expires_at, int64_t due_us) {
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    struct store_scan scan;
    enum err err =
        store_scan_open(&scan, store_tx_view(tx), system, table, index, STR_NONE, STR_NONE, false);
    if (err == ERR_OK) {
        err = store_scan_next(&scan, command->arena, record);
        store_scan_close(&scan);
    }
    return err == ERR_OK && *expires_at <= due_us;
}

static void prune_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    (void)outcome;
    /* A session can be refreshed as long as its refresh token lives. */
    int64_t session_due_us =
        command->now_us - settings_us(command->settings, SETTING_REFRESH_SECONDS_ID);
    /* Refresh tokens stay a day longer, so that late clients are told why. */
    for (uint32_t i = 0; i < PRUNE_MAX; i++) {
        struct session session;
        struct refresh_token refresh;
        struct login_failures failures;
        bool is_done = true;
        if (first_due(tx, command, &refresh_token_table, REFRESH_INDEX_EXPIRES, &refresh,
                      &refresh.expires_at, command->now_us - TIME_US_PER_DAY)) {
            store_del(tx, &refresh_token_table, refresh.token_hash);
            is_done = false;
        }
        if (first_due(tx, command, &login_failures_table, FAILURES_INDEX_EXPIRES, &failures,
                      &failures.expires_at, command->now_us)) {
            store_del(tx, &login_failures_table, failures.key);
            is_done = false;
        }
        if (first_due(tx, command, &session_table, SESSION_INDEX_EXPIRES, &session,
                      &session.expires_at, session_due_us)) {
            store_del(tx, &session_table, id_bytes(&session.id));
            is_done = false;
        }
        if (is_done) {
            return;
        }
    }
}

const struct command_row auth_prune_command = {
    .name = "auth.prune",
    .frees_room = true,
    .check = job_check,
    .apply = prune_apply,
};

/* A pending login that has expired stays for an hour, so that its owner is told so. */
static bool pending_due(struct store_tx *tx, const struct command *command) {
    struct pending_login pending;
    if (!first_due(tx, command, &pending_login_table, PENDING_INDEX_EXPIRES, &pending,
                   &pending.expires_at, command->now_us - TIME_US_PER_HOUR)) {
        return false;
    }
    store_del(tx, &pending_login_table, pending.token_hash);
    return true;
}

/* Proven factors are not in this index. */
static bool setup_due(struct store_tx *tx, const struct command *command) {
    struct totp_factor factor;
    if (!first_due(tx, command, &totp_factor_table, TOTP_INDEX_PENDING, &factor,
                   &factor.pending_until, command->now_us)) {
        return false;
    }
    CHECK(!factor.is_verified);
    store_del(tx, &totp_factor_table, id_bytes(&factor.user_id));
    return true;
}

static void factor_prune_apply(struct store_tx *tx, const struct command *command,
                               struct outcome *outcome) {
    (void)outcome;
    bool has_more = true;
    for (uint32_t i = 0; i < PRUNE_MAX && has_more; i++) {
        bool was_pending = pending_due(tx, command);
        has_more = setup_due(tx, command) || was_pending;
    }
}

const struct command_row factor_prune_command = {
    .name = "factor.prune",
    .frees_room = true,
    .check = job_check,
    .apply = factor_prune_apply,
};

/* A link that has expired stays for a day, so that late clients are told why. */
static void recovery_prune_apply(struct store_tx *tx, const struct command *command,
                                 struct outcome *outcome) {
    (void)outcome;
    job_prune(tx, command, &link_token_table, LINK_INDEX_EXPIRES,
              command->now_us - TIME_US_PER_DAY);
    job_prune(tx, command, &device_table, DEVICE_INDEX_SEEN,
              command->now_us - DEVICE_DAYS_MAX * TIME_US_PER_DAY);
}

const struct command_row recovery_prune_command = {
    .name = "recovery.prune",
    .frees_room = true,
    .check = job_check,
    .apply = recovery_prune_apply,
};
