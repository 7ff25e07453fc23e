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
 * ERR_JSON_INVALID or ERR_NO_MEMORY. The text is copied: the document lives in the arena. */
enum err json_parse(struct str text, struct arena *arena, yyjson_val **root);

/* A new mutable document whose strings are borrowed, not copied, unless said otherwise. NULL when
 * there is no memory; the json_* functions below then do nothing and the final json_write fails. */
yyjson_mut_doc *json_doc(struct arena *arena);

/* Adds a member to an object. Keys are C literals; text values must live until json_write. */
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

/* Adds the members of a described struct to `object`: FIELD_SECRET, HIDDEN and SENSITIVE never;
 * a missing value as null, or left out with FIELD_OMIT. Texts are borrowed from *value. */
void json_add_members(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct schema *schema,
                      const void *value);

/* The document as text in the arena. ERR_NO_MEMORY when anything above had no room. */
enum err json_write(yyjson_mut_doc *doc, yyjson_mut_val *root, struct arena *arena,
                    struct str *text);

/* The JSON Schema (2020-12 dialect, as OpenAPI 3.1 uses it) of a schema, for input (SENSITIVE
 * members shown as writeOnly, additionalProperties false) or output. Referenced schemas become
 * {"$ref": "#/components/schemas/NAME"}. */
yyjson_mut_val *json_describe(yyjson_mut_doc *doc, const struct schema *schema, bool is_input);

#endif
