/*
 * coffer image: updates of the appliance.
 *
 *   update FILE   puts a signed bundle into a store that no server has open, to be installed;
 *   update URL    so does this, and fetches it first
 *   install       PID 1, when the server has ended for it: writes the other slot, keeps a copy of
 *                 the store, and has the firmware start that slot once
 *   confirm       PID 1, when the new version has proved itself: it stays
 *   back          PID 1, when the old version runs again: so does the store, as it was if need be
 *
 * Each of the last three may be cut off at any moment and asked for again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "cli/cli.h"
#include "domain/appliance/appliance.h"
#include "os/files.h"
#include "os/init.h"
#include "os/log.h"
#include "os/loop.h"
#include "os/slots.h"

#define USAGE "usage: coffer image update FILE|URL [--data DIR]"

enum { IMAGE_ARENA_BYTES = 1024 * 1024, NOTE_BYTES_MAX = 64, FETCH_LOOK_US = 200 * 1000 };

static struct arena_pool pool;
static struct arena arena;

static void arena_open(void) {
    static char memory[IMAGE_ARENA_BYTES] __attribute__((aligned(64)));
    arena_pool_init(&pool, memory, sizeof(memory) / ARENA_BLOCK_BYTES);
    arena_init(&arena, &pool, sizeof(memory));
}

static void report_line(void *ctx, const char *line) {
    (void)ctx;
    log_info("update", "%s", line);
}

/* Runs one system command to its end. */
static enum err run_now(struct engine *engine, const struct command_row *row, void *prepared) {
    enum err result = ERR_AGAIN;
    enum err err = engine_run_system(engine, row, prepared, &result);
    if (err == ERR_OK) {
        engine_settle(engine);
        err = result;
    }
    return err;
}

/* ---- update URL ---- */

struct fetch {
    struct engine *engine;
    struct client_world world;
    struct loop_timer timer;
    struct update_fetch seen;
    int64_t told_bytes; /* -1 = not yet */
    char problem[UPDATE_FETCH_PROBLEM_LEN_MAX + 1];
};

static struct fetch the_fetch;

static void fetch_tell(struct fetch *fetch) {
    const struct update_fetch *seen = &fetch->seen;
    if (SCHEMA_HAS(&update_fetch_schema, seen, bytes_total) &&
        seen->bytes_received != fetch->told_bytes) {
        fetch->told_bytes = seen->bytes_received;
        cli_say("  %" PRId64 " of %" PRId64 " bytes", seen->bytes_received, seen->bytes_total);
    }
}

/* Looks how far it has come, several times a second; when it has ended so does the loop. */
static void fetch_look(struct loop_timer *timer) {
    struct fetch *fetch = &the_fetch;
    struct store *store = engine_store(fetch->engine);
    arena_reset(&arena);
    enum err err = update_fetch_get(store_snapshot(store), &arena, &fetch->seen);
    CHECK(err == ERR_OK);
    snprintf(fetch->problem, sizeof(fetch->problem), "%.*s", STR_ARG(fetch->seen.problem));
    fetch_tell(fetch);
    if (fetch->seen.state != UPDATE_FETCHING) {
        loop_stop(fetch->world.loop, 0);
        return;
    }
    loop_timer_set(fetch->world.loop, timer, loop_now_us(fetch->world.loop) + FETCH_LOOK_US);
}

static enum err fetch_run(struct fetch *fetch, struct str url) {
    struct update_fetch_begin begin = {.url = url};
    update_fetcher_open(fetch->engine, &fetch->world);
    enum err err = run_now(fetch->engine, &update_fetch_command, &begin);
    if (err == ERR_OK) {
        fetch->told_bytes = -1;
        fetch->timer.on_due = fetch_look;
        loop_timer_set(fetch->world.loop, &fetch->timer, loop_now_us(fetch->world.loop));
        (void)loop_run(fetch->world.loop);
        err = fetch->seen.state == UPDATE_FETCHED ? ERR_OK : ERR_UPDATE_FETCH;
    } else {
        snprintf(fetch->problem, sizeof(fetch->problem), "%s", err_row(err)->sentence);
    }
    return err;
}

