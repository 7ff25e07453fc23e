/* Rows that must stop the boot, one by one. */
#include "test.h"

#include "json/schema.h"
#include "support/schema_sample.h"

struct odd {
    struct schema_set set;
    int64_t a;
    int64_t b;
    struct str c;
    struct schema_list d;
    struct sample_leaf e;
};

static const char *problem_of(const struct field *rows, uint16_t count) {
    const struct schema schema = {
        .name = "Odd", .fields = rows, .field_count = count, .struct_bytes = sizeof(struct odd)};
    const char *problem = NULL;
    const struct field *where = NULL;
    bool is_sound = schema_is_sound_at(&schema, &problem, &where);
    EXPECT(is_sound == (problem == NULL));
    return problem == NULL ? "" : problem;
}

#define EXPECT_PROBLEM(want, ...)                                                                  \
    do {                                                                                           \
        const struct field problem_rows[] = {__VA_ARGS__};                                         \
        EXPECT_EQ_STR(problem_of(problem_rows, COUNT_OF(problem_rows)), want);                     \
    } while (0)

static const char *const no_values[] = {NULL};
static const char *const same_values[] = {"a", "b", "a", NULL};
static const struct field circle_rows[1];
static const struct schema circle = {
    .name = "Circle", .fields = circle_rows, .field_count = 1, .struct_bytes = sizeof(struct odd)};
static const struct field circle_rows[1] = {FIELD(struct odd, d, FIELD_LIST, .of = &circle)};

TEST(schema_soundness_of_names_and_parts)
{
    EXPECT_PROBLEM("", FIELD(struct odd, a, FIELD_INT, .tag = 1),
                   FIELD(struct odd, b, FIELD_TIME, .tag = 2));
    EXPECT_PROBLEM("", FIELD(struct odd, d, FIELD_LIST, .element = FIELD_ID),
                   FIELD(struct odd, a, FIELD_INT, .min = -5));
    EXPECT_PROBLEM("a name twice", FIELD(struct odd, a, FIELD_INT),
                   FIELD_AS(struct odd, b, "a", FIELD_INT));
    EXPECT_PROBLEM("a tag twice", FIELD(struct odd, a, FIELD_INT, .tag = 1),
                   FIELD(struct odd, b, FIELD_INT, .tag = 1));
    EXPECT_PROBLEM("two rows for the same bytes", FIELD(struct odd, a, FIELD_ID),
                   FIELD(struct odd, b, FIELD_INT));
    EXPECT_PROBLEM("no name", FIELD_AS(struct odd, a, "", FIELD_INT));
    EXPECT_PROBLEM("no such type", FIELD(struct odd, a, (enum field_type)0));
    EXPECT_PROBLEM("an enum needs .values", FIELD(struct odd, a, FIELD_ENUM));
    EXPECT_PROBLEM("no values", FIELD(struct odd, a, FIELD_ENUM, .values = no_values));
    EXPECT_PROBLEM("a value twice", FIELD(struct odd, a, FIELD_ENUM, .values = same_values));
    EXPECT_PROBLEM(".values belong to enums and lists of texts",
                   FIELD(struct odd, c, FIELD_TEXT, .values = same_values));
    EXPECT_PROBLEM(".of belongs to objects and lists, and objects need it",
                   FIELD(struct odd, e, FIELD_OBJECT));
    EXPECT_PROBLEM(".of belongs to objects and lists, and objects need it",
                   FIELD(struct odd, a, FIELD_INT, .of = &circle));
    EXPECT_PROBLEM(".format belongs to texts",
                   FIELD(struct odd, a, FIELD_INT, .format = FORMAT_URL));
    EXPECT_PROBLEM(".element belongs to lists",
                   FIELD(struct odd, a, FIELD_INT, .element = FIELD_ID));
    EXPECT_PROBLEM("a list needs .of, or .element TEXT or ID", FIELD(struct odd, d, FIELD_LIST));
    EXPECT_PROBLEM("a list has .of or .element, not both",
                   FIELD(struct odd, d, FIELD_LIST, .of = &circle, .element = FIELD_ID));
}

TEST(schema_soundness_of_limits_and_places)
{
    EXPECT_PROBLEM("limits on a type without", FIELD(struct odd, a, FIELD_TIME, .max = 5));
    EXPECT_PROBLEM("a length below zero", FIELD(struct odd, c, FIELD_TEXT, .min = -1, .max = 5));
    EXPECT_PROBLEM("a length that no text or list can have",
                   FIELD(struct odd, c, FIELD_TEXT, .max = INT64_MAX));
    EXPECT_PROBLEM("min above max", FIELD(struct odd, a, FIELD_INT, .min = 6, .max = 5));
    EXPECT_PROBLEM("the member lies in struct schema_set",
                   {.name = "a", .type = FIELD_INT, .offset = 8});
    EXPECT_PROBLEM("the member lies outside of the struct",
                   {.name = "a", .type = FIELD_INT, .offset = sizeof(struct odd) - 7});
    EXPECT_PROBLEM("schemas nested too deep, or in a circle",
                   FIELD(struct odd, d, FIELD_LIST, .of = &circle));
    const char *problem = NULL;
    EXPECT(schema_is_sound(&sample_schema, &problem));
    struct field many[SCHEMA_FIELDS_MAX + 1] = {FIELD(struct odd, a, FIELD_INT)};
    EXPECT_EQ_STR(problem_of(many, COUNT_OF(many)), "more fields than bits");
    EXPECT_EQ_STR(problem_of(many, 0), "a schema needs a name and fields");
}
