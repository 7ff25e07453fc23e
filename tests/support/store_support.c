/* See store_support.h. */
#include "store_support.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const colors[] = {"red", "green", "blue", NULL};

static const struct field place_fields[] = {
    FIELD(struct item_place, x, FIELD_INT, .tag = 1, .doc = "Where."),
    FIELD(struct item_place, label, FIELD_TEXT, .tag = 2, .max = 100, .doc = "What."),
};
static const struct schema place_schema = SCHEMA("place", struct item_place, place_fields);

static const struct field item_fields[] = {
    FIELD(struct item, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED, .doc = "Id."),
    FIELD(struct item, owner, FIELD_ID, .tag = 2, .doc = "Owner."),
    FIELD(struct item, name, FIELD_TEXT, .tag = 3, .max = 1000, .doc = "Name."),
    FIELD(struct item, rank, FIELD_INT, .tag = 4, .doc = "Rank."),
    FIELD(struct item, color, FIELD_ENUM, .tag = 5, .values = colors, .doc = "Color."),
    FIELD(struct item, is_open, FIELD_BOOL, .tag = 6, .doc = "Open."),
    FIELD(struct item, at, FIELD_TIME, .tag = 7, .doc = "When."),
    FIELD(struct item, secret, FIELD_TEXT, .tag = 8, .max = 1000, .flags = FIELD_SECRET,
          .doc = "Secret."),
    FIELD(struct item, note, FIELD_TEXT, .tag = 900, .flags = FIELD_NULLABLE, .doc = "Note."),
    FIELD(struct item, place, FIELD_OBJECT, .tag = 10, .of = &place_schema, .doc = "Place."),
    FIELD(struct item, tags, FIELD_LIST, .tag = 11, .element = FIELD_TEXT, .doc = "Tags."),
    FIELD(struct item, ids, FIELD_LIST, .tag = 12, .element = FIELD_ID, .doc = "Ids."),
    FIELD(struct item, places, FIELD_LIST, .tag = 13, .of = &place_schema, .doc = "Places."),
};
const struct schema item_schema = SCHEMA("item", struct item, item_fields);

static const struct table_index item_indexes[] = {
    {.name = "by_name",
     .offsets = {offsetof(struct item, name)},
     .offset_count = 1,
     .is_unique = true},
    {.name = "by_owner_rank",
     .offsets = {offsetof(struct item, owner), offsetof(struct item, rank)},
     .offset_count = 2},
    {.name = "by_color",
     .offsets = {offsetof(struct item, color), offsetof(struct item, name)},
     .offset_count = 2},
};
const struct table item_table = {
    .name = "items",
    .id = 1,
    .version = 1,
    .schema = &item_schema,
    .key_offset = offsetof(struct item, id),
    .scope_offset = offsetof(struct item, owner),
    .indexes = item_indexes,
    .index_count = COUNT_OF(item_indexes),
    .doc = "Things.",
};

static const struct field entry_fields[] = {
    FIELD(struct entry, number, FIELD_INT, .tag = 1, .doc = "Number."),
    FIELD(struct entry, text, FIELD_TEXT, .tag = 2, .doc = "Text."),
};
const struct schema entry_schema = SCHEMA("entry", struct entry, entry_fields);
const struct table entry_table = {
    .name = "entries",
    .id = 2,
    .version = 1,
    .schema = &entry_schema,
    .key_offset = offsetof(struct entry, number),
    .doc = "A log.",
};

static const struct field word_fields[] = {
    FIELD(struct word, word, FIELD_BYTES, .tag = 1, .doc = "Word."),
    FIELD(struct word, count, FIELD_INT, .tag = 2, .doc = "Count."),
};
const struct schema word_schema = SCHEMA("word", struct word, word_fields);
static const struct table_index word_indexes[] = {
    {.name = "by_count", .offsets = {offsetof(struct word, count)}, .offset_count = 1},
};
const struct table word_table = {
    .name = "words",
    .id = 3,
    .version = 1,
    .schema = &word_schema,
    .key_offset = offsetof(struct word, word),
    .indexes = word_indexes,
    .index_count = COUNT_OF(word_indexes),
    .doc = "Words.",
};

const struct store_scope scope_system = {.kind = STORE_SCOPE_SYSTEM};

