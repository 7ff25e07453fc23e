/* A schema with every field type, used by unit tests and the fuzzer. */
#ifndef SUPPORT_SCHEMA_SAMPLE_H
#define SUPPORT_SCHEMA_SAMPLE_H

#include "json/json.h"

struct sample_leaf {
    struct schema_set set;
    struct str name;
    int64_t rank;
};

struct sample_branch {
    struct schema_set set;
    struct str title;
    struct schema_list leaves;
    struct sample_leaf main;
};

struct sample {
    struct schema_set set;
    bool flag;
    int64_t count;
    int64_t percent;
    int64_t at;
    int64_t seen_at;
    struct id id;
    struct str text;
    struct str email;
    struct str url;
    struct str phone;
    struct str born_on;
    struct str slug;
    struct str code;
    struct str blob;
    int32_t color;
    struct sample_branch branch;
    struct schema_list branches;
    struct schema_list words;
    struct schema_list links;
    struct schema_list sizes;
    struct schema_list ids;
    struct str free;
};

enum sample_color { SAMPLE_RED, SAMPLE_GREEN, SAMPLE_BLUE };

extern const struct schema sample_schema;

#endif
