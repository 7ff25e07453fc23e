/*
 * Headers of update bundles: whatever comes, a header that is accepted lies in the text, its parts
 * add up to the image, and no part of it fits but with its own bytes. None is signed by a key that
 * signed nothing.
 */
#include <string.h>

#include "crypto/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void accepted_check(struct str text, const struct bundle *bundle) {
    uint64_t sum = 0;
    CHECK(bundle->header_bytes <= text.len);
    CHECK(bundle->header_bytes <= BUNDLE_HEADER_BYTES_MAX);
    CHECK(bundle->hashes.data >= text.data);
    CHECK(bundle->hashes.data + bundle->hashes.len <= text.data + bundle->header_bytes);
    CHECK(bundle->hashes.len == bundle->part_count * HASH_BYTES);
    for (uint32_t index = 0; index < bundle->part_count; index++) {
        sum += bundle_part_bytes(bundle, index);
        CHECK(!bundle_part_fits(bundle, index, text));
    }
    CHECK(sum == bundle->image_bytes);
    CHECK(!bundle_part_fits(bundle, bundle->part_count, text));
}

static void version_check(struct str text) {
    uint64_t version = 0;
    char memory[BUNDLE_VERSION_LEN_MAX];
    struct buf out = buf_over(memory, sizeof memory);
    if (bundle_version_parse(text, &version)) {
        uint64_t again = 0;
        bundle_version_format(version, &out);
        CHECK(!out.is_full);
        CHECK(bundle_version_parse(buf_str(&out), &again));
        CHECK(again == version);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const uint8_t no_point[BUNDLE_KEY_BYTES] = {4};
    struct str text = str_from((const char *)data, bytes);
    struct bundle bundle;
    if (bundle_parse(text, &bundle) == ERR_OK) {
        accepted_check(text, &bundle);
        CHECK(bundle_verify(text, no_point) == ERR_CRYPTO);
    }
    version_check(str_slice(text, 0, BUNDLE_VERSION_LEN_MAX));
    return 0;
}
