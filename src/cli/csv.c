/* A strict reader of RFC 4180: one pass, nothing copied but fields with doubled quotes. */
#include "cli/csv.h"

#include "base/buf.h"

/* Takes a quoted field, the opening quote being consumed; doubled quotes stand for one. */
static enum err quoted_take(struct csv *csv, struct arena *arena, struct str *field) {
    uint32_t end = 0;
    uint32_t quotes = 0;
    const struct str rest = csv->rest;
    while (end < rest.len &&
           (rest.data[end] != '"' || (end + 1 < rest.len && rest.data[end + 1] == '"'))) {
        if (rest.data[end] == '"') {
            quotes++;
            end++;
        }
        csv->line += rest.data[end] == '\n';
        end++;
    }
    if (end >= rest.len) {
        csv->rest = STR_NONE;
        return ERR_FORMAT;
    }
    struct str raw = str_slice(rest, 0, end);
    csv->rest = str_slice(rest, end + 1, rest.len);
    *field = raw;
    if (quotes == 0) {
        return ERR_OK;
    }
    char *memory = arena_take(arena, raw.len);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, raw.len);
    for (uint32_t i = 0; i < raw.len; i++) {
        buf_put_byte(&out, (uint8_t)raw.data[i]);
        i += raw.data[i] == '"';
    }
    *field = buf_str(&out);
    return ERR_OK;
}

static void plain_take(struct csv *csv, struct str *field) {
    uint32_t end = 0;
    const struct str rest = csv->rest;
    while (end < rest.len && rest.data[end] != ',' && rest.data[end] != '\n') {
        end++;
    }
    *field = str_slice(rest, 0, end);
    csv->rest = str_slice(rest, end, rest.len);
    if (field->len > 0 && field->data[field->len - 1] == '\r') {
        *field = str_slice(*field, 0, field->len - 1);
    }
}

/* One field and what follows it. *is_last: the row ends here. */
static enum err field_take(struct csv *csv, struct arena *arena, struct str *field, bool *is_last) {
    enum err err = ERR_OK;
    if (csv->rest.len > 0 && csv->rest.data[0] == '"') {
        csv->rest = str_slice(csv->rest, 1, csv->rest.len);
        err = quoted_take(csv, arena, field);
        if (err == ERR_OK && csv->rest.len > 0 && csv->rest.data[0] == '\r') {
            csv->rest = str_slice(csv->rest, 1, csv->rest.len);
        }
    } else {
        plain_take(csv, field);
    }
    if (err != ERR_OK) {
        return err;
    }
    *is_last = csv->rest.len == 0 || csv->rest.data[0] == '\n';
    if (csv->rest.len == 0) {
        csv->rest = STR_NONE;
        return ERR_OK;
    }
    bool is_separator = csv->rest.data[0] == ',' || csv->rest.data[0] == '\n';
    csv->rest = str_slice(csv->rest, is_separator ? 1 : 0, csv->rest.len);
    return is_separator ? ERR_OK : ERR_FORMAT;
}

static void row_skip(struct csv *csv) {
    if (!str_is_none(csv->rest)) {
        str_split(&csv->rest, '\n');
    }
}

/* Fields of one row. ERR_END when there is no further row. */
static enum err row_take(struct csv *csv, struct arena *arena, struct str *fields,
                         uint32_t *count) {
    *count = 0;
    do {
        if (str_is_none(csv->rest) || csv->rest.len == 0) {
            return ERR_END;
        }
        csv->line++;
    } while (csv->rest.data[0] == '\n' &&
             (csv->rest = str_slice(csv->rest, 1, csv->rest.len), true));
    bool is_last = false;
    while (!is_last) {
        if (*count == CSV_COLUMNS_MAX) {
            row_skip(csv);
            return ERR_FORMAT;
        }
        enum err err = field_take(csv, arena, &fields[*count], &is_last);
        if (err != ERR_OK) {
            row_skip(csv);
            return err;
        }
        (*count)++;
    }
    return ERR_OK;
}

enum err csv_open(struct csv *csv, struct str text) {
    *csv = (struct csv){.rest = text};
    if (str_starts(text, STR("\xef\xbb\xbf"))) {
        csv->rest = str_slice(text, 3, text.len); /* a byte order mark, as spreadsheets write it */
    }
    enum err err = row_take(csv, NULL, csv->names, &csv->name_count);
    for (uint32_t i = 0; err == ERR_OK && i < csv->name_count; i++) {
        csv->names[i] = str_trim(csv->names[i]);
        if (csv->names[i].len == 0 || str_has_byte(csv->names[i], '"')) {
            return ERR_FORMAT;
        }
    }
    return err == ERR_OK ? ERR_OK : ERR_FORMAT;
}

enum err csv_next(struct csv *csv, struct arena *arena, struct schema_pair *pairs,
                  uint32_t *count) {
    struct str fields[CSV_COLUMNS_MAX];
    uint32_t field_count;
    *count = 0;
    enum err err = row_take(csv, arena, fields, &field_count);
    if (err != ERR_OK) {
        return err;
    }
    if (field_count != csv->name_count) {
        return ERR_FORMAT;
    }
    for (uint32_t i = 0; i < field_count; i++) {
        if (fields[i].len > 0) {
            pairs[(*count)++] = (struct schema_pair){csv->names[i], fields[i]};
        }
    }
    return ERR_OK;
}
