/* TLS as the client, by BearSSL; see tls_client.h. */
#include "net/tls_client.h"

#include <string.h>

#include "base/time.h"
#include "crypto/secret.h"
#include "net/tls_parts.h"
#include "net/trust.h"
#include "os/clock.h"

enum {
    ENTROPY_BYTES = 32,
    RSA_BYTES_MIN = 2048 / 8,
    SERVER_NAME_LEN_MAX = 253,
    DAYS_TO_1970 = 719528, /* BearSSL counts days from January 1st of the year 0 */
    /* Numbers of alerts (RFC 5246, 7.2) that say something to people. */
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_PROTOCOL_VERSION = 70,
};

struct tls_client {
    struct tls tls; /* first: the ports get a pointer to it */
    br_x509_minimal_context x509;
    struct trust *trust;
    struct trust_set *anchors; /* until the handshake is over */
};

_Static_assert(sizeof(struct tls_client) <= TLS_CLIENT_CONTEXT_BYTES, "it fits");

static const uint16_t suites[] = {
    BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
};

static void engine_init(br_ssl_engine_context *engine) {
    br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
    br_ssl_engine_set_suites(engine, suites, COUNT_OF(suites));
    br_ssl_engine_set_hash(engine, br_sha256_ID, &br_sha256_vtable);
    br_ssl_engine_set_hash(engine, br_sha384_ID, &br_sha384_vtable);
    br_ssl_engine_set_hash(engine, br_sha512_ID, &br_sha512_vtable);
    br_ssl_engine_set_prf_sha256(engine, &br_tls12_sha256_prf);
    br_ssl_engine_set_prf_sha384(engine, &br_tls12_sha384_prf);
    br_ssl_engine_set_ec(engine, br_ec_get_default());
    br_ssl_engine_set_ecdsa(engine, br_ecdsa_vrfy_asn1_get_default());
    br_ssl_engine_set_rsavrfy(engine, br_rsa_pkcs1_vrfy_get_default());
    br_ssl_engine_set_default_aes_gcm(engine);
    br_ssl_engine_set_default_chapol(engine);
    br_ssl_engine_add_flags(engine, BR_OPT_NO_RENEGOTIATION);
}

static void x509_init(br_x509_minimal_context *x509, const struct trust_set *anchors,
                      int64_t wall_us) {
    int64_t days = wall_us / TIME_US_PER_DAY;
    int64_t seconds = wall_us % TIME_US_PER_DAY / TIME_US_PER_S;
    CHECK(wall_us >= 0);
    br_x509_minimal_init(x509, &br_sha256_vtable, anchors->anchors, anchors->count);
    br_x509_minimal_set_rsa(x509, br_rsa_pkcs1_vrfy_get_default());
    br_x509_minimal_set_ecdsa(x509, br_ec_get_default(), br_ecdsa_vrfy_asn1_get_default());
    br_x509_minimal_set_hash(x509, br_sha256_ID, &br_sha256_vtable);
    br_x509_minimal_set_hash(x509, br_sha384_ID, &br_sha384_vtable);
    br_x509_minimal_set_hash(x509, br_sha512_ID, &br_sha512_vtable);
    br_x509_minimal_set_minrsa(x509, RSA_BYTES_MIN);
    br_x509_minimal_set_time(x509, (uint32_t)(days + DAYS_TO_1970), (uint32_t)seconds);
}

struct tls *tls_client_start(void *context, void *in, void *out, struct trust *trust,
                             struct str server_name, int64_t wall_us, const char **problem) {
    struct tls_client *client = context;
    char name[SERVER_NAME_LEN_MAX + 1];
    uint8_t entropy[ENTROPY_BYTES];
    CHECK((uintptr_t)context % _Alignof(struct tls_client) == 0);
    CHECK(server_name.len > 0);
    CHECK(server_name.len < sizeof name);
    memset(client, 0, sizeof *client);
    client->trust = trust;
    client->anchors = trust_take(trust, problem);
    if (client->anchors == NULL) {
        return NULL;
    }
    br_ssl_client_context *ssl = &client->tls.ssl.client;
    br_ssl_client_zero(ssl);
    engine_init(&ssl->eng);
    x509_init(&client->x509, client->anchors, wall_us);
    br_ssl_engine_set_x509(&ssl->eng, &client->x509.vtable);
    random_bytes(entropy, sizeof entropy);
    br_ssl_engine_inject_entropy(&ssl->eng, entropy, sizeof entropy);
    crypto_wipe(entropy, sizeof entropy);
    memcpy(name, server_name.data, server_name.len);
    name[server_name.len] = '\0';
    br_ssl_engine_set_buffers_bidi(&ssl->eng, in, TLS_IN_BYTES, out, TLS_OUT_BYTES);
    int is_ready = br_ssl_client_reset(ssl, name, 0);
    CHECK(is_ready == 1);
    return &client->tls;
}

void tls_client_handshake_finish(struct tls *tls) {
    struct tls_client *client = (struct tls_client *)(void *)tls;
    CHECK(client->anchors != NULL);
    trust_put(client->trust, client->anchors);
    client->anchors = NULL;
}

void tls_client_finish(struct tls *tls) {
    struct tls_client *client = (struct tls_client *)(void *)tls;
    if (client->anchors != NULL) {
        tls_client_handshake_finish(tls);
    }
    crypto_wipe(client, sizeof *client);
}

const char *tls_client_problem(const struct tls *tls) {
    int error = br_ssl_engine_last_error(&tls->ssl.eng);
    switch (error) {
    case BR_ERR_OK:
        return NULL;
    case BR_ERR_X509_EXPIRED:
        return "its certificate has expired or is not valid yet (or the clock here is wrong)";
    case BR_ERR_X509_BAD_SERVER_NAME:
        return "its certificate is for another name";
    case BR_ERR_X509_NOT_TRUSTED:
        return "its certificate is signed by nobody in the trust store; to trust it, name a PEM "
               "file with its authority in net.trust-store";
    case BR_ERR_X509_WEAK_PUBLIC_KEY:
        return "its certificate has a weak key (RSA below 2048 bits)";
    case BR_ERR_X509_BAD_SIGNATURE:
        return "a signature in its certificate chain is wrong";
    case BR_ERR_X509_UNSUPPORTED:
        return "its certificate uses an algorithm that is not supported (SHA-1, Ed25519)";
    case BR_ERR_RECV_FATAL_ALERT + ALERT_PROTOCOL_VERSION:
        return "it does not speak TLS 1.2";
    case BR_ERR_RECV_FATAL_ALERT + ALERT_HANDSHAKE_FAILURE:
        return "it has no cipher in common with us";
    case BR_ERR_UNSUPPORTED_VERSION:
    case BR_ERR_BAD_VERSION:
        return "what it sends is not TLS 1.2; does it want STARTTLS, or another port?";
    default:
        return error >= BR_ERR_X509_OK && error <= BR_ERR_X509_NOT_TRUSTED
                   ? "its certificate chain cannot be used"
                   : "TLS failed";
    }
}
