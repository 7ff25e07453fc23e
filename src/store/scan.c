/*
 * Range scans: a walk over the keys of a table or an index that begin with a prefix, in either
 * direction, from behind a given key.
 *
 * On a snapshot an LMDB cursor steps along. In a batch the tree may change under the cursor, so
 * there every step seeks anew from the last key.
 */
#include "store/internal.h"

#include <string.h>

/* In an index whose first part is the owner, a scan of one owner's rows is a prefix scan. False
 * when the prefix is another owner's: then there is nothing to see. */
static bool scan_prefix_narrow(struct store_scan *scan, const struct store_table *handle) {
    const struct table *row = handle->row;
    if (scan->scope.kind != STORE_SCOPE_OWNER || row->scope_offset == 0 ||
        scan->index == STORE_PRIMARY ||
        handle->indexes[scan->index].row->offsets[0] != row->scope_offset) {
        return true;
    }
    struct str owner = id_bytes(&scan->scope.owner);
    if (scan->prefix.len >= ID_BYTES) {
        return str_starts(scan->prefix, owner);
    }
    bool is_same = str_starts(owner, scan->prefix) || scan->prefix.len == 0;
    scan->prefix = owner;
    return is_same;
}

static MDB_dbi scan_dbi(const struct store_scan *scan) {
    const struct store_table *handle = store_table_of(scan->view->store, scan->table);
    return scan->index == STORE_PRIMARY ? handle->dbi : handle->indexes[scan->index].dbi;
}

enum err store_scan_open(struct store_scan *scan, const struct store_view *view,
                         struct store_scope scope, const struct table *table, uint32_t index,
                         struct str prefix, struct str after, bool is_descending) {
    const struct store_table *handle = store_table_of(view->store, table);
    CHECK(view->is_open);
    CHECK(scope.kind == STORE_SCOPE_SYSTEM || scope.kind == STORE_SCOPE_OWNER);
    CHECK(index == STORE_PRIMARY || index < handle->row->index_count);
    CHECK(index == STORE_PRIMARY || !view->is_writing || !view->store->tx.is_migrating);
    /* Everything but the long `after`: scans are opened often. */
    scan->view = view;
    scan->scope = scope;
    scan->table = table;
    scan->index = index;
    scan->prefix = prefix;
    scan->is_descending = is_descending;
    scan->cursor = NULL;
    scan->is_started = false;
    scan->after_len = after.len;
    scan->row_key = STR_NONE;
    if (after.len > STORE_KEY_BYTES_MAX) {
        scan->after_len = 0;
        return ERR_CURSOR_INVALID;
    }
    if (after.len > 0) {
        memcpy(scan->after, after.data, after.len);
    }
    if (!scan_prefix_narrow(scan, handle)) {
        scan->view = NULL; /* ended before it began */
        return ERR_OK;
    }
    MDB_cursor *cursor = NULL;
    if (!view->is_writing) {
        STORE_MUST(mdb_cursor_open(view->txn, scan_dbi(scan), &cursor));
        /* The count belongs to the snapshot, which the caller holds as a constant view. */
        view->store->snapshot.scans_open += 1;
    }
    scan->cursor = cursor;
    return ERR_OK;
}

void store_scan_close(struct store_scan *scan) {
    if (scan->cursor != NULL) {
        struct store *store = scan->view->store;
        mdb_cursor_close(scan->cursor);
        CHECK(store->snapshot.scans_open > 0);
        store->snapshot.scans_open -= 1;
    }
    scan->cursor = NULL;
    scan->view = NULL;
}

static struct str scan_after(const struct store_scan *scan) {
    return (struct str){scan->after, scan->after_len};
}

/* The first key at or behind `from`, but not `from` itself when is_behind. */
static int seek_up(MDB_cursor *cursor, struct str from, bool is_behind, MDB_val *key,
                   MDB_val *data) {
    if (from.len == 0) {
        return mdb_cursor_get(cursor, key, data, MDB_FIRST);
    }
    *key = store_val(from);
    int code = mdb_cursor_get(cursor, key, data, MDB_SET_RANGE);
    if (code == 0 && is_behind && str_equal(store_str(*key), from)) {
        code = mdb_cursor_get(cursor, key, data, MDB_NEXT);
    }
    return code;
}

/* The last key before `bound`; STR_NONE = the last of all. */
static int seek_down(MDB_cursor *cursor, struct str bound, MDB_val *key, MDB_val *data) {
    if (!str_is_none(bound)) {
        *key = store_val(bound);
        int code = mdb_cursor_get(cursor, key, data, MDB_SET_RANGE);
        if (code == 0) {
            return mdb_cursor_get(cursor, key, data, MDB_PREV);
        }
        if (code != MDB_NOTFOUND) {
            return code;
        }
    }
    return mdb_cursor_get(cursor, key, data, MDB_LAST);
}

