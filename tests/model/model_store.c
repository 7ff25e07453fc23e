/*
 * The store against a naive model: an array of items that is searched and sorted anew for every
 * question. Random batches of puts and deletes, small number spaces so that keys, names and owners
 * meet; after each, random gets, finds and scans through random scopes must say what the model
 * says, error codes included. Now and then the store is closed and opened, or examined by fsck.
 */
#include "test.h"

#include "support/store_support.h"

enum {
    ITEMS_MAX = 48,
    OWNERS = 3,
    NAMES = 60,
    RANKS = 6,
    COMMANDS_MAX = 12,
    ROUNDS = 2500,
    QUESTIONS = 12,
};

struct model_item {
    bool is_there;
    uint32_t owner; /* OWNERS = nobody */
    uint32_t name;  /* NAMES = none */
    int64_t rank;
    uint32_t note_len;
};

static struct model_item model[ITEMS_MAX];
static char note_text[5000];

static struct str name_text(uint32_t name, char memory[16]) {
    /* Names that are beginnings of other names, and bytes that index keys escape. */
    static const char *const endings[] = {"", "a", "ab", "\x01", "\x01\x01", "\xff"};
    (void)snprintf(memory, 16, "%c%s", 'a' + (int)(name / 6), endings[name % 6]);
    return str_from_c(memory);
}

static struct id owner_id(uint32_t owner) {
    return id_from_number(5000 + owner);
}

static struct item item_make(uint32_t number, const struct model_item *from, char name[16]) {
    struct item item = {.id = id_from_number(number), .rank = from->rank};
    item.set.present = 1 | UINT64_C(1) << 3 | UINT64_C(1) << 5 | UINT64_C(1) << 7;
    item.secret = STR("s");
    if (from->owner < OWNERS) {
        item.owner = owner_id(from->owner);
        item.set.present |= 2;
    }
    if (from->name < NAMES) {
        item.name = name_text(from->name, name);
        item.set.present |= 4;
    }
    if (from->note_len > 0) {
        item.note = (struct str){note_text, from->note_len};
        item.set.present |= UINT64_C(1) << 8;
    } else {
        item.set.null |= UINT64_C(1) << 8;
    }
    return item;
}

/* ---- batches ---- */

struct command {
    bool is_put;
    uint32_t number;
    struct model_item item;
};

struct batch {
    struct command commands[COMMANDS_MAX];
    uint32_t count;
};

static bool name_is_taken(uint32_t name, uint32_t number) {
    for (uint32_t index = 0; index < ITEMS_MAX; index += 1) {
        if (index != number && model[index].is_there && model[index].name == name) {
            return true;
        }
    }
    return false;
}

static struct batch batch_make(void) {
    struct batch batch = {.count = 1 + (uint32_t)test_random_below(COMMANDS_MAX)};
    for (uint32_t index = 0; index < batch.count; index += 1) {
        struct command *command = &batch.commands[index];
        command->number = (uint32_t)test_random_below(ITEMS_MAX);
        command->is_put = test_random_below(3) != 0;
        uint32_t name = (uint32_t)test_random_below(NAMES + 5);
        if (name >= NAMES || name_is_taken(name, command->number)) {
            name = NAMES; /* as check() would have refused it */
        }
        command->item = (struct model_item){
            .is_there = command->is_put,
            .owner = (uint32_t)test_random_below(OWNERS + 1),
            .name = name,
            .rank = (int64_t)test_random_below(RANKS) - RANKS / 2,
            .note_len = test_random_below(4) == 0 ? (uint32_t)test_random_below(sizeof note_text)
                                                  : (uint32_t)test_random_below(20),
        };
        model[command->number] = command->item;
    }
    return batch;
}

static uint32_t batch_run(struct store_tx *tx, void *ctx) {
    static const uint8_t entropy[32] = {3};
    const struct batch *batch = ctx;
    for (uint32_t index = 0; index < batch->count; index += 1) {
        const struct command *command = &batch->commands[index];
        struct id id = id_from_number(command->number);
        char name[16];
        store_tx_command(tx, entropy);
        if (command->is_put) {
            struct item item = item_make(command->number, &command->item, name);
            store_put(tx, &item_table, &item);
        } else {
            store_del(tx, &item_table, id_bytes(&id));
        }
    }
    return batch->count;
}

