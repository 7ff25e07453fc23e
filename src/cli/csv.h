/* CSV by RFC 4180: a header line that names the columns, quoted fields, CRLF or LF. */
#ifndef CLI_CSV_H
#define CLI_CSV_H

#include "json/schema.h"

enum { CSV_COLUMNS_MAX = 16 };

struct csv {
    struct str rest;
    struct str names[CSV_COLUMNS_MAX]; /* slices of the text */
    uint32_t name_count;
    uint64_t line;       /* where the row last read begins, from 1 */
    uint64_t line_count; /* of the row last read */
};

/* Reads the header. ERR_FORMAT. */
enum err csv_open(struct csv *csv, struct str text);
/* The next row as name-value pairs, empty fields left out; unquoted texts in the arena. ERR_END,
 * ERR_FORMAT (the row is skipped), ERR_NO_MEMORY. */
enum err csv_next(struct csv *csv, struct arena *arena, struct schema_pair *pairs, uint32_t *count);

#endif
