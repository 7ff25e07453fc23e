/* Settings from outside the machine, see init_config.h: the parsers. */
#include "os/init_config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PREFIX STR("coffer.")
#define PEM_MARK STR("-----")
#define PEM_BEGIN STR("-----BEGIN ")
#define PEM_END STR("-----END ")

__attribute__((format(printf, 3, 4))) static enum err problem_say(struct init_config *config,
                                                                  enum err err, const char *format,
                                                                  ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(config->problem, sizeof config->problem, format, arguments);
    va_end(arguments);
    return err;
}

void init_config_init(struct init_config *config) {
    config->count = 0;
    config->problem[0] = '\0';
    config->memory = buf_over(config->bytes, sizeof config->bytes);
}

static struct str text_keep(struct init_config *config, struct str text) {
    struct str kept = {config->memory.data + config->memory.len, text.len};
    buf_put_str(&config->memory, text);
    return kept;
}

enum err init_config_put(struct init_config *config, struct str name, struct str value,
                         const char *source) {
    if (config->count == INIT_VALUES_MAX || value.len > INIT_VALUE_BYTES_MAX ||
        config->memory.is_full || buf_room(&config->memory) < name.len + value.len) {
        return problem_say(config, ERR_FULL, "%s: too many values, or too long ones", source);
    }
    struct init_value *row = &config->values[config->count];
    row->name = text_keep(config, name);
    row->value = text_keep(config, value);
    row->source = source;
    config->count += 1;
    return ERR_OK;
}

struct str init_config_get(const struct init_config *config, const char *name) {
    for (uint32_t index = config->count; index > 0; index--) {
        if (str_equal(config->values[index - 1].name, str_from_c(name))) {
            return config->values[index - 1].value;
        }
    }
    return STR_NONE;
}

bool init_config_is_machine(struct str name) {
    static const char *const names[] = {"ip", "disk", "format", "hostname", "listen", "seal-key"};
    for (uint32_t index = 0; index < COUNT_OF(names); index++) {
        if (str_equal(name, str_from_c(names[index]))) {
            return true;
        }
    }
    return false;
}

static bool name_is_sound(struct str name) {
    for (uint32_t index = 0; index < name.len; index++) {
        char byte = name.data[index];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
        if (!is_letter && byte != '.' && byte != '-' && byte != '_') {
            return false;
        }
    }
    return name.len > 0 && name.len <= INIT_NAME_BYTES_MAX;
}

/* ---- kernel command line ---- */

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n';
}

/* The next word; blanks between double quotes do not end it (as the kernel's next_arg). */
static struct str word_take(struct str *rest) {
    uint32_t from = 0;
    while (from < rest->len && is_blank(rest->data[from])) {
        from += 1;
    }
    uint32_t to = from;
    bool is_quoted = false;
    while (to < rest->len && (is_quoted || !is_blank(rest->data[to]))) {
        is_quoted ^= rest->data[to] == '"';
        to += 1;
    }
    struct str word = str_slice(*rest, from, to);
    *rest = str_slice(*rest, to, rest->len);
    return word;
}

static struct str unquoted(struct str text) {
    if (str_starts(text, STR("\""))) {
        text = str_slice(text, 1, text.len);
        text = str_ends(text, STR("\"")) ? str_slice(text, 0, text.len - 1) : text;
    }
    return text;
}

/* Names may have underscores for dashes: the kernel takes them as the same. */
static enum err word_parse(struct init_config *config, struct str word) {
    char memory[INIT_NAME_BYTES_MAX];
    struct str value = unquoted(word);
    struct str name = str_split(&value, '=');
    if (!str_starts(name, PREFIX)) {
        return ERR_OK;
    }
    name = str_slice(name, PREFIX.len, name.len);
    if (!name_is_sound(name)) {
        return problem_say(config, ERR_FORMAT, INIT_SOURCE_CMDLINE ": coffer. needs a name");
    }
    for (uint32_t index = 0; index < name.len; index++) {
        memory[index] = name.data[index] == '_' ? '-' : name.data[index];
    }
    if (str_is_none(value)) {
        return problem_say(config, ERR_FORMAT, INIT_SOURCE_CMDLINE ": coffer.%.*s needs a value",
                           STR_ARG(name));
    }
    return init_config_put(config, str_from(memory, name.len), unquoted(value),
                           INIT_SOURCE_CMDLINE);
}

enum err init_config_parse_cmdline(struct init_config *config, struct str text) {
    enum err err = ERR_OK;
    struct str rest = text;
    while (rest.len > 0 && err == ERR_OK) {
        struct str word = word_take(&rest);
        err = word.len > 0 ? word_parse(config, word) : ERR_OK;
    }
    return err;
}

