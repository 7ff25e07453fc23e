/*
 * Schemas: the one description of every input, output and record. A schema is constant data: field
 * rows over a C struct. From it come JSON decoding and validation (this folder), JSON encoding,
 * JSON Schema for OpenAPI, the storage codec and indexes (store/codec), masking, export and the
 * generated boundary tests.
 *
 * The struct that a schema describes starts with `struct schema_set set`: bit i of set.present says
 * that field i has a value, bit i of set.null that it was explicitly null. A field with neither was
 * absent. C types by field type:
 *   BOOL bool | INT, TIME int64_t | ID struct id | TEXT, BYTES, JSON struct str |
 *   ENUM int32_t (index into values) | OBJECT the sub-struct itself | LIST struct schema_list
 */
#ifndef JSON_SCHEMA_H
#define JSON_SCHEMA_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "base/limits.h"

enum field_type {
    FIELD_BOOL = 1,
    FIELD_INT,
    FIELD_TIME,  /* int64 microseconds; RFC 3339 text on the wire */
    FIELD_ID,    /* UUID */
    FIELD_TEXT,  /* UTF-8 */
    FIELD_BYTES, /* base64url on the wire */
    FIELD_ENUM,
    FIELD_OBJECT, /* described by .of */
    FIELD_LIST,   /* elements described by .of (objects), or TEXT/ID elements when .of is NULL */
    FIELD_JSON,   /* any JSON value, kept as its text */
};

/* Extra form that a TEXT must have. Error texts are those of the identity contract (1.3). */
enum field_format {
    FORMAT_NONE,
    FORMAT_EMAIL,  /* contract 1.3; ASCII letters lower-cased by the decoder */
    FORMAT_URL,    /* http, https, ftp, ftps */
    FORMAT_PHONE,  /* +?8-15 digits, blanks, dots, dashes and brackets ignored */
    FORMAT_DATE,   /* YYYY-MM-DD, 1900 or later */
    FORMAT_SLUG,   /* a-z, 0-9 and single dashes inside */
    FORMAT_DIGITS, /* 0-9 only; the limits say how many */
};

/* How a TIME is written: the identity contract has three forms (1.4). */
enum field_time_form {
    TIME_FORM_NAIVE,   /* 2026-11-21T07:35:32[.123456] */
    TIME_FORM_RFC3339, /* with microseconds and Z */
    TIME_FORM_OFFSET,  /* 2026-11-21T07:35:32[.123456]+00:00 */
};

enum {
    FIELD_REQUIRED = 1 << 0,
    FIELD_NULLABLE = 1 << 1,  /* null is accepted; on output a missing value is written as null */
    FIELD_SECRET = 1 << 2,    /* sealed at rest, never in replies or logs */
    FIELD_PERSONAL = 1 << 3,  /* about a person: exported and erased on request */
    FIELD_HIDDEN = 1 << 4,    /* stored only: never in replies */
    FIELD_OMIT = 1 << 5,      /* on output a missing value leaves the key out */
    FIELD_SENSITIVE = 1 << 6, /* input such as a password: `writeOnly`, wiped, never echoed */
};

struct schema_set {
    uint64_t present;
    uint64_t null;
};

struct schema_list {
    void *items; /* array of the element's C type */
    uint32_t count;
};

struct schema;

struct field {
    const char *name; /* JSON member */
    enum field_type type;
    uint16_t tag; /* storage: never reused, never changed; 0 = not stored */
    uint16_t flags;
    uint32_t offset;
    int64_t min; /* INT: value; TEXT: code points; BYTES, JSON: bytes; LIST: elements */
    /* As min. 0 with min >= 0 = the type's default: INT has none (a range that ends at 0 from above
     * cannot be said, one that starts at 0 ends at INT64_MAX), LIST 1,000, the others 65,535. */
    int64_t max;
    enum field_format format; /* TEXT, or the elements of a LIST of TEXT */
    enum field_time_form time_form;
    const char *const *values; /* ENUM: wire names, NULL-terminated; a LIST of TEXT may have them */
    const struct schema *of;
    enum field_type element; /* LIST with of == NULL: FIELD_TEXT or FIELD_ID */
    /* Fault text instead of the standard one for limits, format and values, or NULL. Missing, null
     * and wrong type keep theirs. */
    const char *label;
    const char *doc; /* one sentence */
};

struct schema {
    const char *name; /* component name in OpenAPI */
    const struct field *fields;
    uint16_t field_count; /* <= SCHEMA_FIELDS_MAX */
    uint32_t struct_bytes;
    bool ignores_unknown; /* on input: members without a field are no fault */
};

