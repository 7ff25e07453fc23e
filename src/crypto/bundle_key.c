/*
 * The public key of update bundles. `make UPDATE_KEY=FILE.pem` fixes it: the Makefile turns the
 * file into COFFER_UPDATE_KEY, the point as 130 hex digits. Test builds take bundles of the tests'
 * key, whose private half anybody can read.
 */
#include "crypto/bundle.h"

#include "base/decode.h"

#ifndef COFFER_UPDATE_KEY
#ifdef COFFER_TEST_BUILD
/* tests/keys/update.pem */
#define COFFER_UPDATE_KEY                                                                          \
    "04c7feaad33730237217fe7c916d697371d036a39128e3adb698114b080a28b195"                           \
    "a50c1b6944eec6bd95acab079f4efd9b383e103f8a6dcff391dfe92594f20b64"
#else
#define COFFER_UPDATE_KEY ""
#endif
#endif

const uint8_t *bundle_key(void) {
    static uint8_t point[BUNDLE_KEY_BYTES];
    struct buf out = buf_over(point, sizeof point);
    bool is_key = decode_hex(STR(COFFER_UPDATE_KEY), &out) && out.len == sizeof point;
    return is_key ? point : NULL;
}
