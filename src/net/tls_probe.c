/* TLS client for the loopback, see tls_probe.h. */
#include "net/tls_probe.h"

#include <bearssl.h>

#include <string.h>

/* ---- certificates: only the first one's key is of interest ---- */

struct any_certificate {
    const br_x509_class *vtable; /* first: BearSSL hands us a pointer to it */
    br_x509_decoder_context decoder;
    bool is_first;
    bool is_started;
};

/* BearSSL's callbacks get the address of the vtable field, which is that of the whole. */
static struct any_certificate *certificate_of(const br_x509_class **ctx) {
    return (struct any_certificate *)(uintptr_t)ctx;
}

static void chain_start(const br_x509_class **ctx, const char *server_name) {
    struct any_certificate *any = certificate_of(ctx);
    (void)server_name;
    any->is_first = true;
    any->is_started = false;
}

static void certificate_start(const br_x509_class **ctx, uint32_t bytes) {
    struct any_certificate *any = certificate_of(ctx);
    (void)bytes;
    if (any->is_first) {
        br_x509_decoder_init(&any->decoder, NULL, NULL);
        any->is_started = true;
    }
}

static void certificate_append(const br_x509_class **ctx, const unsigned char *data, size_t bytes) {
    struct any_certificate *any = certificate_of(ctx);
    if (any->is_first) {
        br_x509_decoder_push(&any->decoder, data, bytes);
    }
}

static void certificate_end(const br_x509_class **ctx) {
    certificate_of(ctx)->is_first = false;
}

static unsigned chain_end(const br_x509_class **ctx) {
    struct any_certificate *any = certificate_of(ctx);
    return any->is_started ? (unsigned)br_x509_decoder_last_error(&any->decoder)
                           : (unsigned)BR_ERR_X509_EMPTY_CHAIN;
}

static const br_x509_pkey *chain_key(const br_x509_class *const *ctx, unsigned *usages) {
    const struct any_certificate *any = (const struct any_certificate *)(uintptr_t)ctx;
    if (usages != NULL) {
        *usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
    }
    return br_x509_decoder_get_pkey((br_x509_decoder_context *)(uintptr_t)&any->decoder);
}

static const br_x509_class any_class = {
    .context_size = sizeof(struct any_certificate),
    .start_chain = chain_start,
    .start_cert = certificate_start,
    .append = certificate_append,
    .end_cert = certificate_end,
    .end_chain = chain_end,
    .get_pkey = chain_key,
};

/* ---- the session ---- */

static struct {
    br_ssl_client_context client;
    struct any_certificate certificate;
    br_sslio_context io;
    unsigned char memory[BR_SSL_BUFSIZE_BIDI];
} probe;

static const uint16_t suites[] = {BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                  BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                  BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                  BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256};

static bool client_init(const uint8_t *entropy) {
    br_ssl_engine_context *engine = &probe.client.eng;
    br_ssl_client_zero(&probe.client);
    br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
    br_ssl_engine_set_suites(engine, suites, COUNT_OF(suites));
    br_ssl_engine_set_hash(engine, br_sha256_ID, &br_sha256_vtable);
    br_ssl_engine_set_hash(engine, br_sha384_ID, &br_sha384_vtable);
    br_ssl_engine_set_prf_sha256(engine, &br_tls12_sha256_prf);
    br_ssl_engine_set_ec(engine, br_ec_get_default());
    br_ssl_engine_set_ecdsa(engine, br_ecdsa_vrfy_asn1_get_default());
    br_ssl_engine_set_rsavrfy(engine, br_rsa_pkcs1_vrfy_get_default());
    br_ssl_engine_set_default_aes_gcm(engine);
    br_ssl_engine_set_default_chapol(engine);
    probe.certificate.vtable = &any_class;
    br_ssl_engine_set_x509(engine, &probe.certificate.vtable);
    br_ssl_engine_set_buffer(engine, probe.memory, sizeof probe.memory, 1);
    br_ssl_engine_inject_entropy(engine, entropy, TLS_PROBE_ENTROPY_BYTES);
    return br_ssl_client_reset(&probe.client, NULL, 0) == 1;
}

enum err tls_probe_ask(const struct tls_probe_io *io,
                       const uint8_t entropy[TLS_PROBE_ENTROPY_BYTES], struct str request,
                       struct buf *reply) {
    if (!client_init(entropy)) {
        return ERR_CRYPTO;
    }
    br_sslio_init(&probe.io, &probe.client.eng, io->read, io->ctx, io->write, io->ctx);
    if (br_sslio_write_all(&probe.io, request.data, request.len) != 0 ||
        br_sslio_flush(&probe.io) != 0) {
        return ERR_CRYPTO;
    }
    while (buf_room(reply) > 0) {
        unsigned char part[1024];
        size_t wanted = buf_room(reply) < sizeof part ? buf_room(reply) : sizeof part;
        int got = br_sslio_read(&probe.io, part, wanted);
        if (got <= 0) {
            break;
        }
        buf_put(reply, part, (size_t)got);
    }
    return reply->len > 0 ? ERR_OK : ERR_IO;
}
