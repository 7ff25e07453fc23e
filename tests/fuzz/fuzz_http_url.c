/*
 * Any bytes as a URL, and as a redirect's Location seen from some. What must hold: what is accepted
 * cannot change a request (no blank, no line end, no control byte in target or Host), means the
 * same when it is written down and read again, and a redirect by a path never leaves its origin.
 */
#include "net/http_bytes.h"
#include "net/http_url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char target_memory[HTTP_URL_BYTES_MAX + 2];
static char host_memory[HTTP_URL_BYTES_MAX + 16];
static char whole_memory[2 * HTTP_URL_BYTES_MAX];

static void url_check(const struct http_url *url) {
    struct buf target = buf_over(target_memory, sizeof target_memory);
    struct buf host = buf_over(host_memory, sizeof host_memory);
    struct buf whole = buf_over(whole_memory, sizeof whole_memory);
    struct http_url again;
    http_url_put_target(url, &target);
    http_url_put_host(url, &host);
    CHECK(!target.is_full);
    CHECK(!host.is_full);
    CHECK(target_memory[0] == '/');
    CHECK(url->port > 0);
    CHECK(http_bytes_are(buf_str(&target), HTTP_BYTE_TARGET));
    CHECK(http_bytes_are(buf_str(&host), HTTP_BYTE_TARGET));
    CHECK(!str_has_byte(buf_str(&host), '@'));
    buf_put_c(&whole, url->is_tls ? "https://" : "http://");
    buf_put_str(&whole, buf_str(&host));
    buf_put_str(&whole, buf_str(&target));
    if (whole.len <= HTTP_URL_BYTES_MAX) {
        CHECK(http_url_parse(buf_str(&whole), &again));
        CHECK(http_url_is_same_origin(url, &again));
        CHECK(again.path.len + again.query.len == target.len);
    }
}

static void redirect_check(struct str reference) {
    static char memory[HTTP_URL_BYTES_MAX];
    static const char *const bases[] = {"https://a.example:444/b/c?d", "http://[::1]"};
    for (uint32_t index = 0; index < COUNT_OF(bases); index++) {
        struct buf out = buf_over(memory, sizeof memory);
        struct http_url base;
        struct http_url url;
        CHECK(http_url_parse(str_from_c(bases[index]), &base));
        if (http_url_resolve(&base, reference, &out) && http_url_parse(buf_str(&out), &url)) {
            url_check(&url);
            bool is_path = str_starts(reference, STR("/")) && !str_starts(reference, STR("//"));
            CHECK(!is_path || http_url_is_same_origin(&base, &url));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char *copy = malloc(bytes == 0 ? 1 : bytes);
    struct http_url url;
    CHECK(copy != NULL);
    memcpy(copy, data, bytes);
    if (http_url_parse(str_from(copy, bytes), &url)) {
        url_check(&url);
    }
    redirect_check(str_from(copy, bytes));
    free(copy);
    return 0;
}
