/*
 * Chunked bodies (RFC 9112, 7.1), byte by byte, so that pieces may be cut anywhere.
 *
 *   SIZE_FIRST -> SIZE -> [extension states] -> SIZE_LF -+-> DATA -> DATA_CR -> DATA_LF ->
 * SIZE_FIRST
 *                                                        +-> TRAILER_FIRST (size 0)
 *   TRAILER_FIRST -> TRAILER_NAME -> TRAILER_VALUE -> TRAILER_LF -> TRAILER_FIRST
 *   TRAILER_FIRST -> LAST_LF -> DONE              any state -> FAILED
 *
 * Line ends are CRLF and nothing else, also inside extensions: readers that let a bare LF end a
 * size line, or that skip to the CRLF, disagree about where the body ends. Extensions and trailers
 * are checked against their grammar and thrown away (RFC 9112, 7.1.1 and 7.1.2).
 */
#include "net/http.h"

#include "net/http_bytes.h"

enum chunked_state {
    SIZE_FIRST, /* 0: a zero-initialised struct starts here */
    SIZE,
    SIZE_BLANK,      /* blanks behind the size: only an extension may follow */
    EXT_NAME_FIRST,  /* behind ";", blanks allowed */
    EXT_NAME,        /* in the name */
    EXT_NAME_BLANK,  /* blanks behind the name: "=" or ";" must follow */
    EXT_VALUE_FIRST, /* behind "=", blanks allowed */
    EXT_TOKEN,       /* in a token value */
    EXT_QUOTED,      /* in a quoted value */
    EXT_ESCAPE,      /* behind a backslash in a quoted value */
    EXT_QUOTED_END,  /* behind the closing quote */
    EXT_VALUE_BLANK, /* blanks behind a value: ";" must follow */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
    FAILED,
};

/* False when the body brings more than its share of bytes that are not payload. */
static bool overhead_add(struct http_chunked *chunked) {
    chunked->overhead_bytes += 1;
    return chunked->overhead_bytes <= HTTP_CHUNK_OVERHEAD_BYTES_MAX;
}

/* The state behind an extension's part, for the bytes that every part may end with. */
static enum chunked_state after_part(char byte, enum chunked_state blank) {
    if (byte == ';') {
        return EXT_NAME_FIRST;
    }
    if (byte == '\r') {
        return SIZE_LF;
    }
    return http_byte_is(byte, HTTP_BYTE_BLANK) ? blank : FAILED;
}

static enum chunked_state size_digit(struct http_chunked *chunked, char byte) {
    if (!http_byte_is(byte, HTTP_BYTE_HEX)) {
        return FAILED;
    }
    if (chunked->chunk_left > (INT64_MAX >> 4)) {
        return FAILED; /* no length that a file or memory could have */
    }
    chunked->chunk_left = chunked->chunk_left << 4 | http_hex_value(byte);
    /* Leading zeros are overhead, so that a size line ends some day. */
    return chunked->chunk_left > 0 || overhead_add(chunked) ? SIZE : FAILED;
}

static enum chunked_state size_step(struct http_chunked *chunked, enum chunked_state state,
                                    char byte) {
    if (state == SIZE_FIRST) {
        return size_digit(chunked, byte);
    }
    if (state == SIZE) {
        return http_byte_is(byte, HTTP_BYTE_HEX) ? size_digit(chunked, byte)
                                                 : after_part(byte, SIZE_BLANK);
    }
    CHECK(state == SIZE_LF);
    if (byte != '\n') {
        return FAILED;
    }
    return chunked->chunk_left == 0 ? TRAILER_FIRST : DATA;
}

/* chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) */
static enum chunked_state extension_step(enum chunked_state state, char byte) {
    bool is_blank = http_byte_is(byte, HTTP_BYTE_BLANK);
    bool is_token = http_byte_is(byte, HTTP_BYTE_TOKEN);
    switch ((int)state) {
    case SIZE_BLANK:
    case EXT_VALUE_BLANK:
        return is_blank ? state : byte == ';' ? EXT_NAME_FIRST : FAILED;
    case EXT_NAME_FIRST:
        return is_blank ? state : is_token ? EXT_NAME : FAILED;
    case EXT_NAME:
        return is_token ? state : byte == '=' ? EXT_VALUE_FIRST : after_part(byte, EXT_NAME_BLANK);
    case EXT_NAME_BLANK:
        if (byte == '=') {
            return EXT_VALUE_FIRST;
        }
        return is_blank ? state : byte == ';' ? EXT_NAME_FIRST : FAILED;
    case EXT_VALUE_FIRST:
        return is_blank ? state : is_token ? EXT_TOKEN : byte == '"' ? EXT_QUOTED : FAILED;
    case EXT_TOKEN:
        return is_token ? state : after_part(byte, EXT_VALUE_BLANK);
    case EXT_QUOTED:
        if (byte == '"' || byte == '\\') {
            return byte == '"' ? EXT_QUOTED_END : EXT_ESCAPE;
        }
        return http_byte_is(byte, HTTP_BYTE_QUOTED) ? state : FAILED;
    case EXT_ESCAPE:
        return http_byte_is(byte, HTTP_BYTE_VALUE) ? EXT_QUOTED : FAILED;
    case EXT_QUOTED_END:
        return after_part(byte, EXT_VALUE_BLANK);
    }
    CHECK(false); /* not an extension's state */
    return FAILED;
}

static enum chunked_state trailer_step(enum chunked_state state, char byte) {
    bool is_token = http_byte_is(byte, HTTP_BYTE_TOKEN);
    switch ((int)state) {
    case TRAILER_FIRST:
        return is_token ? TRAILER_NAME : byte == '\r' ? LAST_LF : FAILED;
    case TRAILER_NAME:
        return is_token ? state : byte == ':' ? TRAILER_VALUE : FAILED;
    case TRAILER_VALUE:
        return http_byte_is(byte, HTTP_BYTE_VALUE) ? state : byte == '\r' ? TRAILER_LF : FAILED;
    case TRAILER_LF:
        return byte == '\n' ? TRAILER_FIRST : FAILED;
    case LAST_LF:
        return byte == '\n' ? DONE : FAILED;
    }
    CHECK(false); /* not a trailer's state */
    return FAILED;
}

/* One byte that is not payload. */
static enum chunked_state frame_step(struct http_chunked *chunked, char byte) {
    enum chunked_state state = chunked->state;
    if (state == SIZE_FIRST || state == SIZE || state == SIZE_LF) {
        return size_step(chunked, state, byte);
    }
    if (state == DATA_CR) {
        return byte == '\r' ? DATA_LF : FAILED;
    }
    if (state == DATA_LF) {
        return byte == '\n' ? SIZE_FIRST : FAILED;
    }
    if (!overhead_add(chunked)) {
        return FAILED;
    }
    return state < SIZE_LF ? extension_step(state, byte) : trailer_step(state, byte);
}

static void payload_take(struct http_chunked *chunked, struct str in, uint32_t *used,
                         struct str *data) {
    uint32_t room = in.len - *used;
    uint32_t len = chunked->chunk_left < room ? (uint32_t)chunked->chunk_left : room;
    *data = str_slice(in, *used, *used + len);
    *used += len;
    chunked->chunk_left -= len;
    if (chunked->chunk_left == 0) {
        chunked->state = DATA_CR;
    }
}

enum err http_chunked_step(struct http_chunked *chunked, struct str in, uint32_t *used,
                           struct str *data) {
    CHECK(chunked->state <= FAILED);
    *used = 0;
    *data = STR("");
    while (chunked->state != DONE && chunked->state != FAILED && *used < in.len) {
        if (chunked->state == DATA) {
            payload_take(chunked, in, used, data);
            return ERR_OK;
        }
        chunked->state = (uint8_t)frame_step(chunked, in.data[*used]);
        *used += 1;
    }
    if (chunked->state == FAILED) {
        return ERR_HTTP_MALFORMED;
    }
    return chunked->state == DONE ? ERR_END : ERR_AGAIN;
}

void http_chunk_put(struct buf *out, struct str data) {
    if (data.len == 0) {
        return; /* an empty chunk would end the body */
    }
    char memory[16];
    struct buf size = buf_over(memory, sizeof memory);
    buf_printf(&size, "%x\r\n", (unsigned)data.len);
    /* All or nothing: half a chunk cannot be taken back. */
    if (buf_room(out) < size.len + 2 || buf_room(out) - size.len - 2 < data.len) {
        out->is_full = true;
        return;
    }
    buf_put_str(out, buf_str(&size));
    buf_put_str(out, data);
    buf_put_c(out, "\r\n");
}

void http_chunk_put_last(struct buf *out) {
    buf_put_c(out, "0\r\n\r\n");
}
