/*
 * Settings: the table of settings.h as rows, and the three ways by which a value gets in (file,
 * environment, flag), all through settings_set. It guarantees that every value in a struct settings
 * is within its row's limits, whatever came in.
 */
#include "engine/settings.h"

#include "base/decode.h"
#include "base/num.h"
#include "base/time.h"

#include <string.h>

#define ENVIRONMENT_PREFIX STR("COFFER_")
#define SOURCE_DEFAULT "default"
#define SOURCE_FILE "coffer.conf"
#define SOURCE_ENVIRONMENT "environment"

enum {
    PROBLEM_BYTES_MAX = 512,
    /* Of a faulty value or line, as much as is needed to find it. */
    PROBLEM_QUOTE_BYTES_MAX = 80,
    NAME_COLUMN = 30,
    VALUE_COLUMN = 26,
    SOURCE_COLUMN = 12,
};

static const struct setting_row setting_rows[] = {
#define SETTING_ROW(id_, name_, kind_, value_, min_, max_, doc_)                                   \
    {.name = name_,                                                                                \
     .kind = SETTING_##kind_,                                                                      \
     .value = value_,                                                                              \
     .min = min_,                                                                                  \
     .max = max_,                                                                                  \
     .doc = doc_},
    SETTINGS_TABLE(SETTING_ROW)
#undef SETTING_ROW
};
_Static_assert(COUNT_OF(setting_rows) == SETTINGS_COUNT, "one row per setting");

