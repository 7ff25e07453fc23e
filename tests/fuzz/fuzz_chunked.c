/*
 * Any bytes as a chunked body. What must hold: decoded in one piece, byte by byte and in pieces of
 * a length that the input chooses, verdict, payload and end are the same; payload slices lie inside
 * the input; and the input taken as payload comes back from encode and decode unchanged.
 */
#include "net/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct decoded {
    enum err err; /* ERR_AGAIN, ERR_END, ERR_HTTP_MALFORMED */
    size_t used;  /* of the input; the end of the body or the place of the fault */
    char *payload;
    size_t payload_bytes;
};

static struct decoded body_decode(struct str in, uint32_t step) {
    struct decoded decoded = {.err = ERR_AGAIN, .payload = malloc(in.len + 1)};
    CHECK(decoded.payload != NULL);
    struct http_chunked chunked = {0};
    uint32_t at = 0;
    while (at < in.len && decoded.err == ERR_AGAIN) {
        struct str piece = str_slice(in, at, in.len - at < step ? in.len : at + step);
        uint32_t used = 0;
        struct str data = STR_NONE;
        enum err err = http_chunked_step(&chunked, piece, &used, &data);
        CHECK(used <= piece.len);
        CHECK(data.len <= used);
        CHECK((err == ERR_OK) == (data.len > 0));
        if (data.len > 0) {
            CHECK(data.data >= piece.data);
            CHECK(data.data + data.len <= piece.data + used);
            memcpy(decoded.payload + decoded.payload_bytes, data.data, data.len);
            decoded.payload_bytes += data.len;
        }
        at += used;
        CHECK(err != ERR_AGAIN || used == piece.len);
        decoded.err = err == ERR_OK ? ERR_AGAIN : err;
    }
    decoded.used = at;
    return decoded;
}

static void decoded_equal_check(const struct decoded *a, const struct decoded *b) {
    CHECK(a->err == b->err);
    CHECK(a->used == b->used);
    CHECK(a->payload_bytes == b->payload_bytes);
    CHECK(memcmp(a->payload, b->payload, a->payload_bytes) == 0);
}

static void cuts_check(struct str in) {
    struct decoded whole = body_decode(in, UINT32_MAX);
    CHECK(whole.err != ERR_OK);
    uint32_t step = in.len == 0 ? 1 : 1 + ((uint8_t)in.data[0] % 7);
    struct decoded bytewise = body_decode(in, 1);
    struct decoded pieces = body_decode(in, step);
    decoded_equal_check(&whole, &bytewise);
    decoded_equal_check(&whole, &pieces);
    free(whole.payload);
    free(bytewise.payload);
    free(pieces.payload);
}

static void round_trip_check(struct str payload) {
    /* A one-byte chunk costs five bytes more: the worst case. */
    size_t capacity = (size_t)payload.len * 6 + 16;
    char *memory = malloc(capacity);
    CHECK(memory != NULL);
    struct buf out = buf_over(memory, capacity);
    uint32_t step = 1;
    for (uint32_t at = 0; at < payload.len; at += step) {
        step = 1 + ((uint8_t)payload.data[at] & 31);
        http_chunk_put(&out, str_slice(payload, at, at + step));
    }
    http_chunk_put_last(&out);
    CHECK(!out.is_full);
    struct decoded decoded = body_decode(buf_str(&out), UINT32_MAX);
    CHECK(decoded.err == ERR_END);
    CHECK(decoded.used == out.len);
    CHECK(decoded.payload_bytes == payload.len);
    CHECK(payload.len == 0 || memcmp(decoded.payload, payload.data, payload.len) == 0);
    free(decoded.payload);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct str in = str_from((const char *)data, bytes);
    cuts_check(in);
    round_trip_check(in);
    return 0;
}
