/* See tls_support.h. */
#include "tls_support.h"

#include <string.h>

/* --- certificates ------------------------------------------------------------------------------
 */

bool tls_identity_make(struct tls_identity *identity, const uint8_t entropy[CERT_ENTROPY_BYTES]) {
    struct cert_request request = {.names = {STR("localhost")}, .name_count = 1};
    struct buf certificate = buf_over(identity->certificate, CERT_PEM_BYTES_MAX);
    struct buf key = buf_over(identity->key, CERT_PEM_BYTES_MAX);
    struct hash fingerprint;
    request.now_us = INT64_C(1800000000) * 1000000;
    if (cert_make(&request, entropy, &certificate, &key, &fingerprint) != ERR_OK) {
        return false;
    }
    identity->files.certificate_pem = buf_str(&certificate);
    identity->files.key_pem = buf_str(&key);
    return true;
}

/* --- a client that believes every certificate --------------------------------------------------
 */

static void trusting_chain(const br_x509_class **ctx, const char *name) {
    (void)name;
    struct tls_trusting *x = (struct tls_trusting *)(void *)ctx;
    br_x509_decoder_init(&x->decoder, NULL, NULL);
    x->is_leaf = true;
    x->leaf_sum = 0;
}

static void trusting_cert(const br_x509_class **ctx, uint32_t bytes) {
    (void)ctx;
    (void)bytes;
}

static void trusting_append(const br_x509_class **ctx, const unsigned char *data, size_t bytes) {
    struct tls_trusting *x = (struct tls_trusting *)(void *)ctx;
    if (x->is_leaf) {
        br_x509_decoder_push(&x->decoder, data, bytes);
        for (size_t index = 0; index < bytes; index++) {
            x->leaf_sum = x->leaf_sum * 31 + data[index];
        }
    }
}

static void trusting_cert_end(const br_x509_class **ctx) {
    ((struct tls_trusting *)(void *)ctx)->is_leaf = false;
}

static unsigned trusting_chain_end(const br_x509_class **ctx) {
    (void)ctx;
    return 0;
}

static const br_x509_pkey *trusting_key(const br_x509_class *const *ctx, unsigned *usages) {
    const struct tls_trusting *x = (const struct tls_trusting *)(const void *)ctx;
    if (usages != NULL) {
        *usages = BR_KEYTYPE_SIGN;
    }
    return br_x509_decoder_get_pkey((br_x509_decoder_context *)(uintptr_t)&x->decoder);
}

static const br_x509_class trusting_class = {
    sizeof(struct tls_trusting), trusting_chain,     trusting_cert, trusting_append,
    trusting_cert_end,           trusting_chain_end, trusting_key,
};

bool tls_client_start(struct tls_client *client, const struct tls_client_wishes *wishes) {
    memset(client, 0, sizeof *client);
    br_ssl_client_init_full(&client->ssl, &client->unused, NULL, 0);
    client->trusting.vtable = &trusting_class;
    br_ssl_engine_set_x509(&client->ssl.eng, &client->trusting.vtable);
    size_t bytes = wishes->buffer_bytes > 0 ? wishes->buffer_bytes : sizeof client->buffer;
    br_ssl_engine_set_buffer(&client->ssl.eng, client->buffer, bytes, 1);
    br_ssl_engine_set_protocol_names(&client->ssl.eng, wishes->protocols, wishes->protocol_count);
    br_ssl_engine_inject_entropy(&client->ssl.eng, wishes->entropy, sizeof wishes->entropy);
    if (wishes->session != NULL) {
        br_ssl_engine_set_session_parameters(&client->ssl.eng, wishes->session);
    }
    return br_ssl_client_reset(&client->ssl, "localhost", wishes->session != NULL) == 1;
}
