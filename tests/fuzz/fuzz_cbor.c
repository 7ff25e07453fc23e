/*
 * CBOR: whatever comes, heads are taken off the front one after the other until the end or the
 * first that is no good; strings lie inside the input; a value that is skipped is as long as the
 * heads inside it.
 */
#include "crypto/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void heads_walk(struct str rest) {
    const char *end = rest.data + rest.len;
    struct cbor_item item;
    uint32_t left = rest.len;
    while (cbor_next(&rest, &item)) {
        CHECK(rest.len < left); /* it ends */
        CHECK(rest.data + rest.len == end);
        CHECK(str_is_none(item.text) || item.text.data + item.text.len == rest.data);
        left = rest.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct str text = str_from((const char *)data, bytes);
    struct str rest = text;
    struct str value;
    int64_t number;
    heads_walk(text);
    if (cbor_skip(&rest, &value)) {
        struct str again = value;
        CHECK(value.data == text.data);
        CHECK(value.len + rest.len == text.len);
        CHECK(cbor_skip(&again, NULL)); /* it is whole by itself */
        CHECK(again.len == 0);
    }
    rest = text;
    (void)cbor_next_int(&rest, &number);
    return 0;
}
