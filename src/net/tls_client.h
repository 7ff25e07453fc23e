/*
 * The other end of TLS: a connection that we begin. Behind the ports of net/tls.h it is the same
 * machine; this is how it starts and what went wrong.
 *
 * TLS 1.2, ECDHE with AES-GCM or ChaCha20-Poly1305. The server's certificate must lead to the trust
 * store, be valid now, be for the name that was asked for, and be signed with SHA-2; RSA keys below
 * 2048 bits are refused.
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include "net/tls.h"

struct trust;

enum { TLS_CLIENT_CONTEXT_BYTES = 7680 /* see the assertion in tls_client.c */ };

/* As tls_start, but `context` has TLS_CLIENT_CONTEXT_BYTES. `server_name` is a host name, not an
 * address: certificates are checked by name. NULL with a sentence when there is no trust store. */
struct tls *tls_client_start(void *context, void *in, void *out, struct trust *trust,
                             struct str server_name, int64_t wall_us, const char **problem);
/* Instead of tls_handshake_finish: lets go of the trust store. */
void tls_client_handshake_finish(struct tls *tls);
/* Instead of tls_finish. */
void tls_client_finish(struct tls *tls);

/* Why the connection failed, as the end of a sentence about the server; NULL when it did not. */
const char *tls_client_problem(const struct tls *tls);

#endif
