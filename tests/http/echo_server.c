/*
 * A small server over src/net with a fixed handler, to try clients against: curl, openssl, wrk,
 * sslscan. Not part of the product.
 *
 *     echo_server [CONNECTIONS_MAX [CERTIFICATE_PEM KEY_PEM]]
 *
 * listens on https://0.0.0.0:9443 and http://127.0.0.1:9080 and answers
 *
 *     GET  /            600 bytes of JSON
 *     GET  /big         1 MiB
 *     GET  /text        20 KB, compressible
 *     GET  /stream      chunked, 100 pieces
 *     GET  /later       answered one tick later
 *     GET  /stats       the server's counters
 *     POST /echo        the body
 *
 * SIGHUP loads the certificate again, SIGTERM drains.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cert.h"
#include "net/server.h"
#include "os/clock.h"
#include "os/log.h"

enum { BIG_BYTES = 1024 * 1024, TEXT_BYTES = 20000, FILE_BYTES_MAX = 65536 };

static struct server *server;
static struct loop *loop;
static char json[600];
static char big[BIG_BYTES];
static char text[TEXT_BYTES];
static struct http_exchange *later[1024];
static uint32_t later_count;
static struct server_tls_files files;
static char certificate[FILE_BYTES_MAX];
static char key[FILE_BYTES_MAX];

static enum err on_head(void *ctx, struct http_exchange *exchange, uint64_t *body_bytes_max) {
    (void)ctx;
    *body_bytes_max = 1024 * 1024;
    return exchange->head.method == HTTP_DELETE ? ERR_METHOD : ERR_OK;
}

static enum err stream(void *ctx, struct buf *out) {
    uint64_t *count = ctx;
    buf_printf(out, "piece %u\n", (unsigned)*count);
    *count += 1;
    return *count == 100 ? ERR_END : ERR_OK;
}

static void reply_stats(struct http_exchange *exchange, struct http_reply *reply) {
    struct server_stats s;
    server_stats_read(server, &s);
    char *out = arena_take(exchange->arena, 1024);
    struct buf buf = buf_over(out, 1024);
    buf_printf(&buf, "connections %u\naccepted %lu\nrefused %lu\nevicted %lu\ntimed_out %lu\n",
               s.connections, s.accepted, s.refused, s.evicted, s.timed_out);
    buf_printf(&buf, "malformed %lu\nrequests %lu\nfull %lu\nresumed %lu\nfailed %lu\nblocks %u\n",
               s.malformed, s.requests, s.handshakes_full, s.handshakes_resumed,
               s.handshakes_failed, s.arena_blocks_used);
    reply->body = buf_str(&buf);
}

static void on_request(void *ctx, struct http_exchange *exchange) {
    (void)ctx;
    struct str path = exchange->head.path;
    struct http_reply reply = {
        .status = 200,
        .content_type = STR("application/json"),
        .body = str_from(json, sizeof json),
    };
    if (str_equal(path, STR("/big"))) {
        reply.content_type = STR("application/octet-stream");
        reply.body = str_from(big, sizeof big);
    } else if (str_equal(path, STR("/text"))) {
        reply.content_type = STR("text/plain");
        reply.body = str_from(text, sizeof text);
        reply.is_compressible = true;
    } else if (str_equal(path, STR("/stream"))) {
        reply.body = STR_NONE;
        reply.content_type = STR("text/plain");
        reply.stream = stream;
        reply.stream_ctx = &exchange->context[0];
    } else if (str_equal(path, STR("/later")) && later_count < COUNT_OF(later)) {
        later[later_count++] = exchange;
        return;
    } else if (str_equal(path, STR("/stats"))) {
        reply.content_type = STR("text/plain");
        reply_stats(exchange, &reply);
    } else if (exchange->head.method == HTTP_POST) {
        reply.content_type = STR("application/octet-stream");
        reply.body = exchange->body;
    } else if (!str_equal(path, STR("/"))) {
        reply.status = 404;
    }
    server_reply(server, exchange, &reply);
}

static void on_refusal(void *ctx, struct http_exchange *exchange, enum err why,
                       struct http_reply *reply) {
    (void)ctx;
    (void)exchange;
    const struct err_row *row = err_row(why);
    reply->status = row->status;
    reply->content_type = STR("text/plain");
    reply->body = str_from_c(row->sentence);
}

static void on_done(void *ctx, const struct http_exchange *exchange, uint16_t status,
                    uint64_t bytes_out) {
    (void)ctx;
    (void)exchange;
    (void)status;
    (void)bytes_out;
}

static bool answer_later(void *ctx) {
    (void)ctx;
    while (later_count > 0) {
        struct http_reply reply = {
            .status = 200,
            .content_type = STR("text/plain"),
            .body = STR("later\n"),
        };
        server_reply(server, later[--later_count], &reply);
    }
    return false;
}

static struct str file_read(const char *path, char *into) {
    FILE *file = fopen(path, "r");
    size_t bytes = file == NULL ? 0 : fread(into, 1, FILE_BYTES_MAX, file);
    if (file != NULL) {
        fclose(file);
    }
    return str_from(into, bytes);
}

static void files_make(int argc, char **argv) {
    if (argc > 3) {
        files.certificate_pem = file_read(argv[2], certificate);
        files.key_pem = file_read(argv[3], key);
        return;
    }
    struct cert_request request = {.names = {STR("localhost")}, .name_count = 1};
    uint8_t entropy[CERT_ENTROPY_BYTES];
    struct hash fingerprint;
    struct buf certificate_out = buf_over(certificate, sizeof certificate);
    struct buf key_out = buf_over(key, sizeof key);
    request.now_us = clock_wall_us();
    random_bytes(entropy, sizeof entropy);
    if (cert_make(&request, entropy, &certificate_out, &key_out, &fingerprint) != ERR_OK) {
        exit(1);
    }
    files.certificate_pem = buf_str(&certificate_out);
    files.key_pem = buf_str(&key_out);
}

static void drained(void *ctx) {
    (void)ctx;
    loop_stop(loop, 0);
}

static void on_signal(void *ctx, int number) {
    const char *problem = "";
    (void)ctx;
    if (number == SIGHUP) {
        enum err err = server_tls_reload(server, &files, &problem);
        log_info("echo", "reload: %s %s", err_row(err)->name, problem);
        return;
    }
    server_drain(server, loop_now_us(loop) + 5000000, drained, NULL);
}

int main(int argc, char **argv) {
    uint32_t connections_max = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1024;
    memset(json, ' ', sizeof json);
    memcpy(json, "{\"success\":true", 15);
    memcpy(json + sizeof json - 2, "}\n", 2);
    memset(big, 'x', sizeof big);
    for (uint32_t index = 0; index < sizeof text; index++) {
        text[index] = (char)('a' + index * index % 23);
    }
    files_make(argc, argv);
    struct server_options options = {
        .listen = {STR("https://0.0.0.0:9443"), STR("http://localhost:9080")},
        .listen_count = 2,
        .connections_max = connections_max,
        .trusted_proxies = STR(""),
        .head_timeout_us = 10000000,
        .body_timeout_us = 30000000,
        .idle_timeout_us = 300000000,
        .write_timeout_us = 30000000,
        .tls_sessions_max = 20000,
        .arena_pool_bytes = REQUEST_POOL_BYTES,
        .tls = files,
    };
    struct server_handler handler = {on_head, on_request, on_refusal, on_done, NULL};
    const char *problem = "the loop";
    if (loop_open(&loop, connections_max + 32, connections_max + 32) != ERR_OK ||
        server_open(&server, loop, &options, handler, &problem) != ERR_OK) {
        fprintf(stderr, "%s\n", problem);
        return 1;
    }
    loop_hook_add(loop, (struct loop_hook){answer_later, NULL});
    loop_on_signal(loop, on_signal, NULL);
    log_info("echo", "ready on %u and %u", server_port(server, 0), server_port(server, 1));
    int code = loop_run(loop);
    server_close(server);
    return code;
}
