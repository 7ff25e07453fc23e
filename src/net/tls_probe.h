/*
 * A small TLS 1.2 client for asking the server on this very machine how it is. It takes any
 * certificate: over the loopback there is nobody in between, and a server whose certificate has
 * expired is still alive. Not for anything that leaves the machine.
 */
#ifndef NET_TLS_PROBE_H
#define NET_TLS_PROBE_H

#include "base/buf.h"
#include "base/err.h"

enum { TLS_PROBE_ENTROPY_BYTES = 32 };

struct tls_probe_io {
    /* Bytes moved (at least 1), or -1 at the end, on failure, and when time is over. */
    int (*read)(void *ctx, unsigned char *data, size_t bytes);
    int (*write)(void *ctx, const unsigned char *data, size_t bytes);
    void *ctx;
};

/* Sends the request and reads until the peer closes or `reply` (of reply->cap bytes) is full.
 * ERR_CRYPTO: no TLS session; ERR_IO: it broke off before anything came. One at a time: its memory
 * is static. */
enum err tls_probe_ask(const struct tls_probe_io *io,
                       const uint8_t entropy[TLS_PROBE_ENTROPY_BYTES], struct str request,
                       struct buf *reply);

#endif
