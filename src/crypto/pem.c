/* PEM over BearSSL's decoders for PEM, private keys and certificates. */
#include "crypto/pem.h"

#include <string.h>

#include "base/time.h"
#include "crypto/secret.h"

enum {
    LINE_BYTES = 48, /* 64 characters */
    SIGNATURE_BYTES_MAX = PEM_RSA_BITS_MAX / 8,
    DIGEST_BYTES = 32,
    DAYS_TO_1970 = 719528, /* BearSSL counts days from January 1st of the year 0 */
};

/* --- PEM ----------------------------------------------------------------------------------- */

static void object_append(void *ctx, const void *data, size_t bytes) {
    struct buf *out = ctx;
    buf_put(out, data, bytes);
}

/* Feeds the decoder until its next event; 0 when all of the text is used up. */
static int decoder_run(br_pem_decoder_context *decoder, struct str *rest) {
    while (rest->len > 0) {
        size_t used = br_pem_decoder_push(decoder, rest->data, rest->len);
        *rest = str_slice(*rest, (uint32_t)used, rest->len);
        int event = br_pem_decoder_event(decoder);
        if (event != 0) {
            return event;
        }
    }
    /* The last line may lack its end. Harmless elsewhere: the text is over anyway. */
    br_pem_decoder_push(decoder, "\n", 1);
    return br_pem_decoder_event(decoder);
}

enum err pem_next(struct str *rest, struct pem_label *label, struct buf *out) {
    br_pem_decoder_context decoder;
    uint32_t len_before = out->len;
    enum err err = ERR_FORMAT;
    br_pem_decoder_init(&decoder);
    int event = decoder_run(&decoder, rest);
    if (event == 0) {
        err = ERR_END;
    } else if (event == BR_PEM_BEGIN_OBJ) {
        const char *name = br_pem_decoder_name(&decoder);
        size_t len = strnlen(name, sizeof label->text);
        while (len > 0 && name[len - 1] == '-') {
            len -= 1; /* BearSSL leaves the closing dashes on when the line ends in CRLF */
        }
        br_pem_decoder_setdest(&decoder, object_append, out);
        if (len < sizeof label->text && decoder_run(&decoder, rest) == BR_PEM_END_OBJ) {
            memcpy(label->text, name, len);
            label->text[len] = '\0';
            err = out->is_full ? ERR_FULL : ERR_OK;
        }
    }
    if (err != ERR_OK) {
        out->len = len_before;
    }
    crypto_wipe(&decoder, sizeof decoder); /* perhaps a piece of a key */
    return err;
}

void pem_format(const char *label, struct str der, struct buf *out) {
    buf_put_c(out, "-----BEGIN ");
    buf_put_c(out, label);
    buf_put_c(out, "-----\n");
    for (uint32_t from = 0; from < der.len; from += LINE_BYTES) {
        struct str line = str_slice(der, from, from + LINE_BYTES);
        buf_put_base64(out, line.data, line.len);
        buf_put_byte(out, '\n');
    }
    buf_put_c(out, "-----END ");
    buf_put_c(out, label);
    buf_put_c(out, "-----\n");
}

/* --- certificates -------------------------------------------------------------------------- */

static enum err chain_parse(struct pem_identity *identity, struct str text, const char **problem) {
    struct buf out = buf_over(identity->chain_bytes, sizeof identity->chain_bytes);
    struct pem_label label;
    for (;;) {
        uint32_t from = out.len;
        enum err err = pem_next(&text, &label, &out);
        if (err == ERR_END) {
            break;
        }
        if (err != ERR_OK) {
            *problem = err == ERR_FULL ? "The certificate file holds more than 32 KB."
                                       : "The certificate file is not valid PEM.";
            return err;
        }
        if (strcmp(label.text, "CERTIFICATE") != 0 && strcmp(label.text, "X509 CERTIFICATE") != 0) {
            crypto_wipe(out.data + from, out.len - from); /* combined files hold the key too */
            out.len = from;
            continue;
        }
        if (identity->chain_len == PEM_CHAIN_MAX) {
            *problem = "The certificate file holds more than 8 certificates.";
            return ERR_FULL;
        }
        identity->chain[identity->chain_len].data = identity->chain_bytes + from;
        identity->chain[identity->chain_len].data_len = out.len - from;
        identity->chain_len += 1;
    }
    if (identity->chain_len == 0) {
        *problem = "The certificate file holds no BEGIN CERTIFICATE.";
        return ERR_FORMAT;
    }
    return ERR_OK;
}

