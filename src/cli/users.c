/* coffer admin create, coffer import users: writes to a store that no server has open. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/csv.h"
#include "crypto/password.h"
#include "crypto/token.h"
#include "domain/auth/auth.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/mem.h"

enum {
    IMPORT_BYTES_MAX = 512 * 1024 * 1024,
    IMPORT_WINDOW = SYSTEM_COMMANDS_MAX, /* rows per commit */
    IMPORT_ROW_ARENA_BYTES = 256 * 1024,
    IMPORT_PROGRESS_ROWS = 10000,
};

struct import_row {
    struct schema_set set;
    struct str email;
    struct str password_hash;
    struct str full_name;
    int32_t role;
};

static const struct field import_row_fields[] = {
    FIELD(struct import_row, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 254,
          .format = FORMAT_EMAIL, .doc = "E-mail address."),
    FIELD(struct import_row, password_hash, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 255,
          .doc = "bcrypt ($2a$, $2b$, $2y$) or werkzeug (pbkdf2:sha256, scrypt)."),
    FIELD(struct import_row, full_name, FIELD_TEXT, .flags = FIELD_NULLABLE, .max = 255,
          .doc = "Name for display."),
    FIELD(struct import_row, role, FIELD_ENUM, .values = role_names, .doc = "Role; customer."),
};

static const struct schema import_row_schema =
    SCHEMA("ImportRow", struct import_row, import_row_fields);

/* ---- admin create ---- */

/* Upper, lower, digit and another for certain, and 24 characters of entropy. */
static void password_make(char text[32]) {
    uint8_t entropy[TOKEN_ENTROPY_BYTES];
    random_bytes(entropy, sizeof(entropy));
    struct token token = token_from_entropy(entropy);
    struct buf out = buf_over(text, 31);
    for (uint32_t i = 0; i < 24; i++) {
        char c = token.text[i];
        bool repeats = out.len > 0 && text[out.len - 1] == c;
        buf_put_byte(&out, (uint8_t)(repeats ? '.' : c));
    }
    buf_put_c(&out, "-Aa7");
    text[out.len] = 0;
    crypto_wipe(entropy, sizeof(entropy));
    crypto_wipe(&token, sizeof(token));
}

/* Here nobody waits: the pool is stepped until the hash is there. */
static bool password_hash_now(const struct settings *settings, const char *password,
                              struct password_job *job) {
    static struct password_pool pool;
    uint8_t salt[BCRYPT_SALT_BYTES];
    uint32_t cost = (uint32_t)settings_int(settings, SETTING_PASSWORD_COST_ID);
    random_bytes(salt, sizeof(salt));
    password_pool_init(&pool, (struct password_memory){0});
    if (password_job_hash(job, str_from_c(password), cost, salt) != ERR_OK ||
        password_pool_start(&pool, job) != ERR_OK) {
        return false;
    }
    while (password_pool_step(&pool)) {
    }
    return password_pool_take_done(&pool) == job;
}