struct store_scope scope_owner(struct id owner) {
    return (struct store_scope){.kind = STORE_SCOPE_OWNER, .owner = owner};
}

struct store_options bench_options(void) {
    static const struct table *const tables[] = {&item_table, &entry_table, &word_table};
    struct store_options options = {.tables = tables, .table_count = COUNT_OF(tables)};
    memset(options.seal_key.bytes, 0x5a, sizeof options.seal_key.bytes);
    return options;
}

enum { BENCH_BLOCKS = 4096 };

bool bench_open_with(struct store_bench *bench, const char *base, struct store_options options) {
    *bench = (struct store_bench){0};
    const char *temporary = getenv("TMPDIR");
    if (base == NULL) {
        base = temporary == NULL ? "/tmp" : temporary;
    }
    (void)snprintf(bench->folder, sizeof bench->folder, "%s/coffer-store-XXXXXX", base);
    if (mkdtemp(bench->folder) == NULL) {
        perror(bench->folder);
        return false;
    }
    arena_pool_init(&bench->pool, malloc((size_t)BENCH_BLOCKS * ARENA_BLOCK_BYTES), BENCH_BLOCKS);
    arena_init(&bench->arena, &bench->pool, BENCH_BLOCKS / 2 * ARENA_BLOCK_BYTES);
    bench->options = options;
    bench->options.folder = bench->folder;
    const char *problem = NULL;
    if (store_open(&bench->store, &bench->options, &problem) != ERR_OK) {
        printf("store_open: %s\n", problem);
        return false;
    }
    return true;
}

bool bench_open(struct store_bench *bench, const char *base) {
    return bench_open_with(bench, base, bench_options());
}

void bench_reopen(struct store_bench *bench) {
    const char *problem = NULL;
    store_close(bench->store);
    if (store_open(&bench->store, &bench->options, &problem) != ERR_OK) {
        printf("store_open: %s\n", problem);
        abort();
    }
}

void bench_folder_remove(const char *folder) {
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[1024];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (unlink(path) != 0) {
            bench_folder_remove(path);
        }
    }
    closedir(dir);
    (void)rmdir(folder);
}

void bench_close(struct store_bench *bench) {
    store_close(bench->store);
    free(bench->pool.memory);
    bench_folder_remove(bench->folder);
    *bench = (struct store_bench){0};
}

void bench_arena_reset(struct store_bench *bench) {
    arena_reset(&bench->arena);
}

static void batch_done(void *ctx) {
    *(bool *)ctx = true;
}

void store_batch_wait(struct store *store) {
    while (store_batch_is_busy(store)) {
        if (!store_batch_wants_cpu(store)) {
            struct pollfd poll_fd = {.fd = store_wait_fd(store), .events = POLLIN};
            (void)poll(&poll_fd, 1, -1);
        }
        store_batch_step(store);
    }
}

/* The ctx of a batch serves run and done. */
struct bench_batch {
    bool is_done; /* first: see batch_done */
    store_batch_run run;
    void *ctx;
};

static uint32_t batch_run(struct store_tx *tx, void *ctx) {
    const struct bench_batch *batch = ctx;
    return batch->run(tx, batch->ctx);
}

void bench_batch(struct store_bench *bench, store_batch_run run, void *ctx) {
    struct bench_batch batch = {.run = run, .ctx = ctx};
    if (store_batch_start(bench->store, batch_run, batch_done, &batch) != ERR_OK) {
        printf("store_batch_start refused\n");
        abort();
    }
    store_batch_wait(bench->store);
    if (!batch.is_done) {
        printf("a batch ended without done\n");
        abort();
    }
    bench->batches += 1;
}

static const uint8_t entropy[32] = {1, 2, 3};

static uint32_t item_put_run(struct store_tx *tx, void *ctx) {
    store_tx_command(tx, entropy);
    store_put(tx, &item_table, ctx);
    return 1;
}

void bench_put(struct store_bench *bench, const struct item *item) {
    struct item copy = *item;
    bench_batch(bench, item_put_run, &copy);
}

static uint32_t item_del_run(struct store_tx *tx, void *ctx) {
    store_tx_command(tx, entropy);
    store_del(tx, &item_table, id_bytes(ctx));
    return 1;
}

void bench_del(struct store_bench *bench, struct id id) {
    bench_batch(bench, item_del_run, &id);
}

