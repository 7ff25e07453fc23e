/* Any bytes as the head of a reply; what must hold is in support/http_head_support.h. */
#include "support/http_head_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    (void)http_head_look(true, data, bytes);
    return 0;
}
