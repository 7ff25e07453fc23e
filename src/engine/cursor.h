/*
 * Cursors of paged lists: the key of the last row looked at, as text. A page goes on exactly where
 * the one before ended, whatever was added or removed meanwhile.
 */
#ifndef ENGINE_CURSOR_H
#define ENGINE_CURSOR_H

#include "engine/request.h"

/* Into `key` (STORE_KEY_BYTES_MAX and what the list puts in front). STR_NONE, the first page,
 * leaves it empty. ERR_CURSOR_INVALID: no text of ours, or not below `prefix`. */
enum err cursor_parse(struct str text, struct str prefix, struct buf *key);
/* Adds next_cursor to a reply's data; STR_NONE: this is the last page, null. */
void cursor_add(struct request *request, yyjson_mut_val *data, struct str key);

#endif
