/*
 * Room: before a batch starts there must be enough of it on the disk and in the map for whatever
 * the batch may write, because LMDB cannot undo a part of a transaction that meets the end.
 */
#include "store/internal.h"

#include "os/log.h"

#include <string.h>

#define MAP_GRAIN_BYTES (UINT64_C(1) << 20)

/* Pages that LMDB has freed and may use again, in bytes. */
static uint64_t freelist_bytes(MDB_txn *txn, uint64_t page_bytes) {
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    uint64_t pages = 0;
    STORE_MUST(mdb_cursor_open(txn, 0, &cursor));
    while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0) {
        size_t count = 0;
        memcpy(&count, data.mv_data, sizeof count);
        pages += count;
    }
    mdb_cursor_close(cursor);
    return pages * page_bytes;
}

/* What a batch may write before the map's limit or the disk stops it. Counts the free list only
 * where the rest is not enough: it has to be read for that. */
static uint64_t room_bytes(struct store *store) {
    uint64_t disk = UINT64_MAX;
    MDB_envinfo info;
    MDB_stat stat;
    STORE_MUST(mdb_env_info(store->env, &info));
    STORE_MUST(mdb_env_stat(store->env, &stat));
    store->map_bytes = info.me_mapsize;
    store->used_bytes = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    uint64_t limit = store->options.map_bytes_max;
    uint64_t map = store->used_bytes < limit ? limit - store->used_bytes : 0;
    if (store_fd_space(store->data_fd, &disk) != ERR_OK) {
        disk = UINT64_MAX; /* the commit will tell */
    }
    uint64_t room = map < disk ? map : disk;
    if (room < store->options.headroom_bytes) {
        struct store_view view = {0};
        if (store_view_open(store, &view) == ERR_OK) {
            room += freelist_bytes(view.txn, stat.ms_psize);
            store_view_close(&view);
            mdb_txn_abort(view.txn);
        }
    }
    return room;
}

bool store_has_room(struct store *store) {
    return room_bytes(store) >= store->options.headroom_bytes;
}

/* The map is address space: it doubles. */
static void map_grow(struct store *store) {
    uint64_t wanted = store->used_bytes + store->options.headroom_bytes;
    uint64_t limit = store->options.map_bytes_max;
    if (store->map_bytes >= wanted || store->map_bytes >= limit) {
        return;
    }
    uint64_t bytes = store->map_bytes * 2 > wanted ? store->map_bytes * 2 : wanted;
    bytes = (bytes + MAP_GRAIN_BYTES - 1) / MAP_GRAIN_BYTES * MAP_GRAIN_BYTES;
    bytes = bytes < limit ? bytes : limit;
    STORE_MUST(mdb_env_set_mapsize(store->env, (size_t)bytes));
    store->map_bytes = bytes;
    log_info("store", "the map has grown to %llu MiB", (unsigned long long)(bytes >> 20));
}

enum err store_room_make(struct store *store) {
    enum { READER_CHECK_COMMITS = 4096 };
    CHECK(!store->snapshot.is_open);
    CHECK(store->batch.state == BATCH_IDLE);
    if (store->commits % READER_CHECK_COMMITS == 0) {
        int dead = 0;
        (void)mdb_reader_check(store->env, &dead);
    }
    if (room_bytes(store) < store->options.headroom_bytes / 4) {
        return ERR_STORE_FULL;
    }
    map_grow(store);
    return ERR_OK;
}
