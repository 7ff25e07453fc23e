/*
 * Update bundles of the appliance: what is signed, and whether it fits.
 *
 * A bundle is a header and the image behind it (the EFI kernel with the server inside). The header
 * lists the SHA-256 of every part of the image and is signed, so each part can be judged when it
 * arrives, in any order. Numbers are big-endian.
 *
 *    0   8  "COFFERUP"
 *    8   2  format: 1
 *   10   2  bytes of the header in all
 *   12   6  version, three numbers
 *   18   6  the least version that may be updated by this bundle
 *   24   4  bytes of the image
 *   28   4  bytes of a part: BUNDLE_PART_BYTES; the last one may be shorter
 *   32 32n  SHA-256 of each part
 *    .  64  ECDSA over P-256 and SHA-256 of all before, r then s
 *
 * `image/bundle` makes one. The public key is fixed when the program is built; see bundle_key.
 */
#ifndef CRYPTO_BUNDLE_H
#define CRYPTO_BUNDLE_H

#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"

enum {
    BUNDLE_KEY_BYTES = 65, /* a point: 04 || X || Y */
    BUNDLE_PART_BYTES = 128 * 1024,
    BUNDLE_PARTS_MAX = 112, /* 14 MiB: a slot of 16 MiB with its file system around it */
    BUNDLE_FIXED_BYTES = 32,
    BUNDLE_SIGNATURE_BYTES = 64,
    BUNDLE_HEADER_BYTES_MAX =
        BUNDLE_FIXED_BYTES + BUNDLE_PARTS_MAX * HASH_BYTES + BUNDLE_SIGNATURE_BYTES,
    BUNDLE_VERSION_LEN_MAX = 17, /* 65535.65535.65535 */
};

struct bundle {
    uint64_t version; /* as bundle_version_parse makes it */
    uint64_t version_min;
    uint32_t image_bytes;
    uint32_t part_count;
    struct str hashes; /* part_count times HASH_BYTES, in the header */
    uint32_t header_bytes;
};

/* "1.2.3" as a number that compares as versions do. False: not three numbers below 65,536. */
bool bundle_version_parse(struct str text, uint64_t *version);
void bundle_version_format(uint64_t version, struct buf *out);

/* The beginning of `text` is a header; what follows is not looked at. Slices point into `text`.
 * ERR_FORMAT: it is none, or cut short. Says nothing about the signature. */
enum err bundle_parse(struct str text, struct bundle *bundle);
/* The signature of a header that bundle_parse took. ERR_CRYPTO. */
enum err bundle_verify(struct str text, const uint8_t key[BUNDLE_KEY_BYTES]);
/* All that a running program of this version asks of a header: ERR_UPDATE_FORMAT, _UNSIGNED, _OLD
 * (of the same or an older version), _BASE (too new for this one). `key` NULL: ERR_UPDATE_KEY. */
enum err bundle_judge(struct str text, const uint8_t *key, uint64_t running, struct bundle *bundle);

uint32_t bundle_part_bytes(const struct bundle *bundle, uint32_t index);
/* Is this part `index`, whole and unchanged? */
bool bundle_part_fits(const struct bundle *bundle, uint32_t index, struct str part);

/* The key whose bundles this program takes, or NULL: built without one, it takes none. */
const uint8_t *bundle_key(void);

#endif
