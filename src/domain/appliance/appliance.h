/*
 * Updates of the appliance: an administrator sends a signed bundle in parts, which lie in the store
 * until it is whole, and asks for its installation. The server then ends, and the machine's first
 * process writes the other slot (cli/image.c) and restarts.
 *
 *   (none) --begin--> UPLOADING --all parts, install--> REQUESTED --slot written--> INSTALLED
 *                         ^                                 |
 *                         +------------ begin -----------+--+--cannot be written--> FAILED
 *
 * Or it names a URL: then the server fetches the bundle by itself, judges header and parts as if
 * they had been sent, and installs it:
 *
 *   (none) --fetch--> FETCHING --all is here, and good--> FETCHED (and the update REQUESTED)
 *                        +--unreachable, cut short, altered, not newer, restart--> REFUSED
 *
 * One fetch at a time. A refused header has changed nothing; whatever was kept of a bundle that is
 * refused later goes with it.
 *
 * INSTALLED says no more than that the slot was written and tried: whether the new version proved
 * itself is seen by who runs.
 */
#ifndef DOMAIN_APPLIANCE_H
#define DOMAIN_APPLIANCE_H

#include "crypto/bundle.h"
#include "engine/request.h"
#include "net/http_client.h"

extern const struct module appliance_module;

enum update_state { UPDATE_UPLOADING, UPDATE_REQUESTED, UPDATE_INSTALLED, UPDATE_FAILED };

struct update {
    struct schema_set set;
    int64_t number; /* UPDATE_NUMBER: there is one at a time */
    int32_t state;
    struct str version;
    struct str header;
    int64_t part_count;
    int64_t parts_received;
    struct str problem; /* FAILED: a sentence */
    int64_t created_at;
};
enum { UPDATE_NUMBER = 1, UPDATE_PROBLEM_LEN_MAX = 200 };

struct update_part {
    struct schema_set set;
    int64_t number; /* from 0 */
    struct str data;
};

enum update_fetch_state { UPDATE_FETCHING, UPDATE_FETCHED, UPDATE_REFUSED };

/* The last fetch by URL, or the one that runs. */
struct update_fetch {
    struct schema_set set;
    int64_t number; /* UPDATE_NUMBER */
    int32_t state;
    struct str url;
    int64_t bytes_received;
    int64_t bytes_total; /* once the header is here */
    struct str code;     /* REFUSED: for machines */
    struct str problem;  /* and for people */
    int64_t created_at;
    int64_t ended_at;
};
enum { UPDATE_CODE_LEN_MAX = 40, UPDATE_FETCH_PROBLEM_LEN_MAX = CLIENT_PROBLEM_BYTES_MAX };

/* Once before the engine starts: does this machine have slots that an update can go to? */
void appliance_set_machine(bool has_slots);

extern const struct schema update_fetch_schema;

/* ERR_NOT_FOUND when there is none. */
enum err update_get(const struct store_view *view, struct arena *arena, struct update *update);
enum err update_part_get(const struct store_view *view, int64_t number, struct arena *arena,
                         struct update_part *part);
enum err update_fetch_get(const struct store_view *view, struct arena *arena,
                          struct update_fetch *fetch);
/* Does an update wait for its installation? */
bool update_is_requested(const struct store_view *view, struct arena *arena);

/* The system commands of the same names, for the command line. `prepared` is the struct below, or
 * nothing for install. */
struct update_begin {
    struct schema_set set;
    struct str header;
};
struct update_piece {
    struct schema_set set;
    int64_t number;
    struct str data;
};
struct update_end {
    struct str problem; /* STR_NONE: it was installed */
};
struct update_fetch_begin {
    struct schema_set set;
    struct str url;
};
struct update_fetch_end {
    enum err err; /* ERR_OK: all of it is here */
    struct str code;
    struct str problem;
};
extern const struct command_row update_fetch_command;
extern const struct command_row update_fetch_end_command;
extern const struct command_row update_begin_command;
extern const struct command_row update_part_command;
extern const struct command_row update_install_command;
extern const struct command_row update_end_command;

/* ---- fetcher.c ---- */

/* Whatever update_fetch_command has put into the store is fetched from now on. Once per process;
 * `world` outlives it. */
void update_fetcher_open(struct engine *engine, const struct client_world *world);

#endif
