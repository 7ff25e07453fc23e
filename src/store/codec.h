/*
 * Records as bytes.
 *
 *   byte 0      CODEC_FORMAT
 *   bytes 1-2   the table's schema version, big-endian
 *   bytes 3-6   CRC-32 over table id, key, bytes 0-2 and the fields
 *   then        the fields: varint(tag * 2 + is_null), and if not null varint(length), value
 *
 * Values: BOOL one byte; INT, TIME, ENUM zigzag, little-endian, as few bytes as needed; ID 16
 * bytes; TEXT, BYTES, JSON their bytes; OBJECT its fields; LIST varint(length), value per element.
 * Absent fields are not written. A FIELD_SECRET's value is sealed for its table, key and tag.
 *
 * Decoding trusts nothing: a damaged record is ERR_CORRUPT, as is a tag that the schema does not
 * know or a record of a newer schema (an older program must not drop what it does not know).
 */
#ifndef STORE_CODEC_H
#define STORE_CODEC_H

#include "crypto/seal.h"
#include "store/store.h"

enum {
    CODEC_FORMAT = 1,
    CODEC_HEADER_BYTES = 7,
    CODEC_DEPTH_MAX = 4, /* objects and lists inside a record; schemas are checked at open */
};

/* A record's top-level values, still encoded, by field index. Borrowed from the record's bytes. */
struct codec_parts {
    struct str values[SCHEMA_FIELDS_MAX];
    uint64_t present;
    uint64_t null;
};

/* Which record it is. */
struct codec_place {
    const struct table *table;
    struct str key;
};

/* A number in groups of seven bits, low ones first, each but the last with bit 7 set. */
void codec_varint_put(struct buf *out, uint64_t value);
/* Takes a varint off the front. False at the end of the text, above 35 bits, or for a spelling that
 * codec_varint_put would not use. */
bool codec_varint_take(struct str *rest, uint64_t *value);

/* True when the schema can be stored: tags, depth, secrets only at the top. */
bool codec_schema_is_storable(const struct schema *schema, const char **problem);

/* Appends the record. `old` (or NULL) holds the parts of the record it replaces: an unchanged
 * secret keeps its sealed bytes. `out` is full when it does not fit. */
void codec_encode(const struct codec_place *place, const struct seal_key *seal, struct str entropy,
                  const void *record, const struct codec_parts *old, struct buf *out);

/* The parts of what codec_encode has just made: nothing is checked again. */
void codec_parts_find(const struct table *table, struct str bytes, struct codec_parts *parts);

/* Checks the header and the checksum and finds the parts. */
enum err codec_split(const struct codec_place *place, struct str bytes, struct codec_parts *parts);

/* The parts as a struct. `seal` NULL leaves secrets absent. ERR_CORRUPT, ERR_NO_MEMORY. */
enum err codec_decode(const struct codec_place *place, const struct seal_key *seal,
                      const struct codec_parts *parts, struct arena *arena, void *record);

/* An INT, TIME, ENUM or BOOL part as a number. False when malformed. */
bool codec_number(const struct field *field, struct str value, int64_t *number);

/* The checksum field of a record's bytes; they are at least a header. */
uint32_t codec_checksum(struct str bytes);

/* Index of the field at this struct offset; CHECKs that there is one. */
uint32_t codec_field_index(const struct schema *schema, uint32_t offset);

#endif