/* ---- questions ---- */

/* A random scope; *owner is its owner or OWNERS + 1 for the system. */
static struct store_scope scope_make(uint32_t *owner) {
    *owner = (uint32_t)test_random_below(OWNERS + 1);
    if (*owner == OWNERS) {
        *owner = OWNERS + 1;
        return scope_system;
    }
    return scope_owner(owner_id(*owner));
}

static bool is_visible(uint32_t number, uint32_t owner) {
    return model[number].is_there && (owner == OWNERS + 1 || model[number].owner == owner);
}

static bool item_is_right(const struct item *found, uint32_t number) {
    char name[16];
    struct item wanted = item_make(number, &model[number], name);
    return item_equal(found, &wanted);
}

static bool get_agrees(struct store_bench *bench) {
    uint32_t owner = 0;
    uint32_t number = (uint32_t)test_random_below(ITEMS_MAX);
    struct store_scope scope = scope_make(&owner);
    struct id id = id_from_number(number);
    struct item found;
    enum err err = store_get(store_snapshot(bench->store), scope, &item_table, id_bytes(&id),
                             &bench->arena, &found);
    if (!is_visible(number, owner)) {
        return err == ERR_NOT_FOUND;
    }
    return err == ERR_OK && item_is_right(&found, number);
}

static bool find_agrees(struct store_bench *bench) {
    uint32_t owner = 0;
    uint32_t name = (uint32_t)test_random_below(NAMES);
    struct store_scope scope = scope_make(&owner);
    char memory[16];
    char key_memory[64];
    struct buf key = buf_over(key_memory, sizeof key_memory);
    struct item found;
    store_key_put_text(&key, name_text(name, memory), true);
    enum err err = store_find(store_snapshot(bench->store), scope, &item_table, ITEM_BY_NAME,
                              buf_str(&key), &bench->arena, &found);
    for (uint32_t number = 0; number < ITEMS_MAX; number += 1) {
        if (model[number].name == name && is_visible(number, owner)) {
            return err == ERR_OK && item_is_right(&found, number);
        }
    }
    return err == ERR_NOT_FOUND;
}

/* The order of two items in what is scanned: by index, then by id. */
static int order(uint32_t index, uint32_t a, uint32_t b) {
    const struct model_item *left = &model[a];
    const struct model_item *right = &model[b];
    int by_id = a < b ? -1 : a > b;
    char left_name[16];
    char right_name[16];
    switch (index) {
    case ITEM_BY_NAME:
        return str_compare(name_text(left->name, left_name), name_text(right->name, right_name));
    case ITEM_BY_OWNER_RANK:
        if (left->owner != right->owner) {
            return left->owner < right->owner ? -1 : 1;
        }
        if (left->rank != right->rank) {
            return left->rank < right->rank ? -1 : 1;
        }
        return by_id;
    default:
        return by_id;
    }
}

static bool is_in_index(uint32_t index, uint32_t number) {
    return index == ITEM_BY_NAME         ? model[number].name < NAMES
           : index == ITEM_BY_OWNER_RANK ? model[number].owner < OWNERS
                                         : true;
}

struct question {
    uint32_t index;
    uint32_t owner;
    uint32_t prefix_owner; /* BY_OWNER_RANK: OWNERS = any */
    uint32_t prefix_name;  /* BY_NAME: the first letter; NAMES = any */
    bool is_descending;
};

static bool is_asked(const struct question *question, uint32_t number) {
    const struct model_item *item = &model[number];
    return is_visible(number, question->owner) && is_in_index(question->index, number) &&
           (question->index != ITEM_BY_OWNER_RANK || question->prefix_owner == OWNERS ||
            item->owner == question->prefix_owner) &&
           (question->index != ITEM_BY_NAME || question->prefix_name == NAMES ||
            item->name / 6 == question->prefix_name / 6);
}