static int admin_create(struct cli_options *options, const char *email) {
    static struct password_job job;
    struct engine *engine;
    char password[32];
    struct user_draft draft = {.role = ROLE_ADMIN, .replaces = true};
    enum err result = ERR_AGAIN;
    struct str lower = str_from_c(email);
    char memory[EMAIL_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof(memory));
    for (uint32_t i = 0; i < lower.len; i++) {
        char c = lower.data[i];
        buf_put_byte(&out, (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
    }
    draft.email = buf_str(&out);
    if (out.is_full || !str_has_byte(draft.email, '@')) {
        return cli_fail("%s is not an e-mail address", email);
    }
    if (!cli_engine_open(options, &engine)) {
        return CLI_EXIT_FAILED;
    }
    password_make(password);
    CHECK(password_hash_now(options->settings, password, &job));
    draft.password_hash = password_job_text(&job);
    if (engine_run_system(engine, &user_import_command, &draft, &result) == ERR_OK) {
        engine_settle(engine);
    }
    cli_engine_close(engine);
    if (result != ERR_OK) {
        return cli_fail("the administrator was not made: %s", err_row(result)->sentence);
    }
    cli_say("%.*s is an administrator. The password, shown only now:\n%s", STR_ARG(draft.email),
            password);
    crypto_wipe(password, sizeof(password));
    return 0;
}

int cli_admin(struct cli_options *options) {
    if (options->word_count != 2 || strcmp(options->words[0], "create") != 0) {
        cli_fail("usage: coffer admin create EMAIL [--data DIR]");
        return CLI_EXIT_USAGE;
    }
    return admin_create(options, options->words[1]);
}

/* ---- import users ---- */

struct import {
    struct engine *engine;
    struct str rest; /* of the file */
    struct csv csv;
    bool is_csv;
    uint64_t line;
    uint64_t imported, skipped, faulty;
    struct arena_pool pool;
    struct arena arenas[IMPORT_WINDOW];
    struct user_draft drafts[IMPORT_WINDOW];
    enum err results[IMPORT_WINDOW];
    uint64_t lines[IMPORT_WINDOW];
    uint32_t count;
};

static void import_fault(struct import *import, uint64_t line, struct str what, struct str why) {
    import->faulty++;
    fprintf(stderr, "line %llu: %.*s %.*s\n", (unsigned long long)line, STR_ARG(what),
            STR_ARG(why));
}

/* The next row into `row`. ERR_END; ERR_VALIDATION: said and counted, go on. */
static enum err import_next(struct import *import, struct arena *arena, struct import_row *row) {
    struct schema_faults faults = {.count = 0};
    enum err err;
    if (import->is_csv) {
        struct schema_pair pairs[CSV_COLUMNS_MAX];
        uint32_t count = 0;
        err = csv_next(&import->csv, arena, pairs, &count);
        import->line = import->csv.line;
        if (err == ERR_OK) {
            err = schema_decode_pairs(&import_row_schema, pairs, count, arena, row, &faults);
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
        err = schema_decode(&import_row_schema, line, arena, row, &faults);
    }
    if (err == ERR_OK && !str_is_none(row->password_hash) && row->password_hash.len > 0 &&
        password_hash_check(row->password_hash) != ERR_OK) {
        schema_fault_add(&faults, STR("password_hash"), STR("Not a hash of a known form."));
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
        if (import->results[i] == ERR_OK) {
            import->imported++;
        } else if (import->results[i] == ERR_EMAIL_TAKEN) {
            import->skipped++;
            fprintf(stderr, "line %llu: %.*s is there already, left as it is\n",
                    (unsigned long long)import->lines[i], STR_ARG(import->drafts[i].email));
        } else {
            import_fault(import, import->lines[i], import->drafts[i].email,
                         str_from_c(err_row(import->results[i])->sentence));
        }
        arena_reset(&import->arenas[i]);
    }
    import->count = 0;
}

static enum err import_step(struct import *import) {
    uint32_t i = import->count;
    struct import_row row;
    enum err err = import_next(import, &import->arenas[i], &row);
    if (err != ERR_OK) {
        arena_reset(&import->arenas[i]);
        return err == ERR_VALIDATION ? ERR_OK : err;
    }
    import->drafts[i] = (struct user_draft){
        .email = row.email,
        .password_hash = row.password_hash.len > 0 ? row.password_hash : STR_NONE,
        .full_name = row.full_name.len > 0 ? row.full_name : STR_NONE,
        .role = SCHEMA_HAS(&import_row_schema, &row, role) ? (enum role)(1u << row.role)
                                                           : ROLE_CUSTOMER,
    };
    import->lines[i] = import->line;
    import->results[i] = ERR_AGAIN;
    err = engine_run_system(import->engine, &user_import_command, &import->drafts[i],
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

static bool import_open(struct import *import, const char *path, struct str text) {
    static char memory[IMPORT_WINDOW * IMPORT_ROW_ARENA_BYTES];
    arena_pool_init(&import->pool, memory, sizeof(memory) / ARENA_BLOCK_BYTES);
    for (uint32_t i = 0; i < IMPORT_WINDOW; i++) {
        arena_init(&import->arenas[i], &import->pool, IMPORT_ROW_ARENA_BYTES);
    }
    struct str start = str_trim(text);
    import->is_csv = start.len == 0 || start.data[0] != '{';
    import->rest = text;
    if (import->is_csv && csv_open(&import->csv, text) != ERR_OK) {
        cli_fail("%s: the first line must name the columns: email,password_hash,full_name,role",
                 path);
        return false;
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
