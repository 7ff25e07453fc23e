/*
 * What a TLS connection consists of, for the two that begin one: tls.c as the server, tls_client.c
 * as the client. From then on both are the same engine behind the same ports.
 */
#ifndef NET_TLS_PARTS_H
#define NET_TLS_PARTS_H

#include <bearssl.h>

#include "net/tls.h"

struct generation;

struct tls {
    /* First: the session cache gets a pointer to it. Both contexts begin with the engine. */
    union {
        br_ssl_engine_context eng;
        br_ssl_server_context server;
        br_ssl_client_context client;
    } ssl;
    struct generation *generation; /* of a server, until tls_handshake_finish */
    bool is_resumed;
};

#endif
