/*
 * PEM: the input is both the certificate file and the key file. Whatever comes: an identity that is
 * accepted points only into itself and works; one that is refused has a sentence and is empty.
 */
#include <string.h>

#include "crypto/cert.h"
#include "crypto/pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct pem_identity identity;

static void accepted_check(void) {
    const unsigned char *from = identity.chain_bytes;
    const unsigned char *to = from + sizeof identity.chain_bytes;
    CHECK(identity.chain_len >= 1);
    CHECK(identity.chain_len <= PEM_CHAIN_MAX);
    for (uint32_t index = 0; index < identity.chain_len; index += 1) {
        CHECK(identity.chain[index].data >= from);
        CHECK(identity.chain[index].data + identity.chain[index].data_len <= to);
    }
    const unsigned char *part = identity.key_kind == PEM_KEY_EC ? identity.ec.x : identity.rsa.iq;
    size_t part_bytes = identity.key_kind == PEM_KEY_EC ? identity.ec.xlen : identity.rsa.iqlen;
    CHECK(part >= identity.key_bytes);
    CHECK(part + part_bytes <= identity.key_bytes + sizeof identity.key_bytes);
}

static void refused_check(const char *problem) {
    static const struct pem_identity empty;
    CHECK(problem != NULL);
    CHECK(problem[0] != '\0');
    CHECK(memcmp(&identity, &empty, sizeof identity) == 0);
}

/* The walker alone, with little room. */
static void walk(struct str text) {
    char out_bytes[512];
    struct pem_label label;
    struct buf out = buf_over(out_bytes, sizeof out_bytes);
    uint32_t len_before = text.len + 1;
    while (pem_next(&text, &label, &out) == ERR_OK) {
        CHECK(text.len < len_before); /* it ends */
        CHECK(strlen(label.text) <= PEM_LABEL_LEN_MAX);
        len_before = text.len;
        buf_reset(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct str text = str_from((const char *)data, bytes);
    const char *problem = NULL;
    struct hash fingerprint;
    if (pem_identity_parse(&identity, text, text, &problem) == ERR_OK) {
        accepted_check();
    } else {
        refused_check(problem);
    }
    (void)cert_fingerprint(text, &fingerprint);
    walk(text);
    return 0;
}
