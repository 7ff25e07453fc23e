/* AES-256-GCM over BearSSL (NIST SP 800-38D), with the nonce made as seal.h says. */
#include "crypto/seal.h"

#include <string.h>

#include <bearssl.h>

#include "crypto/mac.h"

enum { VERSION = 1, NONCE_BYTES = 12, TAG_BYTES = 16 };

_Static_assert(SEAL_OVERHEAD_BYTES == 1 + NONCE_BYTES + TAG_BYTES, "layout");
_Static_assert(sizeof(br_aes_gen_ctr_keys) <= sizeof(((struct seal_key *)0)->aes), "key schedule");

/* The vtable pointer is the first member of every key schedule of BearSSL. */
static const br_block_ctr_class **aes_of(const struct seal_key *seal) {
    return (const br_block_ctr_class **)(uintptr_t)seal->aes;
}

void seal_key_open(struct seal_key *seal, const struct secret_key *key) {
    memset(seal, 0, sizeof *seal);
    struct secret_key inner = kdf_key(key, STR("coffer seal aes-256-gcm"));
    const br_block_ctr_class *fast = br_aes_x86ni_ctr_get_vtable();
    const br_block_ctr_class *aes = fast != NULL ? fast : &br_aes_ct64_ctr_vtable;
    aes->init(aes_of(seal), inner.bytes, sizeof inner.bytes);
    seal->nonce_key = kdf_key(key, STR("coffer seal nonce"));
    br_ghash fast_ghash = br_ghash_pclmul_get();
    seal->ghash = fast_ghash != 0 ? fast_ghash : br_ghash_ctmul64;
    crypto_wipe(&inner, sizeof inner);
}

void seal_key_open_raw(struct seal_key *seal, const struct seal_key *like,
                       const uint8_t bytes[SEAL_RAW_KEY_BYTES]) {
    CHECK(like->ghash != NULL);
    memset(seal, 0, sizeof *seal);
    const br_block_ctr_class *aes = *aes_of(like);
    aes->init(aes_of(seal), bytes, SECRET_KEY_BYTES);
    memcpy(seal->nonce_key.bytes, bytes + SECRET_KEY_BYTES, SECRET_KEY_BYTES);
    seal->ghash = like->ghash;
}

void seal_key_close(struct seal_key *seal) {
    crypto_wipe(seal, sizeof *seal);
}

static void field_add(struct mac_stream *stream, struct str field) {
    uint8_t length[4] = {(uint8_t)(field.len >> 24), (uint8_t)(field.len >> 16),
                         (uint8_t)(field.len >> 8), (uint8_t)field.len};
    mac_stream_add(stream, str_from((const char *)length, sizeof length));
    mac_stream_add(stream, field);
}

static void nonce_make(const struct seal_key *seal, struct str purpose, struct str entropy,
                       struct str plaintext, uint8_t nonce[NONCE_BYTES]) {
    struct mac_stream stream;
    mac_stream_init(&stream, str_from((const char *)seal->nonce_key.bytes, SECRET_KEY_BYTES));
    field_add(&stream, purpose);
    field_add(&stream, entropy);
    field_add(&stream, plaintext);
    struct hash mac = mac_stream_finish(&stream);
    memcpy(nonce, mac.bytes, NONCE_BYTES);
}

/* Authenticated beside the ciphertext: the version and the purpose. */
static void gcm_begin(const struct seal_key *seal, br_gcm_context *gcm, struct str purpose,
                      const uint8_t nonce[NONCE_BYTES]) {
    static const uint8_t version = VERSION;
    br_gcm_init(gcm, aes_of(seal), seal->ghash);
    br_gcm_reset(gcm, nonce, NONCE_BYTES);
    br_gcm_aad_inject(gcm, &version, sizeof version);
    br_gcm_aad_inject(gcm, purpose.data, purpose.len);
    br_gcm_flip(gcm);
}

enum err seal_put(const struct seal_key *seal, struct str purpose, struct str entropy,
                  struct str plaintext, struct buf *out) {
    CHECK(seal->ghash != NULL);
    CHECK(entropy.len >= SEAL_ENTROPY_BYTES_MIN);
    if (plaintext.len > SEAL_PLAINTEXT_BYTES_MAX ||
        buf_room(out) < plaintext.len + SEAL_OVERHEAD_BYTES) {
        out->is_full = true;
        return ERR_FULL;
    }
    uint8_t nonce[NONCE_BYTES];
    uint8_t tag[TAG_BYTES];
    nonce_make(seal, purpose, entropy, plaintext, nonce);
    buf_put_byte(out, VERSION);
    buf_put(out, nonce, sizeof nonce);
    char *data = out->data + out->len;
    buf_put_str(out, plaintext);
    br_gcm_context gcm;
    gcm_begin(seal, &gcm, purpose, nonce);
    br_gcm_run(&gcm, 1, data, plaintext.len);
    br_gcm_get_tag(&gcm, tag);
    buf_put(out, tag, sizeof tag);
    crypto_wipe(&gcm, sizeof gcm);
    CHECK(!out->is_full);
    return ERR_OK;
}

enum err seal_open(const struct seal_key *seal, struct str purpose, struct str sealed,
                   struct buf *out) {
    CHECK(seal->ghash != NULL);
    if (sealed.len < SEAL_OVERHEAD_BYTES || sealed.data[0] != VERSION ||
        sealed.len - SEAL_OVERHEAD_BYTES > SEAL_PLAINTEXT_BYTES_MAX) {
        return ERR_CRYPTO;
    }
    uint32_t bytes = sealed.len - SEAL_OVERHEAD_BYTES;
    if (buf_room(out) < bytes) {
        out->is_full = true;
        return ERR_FULL;
    }
    const uint8_t *nonce = (const uint8_t *)sealed.data + 1;
    uint32_t len_before = out->len;
    char *data = out->data + out->len;
    buf_put(out, sealed.data + 1 + NONCE_BYTES, bytes);
    br_gcm_context gcm;
    gcm_begin(seal, &gcm, purpose, nonce);
    br_gcm_run(&gcm, 0, data, bytes);
    bool is_authentic = br_gcm_check_tag(&gcm, sealed.data + sealed.len - TAG_BYTES) == 1;
    crypto_wipe(&gcm, sizeof gcm);
    if (!is_authentic) {
        crypto_wipe(data, bytes); /* nobody may see what was not authenticated */
        out->len = len_before;
        return ERR_CRYPTO;
    }
    return ERR_OK;
}