static int image_fetch(struct cli_options *options) {
    struct fetch *fetch = &the_fetch;
    const char *url = options->words[1];
    if (!cli_engine_open(options, &fetch->engine)) {
        return CLI_EXIT_FAILED;
    }
    if (!cli_outside_open(&fetch->world, options->settings, engine_loop(fetch->engine))) {
        cli_engine_close(fetch->engine);
        return CLI_EXIT_FAILED;
    }
    arena_open();
    enum err err = fetch_run(fetch, str_from_c(url));
    cli_engine_close(fetch->engine);
    if (err != ERR_OK) {
        return cli_fail("%s is refused, nothing has changed: %s", url, fetch->problem);
    }
    cli_say("%s will be installed when the machine starts", url);
    return 0;
}

static bool is_url(const char *text) {
    return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0;
}

/* ---- update FILE ---- */

static enum err file_parts_put(struct engine *engine, FILE *file, const struct bundle *bundle) {
    static char data[BUNDLE_PART_BYTES];
    enum err err = ERR_OK;
    for (uint32_t number = 0; number < bundle->part_count && err == ERR_OK; number++) {
        size_t got = fread(data, 1, bundle_part_bytes(bundle, number), file);
        struct update_piece piece = {.number = number, .data = str_from(data, got)};
        err = run_now(engine, &update_part_command, &piece);
    }
    return err == ERR_OK && fgetc(file) != EOF ? ERR_UPDATE_FORMAT : err;
}

static enum err file_put(struct engine *engine, FILE *file) {
    static char memory[BUNDLE_HEADER_BYTES_MAX];
    struct bundle bundle;
    size_t got = fread(memory, 1, sizeof(memory), file);
    struct update_begin begin = {.header = str_from(memory, got)};
    enum err err = run_now(engine, &update_begin_command, &begin);
    if (err == ERR_OK) {
        err = bundle_parse(begin.header, &bundle);
    }
    if (err == ERR_OK && fseek(file, bundle.header_bytes, SEEK_SET) != 0) {
        err = ERR_IO;
    }
    if (err == ERR_OK) {
        err = file_parts_put(engine, file, &bundle);
    }
    return err == ERR_OK ? run_now(engine, &update_install_command, NULL) : err;
}

static int image_update(struct cli_options *options) {
    struct engine *engine;
    if (options->word_count != 2) {
        cli_fail(USAGE);
        return CLI_EXIT_USAGE;
    }
    if (is_url(options->words[1])) {
        return image_fetch(options);
    }
    FILE *file = fopen(options->words[1], "rb");
    if (file == NULL) {
        return cli_fail("%s cannot be read", options->words[1]);
    }
    if (!cli_engine_open(options, &engine)) {
        fclose(file);
        return CLI_EXIT_FAILED;
    }
    enum err err = file_put(engine, file);
    cli_engine_close(engine);
    fclose(file);
    if (err != ERR_OK) {
        return cli_fail("%s is refused, nothing has changed: %s", options->words[1],
                        err_row(err)->sentence);
    }
    cli_say("%s will be installed when the machine starts", options->words[1]);
    return 0;
}

/* ---- install ---- */

struct install {
    const struct store_view *view;
    struct update update;
    struct bundle bundle;
    uint32_t next; /* part */
    struct slots slots;
    const struct slot *spare;
};

static enum err part_next(void *ctx, struct str *piece) {
    struct install *install = ctx;
    struct update_part part;
    *piece = STR_NONE;
    if (install->next == install->bundle.part_count) {
        return ERR_OK;
    }
    arena_reset(&arena);
    enum err err = update_part_get(install->view, install->next, &arena, &part);
    if (err == ERR_OK && !bundle_part_fits(&install->bundle, install->next, part.data)) {
        err = ERR_UPDATE_PART;
    }
    *piece = part.data;
    install->next += 1;
    return err;
}

/* Signature, version and parts are judged anew: what lies in a store may come from anywhere. */
static enum err install_judge(struct install *install) {
    static char header[BUNDLE_HEADER_BYTES_MAX];
    uint64_t running = 0;
    struct update *update = &install->update;
    enum err err = update_get(install->view, &arena, update);
    if (err != ERR_OK) {
        return err;
    }
    if (update->state != UPDATE_REQUESTED || update->header.len > sizeof(header)) {
        return ERR_CONFLICT;
    }
    memcpy(header, update->header.data, update->header.len); /* the arena is for the parts */
    bool is_version = bundle_version_parse(STR(COFFER_VERSION), &running);
    CHECK(is_version);
    return bundle_judge(str_from(header, update->header.len), bundle_key(), running,
                        &install->bundle);
}

