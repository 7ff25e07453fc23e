/*
 * The trust store: whose certificates the server believes when it calls out. A PEM bundle of
 * authorities, as distributions have it, or one's own; a server's self-signed certificate in it
 * counts too. Read when it is first needed, and again on demand: connections in their handshake
 * keep the set with which they began.
 */
#ifndef NET_TRUST_H
#define NET_TRUST_H

#include <bearssl.h>

#include "base/err.h"

enum {
    /* Three times what distributions ship (140 to 150). */
    TRUST_ANCHORS_MAX = 512,
    /* Names and keys of that many: about 100 and 270 to 530 bytes each. */
    TRUST_BYTES_MAX = 512 * 1024,
};

struct trust;

/* One per process. `path` is kept, not read yet; empty = the first of the usual places that is
 * there. ERR_NOT_FOUND: there is none. *problem is a sentence in static memory. */
enum err trust_open(struct trust **trust, struct str path, const char **problem);
void trust_close(struct trust *trust);

/* Which file it is; for the sandbox and for people. */
const char *trust_path(const struct trust *trust);

/* Reads the file. On failure what was there stays. ERR_UNAVAILABLE: handshakes with the set before
 * the last are still running, try again in some seconds. */
enum err trust_load(struct trust *trust, const char **problem);

/* ---- for tls_client.c and tests ---- */

struct trust_set {
    uint32_t users; /* running handshakes */
    uint32_t count;
    uint32_t left_out_count; /* certificates with keys that we cannot use */
    uint32_t len;            /* of `bytes` */
    br_x509_trust_anchor anchors[TRUST_ANCHORS_MAX];
    uint8_t bytes[TRUST_BYTES_MAX];
};

/* A bundle into a zeroed set: ERR_FORMAT (no PEM, or no certificate that can be used), ERR_FULL. */
enum err trust_set_parse(struct trust_set *set, struct str text, const char **problem);

/* The current set, loaded if it was not; NULL with a sentence when it cannot be. Give it back. */
struct trust_set *trust_take(struct trust *trust, const char **problem);
void trust_put(struct trust *trust, struct trust_set *set);

#endif
