/* Reading CBOR, see cbor.h. Sections are those of RFC 8949. */
#include "crypto/cbor.h"

#include "base/decode.h"

enum { MAJOR_FLOAT_SIMPLE = 7, SIMPLE_FALSE = 20, SIMPLE_NULL = 22 };

static struct str take(struct str *rest, uint32_t bytes) {
    struct str taken = str_slice(*rest, 0, bytes);
    *rest = str_slice(*rest, bytes, rest->len);
    return taken;
}

/* The argument of a head (3). The shortest form is the only one (4.2.1). */
static bool argument_take(struct str *rest, uint8_t info, uint64_t *value) {
    static const uint64_t least[] = {24, UINT64_C(1) << 8, UINT64_C(1) << 16, UINT64_C(1) << 32};
    if (info < 24) {
        *value = info;
        return true;
    }
    if (info > 27) {
        return false; /* reserved, or an indefinite length */
    }
    uint32_t bytes = UINT32_C(1) << (info - 24);
    if (rest->len < bytes) {
        return false;
    }
    struct str digits = take(rest, bytes);
    *value = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        *value = *value << 8 | (uint8_t)digits.data[i];
    }
    return *value >= least[info - 24];
}

bool cbor_next(struct str *rest, struct cbor_item *item) {
    if (rest->len == 0) {
        return false;
    }
    uint8_t head = (uint8_t)take(rest, 1).data[0];
    uint8_t major = head >> 5;
    uint8_t info = head & 31;
    item->text = STR_NONE;
    if (major == MAJOR_FLOAT_SIMPLE) {
        item->kind = CBOR_SIMPLE;
        item->value = info;
        return info >= SIMPLE_FALSE && info <= SIMPLE_NULL;
    }
    if (major > CBOR_MAP || !argument_take(rest, info, &item->value)) {
        return false; /* major type 6: tags */
    }
    item->kind = (enum cbor_kind)major;
    if (item->kind < CBOR_BYTES) {
        return true;
    }
    /* An element has a byte, a pair two: what cannot be there is refused before anyone counts. */
    if (item->value > rest->len || (item->kind == CBOR_MAP && item->value > rest->len / 2)) {
        return false;
    }
    if (item->kind == CBOR_BYTES || item->kind == CBOR_TEXT) {
        item->text = take(rest, (uint32_t)item->value);
    }
    return item->kind != CBOR_TEXT || utf8_is_valid(item->text);
}

static uint64_t children(const struct cbor_item *item) {
    if (item->kind == CBOR_ARRAY) {
        return item->value;
    }
    return item->kind == CBOR_MAP ? 2 * item->value : 0;
}

/* How deep the items lie does not matter: how many are still to come does. */
bool cbor_skip(struct str *rest, struct str *value) {
    struct str from = *rest;
    uint64_t pending = 1;
    for (uint32_t count = 0; pending > 0; count++) {
        struct cbor_item item;
        if (count == CBOR_SKIP_ITEMS_MAX || !cbor_next(rest, &item)) {
            return false;
        }
        pending += children(&item) - 1;
    }
    if (value != NULL) {
        *value = str_slice(from, 0, from.len - rest->len);
    }
    return true;
}

bool cbor_next_kind(struct str *rest, enum cbor_kind kind, struct cbor_item *item) {
    return cbor_next(rest, item) && item->kind == kind;
}

bool cbor_next_int(struct str *rest, int64_t *value) {
    struct cbor_item item;
    if (!cbor_next(rest, &item) || item.kind > CBOR_NINT || item.value > INT64_MAX) {
        return false;
    }
    *value = item.kind == CBOR_UINT ? (int64_t)item.value : -1 - (int64_t)item.value;
    return true;
}
