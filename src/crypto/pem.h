/*
 * PEM (RFC 7468) to what the TLS server needs: certificate chain and private key in one bounded
 * struct that owns all bytes. The struct must not move after parsing: BearSSL's parts point into
 * it.
 */
#ifndef CRYPTO_PEM_H
#define CRYPTO_PEM_H

#include <bearssl.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    PEM_CHAIN_MAX = 8,               /* leaf, two or three intermediates, room for the odd file */
    PEM_CHAIN_BYTES_MAX = 32 * 1024, /* DER; a certificate has 0.5 to 3 KB */
    PEM_KEY_BYTES_MAX = 4096,        /* DER of RSA-4096: 2.4 KB */
    PEM_LABEL_LEN_MAX = 64,
    PEM_TEXT_BYTES_MAX = 1024 * 1024, /* a trust store of a distribution has 230 KB */
    PEM_RSA_BITS_MIN = 2048,
    PEM_RSA_BITS_MAX = 4096,
};

/*
 * Walks over the objects of a PEM text; other text between them is ignored. Appends the DER of the
 * next one to `out` and sets label ("CERTIFICATE") and *rest to what follows.
 * ERR_END: none left. ERR_FORMAT: damaged. ERR_FULL: `out` has no room.
 */
struct pem_label {
    char text[PEM_LABEL_LEN_MAX + 1];
};
enum err pem_next(struct str *rest, struct pem_label *label, struct buf *out);

/* Appends a PEM object with 64-character lines. The label is a literal of ours. */
void pem_format(const char *label, struct str der, struct buf *out);

enum pem_key_kind { PEM_KEY_EC = 1, PEM_KEY_RSA };

struct pem_identity {
    br_x509_certificate chain[PEM_CHAIN_MAX]; /* leaf first */
    uint32_t chain_len;
    enum pem_key_kind key_kind;
    br_ec_private_key ec;   /* when key_kind is PEM_KEY_EC: P-256 or P-384 */
    br_rsa_private_key rsa; /* when PEM_KEY_RSA */
    int issuer_key_type;   /* BR_KEYTYPE_EC or _RSA: how the leaf is signed (br_ssl_server_set_*) */
    int64_t not_before_us; /* of the leaf */
    int64_t not_after_us;
    uint8_t chain_bytes[PEM_CHAIN_BYTES_MAX];
    uint8_t key_bytes[3 * 512];
};

/*
 * Certificate chain: one to PEM_CHAIN_MAX CERTIFICATE objects, leaf first. Key: exactly one of
 * PRIVATE KEY (PKCS#8), EC PRIVATE KEY (SEC1), RSA PRIVATE KEY (PKCS#1); "EC PARAMETERS" before it
 * is skipped. EC on P-256 or P-384, RSA of 2048..4096 bits. The key is tried: it must sign what the
 * leaf's public key verifies.
 * On failure (ERR_FORMAT, ERR_CRYPTO for a key that does not belong, ERR_FULL) *problem is a
 * sentence in static memory and the identity is wiped. Dates are not checked: see not_after_us.
 */
enum err pem_identity_parse(struct pem_identity *identity, struct str certificate_pem,
                            struct str key_pem, const char **problem);
void pem_identity_reset(struct pem_identity *identity); /* wipes */

#endif
