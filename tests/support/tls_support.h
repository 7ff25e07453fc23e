/*
 * For tests of TLS: a certificate, and a client that believes every certificate.
 */
#ifndef TLS_SUPPORT_H
#define TLS_SUPPORT_H

#include <bearssl.h>

#include "crypto/cert.h"
#include "net/tls.h"

struct tls_identity {
    char certificate[CERT_PEM_BYTES_MAX];
    char key[CERT_PEM_BYTES_MAX];
    struct server_tls_files files;
};
bool tls_identity_make(struct tls_identity *identity, const uint8_t entropy[CERT_ENTROPY_BYTES]);

struct tls_trusting {
    const br_x509_class *vtable;
    br_x509_decoder_context decoder;
    bool is_leaf;
    uint32_t leaf_sum; /* tells certificates apart */
};

struct tls_client {
    br_ssl_client_context ssl;
    br_x509_minimal_context unused;
    struct tls_trusting trusting;
    uint8_t buffer[BR_SSL_BUFSIZE_BIDI];
};

struct tls_client_wishes {
    const char **protocols;
    size_t protocol_count;
    const br_ssl_session_parameters *session; /* NULL = a full handshake */
    size_t buffer_bytes; /* 0 = the largest; a small one asks the server for small records */
    uint8_t entropy[32];
};
bool tls_client_start(struct tls_client *client, const struct tls_client_wishes *wishes);

#endif