/* ---- lines ---- */

struct lines {
    struct init_config *config;
    struct str whole;
    struct str rest;
    uint32_t number;               /* of the line taken last */
    uint32_t chain_from, chain_to; /* certificates, in `whole` */
    bool is_chain_closed;          /* something else followed them */
};

static struct str line_take(struct lines *lines) {
    struct str line = str_split(&lines->rest, '\n');
    lines->number += 1;
    return line;
}

static uint32_t offset_of(const struct lines *lines, const char *at) {
    return (uint32_t)(at - lines->whole.data);
}

/* Where the next line begins. */
static uint32_t offset_next(const struct lines *lines) {
    return str_is_none(lines->rest) ? lines->whole.len : offset_of(lines, lines->rest.data);
}

/* A block from BEGIN to END. Certificates may follow each other: the chain is one value. */
static enum err block_take(struct lines *lines, struct str first) {
    uint32_t from = offset_of(lines, first.data);
    uint32_t line_number = lines->number;
    bool is_certificate = str_starts(first, STR("-----BEGIN CERTIFICATE-----"));
    bool is_key = str_ends(str_trim(str_split(&first, '\r')), STR("PRIVATE KEY-----"));
    struct str line = STR("");
    while (!str_is_none(lines->rest) && !str_starts(line, PEM_MARK)) {
        line = line_take(lines);
    }
    if (!str_starts(line, PEM_END) || is_certificate == is_key) {
        return problem_say(lines->config, ERR_FORMAT,
                           INIT_SOURCE_CIDATA " line %u: a PEM block that is neither a whole "
                                              "certificate nor a whole private key",
                           line_number);
    }
    uint32_t to = offset_next(lines);
    if (is_key) {
        lines->is_chain_closed = lines->chain_to != 0;
        return init_config_put(lines->config, STR("tls.key"), str_slice(lines->whole, from, to),
                               INIT_SOURCE_CIDATA);
    }
    /* What lies between two certificates would become part of a file that is no secret. */
    if (lines->is_chain_closed) {
        return problem_say(lines->config, ERR_FORMAT,
                           INIT_SOURCE_CIDATA " line %u: certificates must follow each other",
                           line_number);
    }
    lines->chain_from = lines->chain_to == 0 ? from : lines->chain_from;
    lines->chain_to = to;
    /* A longer value of the same name replaces the shorter one. */
    return init_config_put(lines->config, STR("tls.certificate"),
                           str_slice(lines->whole, lines->chain_from, to), INIT_SOURCE_CIDATA);
}

static enum err line_parse(struct lines *lines, struct str line) {
    struct str value = line;
    struct str name = str_trim(str_split(&value, '='));
    if (str_is_none(value) || !name_is_sound(name)) {
        return problem_say(lines->config, ERR_FORMAT,
                           INIT_SOURCE_CIDATA " line %u is not `name = value`", lines->number);
    }
    lines->is_chain_closed = lines->chain_to != 0;
    return init_config_put(lines->config, name, str_trim(value), INIT_SOURCE_CIDATA);
}

enum err init_config_parse_lines(struct init_config *config, struct str text) {
    struct lines lines = {.config = config, .whole = text, .rest = text};
    enum err err = ERR_OK;
    while (!str_is_none(lines.rest) && err == ERR_OK) {
        struct str line = line_take(&lines);
        if (str_ends(line, STR("\r"))) {
            line = str_slice(line, 0, line.len - 1);
        }
        line = str_trim(line);
        if (str_starts(line, PEM_BEGIN)) {
            err = block_take(&lines, line);
        } else if (line.len > 0 && line.data[0] != '#') {
            err = line_parse(&lines, line);
        }
    }
    return err;
}

bool init_config_is_user_data(struct str text) {
    struct str first = str_split(&text, '\n');
    return str_equal(str_trim(str_split(&first, '\r')), STR("#coffer"));
}

enum err init_config_parse_meta_data(struct init_config *config, struct str text) {
    enum err err = ERR_OK;
    while (!str_is_none(text) && err == ERR_OK) {
        struct str line = str_split(&text, '\n');
        struct str value = str_split(&line, '\r');
        struct str name = str_trim(str_split(&value, ':'));
        if (str_equal(name, STR("local-hostname")) && !str_is_none(value)) {
            err = init_config_put(config, STR("hostname"), unquoted(str_trim(value)),
                                  INIT_SOURCE_CIDATA);
        }
    }
    return err;
}
