/* What serve and the one-off commands share: folders, keys, store, engine. */
#include <stdio.h>
#include <string.h>

#include "base/decode.h"
#include "cli/cli.h"
#include "crypto/secret.h"
#include "domain/admin/admin.h"
#include "domain/appliance/appliance.h"
#include "domain/audit/audit.h"
#include "domain/auth/auth.h"
#include "domain/gatekeeper/gatekeeper.h"
#include "domain/mail/mail.h"
#include "domain/monitoring/monitoring.h"
#include "domain/orgs/orgs.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/log.h"
#include "os/loop.h"

enum {
    KEY_TEXT_BYTES_MAX = 256,
    LOOP_ROOM = 64, /* watches and timers of a tool: the engine's, resolver, one connection */
};

const struct module *const cli_modules[] = {
    &mail_module,     &auth_module,       &totp_module,       &passkey_module,
    &recovery_module, &orgs_module,       &gatekeeper_module, &admin_module,
    &audit_module,    &monitoring_module, &appliance_module,
};
const uint32_t cli_module_count = COUNT_OF(cli_modules);

static struct loop *the_loop;

const struct table *const *cli_tables(uint32_t *count) {
    static const struct table *tables[STORE_TABLES_MAX];
    static uint32_t table_count;
    if (table_count == 0) {
        for (uint32_t m = 0; m < cli_module_count; m++) {
            for (uint32_t i = 0; i < cli_modules[m]->table_count; i++) {
                CHECK(table_count < STORE_TABLES_MAX);
                tables[table_count++] = cli_modules[m]->tables[i];
            }
        }
    }
    *count = table_count;
    return tables;
}

bool cli_folder_make(const struct cli_options *options) {
    enum err err = folder_make(options->folder, 0700);
    if (err != ERR_OK && err != ERR_EXISTS) {
        cli_fail("%s: the folder cannot be made; is its parent there and writable?",
                 options->folder);
        return false;
    }
    return true;
}

/* ---- the sealing key ---- */

static bool key_parse(struct str text, struct store_seal_key *key) {
    struct buf out = buf_over(key->bytes, sizeof(key->bytes));
    return decode_hex(str_trim(text), &out) && out.len == sizeof(key->bytes);
}

static bool key_make(const char *path, struct store_seal_key *key) {
    char text[KEY_TEXT_BYTES_MAX];
    struct buf out = buf_over(text, sizeof(text));
    random_bytes(key->bytes, sizeof(key->bytes));
    buf_put_hex(&out, key->bytes, sizeof(key->bytes));
    buf_put_byte(&out, '\n');
    enum err err = file_write(path, buf_str(&out), 0600);
    crypto_wipe(text, sizeof(text));
    if (err != ERR_OK) {
        cli_fail("%s: the sealing key cannot be written", path);
        return false;
    }
    log_warn("key",
             "made a new sealing key in %s: save a copy elsewhere; without it the secrets "
             "in the store are lost",
             path);
    return true;
}

static void key_path(const struct cli_options *options, char *path, size_t bytes) {
    struct str given = settings_text(options->settings, SETTING_KEY_FILE_ID);
    if (given.len > 0) {
        snprintf(path, bytes, "%.*s", STR_ARG(given));
        return;
    }
    size_t len = strlen(options->folder);
    while (len > 1 && options->folder[len - 1] == '/') {
        len--;
    }
    snprintf(path, bytes, "%.*s.key", (int)len, options->folder);
}

/* A new key would not open an old store; it would only hide that the right one is missing. */
static bool store_is_there(const struct cli_options *options) {
    char path[FILE_PATH_BYTES_MAX];
    snprintf(path, sizeof(path), "%s/data.mdb", options->folder);
    return file_exists(path);
}

bool cli_key_load(const struct cli_options *options, bool may_make, struct store_seal_key *key) {
    char path[FILE_PATH_BYTES_MAX];
    char text[KEY_TEXT_BYTES_MAX];
    struct str contents;
    if (options->seal_key_hex != NULL) {
        bool is_good = key_parse(str_from_c(options->seal_key_hex), key);
        if (!is_good) {
            cli_fail("COFFER_SEAL_KEY must be 64 hex digits");
        }
        return is_good;
    }
    key_path(options, path, sizeof(path));
    enum err err = file_read(path, text, sizeof(text), &contents);
    if (err == ERR_NOT_FOUND && may_make && !store_is_there(options)) {
        return key_make(path, key);
    }
    bool is_good = err == ERR_OK && key_parse(str_trim(str_split(&contents, '\n')), key);
    crypto_wipe(text, sizeof(text));
    if (!is_good) {
        cli_fail("%s: no sealing key there (64 hex digits); give its place with --key-file", path);
    } else if (!file_is_private(path)) {
        log_warn("key", "%s can be read by others: chmod 600 it", path);
    }
    return is_good;
}

/* ---- store and engine ---- */

static void report_line(void *ctx, const char *line) {
    (void)ctx;
    log_info("store", "%s", line);
}

bool cli_store_open(const struct cli_options *options, const struct store_seal_key *key,
                    bool is_read_only, struct store **store) {
    const char *problem = NULL;
    struct store_options store_options = {
        .folder = options->folder,
        .is_read_only = is_read_only,
        .report = report_line,
    };
    store_options.tables = cli_tables(&store_options.table_count);
    if (key != NULL) {
        store_options.seal_key = *key;
    }
    enum err err = store_open(store, &store_options, &problem);
    if (err == ERR_EXISTS) {
        cli_fail("%s: another coffer has this store open; stop it first", options->folder);
    } else if (err != ERR_OK) {
        cli_fail("%s: %s", options->folder, problem ? problem : err_row(err)->sentence);
    }
    return err == ERR_OK;
}

bool cli_engine_open(const struct cli_options *options, struct engine **engine) {
    struct engine_options engine_options = {
        .settings = options->settings,
        .modules = cli_modules,
        .module_count = cli_module_count,
        .authenticator = &auth_authenticator,
        .keys = &orgs_key_authenticator,
    };
    const char *problem = NULL;
    if (!cli_folder_make(options) || !cli_key_load(options, true, &engine_options.seal_key)) {
        return false;
    }
    if (router_open(&engine_options.router, cli_modules, cli_module_count, &problem) != ERR_OK) {
        cli_fail("%s", problem);
        return false;
    }
    if (loop_open(&the_loop, LOOP_ROOM, LOOP_ROOM) != ERR_OK) {
        cli_fail("the event loop cannot be opened");
        return false;
    }
    engine_options.loop = the_loop;
    if (!cli_store_open(options, &engine_options.seal_key, false, &engine_options.store)) {
        return false;
    }
    if (engine_open(engine, &engine_options, &problem) != ERR_OK) {
        cli_fail("%s", problem);
        return false;
    }
    return true;
}

void cli_engine_close(struct engine *engine) {
    if (!engine_is_idle(engine)) {
        engine_settle(engine);
    }
    store_close(engine_store(engine));
}