/* One row: FIELD(struct user, email, FIELD_TEXT, .tag = 2, .max = 254, .doc = "...") */
#define FIELD(record, member, type_, ...)                                                          \
    { .name = #member, .type = type_, .offset = offsetof(record, member), __VA_ARGS__ }
/* The same when the JSON member is not a C name of the struct. */
#define FIELD_AS(record, member, name_, type_, ...)                                                \
    { .name = name_, .type = type_, .offset = offsetof(record, member), __VA_ARGS__ }
#define SCHEMA(name_, record, rows)                                                                \
    { .name = name_, .fields = rows, .field_count = COUNT_OF(rows), .struct_bytes = sizeof(record) }

/* What was wrong, by field path ("transports.0"). Texts are constant or live in the arena. The last
 * part of a path is what the client sent when the fault is an unknown member: any text. */
struct schema_fault {
    struct str path;
    struct str text;
};

struct schema_faults {
    struct schema_fault faults[SCHEMA_FAULTS_MAX];
    uint32_t count;         /* further faults are dropped */
    bool is_object_missing; /* the body is no JSON object: details {"_schema": [...]} */
};

/* Bit of a field by its struct offset, CHECKs that there is one. Handy with offsetof:
 *   SCHEMA_HAS(&user_schema, user, full_name) */
uint64_t schema_bit(const struct schema *schema, size_t offset);
#define SCHEMA_HAS(schema, value, member)                                                          \
    (((value)->set.present & schema_bit((schema), offsetof(__typeof__(*(value)), member))) != 0)
#define SCHEMA_IS_NULL(schema, value, member)                                                      \
    (((value)->set.null & schema_bit((schema), offsetof(__typeof__(*(value)), member))) != 0)
/* Marks a member as present (and not null) / as absent (and not null). */
#define SCHEMA_SET(schema, value, member)                                                          \
    ((value)->set.present |= schema_bit((schema), offsetof(__typeof__(*(value)), member)),         \
     (value)->set.null &= ~schema_bit((schema), offsetof(__typeof__(*(value)), member)))
#define SCHEMA_CLEAR(schema, value, member)                                                        \
    ((value)->set.present &= ~schema_bit((schema), offsetof(__typeof__(*(value)), member)),        \
     (value)->set.null &= ~schema_bit((schema), offsetof(__typeof__(*(value)), member)))

const struct field *schema_field(const struct schema *schema, struct str name); /* or NULL */
/* Bytes of a field's C member in its struct; of one element of a LIST. */
uint32_t schema_member_bytes(const struct field *field);
uint32_t schema_element_bytes(const struct field *field);
/* The limits of a field with the defaults filled in (see struct field). */
int64_t schema_field_min(const struct field *field);
int64_t schema_field_max(const struct field *field);
/* True when every row is sane, those of nested schemas (SCHEMA_DEPTH_MAX levels, no cycles)
 * included: unique names and tags, members inside the struct and apart from each other, limits in
 * order, enum values and .of present. Called at boot for every schema; `problem` (constant text)
 * then says what is wrong and `where`, unless NULL, points to the row or to NULL. */
bool schema_is_sound(const struct schema *schema, const char **problem);
bool schema_is_sound_at(const struct schema *schema, const char **problem,
                        const struct field **where);

/*
 * Decodes a JSON text into *out (schema->struct_bytes, zeroed by the callee). Unknown members,
 * wrong types, missing required members, limits and formats become faults; the whole input is
 * checked so that all faults are reported at once. Strings point into the arena.
 *   ERR_JSON_INVALID  not JSON (depth JSON_DEPTH_MAX, duplicate keys, invalid UTF-8, NUL in text)
 *   ERR_VALIDATION    faults says what
 *   ERR_NO_MEMORY     the arena is full
 */
enum err schema_decode(const struct schema *schema, struct str json, struct arena *arena, void *out,
                       struct schema_faults *faults);

/* Decodes text pairs (query string, path parameters, form fields): everything arrives as text,
 * percent-decoded already, and is converted by the field's type. Only FIELD_BOOL, INT, TIME, ID,
 * TEXT, ENUM. A name given twice is a fault. Texts may point into the pairs. */
struct schema_pair {
    struct str name;
    struct str value;
};
enum err schema_decode_pairs(const struct schema *schema, const struct schema_pair *pairs,
                             uint32_t pair_count, struct arena *arena, void *out,
                             struct schema_faults *faults);

/* Is it that a required member was not there at all? */
bool schema_fault_is_missing(const struct schema_fault *fault);

/* For checks across fields; the slices must live as long as the faults. */
void schema_fault_add(struct schema_faults *faults, struct str path, struct str text);

/* The format alone, for values from elsewhere (settings, imports, claims). */
bool schema_format_check(enum field_format format, struct str text);

#endif
