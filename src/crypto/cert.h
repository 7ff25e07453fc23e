/*
 * A self-signed certificate (X.509 v3, P-256, ECDSA with SHA-256) for a server that was given none.
 *
 * It is a leaf, CA:FALSE, with digitalSignature and serverAuth: a client that pins it trusts this
 * server and nothing else. Valid for 825 days, the most that Apple's systems accept of any server
 * certificate, also one that the user trusts by hand; shorter would only mean more renewals of
 * something that people copy around. It begins a day early, for clients with slow clocks.
 */
#ifndef CRYPTO_CERT_H
#define CRYPTO_CERT_H

#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"

enum {
    CERT_NAMES_MAX = 8,
    CERT_NAME_LEN_MAX = 253,
    CERT_ADDRESSES_MAX = 8,
    CERT_DAYS = 825,
    CERT_ENTROPY_BYTES = 64,
    CERT_PEM_BYTES_MAX = 8192, /* room for each of the two texts */
};

struct cert_address {
    uint8_t bytes[16];
    uint8_t len; /* 4 or 16 */
};

struct cert_request {
    struct str names[CERT_NAMES_MAX]; /* DNS names; the first is the subject's common name too */
    uint32_t name_count;              /* at least 1 */
    struct cert_address addresses[CERT_ADDRESSES_MAX];
    uint32_t address_count;
    int64_t now_us;
};

/* Appends certificate and PKCS#8 key as PEM. ERR_VALIDATION: a name is not a DNS name (letters,
 * digits, - . and a leading "*."), or a count or length is over its limit, or the time is before
 * 1970 or after 2045; ERR_FULL. *fingerprint is the SHA-256 of the DER, as browsers show it. */
enum err cert_make(const struct cert_request *request, const uint8_t entropy[CERT_ENTROPY_BYTES],
                   struct buf *certificate_pem, struct buf *key_pem, struct hash *fingerprint);

/* SHA-256 of the first certificate in a PEM text. ERR_FORMAT when there is none. */
enum err cert_fingerprint(struct str certificate_pem, struct hash *fingerprint);

#endif
