/*
 * struct str: a borrowed slice of bytes, not terminated. Who made it says how long it lives.
 * data == NULL means "no value" (JSON null, absent); an empty value has data != NULL and len 0.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/check.h"

struct str {
    const char *data;
    uint32_t len; /* bytes */
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE ((struct str){NULL, 0})
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).len, ((s).data ? (s).data : "")

struct str str_from(const char *data, size_t len);
struct str str_from_c(const char *text); /* text must end in NUL; NULL gives STR_NONE */

bool str_is_none(struct str s);
bool str_equal(struct str a, struct str b);
bool str_equal_nocase(struct str a, struct str b); /* ASCII case folding only */
int str_compare(struct str a, struct str b);       /* bytewise, then by length */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_has_byte(struct str s, char byte);
/* Index of the first `byte`, or s.len. */
uint32_t str_find_byte(struct str s, char byte);
/* Bytes from..to (exclusive), both clamped to the length. */
struct str str_slice(struct str s, uint32_t from, uint32_t to);
/* Without blanks and tabs (RFC 9110 OWS) at both ends. */
struct str str_trim(struct str s);
/* Splits at the first `byte`: returns what is before it and moves *rest behind it. When `byte` is
 * absent returns all and sets *rest to STR_NONE. */
struct str str_split(struct str *rest, char byte);
/* Decimal digits only: no sign, no blanks, no empty text. False on anything else or overflow. */
bool str_parse_u64(struct str s, uint64_t *value);
/* As above with an optional leading '-'. */
bool str_parse_i64(struct str s, int64_t *value);
/* Constant time in the contents (not the length); for secrets. */
bool str_equal_secret(struct str a, struct str b);

#endif
