/*
 * The way back from an update: a store that the newer version has changed so that this one refuses
 * it gives way to the copy that was made before. It is kept beside, as data.mdb.newer: what was
 * written in between is in there.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "os/files.h"
#include "os/log.h"

static void report_line(void *ctx, const char *line) {
    (void)ctx;
    log_info("update", "%s", line);
}

static bool store_restore_copy(const struct cli_options *options, const char *copy,
                               const struct store_seal_key *key) {
    char path[FILE_PATH_BYTES_MAX];
    char aside[FILE_PATH_BYTES_MAX];
    struct store_options store_options = {.folder = options->folder, .seal_key = *key};
    store_options.tables = cli_tables(&store_options.table_count);
    snprintf(path, sizeof(path), "%s/data.mdb", options->folder);
    snprintf(aside, sizeof(aside), "%s/data.mdb.newer", options->folder);
    if (file_exists(path) && rename(path, aside) != 0) {
        cli_fail("%s cannot be put aside", path);
        return false;
    }
    enum err err = store_restore(copy, &store_options, report_line, NULL);
    if (err != ERR_OK) {
        cli_fail("%s cannot be restored: %s", copy, err_row(err)->sentence);
        return false;
    }
    log_warn("update", "the store is as it was before the update; what was written since is in %s",
             aside);
    return true;
}

bool cli_store_go_back(const struct cli_options *options, const char *copy) {
    struct store_seal_key key;
    struct store *store;
    const char *problem = NULL;
    struct store_options store_options = {.folder = options->folder, .is_read_only = true};
    store_options.tables = cli_tables(&store_options.table_count);
    if (!cli_key_load(options, false, &key)) {
        return false;
    }
    enum err err = store_open(&store, &store_options, &problem);
    if (err == ERR_OK) {
        store_close(store);
    }
    if (err == ERR_OK || err == ERR_NOT_FOUND) {
        return true; /* not changed, or not so that it matters: nothing is lost */
    }
    if (err != ERR_FORMAT || !file_exists(copy)) {
        cli_fail("%s: %s", options->folder, problem);
        return false;
    }
    return store_restore_copy(options, copy, &key);
}
