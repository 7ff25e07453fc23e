/*
 * Reading CBOR (RFC 8949), the part that authenticators write (CTAP 2.1, 8): whole numbers, byte
 * and text strings, arrays, maps, false, true, null. Strict: definite lengths only, each number in
 * its shortest form, text is UTF-8; floats, tags and other simple values are refused.
 *
 * Own code, because the one C library in the archive (libcbor) builds trees on the heap, which we
 * do not have, and its streaming half leaves all of the above to the caller.
 *
 * A reader takes one head after the other off a slice: no memory, no recursion; each step takes at
 * least one byte, so that every loop over them ends.
 */
#ifndef CRYPTO_CBOR_H
#define CRYPTO_CBOR_H

#include "base/str.h"

/* Items inside one that is skipped: an attestation statement has about ten, one of a TPM with its
 * certificates twenty. */
enum { CBOR_SKIP_ITEMS_MAX = 256 };

enum cbor_kind { CBOR_UINT, CBOR_NINT, CBOR_BYTES, CBOR_TEXT, CBOR_ARRAY, CBOR_MAP, CBOR_SIMPLE };

struct cbor_item {
    enum cbor_kind kind;
    uint64_t value;  /* UINT: it; NINT: n for -1-n; ARRAY: elements, MAP: pairs that follow;
                      * BYTES, TEXT: length; SIMPLE: 20 false, 21 true, 22 null */
    struct str text; /* BYTES, TEXT: a slice of the input; else STR_NONE */
};

/* Takes the next head, with the contents of a string. False: damaged, cut off or not of the part
 * above; *rest is then void. */
bool cbor_next(struct str *rest, struct cbor_item *item);
/* Takes one whole value, whatever is inside; *value (may be NULL) is its encoding. */
bool cbor_skip(struct str *rest, struct str *value);

/* The next item, when it is of that kind. */
bool cbor_next_kind(struct str *rest, enum cbor_kind kind, struct cbor_item *item);
/* The next item as a whole number of 64 bits, signed; false when it is none. */
bool cbor_next_int(struct str *rest, int64_t *value);

#endif