static int64_t time_from_days(uint32_t days, uint32_t seconds) {
    return ((int64_t)days - DAYS_TO_1970) * TIME_US_PER_DAY + (int64_t)seconds * TIME_US_PER_S;
}

static enum err leaf_decode(struct pem_identity *identity, br_x509_decoder_context *decoder,
                            const char **problem) {
    br_x509_decoder_init(decoder, NULL, NULL);
    br_x509_decoder_push(decoder, identity->chain[0].data, identity->chain[0].data_len);
    if (br_x509_decoder_last_error(decoder) != 0) {
        *problem = "The first certificate cannot be read; it must be X.509 with an EC or RSA key.";
        return ERR_FORMAT;
    }
    identity->issuer_key_type = br_x509_decoder_get_signer_key_type(decoder);
    identity->not_before_us = time_from_days(decoder->notbefore_days, decoder->notbefore_seconds);
    identity->not_after_us = time_from_days(decoder->notafter_days, decoder->notafter_seconds);
    return ERR_OK;
}

/* --- keys ---------------------------------------------------------------------------------- */

static enum err key_der_find(struct str text, struct buf *der, const char **problem) {
    struct pem_label label;
    uint32_t count = 0;
    for (;;) {
        uint32_t from = der->len;
        enum err err = pem_next(&text, &label, der);
        if (err == ERR_END) {
            break;
        }
        if (err != ERR_OK) {
            *problem = err == ERR_FULL ? "The key file holds more than 4 KB of keys."
                                       : "The key file is not valid PEM.";
            return err;
        }
        if (strcmp(label.text, "ENCRYPTED PRIVATE KEY") == 0) {
            *problem = "The key is encrypted; give it without a passphrase "
                       "(openssl pkey -in KEY -out NEW).";
            return ERR_FORMAT;
        }
        bool is_key = strcmp(label.text, "PRIVATE KEY") == 0 ||
                      strcmp(label.text, "EC PRIVATE KEY") == 0 ||
                      strcmp(label.text, "RSA PRIVATE KEY") == 0;
        count += is_key ? 1 : 0;
        if (!is_key) {
            der->len = from;
        }
    }
    if (count != 1) {
        *problem = count == 0 ? "The key file holds no private key (PKCS#8, SEC1 or PKCS#1)."
                              : "The key file holds more than one private key.";
        return ERR_FORMAT;
    }
    return ERR_OK;
}

/* Copies the parts of a key behind each other into the identity. */
static bool part_copy(struct buf *to, unsigned char **part, size_t bytes) {
    unsigned char *place = (unsigned char *)to->data + to->len;
    buf_put(to, *part, bytes);
    *part = place;
    return !to->is_full;
}

static enum err ec_key_take(struct pem_identity *identity, const br_ec_private_key *key,
                            const char **problem) {
    struct buf bytes = buf_over(identity->key_bytes, sizeof identity->key_bytes);
    if (key->curve != BR_EC_secp256r1 && key->curve != BR_EC_secp384r1) {
        *problem = "The EC key is on a curve other than P-256 and P-384.";
        return ERR_FORMAT;
    }
    identity->key_kind = PEM_KEY_EC;
    identity->ec = *key;
    if (!part_copy(&bytes, &identity->ec.x, key->xlen)) {
        *problem = "The key file cannot be read.";
        return ERR_FORMAT;
    }
    return ERR_OK;
}

static enum err rsa_key_take(struct pem_identity *identity, const br_rsa_private_key *key,
                             const char **problem) {
    struct buf bytes = buf_over(identity->key_bytes, sizeof identity->key_bytes);
    if (key->n_bitlen < PEM_RSA_BITS_MIN || key->n_bitlen > PEM_RSA_BITS_MAX) {
        *problem = "The RSA key must have 2048 to 4096 bits.";
        return ERR_FORMAT;
    }
    identity->key_kind = PEM_KEY_RSA;
    identity->rsa = *key;
    br_rsa_private_key *rsa = &identity->rsa;
    if (!part_copy(&bytes, &rsa->p, rsa->plen) || !part_copy(&bytes, &rsa->q, rsa->qlen) ||
        !part_copy(&bytes, &rsa->dp, rsa->dplen) || !part_copy(&bytes, &rsa->dq, rsa->dqlen) ||
        !part_copy(&bytes, &rsa->iq, rsa->iqlen)) {
        *problem = "The key file cannot be read.";
        return ERR_FORMAT;
    }
    return ERR_OK;
}