struct id id_from_number(uint64_t number) {
    struct id id = {{0}};
    for (uint32_t index = 0; index < 8; index += 1) {
        id.bytes[15 - index] = (uint8_t)(number >> (8 * index));
    }
    id.bytes[0] = 0xc0;
    return id;
}

struct item bench_item(struct store_bench *bench, uint64_t number, const char *name, int64_t rank) {
    struct item item = {.id = id_from_number(number),
                        .owner = id_from_number(1000 + number % 3),
                        .name = arena_copy(&bench->arena, str_from_c(name)),
                        .rank = rank,
                        .color = (int32_t)(number % 3),
                        .is_open = number % 2 == 0,
                        .at = rank ^ INT64_C(1700000000000000),
                        .secret = STR("hunter2"),
                        .note = STR("")};
    static const struct str tags[] = {{"a", 1}, {"", 0}, {"ccc", 3}};
    static const struct id ids[] = {{{1}}, {{2}}};
    static const struct item_place places[] = {
        {.set = {.present = 3}, .x = -1, .label = {"here", 4}},
        {.set = {.present = 1, .null = 2}, .x = INT64_MIN},
    };
    /* Writable copies: a list does not know constants. */
    struct str *tags_copy = arena_take(&bench->arena, sizeof tags);
    struct id *ids_copy = arena_take(&bench->arena, sizeof ids);
    struct item_place *places_copy = arena_take(&bench->arena, sizeof places);
    memcpy(tags_copy, tags, sizeof tags);
    memcpy(ids_copy, ids, sizeof ids);
    memcpy(places_copy, places, sizeof places);
    item.tags = (struct schema_list){tags_copy, COUNT_OF(tags)};
    item.ids = (struct schema_list){ids_copy, COUNT_OF(ids)};
    item.places = (struct schema_list){places_copy, COUNT_OF(places)};
    item.place = places[0];
    item.set.present = (UINT64_C(1) << COUNT_OF(item_fields)) - 1;
    return item;
}

static bool text_equal(struct str a, struct str b, bool is_there) {
    return !is_there || str_equal(a, b);
}

static bool place_equal(const struct item_place *a, const struct item_place *b) {
    return a->set.present == b->set.present && a->set.null == b->set.null &&
           ((a->set.present & 1) == 0 || a->x == b->x) &&
           text_equal(a->label, b->label, (a->set.present & 2) != 0);
}

static bool lists_equal(const struct item *a, const struct item *b) {
    if (a->tags.count != b->tags.count || a->ids.count != b->ids.count ||
        a->places.count != b->places.count) {
        return false;
    }
    bool is_equal = true;
    for (uint32_t index = 0; index < a->tags.count; index += 1) {
        const struct str *left = a->tags.items;
        const struct str *right = b->tags.items;
        is_equal = is_equal && str_equal(left[index], right[index]);
    }
    for (uint32_t index = 0; index < a->ids.count; index += 1) {
        const struct id *left = a->ids.items;
        const struct id *right = b->ids.items;
        is_equal = is_equal && id_equal(left[index], right[index]);
    }
    for (uint32_t index = 0; index < a->places.count; index += 1) {
        const struct item_place *left = a->places.items;
        const struct item_place *right = b->places.items;
        is_equal = is_equal && place_equal(&left[index], &right[index]);
    }
    return is_equal;
}

bool item_equal(const struct item *a, const struct item *b) {
    uint64_t there = a->set.present;
    return a->set.present == b->set.present && a->set.null == b->set.null &&
           id_equal(a->id, b->id) && id_equal(a->owner, b->owner) &&
           text_equal(a->name, b->name, (there >> 2 & 1) != 0) && a->rank == b->rank &&
           a->color == b->color && a->is_open == b->is_open && a->at == b->at &&
           text_equal(a->secret, b->secret, (there >> 7 & 1) != 0) &&
           text_equal(a->note, b->note, (there >> 8 & 1) != 0) &&
           place_equal(&a->place, &b->place) && lists_equal(a, b);
}

enum err bench_get(struct store_bench *bench, struct id id, struct item *item) {
    enum err err = store_get(store_snapshot(bench->store), scope_system, &item_table, id_bytes(&id),
                             &bench->arena, item);
    return err;
}
