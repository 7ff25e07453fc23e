/*
 * JSON by yyjson on arenas. Reading goes through schemas (schema.h); this is for writing replies
 * and for the few places that look at free-form JSON.
 */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include <yyjson.h>

#include "json/schema.h"

/* A yyjson allocator that takes from the arena; frees are ignored. Valid as long as the arena. */
yyjson_alc json_allocator(struct arena *arena);

/* Strict parse (RFC 8259) with JSON_DEPTH_MAX, no duplicate keys, valid UTF-8, no NUL inside text.
 * ERR_JSON_INVALID or ERR_NO_MEMORY. The text is copied: the document lives in the arena. Numbers
 * are int64, uint64 or double (yyjson_is_*); one beyond all of them is ERR_JSON_INVALID. */
enum err json_parse(struct str text, struct arena *arena, yyjson_val **root);
/* The same with numbers kept as their text (yyjson_is_raw), for what must come out as it went in.
 */
enum err json_parse_raw(struct str text, struct arena *arena, yyjson_val **root);
/* The value of a JSON number's text when it is a whole number that fits, however it is spelled
 * (1.50e1 is 15). Exact: no double in between. */
bool json_number_to_i64(struct str number, int64_t *value);

/* A new mutable document whose strings are borrowed, not copied, unless said otherwise. NULL when
 * there is no memory; the json_* functions below then do nothing and the final json_write fails.
 * The same holds for any later shortage, in direct yyjson_mut_* calls on the document too: add
 * everything, test json_write. */
yyjson_mut_doc *json_doc(struct arena *arena);
yyjson_mut_val *json_object(yyjson_mut_doc *doc); /* a new value, or NULL */
yyjson_mut_val *json_array(yyjson_mut_doc *doc);

/* Adds a member to an object. Keys are C literals; text values must live until json_write. STR_NONE
 * becomes null. */
void json_add_str(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct str value);
void json_add_int(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t value);
void json_add_bool(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, bool value);
void json_add_null(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key);
void json_add_val(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                  yyjson_mut_val *value);
/* Copied into the document. */
void json_add_id(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct id id);
void json_add_time(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t time_us,
                   enum field_time_form form);
yyjson_mut_val *json_add_object(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key);
yyjson_mut_val *json_add_array(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key);
/* Appends to an array; as above. */
void json_append_str(yyjson_mut_doc *doc, yyjson_mut_val *array, struct str value);
void json_append_val(yyjson_mut_doc *doc, yyjson_mut_val *array, yyjson_mut_val *value);

/* Adds the members of a described struct to `object`: FIELD_SECRET, HIDDEN and SENSITIVE never;
 * a missing value as null, or left out with FIELD_OMIT. Texts are borrowed from *value. A JSON
 * member must hold valid JSON, which is copied out as it is. */
void json_add_members(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct schema *schema,
                      const void *value);

/* The same for the person whom it is about: FIELD_PERSONAL members although SECRET or HIDDEN. */
void json_add_own_members(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct schema *schema,
                          const void *value);

/* Adds faults in the wire form of the identity contract (1.3): {"name": ["text"]}, nested by path:
 * {"transports": {"0": ["text"]}}; {"_schema": ["Invalid input type."]} for a body that is no
 * object. */
void json_add_faults(yyjson_mut_doc *doc, yyjson_mut_val *object,
                     const struct schema_faults *faults);

/* The value as compact text in the arena, `root` being of `doc`. ERR_NO_MEMORY when anything above
 * had no room. The result is always valid JSON: bytes of a text that are no UTF-8 become '?', a
 * double that is no number becomes null. */
enum err json_write(yyjson_mut_doc *doc, yyjson_mut_val *root, struct arena *arena,
                    struct str *text);

/* The JSON Schema (2020-12 dialect, as OpenAPI 3.1 uses it) of a schema, for input (SENSITIVE
 * members shown as writeOnly, additionalProperties false) or output. Referenced schemas become
 * {"$ref": "#/components/schemas/NAME"}. */
yyjson_mut_val *json_describe(yyjson_mut_doc *doc, const struct schema *schema, bool is_input);

#endif
