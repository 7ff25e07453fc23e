/*
 * The batch: runs the commands in one LMDB transaction and commits it, on a fiber, so that the loop
 * goes on while the disk works. The states are in internal.h; batch_main is the fiber, the rest is
 * the loop's side.
 *
 * The first one after an opening arms the redo log before it begins: a store that is only read
 * needs none. A batch that wrote nothing commits nothing; its `done` still comes from
 * store_batch_step. A commit that fails ends the process: nothing of it was acknowledged.
 */
#include "store/internal.h"

#include "os/clock.h"

/* ---- on the fiber ---- */

static void redo_arm(struct store *store) {
    MDB_envinfo info;
    MDB_stat stat;
    STORE_MUST(mdb_env_info(store->env, &info));
    STORE_MUST(mdb_env_stat(store->env, &stat));
    store_io_arm(&store->io, info.me_last_txnid, stat.ms_psize);
}

static MDB_txn *batch_txn_begin(struct store *store) {
    MDB_txn *txn = NULL;
    store_redo_start(&store->io.redo);
    STORE_MUST(mdb_txn_begin(store->env, NULL, 0, &txn));
    store_tx_start(store, txn);
    return txn;
}

/* Runs the commands; the transaction is left open, *state is what to write. */
static MDB_txn *batch_run(struct store *store, struct store_state *state) {
    struct store_batch *batch = &store->batch;
    MDB_txn *txn = batch_txn_begin(store);
    uint32_t commands = batch->run(&store->tx, batch->ctx);
    *state = store_tx_finish(&store->tx, commands);
#ifdef COFFER_TEST_BUILD
    /* Once more from the start: what depends on anything but the commands shows as a difference. */
    struct store_state first = *state;
    mdb_txn_abort(txn);
    txn = batch_txn_begin(store);
    commands = batch->run(&store->tx, batch->ctx);
    *state = store_tx_finish(&store->tx, commands);
    CHECK(hash_equal(first.chain, state->chain));
    CHECK(first.content == state->content);
    CHECK(first.commands == state->commands);
#endif
    return txn;
}

static void batch_commit(struct store *store) {
    struct store_state state;
    if (!store->io.redo.is_armed) {
        redo_arm(store);
    }
    MDB_txn *txn = batch_run(store, &state);
    if (store->tx.batch_writes == 0) {
        mdb_txn_abort(txn);
        store_io_breathe(&store->io, true);
        return;
    }
    store_state_write(store, txn, &state);
    STORE_MUST(mdb_txn_commit(txn));
    CHECK(!store->io.is_sync_due);
    store->state = state;
    store->commits += 1;
}

static void batch_main(void *ctx) {
    struct store *store = ctx;
    for (;;) {
        if (store->batch.is_stopping) {
            return;
        }
        batch_commit(store);
        store->batch.is_finished = true;
        fiber_yield(&store->fiber);
    }
}

void store_tx_breathe(struct store_tx *tx) {
    CHECK(tx->view.is_open);
    struct store *store = tx->view.store;
    if (store->batch.state == BATCH_RUNNING) { /* not in a migration: nothing else runs then */
        store_io_breathe(&store->io, false);
    }
}

/* ---- the loop's side ---- */

enum err store_batch_open(struct store *store) {
    if (!fiber_init(&store->fiber, batch_main, store)) {
        return ERR_NO_MEMORY;
    }
    return store_io_open(&store->io, &store->fiber, store->data_fd, store->options.headroom_bytes);
}

void store_batch_close(struct store *store) {
    CHECK(store->batch.state == BATCH_IDLE);
    if (store->fiber.state == FIBER_RESTING) {
        store->batch.is_stopping = true;
        fiber_resume(&store->fiber);
    }
    fiber_reset(&store->fiber);
    store_io_close(&store->io);
}

/* One slice. IDLE or WAITING -> RUNNING -> WAITING. */
static void batch_resume(struct store *store) {
    struct store_batch *batch = &store->batch;
    CHECK(batch->state == BATCH_WAITING);
    CHECK(!batch->is_finished);
    batch->state = BATCH_RUNNING;
    store_io_resume(&store->io);
    batch->state = BATCH_WAITING;
    CHECK(batch->is_finished || store->io.wait != STORE_IO_RUN);
}

/* WAITING -> IDLE. */
static void batch_finish(struct store *store) {
    struct store_batch *batch = &store->batch;
    CHECK(batch->state == BATCH_WAITING);
    store->last_commit_us = clock_monotonic_us() - batch->start_us;
    store->last_sync_us = store->io.disk_us;
    batch->state = BATCH_IDLE;
    batch->is_finished = false;
    /* Whoever is answered now must see what was committed. */
    store_tick_end(store);
    batch->done(batch->ctx);
}

enum err store_batch_start(struct store *store, store_batch_run run, store_batch_done done,
                           void *ctx) {
    struct store_batch *batch = &store->batch;
    CHECK(run != NULL && done != NULL);
    CHECK(batch->state == BATCH_IDLE);
    CHECK(!store->options.is_read_only);
    store_tick_end(store);
    enum err err = store_room_make(store);
    if (err != ERR_OK) {
        return err;
    }
    batch->run = run;
    batch->done = done;
    batch->ctx = ctx;
    batch->start_us = clock_monotonic_us();
    store_io_batch_start(&store->io);
    batch->state = BATCH_WAITING;
    batch_resume(store);
    return ERR_OK;
}

void store_batch_step(struct store *store) {
    struct store_batch *batch = &store->batch;
    if (batch->state == BATCH_IDLE) {
        return;
    }
    if (store->io.wait == STORE_IO_DISK && !store_io_is_answered(&store->io)) {
        return;
    }
    batch_resume(store);
    if (batch->is_finished) {
        batch_finish(store);
    }
}

bool store_batch_is_busy(const struct store *store) {
    return store->batch.state != BATCH_IDLE;
}

int store_wait_fd(const struct store *store) {
    return store->io.committer.done_fd;
}

bool store_batch_wants_cpu(const struct store *store) {
    return store->batch.state == BATCH_WAITING && store->io.wait == STORE_IO_CPU;
}

void store_stats_read(const struct store *store, struct store_stats *stats) {
    *stats = (struct store_stats){
        .sequence = store->state.sequence,
        .commits = store->commits,
        .commands = store->state.commands,
        .map_bytes = store->map_bytes,
        .used_bytes = store->used_bytes,
        .last_commit_us = store->last_commit_us,
        .last_sync_us = store->last_sync_us,
        .chain = store->state.chain,
    };
}
