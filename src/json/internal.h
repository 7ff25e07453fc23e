/* What the files of json/ share with each other and nobody else. */
#ifndef JSON_INTERNAL_H
#define JSON_INTERNAL_H

#include "json/json.h"

/* One decoding: where memory comes from, where faults go. */
struct decoder {
    struct arena *arena;
    struct schema_faults *faults;
    bool is_full; /* the arena had no room: whatever was decoded is void */
};

/* True when going on is of no use: no memory, or no room for another fault. */
bool decoder_is_done(const struct decoder *decoder);
/* What the whole decoding comes to. */
enum err decoder_result(const struct decoder *decoder);

/* The standard fault texts (contract 1.3). */
#define FAULT_MISSING STR("Missing data for required field.")
#define FAULT_NULL STR("Field may not be null.")
#define FAULT_UNKNOWN STR("Unknown field.")
#define FAULT_REPEATED STR("Given more than once.")
#define FAULT_STRING STR("Not a valid string.")
#define FAULT_BOOL STR("Not a valid boolean.")
#define FAULT_INT STR("Not a valid integer.")
#define FAULT_TIME STR("Not a valid datetime.")
#define FAULT_ID STR("Not a valid UUID.")
#define FAULT_BYTES STR("Not a valid base64url text.")
#define FAULT_MAPPING STR("Not a valid mapping type.")
#define FAULT_LIST STR("Not a valid list.")

/* Converts a text to a scalar field's C value at *out: BOOL, INT, TIME, ID, TEXT, BYTES, ENUM. The
 * answer is STR_NONE, or the fault's text. Texts are borrowed, or live in the arena when they had
 * to be changed. `field_type` is the field's type, or the element type of a LIST of texts. */
struct str value_from_text(struct decoder *decoder, const struct field *field,
                           enum field_type field_type, struct str text, void *out);
/* Range of an INT / length of anything; STR_NONE when kept. */
struct str value_check_range(struct decoder *decoder, const struct field *field, int64_t value);
struct str value_check_length(struct decoder *decoder, const struct field *field, int64_t length);

uint64_t field_bit(const struct schema *schema, const struct field *field);
void *field_place(void *record, const struct field *field);
const void *field_value(const void *record, const struct field *field);

/* The arena that a document of json_doc takes from. */
struct arena *json_doc_arena(yyjson_mut_doc *doc);
/* Marks the document as short of memory. */
void json_doc_fail(yyjson_mut_doc *doc);
/* Copied text values; NULL when there is no memory. */
yyjson_mut_val *json_id_val(yyjson_mut_doc *doc, struct id id);
yyjson_mut_val *json_time_val(yyjson_mut_doc *doc, int64_t time_us, enum field_time_form form);

#endif
