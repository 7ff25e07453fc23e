/*
 * coffer import users: rows of a CSV file or of JSON lines, each a command, many per commit. Users,
 * or customers of the Gatekeeper paths when there is a column account_number. Faulty rows are named
 * and left out.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/csv.h"
#include "crypto/password.h"
#include "domain/auth/auth.h"
#include "domain/gatekeeper/gatekeeper.h"
#include "os/files.h"
#include "os/mem.h"

enum {
    IMPORT_BYTES_MAX = 512 * 1024 * 1024,
    IMPORT_WINDOW = SYSTEM_COMMANDS_MAX, /* rows per commit */
    IMPORT_ROW_ARENA_BYTES = 256 * 1024,
    IMPORT_PROGRESS_ROWS = 10000,
};

struct user_row {
    struct schema_set set;
    struct str email;
    struct str password_hash;
    struct str full_name;
    int32_t role;
};

static const struct field user_row_fields[] = {
    FIELD(struct user_row, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 254,
          .format = FORMAT_EMAIL, .doc = "E-mail address."),
    FIELD(struct user_row, password_hash, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 255,
          .doc = "bcrypt ($2a$, $2b$, $2y$) or werkzeug (pbkdf2:sha256, scrypt)."),
    FIELD(struct user_row, full_name, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 255,
          .doc = "Name for display."),
    FIELD(struct user_row, role, FIELD_ENUM, .values = role_names, .doc = "Role; customer."),
};

static const struct schema user_row_schema = SCHEMA("ImportRow", struct user_row, user_row_fields);

union import_row {
    struct user_row user;
    struct customer_row customer;
};

union import_draft {
    struct user_draft user;
    struct customer customer;
};

/* What the rows of a file are. */
struct import_kind {
    const struct schema *schema;
    const struct command_row *command;
    enum err taken; /* the command's word for one that is there */
    /* Texts are borrowed from the row's memory. False: a fault was added. */
    bool (*draft)(const union import_row *row, union import_draft *draft,
                  struct schema_faults *faults);
    struct str (*name)(const union import_draft *draft);
};

/* ---- users ---- */

static bool user_draft(const union import_row *from, union import_draft *draft,
                       struct schema_faults *faults) {
    const struct user_row *row = &from->user;
    bool has_hash = !str_is_none(row->password_hash) && row->password_hash.len > 0;
    if (has_hash && password_hash_check(row->password_hash) != ERR_OK) {
        schema_fault_add(faults, STR("password_hash"), STR("Not a hash of a known form."));
        return false;
    }
    draft->user = (struct user_draft){
        .email = row->email,
        .password_hash = has_hash ? row->password_hash : STR_NONE,
        .full_name = row->full_name.len > 0 ? row->full_name : STR_NONE,
        .role =
            SCHEMA_HAS(&user_row_schema, row, role) ? (enum role)(1u << row->role) : ROLE_CUSTOMER,
    };
    return true;
}

static struct str user_name(const union import_draft *draft) {
    return draft->user.email;
}

static const struct import_kind user_kind = {
    .schema = &user_row_schema,
    .command = &user_import_command,
    .taken = ERR_EMAIL_TAKEN,
    .draft = user_draft,
    .name = user_name,
};

/* ---- customers ---- */

static bool customer_draft(const union import_row *row, union import_draft *draft,
                           struct schema_faults *faults) {
    return customer_from_row(&row->customer, &draft->customer, faults);
}

static struct str customer_name(const union import_draft *draft) {
    return draft->customer.account_number;
}

static const struct import_kind customer_kind = {
    .schema = &customer_row_schema,
    .command = &customer_import_command,
    .taken = ERR_CUSTOMER_EXISTS,
    .draft = customer_draft,
    .name = customer_name,
};

/* ---- the loop over the rows ---- */

struct import {
    struct engine *engine;
    const struct import_kind *kind;
    struct str rest; /* of the file */
    struct csv csv;
    bool is_csv;
    uint64_t line;
    uint64_t imported, skipped, faulty;
    struct arena_pool pool;
    struct arena arenas[IMPORT_WINDOW];
    union import_draft drafts[IMPORT_WINDOW];
    enum err results[IMPORT_WINDOW];
    uint64_t lines[IMPORT_WINDOW];
    uint32_t count;
};

static void import_fault(struct import *import, uint64_t line, struct str what, struct str why) {
    import->faulty++;
    fprintf(stderr, "line %llu: %.*s %.*s\n", (unsigned long long)line, STR_ARG(what),
            STR_ARG(why));
}

