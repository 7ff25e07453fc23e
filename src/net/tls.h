/*
 * One TLS server connection as a pure machine with four byte ports: records in, records out, plain
 * text in, plain text out. No I/O, no callbacks, no allocation: the memory is the caller's. Each
 * port gives a place and its length; the caller reads or fills it, then acknowledges. Another
 * engine (TLS 1.3) can take this one's place behind the same ports.
 *
 * What it speaks: TLS 1.2, ECDHE (X25519, P-256, P-384, P-521) with AES-GCM and ChaCha20-Poly1305,
 * ECDSA or RSA certificates, session resumption by session id, ALPN http/1.1. No renegotiation.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/err.h"
#include "net/server.h"

enum {
    TLS_CONTEXT_BYTES = 4288,   /* struct tls, see the assertion in tls.c */
    TLS_IN_BYTES = 16384 + 325, /* the largest record, as BearSSL counts it */
    TLS_OUT_BYTES = 16384 + 85, /* our largest record: 16 KiB of plain text */
    /* A resumed session saves the client a round trip and us the curves; half a day of that is
     * enough, and then the secrets are gone from memory. */
    TLS_SESSION_LIFETIME_S = 12 * 3600,
};

/* Certificate, key and session cache, shared by the connections of a server. */
struct tls_config;
enum err tls_config_open(struct tls_config **config, const struct server_tls_files *files,
                         uint32_t sessions_max, const char **problem);
/* New handshakes use the new files; running ones keep the old. ERR_UNAVAILABLE when handshakes with
 * a certificate before the last one are still running: try again in some seconds. The sessions are
 * forgotten. */
enum err tls_config_reload(struct tls_config *config, const struct server_tls_files *files,
                           const char **problem);
void tls_config_close(struct tls_config *config);

struct tls;

/* `context` has TLS_CONTEXT_BYTES (aligned to 16), `in` TLS_IN_BYTES, `out` TLS_OUT_BYTES; all
 * three stay in place until tls_finish. Between records (tls_is_quiet) the contents of `in` and
 * `out` do not matter and may be thrown away. */
struct tls *tls_start(void *context, void *in, void *out, struct tls_config *config,
                      int64_t now_us);
/* Once, when tls_is_open first says so: lets go of the certificate (there is no renegotiation). */
void tls_handshake_finish(struct tls *tls);
/* Wipes the secrets. */
void tls_finish(struct tls *tls);

/* NULL and 0 when the port is shut at the moment. */
uint8_t *tls_record_in(const struct tls *tls, uint32_t *room);
void tls_record_in_ack(struct tls *tls, uint32_t bytes);
const uint8_t *tls_record_out(const struct tls *tls, uint32_t *bytes);
void tls_record_out_ack(struct tls *tls, uint32_t bytes);
const uint8_t *tls_plain_in(const struct tls *tls, uint32_t *bytes);
void tls_plain_in_ack(struct tls *tls, uint32_t bytes);
uint8_t *tls_plain_out(const struct tls *tls, uint32_t *room);
void tls_plain_out_ack(struct tls *tls, uint32_t bytes);
/* What was put into the plain out port becomes a record. */
void tls_plain_flush(struct tls *tls);

/* Our close_notify: get it from tls_record_out. */
void tls_close(struct tls *tls);

bool tls_is_open(const struct tls *tls); /* the handshake is done and nobody closes */
/* Over, by close_notify or failure, and the peer was told (the alert went through the record out
 * port): no port opens any more. */
bool tls_is_closed(const struct tls *tls);
bool tls_is_resumed(const struct tls *tls); /* after the handshake: an abbreviated one */
bool tls_is_quiet(const struct tls *tls);   /* open, and no partial record in either buffer */

#endif
