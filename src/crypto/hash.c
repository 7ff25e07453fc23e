/* SHA-256 over BearSSL. Its context is plain data, so copying a stream forks it. */
#include "crypto/hash.h"

#include <string.h>

#include <bearssl.h>

_Static_assert(sizeof(struct hash_stream) == sizeof(br_sha256_context), "state of a stream");
_Static_assert(_Alignof(struct hash_stream) >= _Alignof(br_sha256_context), "alignment");
_Static_assert(HASH_BYTES == br_sha256_SIZE, "digest size");

/* The stream's words are only ever read and written through this cast's type. */
static br_sha256_context *context_of(struct hash_stream *stream) {
    return (void *)stream->state;
}

struct hash hash_of(struct str data) {
    struct hash_stream stream;
    hash_stream_init(&stream);
    hash_stream_add(&stream, data);
    return hash_stream_value(&stream);
}

bool hash_equal(struct hash a, struct hash b) {
    return memcmp(a.bytes, b.bytes, HASH_BYTES) == 0;
}

bool hash_is_zero(struct hash hash) {
    static const struct hash zero;
    return hash_equal(hash, zero);
}

struct str hash_bytes(const struct hash *hash) {
    return str_from((const char *)hash->bytes, HASH_BYTES);
}

void hash_stream_init(struct hash_stream *stream) {
    memset(stream, 0, sizeof *stream); /* BearSSL leaves the block buffer as it was */
    br_sha256_init(context_of(stream));
}

void hash_stream_add(struct hash_stream *stream, struct str data) {
    if (data.len > 0) {
        br_sha256_update(context_of(stream), data.data, data.len);
    }
}

void hash_stream_add_field(struct hash_stream *stream, struct str data) {
    uint8_t length[8] = {0};
    for (uint32_t index = 0; index < 4; index += 1) {
        length[7 - index] = (uint8_t)(data.len >> (8 * index));
    }
    br_sha256_update(context_of(stream), length, sizeof length);
    hash_stream_add(stream, data);
}

struct hash hash_stream_value(const struct hash_stream *stream) {
    struct hash hash;
    br_sha256_out((const void *)stream->state, hash.bytes); /* does not change the context */
    return hash;
}