/* A TEXT must fit with its terminating NUL. */
#define SETTING_TEXT_FITS(id, name, kind, value, min, max, doc)                                    \
    _Static_assert(SETTING_##kind < SETTING_TEXT || (max) < SETTING_TEXT_BYTES_MAX, name);
SETTINGS_TABLE(SETTING_TEXT_FITS)
#undef SETTING_TEXT_FITS

const struct setting_row *setting_row(enum setting id) {
    CHECK(id < SETTINGS_COUNT);
    return &setting_rows[id];
}

/* ---- problems ---- */

static char problem_text[PROBLEM_BYTES_MAX];

/* Room for the sentence; problem_finish makes it a string. */
static struct buf problem_start(void) {
    return buf_over(problem_text, sizeof problem_text - 1);
}

static enum err problem_finish(const struct buf *sentence, const char **problem) {
    CHECK(sentence->data == problem_text);
    CHECK(!sentence->is_full);
    problem_text[sentence->len] = '\0';
    *problem = problem_text;
    return ERR_FORMAT;
}

/* A value of an operator in quotes, cut and made printable. */
static void quote_put(struct buf *out, struct str text) {
    struct str shown = str_slice(text, 0, PROBLEM_QUOTE_BYTES_MAX);
    buf_put_byte(out, '"');
    for (uint32_t index = 0; index < shown.len; index += 1) {
        uint8_t byte = (uint8_t)shown.data[index];
        buf_put_byte(out, byte < ' ' || byte > '~' ? '?' : byte);
    }
    buf_put_c(out, shown.len < text.len ? "...\"" : "\"");
}

static enum err problem_name(struct str name, const char **problem) {
    struct buf sentence = problem_start();
    buf_put_c(&sentence, "There is no setting ");
    quote_put(&sentence, name);
    buf_put_c(&sentence, "; `coffer settings` lists them.");
    return problem_finish(&sentence, problem);
}

static void limits_put(struct buf *out, const struct setting_row *row) {
    switch (row->kind) {
    case SETTING_INT:
        buf_printf(out, "a number from %lld to %lld", (long long)row->min, (long long)row->max);
        break;
    case SETTING_SECONDS:
        buf_printf(out, "a number of seconds from %lld to %lld", (long long)row->min,
                   (long long)row->max);
        break;
    case SETTING_BOOL:
        buf_put_c(out, "true or false");
        break;
    case SETTING_TEXT:
    case SETTING_SECRET:
        buf_printf(out, "UTF-8 text of %lld to %lld bytes without control characters",
                   (long long)row->min, (long long)row->max);
        break;
    }
}

static enum err problem_value(const struct setting_row *row, struct str value, const char *needed,
                              const char **problem) {
    struct buf sentence = problem_start();
    buf_printf(&sentence, "%s must be ", row->name);
    if (needed == NULL) {
        limits_put(&sentence, row);
    } else {
        buf_put_c(&sentence, needed);
    }
    if (row->kind != SETTING_SECRET) {
        buf_put_c(&sentence, ", not ");
        quote_put(&sentence, value);
    }
    buf_put_byte(&sentence, '.');
    return problem_finish(&sentence, problem);
}

/* ---- values ---- */

static bool is_text(const struct setting_row *row) {
    return row->kind == SETTING_TEXT || row->kind == SETTING_SECRET;
}

static bool number_parse(const struct setting_row *row, struct str value, int64_t *number) {
    int64_t parsed = 0;
    if (row->kind == SETTING_BOOL) {
        *number = str_equal(value, STR("true"));
        return *number != 0 || str_equal(value, STR("false"));
    }
    if (!str_parse_i64(value, &parsed) || parsed < row->min || parsed > row->max) {
        return false;
    }
    *number = parsed;
    return true;
}

static bool text_is_plain(struct str text) {
    for (uint32_t index = 0; index < text.len; index += 1) {
        uint8_t byte = (uint8_t)text.data[index];
        if (byte < ' ' || byte == 0x7f) {
            return false;
        }
    }
    return utf8_is_valid(text);
}

/* Settings that are one of a few words. */
enum { WORDS_MAX = 4 };
struct word_setting {
    enum setting id;
    const char *words[WORDS_MAX];
    const char *need; /* for people */
};
static const struct word_setting word_settings[] = {
    {SETTING_LOG_LEVEL_ID, {"debug", "info", "warn", "error"}, "debug, info, warn or error"},
    {SETTING_SMTP_SECURITY_ID,
     {"starttls", "tls", "optional", "none"},
     "starttls, tls, optional or none"},
    {SETTING_WEBAUTHN_VERIFICATION_ID,
     {"required", "preferred", "discouraged"},
     "required, preferred or discouraged"},
};

static bool word_fits(const struct word_setting *row, struct str text) {
    for (uint32_t i = 0; i < WORDS_MAX && row->words[i] != NULL; i++) {
        if (str_equal(text, str_from_c(row->words[i]))) {
            return true;
        }
    }
    return false;
}

/* What a text must be besides its length; NULL when it is. */
static const char *text_need(enum setting id, struct str text) {
    for (uint32_t i = 0; i < COUNT_OF(word_settings); i++) {
        if (word_settings[i].id == id) {
            return word_fits(&word_settings[i], text) ? NULL : word_settings[i].need;
        }
    }
    if (id == SETTING_PUBLIC_URL_ID) {
        bool is_origin = str_starts(text, STR("https://")) || str_starts(text, STR("http://"));
        bool is_clean = !str_ends(text, STR("/")) && !str_has_byte(text, ' ') &&
                        !str_has_byte(text, '"') && !str_has_byte(text, '<');
        return is_origin && is_clean ? NULL : "http:// or https:// and a host, no slash at the end";
    }
    return NULL;
}

static void text_store(struct settings *settings, enum setting id, struct str text) {
    CHECK(text.len < SETTING_TEXT_BYTES_MAX);
    memset(settings->texts[id], 0, SETTING_TEXT_BYTES_MAX);
    if (text.len > 0) {
        memcpy(settings->texts[id], text.data, text.len);
    }
}

static enum err value_set(struct settings *settings, enum setting id, struct str value,
                          const char **problem) {
    const struct setting_row *row = setting_row(id);
    if (!is_text(row)) {
        int64_t number = 0;
        if (!number_parse(row, value, &number)) {
            return problem_value(row, value, NULL, problem);
        }
        settings->numbers[id] = number;
        return ERR_OK;
    }
    if (value.len < row->min || value.len > row->max || !text_is_plain(value)) {
        return problem_value(row, value, NULL, problem);
    }
    const char *needed = text_need(id, value);
    if (needed != NULL) {
        return problem_value(row, value, needed, problem);
    }
    text_store(settings, id, value);
    return ERR_OK;
}

void settings_init(struct settings *settings) {
    for (uint32_t index = 0; index < SETTINGS_COUNT; index += 1) {
        enum setting id = (enum setting)index;
        const char *problem = NULL;
        settings->numbers[id] = 0;
        text_store(settings, id, STR(""));
        /* A default outside its own limits is our bug. */
        CHECK(value_set(settings, id, str_from_c(setting_row(id)->value), &problem) == ERR_OK);
        settings->sources[id] = SOURCE_DEFAULT;
    }
}

/* SETTINGS_COUNT when there is none of that name. */
static enum setting setting_find(struct str name) {
    for (uint32_t index = 0; index < SETTINGS_COUNT; index += 1) {
        if (str_equal(name, str_from_c(setting_rows[index].name))) {
            return (enum setting)index;
        }
    }
    return SETTINGS_COUNT;
}

enum err settings_set(struct settings *settings, struct str name, struct str value,
                      const char *source, const char **problem) {
    CHECK(source != NULL);
    CHECK(problem != NULL);
    enum setting id = setting_find(name);
    if (id == SETTINGS_COUNT) {
        return problem_name(name, problem);
    }
    enum err err = value_set(settings, id, value, problem);
    if (err == ERR_OK) {
        settings->sources[id] = source;
    }
    return err;
}

/* ---- file ---- */

/* Puts the line's number before what is wrong with it. */
static enum err problem_line(uint32_t number, const char *text, const char **problem) {
    char copy[PROBLEM_BYTES_MAX];
    struct buf text_copy = buf_over(copy, sizeof copy);
    buf_put_c(&text_copy, text);
    struct buf sentence = problem_start();
    buf_printf(&sentence, SOURCE_FILE " line %u: ", number);
    struct str room = str_slice(buf_str(&text_copy), 0, buf_room(&sentence));
    buf_put_str(&sentence, room);
    return problem_finish(&sentence, problem);
}

static enum err line_parse(struct settings *settings, struct str line, const char **problem) {
    if (!str_has_byte(line, '=')) {
        *problem = "A line is `name = value`, a comment that starts with #, or blank.";
        return ERR_FORMAT;
    }
    struct str rest = line;
    struct str name = str_trim(str_split(&rest, '='));
    enum setting id = setting_find(name);
    if (id != SETTINGS_COUNT && strcmp(settings->sources[id], SOURCE_FILE) == 0) {
        *problem = "This setting was given in an earlier line already.";
        return ERR_FORMAT;
    }
    return settings_set(settings, name, str_trim(rest), SOURCE_FILE, problem);
}

enum err settings_parse_file(struct settings *settings, struct str text, const char **problem) {
    CHECK(problem != NULL);
    struct str rest = text;
    for (uint32_t number = 1; !str_is_none(rest); number += 1) {
        struct str line = str_split(&rest, '\n');
        if (str_ends(line, STR("\r"))) {
            line = str_slice(line, 0, line.len - 1);
        }
        line = str_trim(line);
        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }
        enum err err = line_parse(settings, line, problem);
        if (err != ERR_OK) {
            (void)problem_line(number, *problem, problem);
            return err;
        }
    }
    return ERR_OK;
}

