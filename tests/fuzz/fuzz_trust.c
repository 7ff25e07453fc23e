/*
 * Trust stores: any bytes as a PEM bundle. Whatever is taken from it lies within the set, whole;
 * what cannot be used is left out, and a set without a certificate is none.
 */
#include "net/trust.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct trust_set set;

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void part_require_inside(const unsigned char *part, size_t bytes) {
    require(part >= set.bytes);
    require(part + bytes <= set.bytes + set.len);
}

static void anchor_require_sound(const br_x509_trust_anchor *anchor) {
    const br_x509_pkey *key = &anchor->pkey;
    part_require_inside(anchor->dn.data, anchor->dn.len);
    if (key->key_type == BR_KEYTYPE_RSA) {
        part_require_inside(key->key.rsa.n, key->key.rsa.nlen);
        part_require_inside(key->key.rsa.e, key->key.rsa.elen);
        require(key->key.rsa.nlen >= 256);
    } else {
        require(key->key_type == BR_KEYTYPE_EC);
        part_require_inside(key->key.ec.q, key->key.ec.qlen);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *problem = NULL;
    memset(&set, 0, offsetof(struct trust_set, bytes));
    enum err err = trust_set_parse(&set, str_from((const char *)data, size), &problem);
    require((err == ERR_OK) == (problem == NULL));
    require(err != ERR_OK || set.count > 0);
    require(set.count <= TRUST_ANCHORS_MAX);
    require(set.len <= TRUST_BYTES_MAX);
    for (uint32_t index = 0; index < set.count; index++) {
        anchor_require_sound(&set.anchors[index]);
    }
    return 0;
}
