/* No field is hidden and each that is not required may be null, so that what was decoded can be
 * written out and decoded again. */
#include "support/schema_sample.h"

static const char *const colors[] = {"red", "green", "blue", NULL};
static const char *const sizes[] = {"s", "m", "l", NULL};

static const struct field leaf_rows[] = {
    FIELD(struct sample_leaf, name, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 8),
    FIELD(struct sample_leaf, rank, FIELD_INT, .flags = FIELD_OMIT, .min = -5, .max = INT64_MAX),
};
static const struct schema leaf_schema = SCHEMA("SampleLeaf", struct sample_leaf, leaf_rows);

static const struct field branch_rows[] = {
    FIELD(struct sample_branch, title, FIELD_TEXT, .flags = FIELD_NULLABLE),
    FIELD(struct sample_branch, leaves, FIELD_LIST, .flags = FIELD_NULLABLE, .max = 4,
          .of = &leaf_schema),
    FIELD(struct sample_branch, main, FIELD_OBJECT, .flags = FIELD_OMIT, .of = &leaf_schema),
};
static const struct schema branch_schema =
    SCHEMA("SampleBranch", struct sample_branch, branch_rows);

static const struct field rows[] = {
    FIELD(struct sample, flag, FIELD_BOOL, .tag = 1, .flags = FIELD_NULLABLE),
    FIELD(struct sample, count, FIELD_INT, .tag = 2, .flags = FIELD_NULLABLE),
    FIELD(struct sample, percent, FIELD_INT, .tag = 3, .flags = FIELD_NULLABLE, .max = 100),
    FIELD(struct sample, at, FIELD_TIME, .tag = 4, .flags = FIELD_NULLABLE),
    FIELD(struct sample, seen_at, FIELD_TIME, .tag = 5, .flags = FIELD_NULLABLE,
          .time_form = TIME_FORM_RFC3339),
    FIELD(struct sample, id, FIELD_ID, .tag = 6, .flags = FIELD_NULLABLE),
    FIELD(struct sample, text, FIELD_TEXT, .tag = 7, .flags = FIELD_NULLABLE, .min = 2, .max = 12),
    FIELD(struct sample, email, FIELD_TEXT, .tag = 8, .flags = FIELD_NULLABLE, .max = 254,
          .format = FORMAT_EMAIL),
    FIELD(struct sample, url, FIELD_TEXT, .tag = 9, .flags = FIELD_NULLABLE, .max = 512,
          .format = FORMAT_URL),
    FIELD(struct sample, phone, FIELD_TEXT, .tag = 10, .flags = FIELD_NULLABLE,
          .format = FORMAT_PHONE),
    FIELD(struct sample, born_on, FIELD_TEXT, .tag = 11, .flags = FIELD_NULLABLE,
          .format = FORMAT_DATE),
    FIELD(struct sample, slug, FIELD_TEXT, .tag = 12, .flags = FIELD_NULLABLE,
          .format = FORMAT_SLUG),
    FIELD(struct sample, code, FIELD_TEXT, .tag = 13, .flags = FIELD_NULLABLE, .min = 6, .max = 6,
          .format = FORMAT_DIGITS, .label = "Code must be a 6-digit number"),
    FIELD(struct sample, blob, FIELD_BYTES, .tag = 14, .flags = FIELD_NULLABLE, .max = 64),
    FIELD(struct sample, color, FIELD_ENUM, .tag = 15, .flags = FIELD_NULLABLE, .values = colors),
    FIELD(struct sample, branch, FIELD_OBJECT, .tag = 16, .flags = FIELD_NULLABLE,
          .of = &branch_schema),
    FIELD(struct sample, branches, FIELD_LIST, .tag = 17, .flags = FIELD_NULLABLE,
          .of = &branch_schema),
    FIELD(struct sample, words, FIELD_LIST, .tag = 18, .flags = FIELD_NULLABLE, .min = 1, .max = 3,
          .element = FIELD_TEXT),
    FIELD(struct sample, links, FIELD_LIST, .tag = 19, .flags = FIELD_NULLABLE,
          .element = FIELD_TEXT, .format = FORMAT_URL),
    FIELD(struct sample, sizes, FIELD_LIST, .tag = 20, .flags = FIELD_NULLABLE,
          .element = FIELD_TEXT, .values = sizes),
    FIELD(struct sample, ids, FIELD_LIST, .tag = 21, .flags = FIELD_NULLABLE, .element = FIELD_ID),
    FIELD_AS(struct sample, free, "free-form", FIELD_JSON, .tag = 22, .flags = FIELD_NULLABLE),
};

const struct schema sample_schema = SCHEMA("Sample", struct sample, rows);