/* ---- environment ---- */

/* "HTTP_HEAD_TIMEOUT" is "http.head-timeout". */
static bool variable_matches(struct str variable, const char *name) {
    struct str wanted = str_from_c(name);
    if (variable.len != wanted.len) {
        return false;
    }
    for (uint32_t index = 0; index < wanted.len; index += 1) {
        char byte = wanted.data[index];
        char upper = byte >= 'a' && byte <= 'z' ? (char)(byte - 'a' + 'A') : byte;
        char mapped = byte == '.' || byte == '-' ? '_' : upper;
        if (variable.data[index] != mapped) {
            return false;
        }
    }
    return true;
}

static enum err variable_parse(struct settings *settings, struct str variable, struct str value,
                               const char **problem) {
    struct str suffix = str_slice(variable, ENVIRONMENT_PREFIX.len, variable.len);
    for (uint32_t index = 0; index < SETTINGS_COUNT; index += 1) {
        if (variable_matches(suffix, setting_rows[index].name)) {
            return settings_set(settings, str_from_c(setting_rows[index].name), value,
                                SOURCE_ENVIRONMENT, problem);
        }
    }
    return problem_name(variable, problem);
}

enum err settings_parse_environment(struct settings *settings, const char *const *environment,
                                    const char **problem) {
    CHECK(problem != NULL);
    for (uint32_t index = 0; environment[index] != NULL; index += 1) {
        struct str rest = str_from_c(environment[index]);
        struct str variable = str_split(&rest, '=');
        if (!str_starts(variable, ENVIRONMENT_PREFIX)) {
            continue;
        }
        struct str value = str_is_none(rest) ? STR("") : rest;
        enum err err = variable_parse(settings, variable, value, problem);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

/* ---- reading ---- */

int64_t settings_int(const struct settings *settings, enum setting id) {
    CHECK(setting_row(id)->kind == SETTING_INT || setting_row(id)->kind == SETTING_SECONDS);
    return settings->numbers[id];
}

int64_t settings_us(const struct settings *settings, enum setting id) {
    int64_t time_us = 0;
    CHECK(setting_row(id)->kind == SETTING_SECONDS);
    CHECK(num_mul_i64(settings->numbers[id], TIME_US_PER_S, &time_us));
    return time_us;
}

bool settings_bool(const struct settings *settings, enum setting id) {
    CHECK(setting_row(id)->kind == SETTING_BOOL);
    return settings->numbers[id] != 0;
}

struct str settings_text(const struct settings *settings, enum setting id) {
    CHECK(is_text(setting_row(id)));
    return str_from_c(settings->texts[id]);
}

/* ---- printing ---- */

static void value_put(const struct settings *settings, enum setting id, struct buf *out) {
    const struct setting_row *row = setting_row(id);
    if (row->kind == SETTING_BOOL) {
        buf_put_c(out, settings->numbers[id] != 0 ? "true" : "false");
    } else if (row->kind == SETTING_TEXT) {
        buf_put_byte(out, '"');
        buf_put_c(out, settings->texts[id]);
        buf_put_byte(out, '"');
    } else if (row->kind == SETTING_SECRET) {
        buf_put_c(out, settings->texts[id][0] == '\0' ? "\"\"" : "(secret)");
    } else {
        buf_put_i64(out, settings->numbers[id]);
    }
}

/* Blanks up to the column that began at `start`, at least one. */
static void column_finish(struct buf *out, uint32_t start, uint32_t width) {
    do {
        buf_put_byte(out, ' ');
    } while (!out->is_full && out->len - start < width);
}

void settings_print(const struct settings *settings, struct buf *out) {
    for (uint32_t index = 0; index < SETTINGS_COUNT; index += 1) {
        enum setting id = (enum setting)index;
        uint32_t start = out->len;
        buf_put_c(out, setting_row(id)->name);
        column_finish(out, start, NAME_COLUMN);
        start = out->len;
        value_put(settings, id, out);
        column_finish(out, start, VALUE_COLUMN);
        start = out->len;
        buf_put_c(out, settings->sources[id]);
        column_finish(out, start, SOURCE_COLUMN);
        buf_put_c(out, setting_row(id)->doc);
        buf_put_byte(out, '\n');
    }
}
