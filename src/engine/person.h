/*
 * What the store holds about a person: all of it for export, none of it after erasure. Both derive
 * from the tables' rules (struct table_person), so that a new table is in them from its first day:
 * person_open refuses a program with a table that says nothing.
 *
 * Export is a JSON document, in parts when there is much: the person's own row, then table by table
 * the rows that are theirs, each with the rows below it. Erasure removes those rows but the KEPT
 * ones; the person's own row is blanked by the domain that owns it.
 *
 * Every person who acts has a key of their own, sealed at rest. What must stay readable only as
 * long as the person is known (the origin in audit records) is sealed under it. Erasure destroys
 * it, and leaves a mark so that no new one is made.
 */
#ifndef ENGINE_PERSON_H
#define ENGINE_PERSON_H

#include "crypto/seal.h"
#include "engine/request.h"

/* Of all modules. On failure *problem names the table and what its rule lacks. */
enum err person_open(const struct module *const *modules, uint32_t module_count,
                     const char **problem);

/* ---- keys ---- */

extern const struct table person_key_table;

/* The key of a person, made when there is none yet; false: the person was erased. */
bool person_key_take(struct store_tx *tx, const struct command *command, struct id person,
                     struct seal_key *key);
/* ERR_NOT_FOUND: there is none, or no longer. */
enum err person_key_get(const struct store_view *view, struct id person, struct arena *arena,
                        struct seal_key *key);

/* For good: what was sealed under it cannot be read any more, and no new one is made. */
void person_key_destroy(struct store_tx *tx, const struct command *command, struct id person);

/* ---- erasure ---- */

/* In apply: removes rows and key, by the person's own row as it still is in the store. */
void person_erase(struct store_tx *tx, const struct command *command, struct id person);

/* ---- export ---- */

/* For a read with FORM_RAW: fills raw_body, raw_type and raw_name. `cursor` is next_cursor of the
 * part before, or STR_NONE. ERR_NOT_FOUND: there is no such person. ERR_CURSOR_INVALID. */
enum err person_export(struct request *request, const struct store_view *view, struct id person,
                       struct str cursor);

/* ---- for the parts of this: the rules, resolved ---- */

struct person_table {
    const struct table *table;
    const struct table *parent; /* the table that its rows are of */
};
const struct person_table *person_tables(uint32_t *count); /* parents before their children */
const struct table *person_self(void);

/* The rows of `table` that are of one row of its parent. The struct must not move while it is open.
 */
struct person_scan {
    struct store_scan scan;
    char prefix_bytes[STORE_KEY_BYTES_MAX];
    struct buf prefix;
};
enum err person_scan_open(struct person_scan *scan, const struct store_view *view,
                          const struct person_table *table, const void *parent_row,
                          struct str after);

#endif
