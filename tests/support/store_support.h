/* A small store for tests: tables, a temporary folder, batches that wait until they are done. */
#ifndef STORE_SUPPORT_H
#define STORE_SUPPORT_H

#include "store/store.h"

enum { ITEM_RED, ITEM_GREEN, ITEM_BLUE };

struct item_place {
    struct schema_set set;
    int64_t x;
    struct str label;
};

struct item {
    struct schema_set set;
    struct id id;
    struct id owner;
    struct str name; /* unique */
    int64_t rank;    /* indexed with owner */
    int32_t color;
    bool is_open;
    int64_t at;
    struct str secret;
    struct str note; /* may be null */
    struct item_place place;
    struct schema_list tags;   /* texts */
    struct schema_list ids;    /* ids */
    struct schema_list places; /* item_place */
};

struct entry { /* append-only, by number */
    struct schema_set set;
    int64_t number;
    struct str text;
};

struct word { /* by text */
    struct schema_set set;
    struct str word;
    int64_t count;
};

extern const struct schema item_schema;
extern const struct schema entry_schema;
extern const struct schema word_schema;
extern const struct table item_table;
extern const struct table entry_table;
extern const struct table word_table;
enum { ITEM_BY_NAME, ITEM_BY_OWNER_RANK, ITEM_BY_COLOR };
enum { WORD_BY_COUNT };

struct store_bench {
    struct store *store;
    char folder[256];
    struct store_options options;
    struct arena_pool pool;
    struct arena arena;
    uint64_t batches;
};

extern const struct store_scope scope_system;
struct store_scope scope_owner(struct id owner);

/* A fresh folder below base (NULL = $TMPDIR or /tmp). The arena belongs to the bench and lives
 * until bench_arena_reset. */
bool bench_open(struct store_bench *bench, const char *base);
bool bench_open_with(struct store_bench *bench, const char *base, struct store_options options);
/* Closes and opens again; ends the process when that fails. */
void bench_reopen(struct store_bench *bench);
/* Closes and removes the folder. */
void bench_close(struct store_bench *bench);
void bench_folder_remove(const char *folder);
void bench_arena_reset(struct store_bench *bench);

/* Options with the tables above and the fixed key. */
struct store_options bench_options(void);

/* Runs a batch to its end, waiting as the loop does. */
void bench_batch(struct store_bench *bench, store_batch_run run, void *ctx);
void store_batch_wait(struct store *store);

/* One batch with one write. */
void bench_put(struct store_bench *bench, const struct item *item);
void bench_del(struct store_bench *bench, struct id id);

struct id id_from_number(uint64_t number);
/* A complete item: id and owner from numbers. */
struct item bench_item(struct store_bench *bench, uint64_t number, const char *name, int64_t rank);
/* All members, by value. */
bool item_equal(const struct item *a, const struct item *b);
enum err bench_get(struct store_bench *bench, struct id id, struct item *item);

#endif