/* The smallest key above all keys with this prefix, STR_NONE when there is none. */
static struct str prefix_end(struct str prefix, char memory[STORE_KEY_BYTES_MAX]) {
    uint32_t len = prefix.len;
    while (len > 0 && (uint8_t)prefix.data[len - 1] == 0xff) {
        len -= 1;
    }
    if (len == 0) {
        return STR_NONE;
    }
    memcpy(memory, prefix.data, len);
    memory[len - 1] = (char)((uint8_t)memory[len - 1] + 1);
    return (struct str){memory, len};
}

static int scan_seek(const struct store_scan *scan, MDB_cursor *cursor, MDB_val *key,
                     MDB_val *data) {
    struct str after = scan_after(scan);
    if (!scan->is_descending) {
        bool is_behind = after.len > 0 && str_compare(after, scan->prefix) >= 0;
        return seek_up(cursor, is_behind ? after : scan->prefix, is_behind, key, data);
    }
    char memory[STORE_KEY_BYTES_MAX];
    struct str bound = prefix_end(scan->prefix, memory);
    if (after.len > 0 && (str_is_none(bound) || str_compare(after, bound) < 0)) {
        bound = after;
    }
    return seek_down(cursor, bound, key, data);
}

/* The next row of the tree, whoever owns it; its key goes to scan->after. */
static enum err scan_step(struct store_scan *scan, MDB_cursor *cursor, struct str *value) {
    MDB_val key;
    MDB_val data;
    int code;
    if (scan->is_started && scan->cursor != NULL) {
        MDB_cursor_op step = scan->is_descending ? MDB_PREV : MDB_NEXT;
        code = mdb_cursor_get(cursor, &key, &data, step);
    } else {
        code = scan_seek(scan, cursor, &key, &data);
    }
    scan->is_started = true;
    if (code == MDB_NOTFOUND || (code == 0 && !str_starts(store_str(key), scan->prefix))) {
        return ERR_END;
    }
    if (code != 0 || key.mv_size > STORE_KEY_BYTES_MAX) {
        store_corrupt_log(scan->table, scan_after(scan), "a scan cannot go on");
        return ERR_CORRUPT;
    }
    memcpy(scan->after, key.mv_data, key.mv_size);
    scan->after_len = (uint32_t)key.mv_size;
    *value = store_str(data);
    return ERR_OK;
}

/* Index rows name the record: replaces `value` by the record's bytes and sets its key. */
static enum err scan_record(const struct store_scan *scan, struct str *primary, struct str *value) {
    const struct store_table *handle = store_table_of(scan->view->store, scan->table);
    if (scan->index == STORE_PRIMARY) {
        *primary = scan_after(scan);
        return ERR_OK;
    }
    if (handle->indexes[scan->index].row->is_unique) {
        *primary = *value;
    } else if (value->len == 2) {
        uint32_t len = (uint32_t)(uint8_t)value->data[0] << 8 | (uint8_t)value->data[1];
        *primary = str_slice(scan_after(scan), scan->after_len - (len < scan->after_len ? len : 0),
                             scan->after_len);
    } else {
        store_corrupt_log(scan->table, scan_after(scan), "an index row has no key length");
        return ERR_CORRUPT;
    }
    MDB_val key = store_val(*primary);
    MDB_val data;
    if (mdb_get(scan->view->txn, handle->dbi, &key, &data) != 0) {
        store_corrupt_log(scan->table, *primary, "an index names a record that is not there");
        return ERR_CORRUPT;
    }
    *value = store_str(data);
    return ERR_OK;
}

static enum err scan_next(struct store_scan *scan, MDB_cursor *cursor, struct arena *arena,
                          void *record) {
    enum err err = ERR_NOT_FOUND;
    while (err == ERR_NOT_FOUND) {
        struct str value;
        struct str primary;
        err = scan_step(scan, cursor, &value);
        if (err == ERR_OK) {
            err = scan_record(scan, &primary, &value);
        }
        if (err == ERR_OK) {
            err = store_record_open(scan->view, scan->scope, scan->table, primary, value, arena,
                                    record);
        }
    }
    scan->row_key = scan_after(scan);
    return err;
}

enum err store_scan_next(struct store_scan *scan, struct arena *arena, void *record) {
    if (scan->view == NULL || scan->prefix.len > STORE_KEY_BYTES_MAX) {
        return ERR_END;
    }
    if (scan->cursor != NULL) {
        return scan_next(scan, scan->cursor, arena, record);
    }
    MDB_cursor *cursor = NULL;
    STORE_MUST(mdb_cursor_open(scan->view->txn, scan_dbi(scan), &cursor));
    enum err err = scan_next(scan, cursor, arena, record);
    mdb_cursor_close(cursor);
    return err;
}