static enum err slot_fill(struct install *install, const char *version) {
    struct slot_source source = {.next = part_next, .ctx = install};
    enum err err = slots_find(&install->slots);
    err = err == ERR_OK ? slots_look(&install->slots) : ERR_UPDATE_MACHINE;
    if (err == ERR_OK) {
        install->spare = slots_spare(&install->slots);
        err = install->spare != NULL ? slot_write(install->spare, version, &source)
                                     : ERR_UPDATE_MACHINE;
    }
    return err;
}

/* What the new version makes of the store, the old one may not understand. */
static enum err copy_keep(struct engine *engine) {
    if (file_exists(INIT_UPDATE_COPY)) {
        (void)remove(INIT_UPDATE_COPY);
    }
    return store_backup(engine_store(engine), INIT_UPDATE_COPY, report_line, NULL);
}

static enum err note_write(const char *version) {
    char memory[NOTE_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof(memory));
    buf_printf(&out, "%s\n", version);
    return file_write(INIT_UPDATE_NOTE, buf_str(&out), 0600);
}

static enum err install_all(struct engine *engine, struct install *install, char *version) {
    struct buf out = buf_over(version, BUNDLE_VERSION_LEN_MAX);
    install->view = store_snapshot(engine_store(engine));
    enum err err = install_judge(install);
    if (err == ERR_OK) {
        bundle_version_format(install->bundle.version, &out);
        err = slot_fill(install, version);
    }
    store_tick_end(engine_store(engine));
    return err == ERR_OK ? copy_keep(engine) : err;
}

static int trial_end(void) {
    (void)remove(INIT_UPDATE_COPY);
    bool is_gone = remove(INIT_UPDATE_NOTE) == 0 && folder_sync("/data") == ERR_OK;
    return is_gone ? 0 : cli_fail("%s cannot be removed", INIT_UPDATE_NOTE);
}

/* The note first: a cut in between means that the old version finds it, and goes on. */
static enum err trial_arm(const struct install *install, const char *version) {
    enum err err = note_write(version);
    if (err == ERR_OK) {
        err = slot_boot_next(install->spare);
    }
    if (err != ERR_OK) {
        (void)trial_end();
    }
    return err;
}

static int image_install(struct cli_options *options) {
    static struct install install;
    char version[BUNDLE_VERSION_LEN_MAX + 1] = "";
    struct update_end end = {.problem = STR_NONE};
    struct engine *engine;
    if (!cli_engine_open(options, &engine)) {
        return CLI_EXIT_FAILED;
    }
    arena_open();
    enum err err = install_all(engine, &install, version);
    if (err == ERR_OK) {
        err = run_now(engine, &update_end_command, &end);
    }
    if (err == ERR_OK) {
        err = trial_arm(&install, version);
    }
    if (err != ERR_OK) {
        end.problem = str_from_c(err_row(err)->sentence);
        (void)run_now(engine, &update_end_command, &end);
    }
    cli_engine_close(engine);
    if (err != ERR_OK) {
        return cli_fail("the update is not installed: %s", err_row(err)->sentence);
    }
    cli_say("version %s is in %s and will be tried", version, install.spare->part.name);
    return 0;
}

/* ---- confirm and back ---- */

/* The version that runs is what this machine starts. */
static enum err stay(void) {
    struct slots slots;
    enum err err = slots_find(&slots);
    err = err == ERR_OK ? slots_look(&slots) : err;
    return err == ERR_OK ? slots_confirm(&slots, COFFER_VERSION) : err;
}

static int image_confirm(void) {
    if (stay() != ERR_OK) {
        return cli_fail("version %s cannot be made the one that starts", COFFER_VERSION);
    }
    return trial_end();
}

static int image_back(struct cli_options *options) {
    if (stay() != ERR_OK) {
        return cli_fail("version %s cannot be made the one that starts", COFFER_VERSION);
    }
    return cli_store_go_back(options, INIT_UPDATE_COPY) ? trial_end() : CLI_EXIT_FAILED;
}

int cli_image(struct cli_options *options) {
    const char *word = options->word_count > 0 ? options->words[0] : "";
    if (strcmp(word, "update") == 0) {
        return image_update(options);
    }
    if (strcmp(word, "install") == 0) {
        return image_install(options);
    }
    if (strcmp(word, "confirm") == 0) {
        return image_confirm();
    }
    if (strcmp(word, "back") == 0) {
        return image_back(options);
    }
    cli_fail(USAGE);
    return CLI_EXIT_USAGE;
}