static enum err key_parse(struct pem_identity *identity, struct str text, const char **problem) {
    char der_bytes[PEM_KEY_BYTES_MAX];
    struct buf der = buf_over(der_bytes, sizeof der_bytes);
    br_skey_decoder_context decoder;
    br_skey_decoder_init(&decoder);
    enum err err = key_der_find(text, &der, problem);
    if (err == ERR_OK) {
        br_skey_decoder_push(&decoder, der.data, der.len);
        if (br_skey_decoder_key_type(&decoder) == BR_KEYTYPE_EC) {
            err = ec_key_take(identity, br_skey_decoder_get_ec(&decoder), problem);
        } else if (br_skey_decoder_key_type(&decoder) == BR_KEYTYPE_RSA) {
            err = rsa_key_take(identity, br_skey_decoder_get_rsa(&decoder), problem);
        } else {
            *problem = "The private key cannot be read; it must be EC or RSA.";
            err = ERR_FORMAT;
        }
    }
    crypto_wipe(der_bytes, sizeof der_bytes);
    crypto_wipe(&decoder, sizeof decoder);
    return err;
}

/* --- both together ------------------------------------------------------------------------- */

/* Any number in range is a key, and its point says whose. A signature and its verification would
 * say the same in four times the instructions, at every start. */
static bool ec_key_fits(const br_ec_private_key *key, const br_x509_pkey *public) {
    static const br_ec_impl *const curves = &br_ec_all_m31;
    uint8_t point[BR_EC_KBUF_PUB_MAX_SIZE];
    br_ec_public_key own;
    size_t order_bytes = 0;
    if (public->key_type != BR_KEYTYPE_EC || public->key.ec.curve != key->curve) {
        return false;
    }
    const unsigned char *order = curves->order(key->curve, &order_bytes);
    if (!crypto_is_scalar(key->x, key->xlen, order, order_bytes)) {
        return false;
    }
    size_t bytes = br_ec_compute_pub(curves, &own, point, key);
    return bytes > 0 && bytes == public->key.ec.qlen && memcmp(point, public->key.ec.q, bytes) == 0;
}

/* Tries the key: that also finds one whose parts do not belong together. */
static bool rsa_key_fits(const br_rsa_private_key *key, const br_x509_pkey *public) {
    static const uint8_t digest[DIGEST_BYTES] = {0x5a, 1, 2, 3};
    uint8_t signature[SIGNATURE_BYTES_MAX];
    uint8_t found[DIGEST_BYTES];
    if (public->key_type != BR_KEYTYPE_RSA) {
        return false;
    }
    size_t bytes = (key->n_bitlen + 7) / 8;
    CHECK(bytes <= sizeof signature);
    return br_rsa_pkcs1_sign_get_default()(BR_HASH_OID_SHA256, digest, DIGEST_BYTES, key,
                                           signature) == 1 &&
           br_rsa_pkcs1_vrfy_get_default()(signature, bytes, BR_HASH_OID_SHA256, DIGEST_BYTES,
                                           &public->key.rsa, found) == 1 &&
           memcmp(found, digest, DIGEST_BYTES) == 0;
}

static enum err key_check(const struct pem_identity *identity, br_x509_decoder_context *decoder,
                          const char **problem) {
    const br_x509_pkey *public = br_x509_decoder_get_pkey(decoder);
    CHECK(public != NULL);
    bool fits = identity->key_kind == PEM_KEY_EC ? ec_key_fits(&identity->ec, public)
                                                 : rsa_key_fits(&identity->rsa, public);
    if (!fits) {
        *problem = "The private key does not belong to the first certificate "
                   "(the chain must begin with the server's own).";
        return ERR_CRYPTO;
    }
    return ERR_OK;
}

enum err pem_identity_parse(struct pem_identity *identity, struct str certificate_pem,
                            struct str key_pem, const char **problem) {
    br_x509_decoder_context decoder;
    enum err err = ERR_FULL;
    memset(identity, 0, sizeof *identity);
    *problem = "The certificate or key file is larger than 1 MiB.";
    if (certificate_pem.len <= PEM_TEXT_BYTES_MAX && key_pem.len <= PEM_TEXT_BYTES_MAX) {
        *problem = "";
        err = chain_parse(identity, certificate_pem, problem);
    }
    if (err == ERR_OK) {
        err = leaf_decode(identity, &decoder, problem);
    }
    if (err == ERR_OK) {
        err = key_parse(identity, key_pem, problem);
    }
    if (err == ERR_OK) {
        err = key_check(identity, &decoder, problem);
    }
    if (err != ERR_OK) {
        pem_identity_reset(identity);
    }
    return err;
}

void pem_identity_reset(struct pem_identity *identity) {
    crypto_wipe(identity, sizeof *identity);
}
