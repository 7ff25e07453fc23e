/*
 * HMAC and HKDF on the running hashes of hash.h: a keyed stream is two hash states, so PBKDF2 can
 * copy one instead of hashing the key again.
 */
#include "crypto/mac.h"

#include <string.h>

enum { BLOCK_BYTES = 64 };

struct hash mac_of(struct str key, struct str data) {
    struct mac_stream stream;
    mac_stream_init(&stream, key);
    mac_stream_add(&stream, data);
    return mac_stream_finish(&stream);
}

static void pad_absorb(struct hash_stream *stream, const uint8_t key[BLOCK_BYTES], uint8_t pad) {
    uint8_t block[BLOCK_BYTES];
    for (uint32_t index = 0; index < BLOCK_BYTES; index += 1) {
        block[index] = key[index] ^ pad;
    }
    hash_stream_init(stream);
    hash_stream_add(stream, str_from((const char *)block, sizeof block));
    crypto_wipe(block, sizeof block);
}

void mac_stream_init(struct mac_stream *stream, struct str key) {
    uint8_t block[BLOCK_BYTES] = {0};
    if (key.len > BLOCK_BYTES) {
        struct hash hash = hash_of(key);
        memcpy(block, hash.bytes, sizeof hash.bytes);
        crypto_wipe(&hash, sizeof hash);
    } else if (key.len > 0) {
        memcpy(block, key.data, key.len);
    }
    pad_absorb(&stream->inner, block, 0x36);
    pad_absorb(&stream->outer, block, 0x5c);
    crypto_wipe(block, sizeof block);
}

void mac_stream_add(struct mac_stream *stream, struct str data) {
    hash_stream_add(&stream->inner, data);
}

struct hash mac_stream_finish(struct mac_stream *stream) {
    struct hash inner = hash_stream_value(&stream->inner);
    hash_stream_add(&stream->outer, hash_bytes(&inner));
    struct hash mac = hash_stream_value(&stream->outer);
    crypto_wipe(&inner, sizeof inner);
    crypto_wipe(stream, sizeof *stream);
    return mac;
}

/* RFC 5869, 2.2: no salt means a block of zeros, which HMAC makes of an empty key by itself. */
void kdf_derive(struct str secret, struct str salt, struct str purpose, void *out, size_t bytes) {
    CHECK(secret.len > 0);
    CHECK(bytes > 0);
    CHECK(bytes <= KDF_BYTES_MAX);
    struct hash prk = mac_of(salt, secret);
    struct hash block = {{0}};
    uint8_t *to = out;
    uint8_t number = 0;
    for (size_t done = 0; done < bytes;) {
        struct mac_stream stream;
        mac_stream_init(&stream, hash_bytes(&prk));
        if (number > 0) {
            mac_stream_add(&stream, hash_bytes(&block));
        }
        mac_stream_add(&stream, purpose);
        number += 1;
        mac_stream_add(&stream, str_from((const char *)&number, 1));
        block = mac_stream_finish(&stream);
        size_t part = bytes - done < HASH_BYTES ? bytes - done : HASH_BYTES;
        memcpy(to + done, block.bytes, part);
        done += part;
    }
    crypto_wipe(&prk, sizeof prk);
    crypto_wipe(&block, sizeof block);
}

struct secret_key kdf_key(const struct secret_key *master, struct str purpose) {
    struct secret_key key;
    struct str secret = str_from((const char *)master->bytes, sizeof master->bytes);
    kdf_derive(secret, STR_NONE, purpose, key.bytes, sizeof key.bytes);
    return key;
}