/* The next row into `draft`. ERR_END; ERR_VALIDATION: said and counted, go on. */
static enum err import_next(struct import *import, struct arena *arena, union import_draft *draft) {
    struct schema_faults faults = {.count = 0};
    const struct import_kind *kind = import->kind;
    union import_row row;
    enum err err;
    if (import->is_csv) {
        struct schema_pair pairs[CSV_COLUMNS_MAX];
        uint32_t count = 0;
        err = csv_next(&import->csv, arena, pairs, &count);
        import->line = import->csv.line;
        if (err == ERR_OK) {
            err = schema_decode_pairs(kind->schema, pairs, count, arena, &row, &faults);
        }
    } else {
        struct str line = STR("");
        while (line.len == 0) {
            if (str_is_none(import->rest)) {
                return ERR_END;
            }
            line = str_trim(str_split(&import->rest, '\n'));
            import->line++;
        }
        err = schema_decode(kind->schema, line, arena, &row, &faults);
    }
    if (err == ERR_OK && !kind->draft(&row, draft, &faults)) {
        err = ERR_VALIDATION;
    }
    if (err != ERR_OK && err != ERR_END) {
        struct str path = faults.count > 0 ? faults.faults[0].path : STR("row");
        struct str text =
            faults.count > 0 ? faults.faults[0].text : str_from_c(err_row(err)->sentence);
        import_fault(import, import->line, path, text);
        return ERR_VALIDATION;
    }
    return err;
}

static void import_flush(struct import *import) {
    engine_settle(import->engine);
    for (uint32_t i = 0; i < import->count; i++) {
        struct str name = import->kind->name(&import->drafts[i]);
        if (import->results[i] == ERR_OK) {
            import->imported++;
        } else if (import->results[i] == import->kind->taken) {
            import->skipped++;
            fprintf(stderr, "line %llu: %.*s is there already, left as it is\n",
                    (unsigned long long)import->lines[i], STR_ARG(name));
        } else {
            import_fault(import, import->lines[i], name,
                         str_from_c(err_row(import->results[i])->sentence));
        }
        arena_reset(&import->arenas[i]);
    }
    import->count = 0;
}

static enum err import_step(struct import *import) {
    uint32_t i = import->count;
    enum err err = import_next(import, &import->arenas[i], &import->drafts[i]);
    if (err != ERR_OK) {
        arena_reset(&import->arenas[i]);
        return err == ERR_VALIDATION ? ERR_OK : err;
    }
    import->lines[i] = import->line;
    import->results[i] = ERR_AGAIN;
    err = engine_run_system(import->engine, import->kind->command, &import->drafts[i],
                            &import->results[i]);
    CHECK(err == ERR_OK); /* the window is as wide as the slots */
    import->count++;
    if (import->count == IMPORT_WINDOW) {
        import_flush(import);
        if (import->imported % IMPORT_PROGRESS_ROWS < IMPORT_WINDOW) {
            fprintf(stderr, "%llu imported\n", (unsigned long long)import->imported);
        }
    }
    return ERR_OK;
}

static bool csv_has_column(const struct csv *csv, struct str name) {
    for (uint32_t i = 0; i < csv->name_count; i++) {
        if (str_equal(csv->names[i], name)) {
            return true;
        }
    }
    return false;
}

/* What is in the file is told by its first line. */
static bool import_open(struct import *import, const char *path, struct str text) {
    static char memory[IMPORT_WINDOW * IMPORT_ROW_ARENA_BYTES];
    arena_pool_init(&import->pool, memory, sizeof(memory) / ARENA_BLOCK_BYTES);
    for (uint32_t i = 0; i < IMPORT_WINDOW; i++) {
        arena_init(&import->arenas[i], &import->pool, IMPORT_ROW_ARENA_BYTES);
    }
    struct str start = str_trim(text);
    import->is_csv = start.len == 0 || start.data[0] != '{';
    import->rest = text;
    import->kind = &user_kind;
    if (import->is_csv && csv_open(&import->csv, text) != ERR_OK) {
        cli_fail("%s: the first line must name the columns: email,password_hash,full_name,role",
                 path);
        return false;
    }
    if (import->is_csv && csv_has_column(&import->csv, STR("account_number"))) {
        import->kind = &customer_kind;
    }
    return true;
}

static int import_users(struct cli_options *options, const char *path) {
    static struct import import;
    struct str text;
    char *memory = mem_reserve(IMPORT_BYTES_MAX);
    enum err err =
        memory != NULL ? file_read(path, memory, IMPORT_BYTES_MAX, &text) : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        return cli_fail("%s: %s", path, err_row(err)->sentence);
    }
    if (!import_open(&import, path, text) || !cli_engine_open(options, &import.engine)) {
        return CLI_EXIT_FAILED;
    }
    while (err == ERR_OK) {
        err = import_step(&import);
    }
    import_flush(&import);
    cli_engine_close(import.engine);
    cli_say("%llu imported, %llu there already, %llu faulty", (unsigned long long)import.imported,
            (unsigned long long)import.skipped, (unsigned long long)import.faulty);
    return import.faulty == 0 ? 0 : CLI_EXIT_FAILED;
}

int cli_import(struct cli_options *options) {
    if (options->word_count != 2 || strcmp(options->words[0], "users") != 0) {
        cli_fail("usage: coffer import users FILE [--data DIR]");
        return CLI_EXIT_USAGE;
    }
    return import_users(options, options->words[1]);
}
