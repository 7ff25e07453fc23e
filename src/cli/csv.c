/*
 * A row is cut out of the text first, by the one thing that decides where it ends: a line feed
 * outside quotes. So a faulty row is left behind whole, and nothing inside its quoted fields can
 * pass for a row.
 */
#include "cli/csv.h"

#include "base/buf.h"

/* How far the row goes that `text` begins with, its line feed not included. */
static uint32_t row_len(struct str text) {
    bool is_quoted = false;
    bool may_open = true; /* at the start of a field, and right behind a closing quote */
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (is_quoted) {
            is_quoted = c != '"';
            may_open = !is_quoted;
            continue;
        }
        if (c == '\n') {
            return i;
        }
        is_quoted = may_open && c == '"';
        may_open = c == ',';
    }
    return text.len;
}

/* The next row that is not a blank line; csv->line is where it begins. ERR_END. */
static enum err row_cut(struct csv *csv, struct str *row) {
    do {
        if (str_is_none(csv->rest) || csv->rest.len == 0) {
            return ERR_END;
        }
        uint32_t len = row_len(csv->rest);
        *row = str_slice(csv->rest, 0, len);
        csv->rest = str_slice(csv->rest, len + 1, csv->rest.len);
        csv->line += csv->line_count;
        csv->line_count = 1;
        for (uint32_t i = 0; i < len; i++) {
            csv->line_count += row->data[i] == '\n';
        }
        if (len > 0 && row->data[len - 1] == '\r') {
            *row = str_slice(*row, 0, len - 1);
        }
    } while (row->len == 0);
    return ERR_OK;
}

/* The inside of a quoted field with its doubled quotes made single. */
static enum err quotes_undouble(struct str raw, struct arena *arena, struct str *field) {
    char *memory = arena != NULL ? arena_take(arena, raw.len) : NULL;
    if (memory == NULL) {
        return arena != NULL ? ERR_NO_MEMORY : ERR_FORMAT; /* headers have no arena */
    }
    struct buf out = buf_over(memory, raw.len);
    for (uint32_t i = 0; i < raw.len; i++) {
        buf_put_byte(&out, (uint8_t)raw.data[i]);
        i += raw.data[i] == '"';
    }
    *field = buf_str(&out);
    return ERR_OK;
}

/* Takes a quoted field, the opening quote being consumed. */
static enum err quoted_take(struct str *rest, struct arena *arena, struct str *field) {
    uint32_t end = 0;
    bool has_quotes = false;
    while (end < rest->len) {
        bool is_quote = rest->data[end] == '"';
        bool is_doubled = is_quote && end + 1 < rest->len && rest->data[end + 1] == '"';
        if (is_quote && !is_doubled) {
            break;
        }
        has_quotes |= is_doubled;
        end += is_doubled ? 2 : 1;
    }
    if (end >= rest->len) {
        return ERR_FORMAT; /* no closing quote */
    }
    *field = str_slice(*rest, 0, end);
    *rest = str_slice(*rest, end + 1, rest->len);
    return has_quotes ? quotes_undouble(*field, arena, field) : ERR_OK;
}

/* One field and the comma behind it; *rest is STR_NONE behind the last one. */
static enum err field_take(struct str *rest, struct arena *arena, struct str *field) {
    if (!str_starts(*rest, STR("\""))) {
        *field = str_split(rest, ',');
        return ERR_OK;
    }
    *rest = str_slice(*rest, 1, rest->len);
    enum err err = quoted_take(rest, arena, field);
    if (err != ERR_OK) {
        return err;
    }
    return str_split(rest, ',').len == 0 ? ERR_OK : ERR_FORMAT; /* text behind the quote */
}

/* Fields of one row. */
static enum err row_take(struct csv *csv, struct arena *arena, struct str *fields,
                         uint32_t *count) {
    struct str rest;
    enum err err = row_cut(csv, &rest);
    *count = 0;
    while (err == ERR_OK && !str_is_none(rest)) {
        if (*count == CSV_COLUMNS_MAX) {
            return ERR_FORMAT;
        }
        err = field_take(&rest, arena, &fields[*count]);
        (*count)++;
    }
    return err;
}

enum err csv_open(struct csv *csv, struct str text) {
    *csv = (struct csv){.rest = text, .line_count = 1};
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
