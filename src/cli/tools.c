/* Tools that look at a store, or copy it: backup, restore, fsck, audit verify, openapi, settings.
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cli/cli.h"
#include "engine/audit.h"
#include "engine/openapi.h"
#include "os/mem.h"

enum { VERIFY_ARENA_BYTES = 4 * 1024 * 1024, VERIFY_RESET_ROWS = 1000 };

static void say_line(void *ctx, const char *line) {
    (void)ctx;
    cli_say("%s", line);
}

int cli_backup(struct cli_options *options) {
    struct store *store;
    if (options->word_count != 1) {
        cli_fail("usage: coffer backup FILE [--data DIR]");
        return CLI_EXIT_USAGE;
    }
    if (!cli_store_open(options, NULL, true, &store)) {
        return CLI_EXIT_FAILED;
    }
    enum err err = store_backup(store, options->words[0], say_line, NULL);
    store_close(store);
    if (err != ERR_OK) {
        return cli_fail("%s: the backup failed: %s", options->words[0], err_row(err)->sentence);
    }
    cli_say("%s is a backup of %s; keep the sealing key with it, but not beside it",
            options->words[0], options->folder);
    return 0;
}

int cli_restore(struct cli_options *options) {
    if (options->word_count != 1) {
        cli_fail("usage: coffer restore FILE --data DIR");
        return CLI_EXIT_USAGE;
    }
    struct store_options store_options = {.folder = options->folder};
    store_options.tables = cli_tables(&store_options.table_count);
    if (!cli_key_load(options, false, &store_options.seal_key) || !cli_folder_make(options)) {
        return CLI_EXIT_FAILED;
    }
    enum err err = store_restore(options->words[0], &store_options, say_line, NULL);
    if (err == ERR_EXISTS) {
        return cli_fail("%s holds a store already; restore into another folder", options->folder);
    }
    if (err != ERR_OK) {
        return cli_fail("%s: nothing was restored: %s", options->words[0], err_row(err)->sentence);
    }
    cli_say("%s is restored from %s", options->folder, options->words[0]);
    return 0;
}

/* The folder may be given as a word or as --data. */
static void folder_word(struct cli_options *options, uint32_t word) {
    if (options->word_count > word) {
        options->folder = options->words[word];
    }
}

/* ---- the audit chain ---- */

struct chain_walk {
    struct audit_chain chain;
    struct arena_pool pool;
    struct arena arena;
    struct store_scan scan;
    int64_t last_time_us;
};

static enum err chain_walk_rows(struct chain_walk *walk) {
    enum err err = ERR_OK;
    while (err == ERR_OK) {
        struct audit_event event;
        err = store_scan_next(&walk->scan, &walk->arena, &event);
        if (err == ERR_OK) {
            err = audit_chain_step(&walk->chain, &event, &walk->arena);
            walk->last_time_us = event.time;
        }
        if (walk->chain.sequence % VERIFY_RESET_ROWS == 0) {
            arena_reset(&walk->arena);
        }
    }
    return err == ERR_END ? ERR_OK : err;
}

static enum err chain_verify(struct store *store, const struct store_seal_key *key,
                             struct chain_walk *walk) {
    static char memory[VERIFY_ARENA_BYTES] __attribute__((aligned(64)));
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    arena_pool_init(&walk->pool, memory, sizeof(memory) / ARENA_BLOCK_BYTES);
    arena_init(&walk->arena, &walk->pool, sizeof(memory));
    audit_chain_init(&walk->chain, key);
    enum err err = store_scan_open(&walk->scan, store_snapshot(store), system, &audit_table,
                                   STORE_PRIMARY, STR_NONE, STR_NONE, false);
    if (err == ERR_OK) {
        err = chain_walk_rows(walk);
        store_scan_close(&walk->scan);
    }
    store_tick_end(store);
    return err;
}

static int chain_report(enum err err, const struct chain_walk *walk) {
    char text[128];
    struct buf out = buf_over(text, sizeof(text) - 1);
    if (err != ERR_OK) {
        return cli_fail("the audit chain breaks after event %lld: the next one was changed, "
                        "removed or made with another key",
                        (long long)walk->chain.sequence);
    }
    buf_put_hex(&out, walk->chain.hash, sizeof(walk->chain.hash));
    text[out.len] = 0;
    cli_say("audit chain good: %lld events, head %s", (long long)walk->chain.sequence, text);
    return 0;
}

int cli_audit(struct cli_options *options) {
    static struct chain_walk walk;
    struct store_seal_key key;
    struct store *store;
    if (options->word_count < 1 || strcmp(options->words[0], "verify") != 0) {
        cli_fail("usage: coffer audit verify [DIR]");
        return CLI_EXIT_USAGE;
    }
    folder_word(options, 1);
    if (!cli_key_load(options, false, &key) || !cli_store_open(options, &key, true, &store)) {
        return CLI_EXIT_FAILED;
    }
    enum err err = chain_verify(store, &key, &walk);
    store_close(store);
    return chain_report(err, &walk);
}

int cli_fsck(struct cli_options *options) {
    static struct chain_walk walk;
    struct store_seal_key key;
    struct store *store;
    folder_word(options, 0);
    if (!cli_key_load(options, false, &key) || !cli_store_open(options, &key, true, &store)) {
        return CLI_EXIT_FAILED;
    }
    enum err err = store_fsck(store, say_line, NULL);
    enum err chain = chain_verify(store, &key, &walk);
    store_close(store);
    int code = chain_report(chain, &walk);
    if (err != ERR_OK) {
        return cli_fail("%s is damaged: restore a backup", options->folder);
    }
    cli_say("%s is sound", options->folder);
    return code;
}

/* ---- descriptions ---- */

int cli_openapi(struct cli_options *options) {
    const struct router *router;
    const char *problem = NULL;
    if (router_open(&router, cli_modules, cli_module_count, &problem) != ERR_OK) {
        return cli_fail("%s", problem);
    }
    struct str text = openapi_build(router, options->settings);
    fwrite(text.data, 1, text.len, stdout);
    return 0;
}

int cli_settings(struct cli_options *options) {
    static char text[64 * 1024];
    struct buf out = buf_over(text, sizeof(text));
    settings_print(options->settings, &out);
    fwrite(text, 1, out.len, stdout);
    return 0;
}
