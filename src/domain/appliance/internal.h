/* What the files of this domain share with each other and nobody else. */
#ifndef DOMAIN_APPLIANCE_INTERNAL_H
#define DOMAIN_APPLIANCE_INTERNAL_H

#include "domain/appliance/appliance.h"

extern const struct table update_table;
extern const struct table update_part_table;
extern const struct schema update_schema;
extern const struct schema update_part_schema;

extern const struct schema update_begin_schema;
extern const struct schema update_data_schema;
extern const struct schema update_piece_schema;

extern const struct table update_fetch_table;
extern const struct schema update_fetch_begin_schema;

/* ---- update.c ---- */

/* Does this machine take updates? ERR_UPDATE_MACHINE. For prepare. */
enum err update_machine_check(void);
/* The reply to whatever has to do with updates. `update` NULL: there is none. */
void update_reply(const struct store_view *view, const struct command *command,
                  const struct update *update, struct outcome *outcome);
/* All parts are here: it waits for its installation. */
enum err update_whole_check(const struct store_view *view, const struct command *command);
void update_request(struct store_tx *tx, const struct command *command, struct update *update);
/* It ends, and its parts go. `problem` STR_NONE: it was installed. */
void update_finish(struct store_tx *tx, const struct command *command, struct str problem);

/* ---- fetch.c ---- */

bool update_is_fetching(const struct store_view *view, struct arena *arena);
/* In apply: so much more of the bundle is in the store. `bytes_total` 0: as it was. */
void update_fetch_note(struct store_tx *tx, const struct command *command, int64_t bytes,
                       int64_t bytes_total);
/* What was being fetched when the process before this one ended is given up. */
enum err update_fetch_start(struct engine *engine, const char **problem);

enum err update_read(struct request *request, const struct store_view *view);

#endif
