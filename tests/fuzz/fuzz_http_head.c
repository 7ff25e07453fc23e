/* Any bytes as the head of a request; what must hold is in support/http_head_support.h. What it
 * says of codings and cookies is read, too. */
#include "support/http_head_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const struct http_head *head = http_head_look(false, data, bytes);
    if (head != NULL) {
        (void)http_accepts(http_header(head, STR("Accept-Encoding")), STR("gzip"));
        (void)http_cookie(http_header(head, STR("Cookie")), STR("session"));
    }
    return 0;
}
