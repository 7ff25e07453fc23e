/* Cursors as base64url, see cursor.h. */
#include "engine/cursor.h"

#include "base/decode.h"

enum err cursor_parse(struct str text, struct str prefix, struct buf *key) {
    if (str_is_none(text)) {
        return ERR_OK;
    }
    bool is_good = decode_base64url(text, key) && key->len > 0 && str_starts(buf_str(key), prefix);
    return is_good ? ERR_OK : ERR_CURSOR_INVALID;
}

void cursor_add(struct request *request, yyjson_mut_val *data, struct str key) {
    uint32_t bytes = key.len * 2 + 8;
    char *memory = str_is_none(key) ? NULL : arena_take(request->arena, bytes);
    if (memory == NULL) {
        json_add_null(request->outcome.doc, data, "next_cursor");
        return;
    }
    struct buf out = buf_over(memory, bytes);
    buf_put_base64url(&out, key.data, key.len);
    json_add_str(request->outcome.doc, data, "next_cursor", buf_str(&out));
}