/* The answers in order, by selection: slow and obvious. */
static uint32_t answers_make(const struct question *question, uint32_t *answers) {
    uint32_t count = 0;
    for (uint32_t number = 0; number < ITEMS_MAX; number += 1) {
        if (!is_asked(question, number)) {
            continue;
        }
        uint32_t at = count;
        while (at > 0) {
            int compared = order(question->index, answers[at - 1], number);
            if (question->is_descending ? compared > 0 : compared < 0) {
                break;
            }
            answers[at] = answers[at - 1];
            at -= 1;
        }
        answers[at] = number;
        count += 1;
    }
    return count;
}

/* Scans in pages of random size; every page is a new scan behind the last row's key. */
static bool pages_agree(struct store_bench *bench, const struct question *question,
                        struct store_scope scope, struct str prefix) {
    uint32_t answers[ITEMS_MAX];
    uint32_t count = answers_make(question, answers);
    uint32_t page = 1 + (uint32_t)test_random_below(10);
    char after_memory[STORE_KEY_BYTES_MAX];
    struct str after = STR_NONE;
    enum err err = ERR_OK;
    uint32_t seen = 0;
    while (err == ERR_OK) {
        struct store_scan scan;
        struct item found;
        err = store_scan_open(&scan, store_snapshot(bench->store), scope, &item_table,
                              question->index, prefix, after, question->is_descending);
        for (uint32_t row = 0; row < page && err == ERR_OK; row += 1) {
            err = store_scan_next(&scan, &bench->arena, &found);
            if (err == ERR_OK && (seen == count || !item_is_right(&found, answers[seen]))) {
                err = ERR_INTERNAL;
            }
            if (err == ERR_OK) {
                memcpy(after_memory, scan.row_key.data, scan.row_key.len);
                after = (struct str){after_memory, scan.row_key.len};
                seen += 1;
            }
        }
        store_scan_close(&scan);
    }
    return err == ERR_END && seen == count;
}

static bool scan_agrees(struct store_bench *bench) {
    static const uint32_t indexes[] = {STORE_PRIMARY, ITEM_BY_NAME, ITEM_BY_OWNER_RANK};
    struct question question = {
        .index = indexes[test_random_below(COUNT_OF(indexes))],
        .prefix_owner = (uint32_t)test_random_below(OWNERS + 1),
        .prefix_name =
            (uint32_t)test_random_below(2) == 0 ? NAMES : (uint32_t)test_random_below(NAMES),
        .is_descending = test_random_below(2) == 0,
    };
    struct store_scope scope = scope_make(&question.owner);
    char memory[64];
    struct buf prefix = buf_over(memory, sizeof memory);
    if (question.index == ITEM_BY_OWNER_RANK && question.prefix_owner < OWNERS) {
        store_key_put_id(&prefix, owner_id(question.prefix_owner));
    }
    if (question.index == ITEM_BY_NAME && question.prefix_name < NAMES) {
        char letter[2] = {(char)('a' + (int)(question.prefix_name / 6)), '\0'};
        store_key_put_text(&prefix, str_from_c(letter), true);
    }
    return pages_agree(bench, &question, scope, buf_str(&prefix));
}

TEST(model_store_agrees_on_random_batches)
{
    struct store_bench bench;
    memset(model, 0, sizeof model);
    memset(note_text, 'n', sizeof note_text);
    REQUIRE(bench_open(&bench, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL));
    for (uint32_t round = 0; round < ROUNDS; round += 1) {
        struct batch batch = batch_make();
        bench_batch(&bench, batch_run, &batch);
        for (uint32_t index = 0; index < QUESTIONS; index += 1) {
            REQUIRE(get_agrees(&bench));
            REQUIRE(find_agrees(&bench));
            REQUIRE(scan_agrees(&bench));
        }
        store_tick_end(bench.store);
        bench_arena_reset(&bench);
        if (test_random_below(40) == 0) {
            bench_reopen(&bench);
        }
        if (test_random_below(20) == 0) {
            REQUIRE(store_fsck(bench.store, NULL, NULL) == ERR_OK);
        }
    }
    REQUIRE(store_fsck(bench.store, NULL, NULL) == ERR_OK);
    bench_close(&bench);
}
