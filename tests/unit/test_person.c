/*
 * The rules of tables on whose rows they have: those of the program are whole, and a table that
 * forgets one, or says what cannot be, is refused by its name.
 */
#include "test.h"

#include <string.h>

#include "cli/cli.h"
#include "engine/person.h"

struct thing {
    struct schema_set set;
    struct id id;
    struct id owner_id;
    struct str nickname;
    int64_t number;
};

static const struct field personal_fields[] = {
    FIELD(struct thing, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED, .doc = "Id."),
    FIELD(struct thing, owner_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED, .doc = "Owner."),
    FIELD(struct thing, nickname, FIELD_TEXT, .tag = 3, .flags = FIELD_PERSONAL, .max = 9,
          .doc = "Name."),
    FIELD(struct thing, number, FIELD_INT, .tag = 4, .doc = "Number."),
};
static const struct schema personal_schema = SCHEMA("Thing", struct thing, personal_fields);

static const struct table_index indexes[] = {
    {.name = "owner", .offsets = {offsetof(struct thing, owner_id)}, .offset_count = 1},
};

static struct table table_of(const char *name, struct table_person person) {
    return (struct table){.name = name,
                          .id = 60,
                          .version = 1,
                          .schema = &personal_schema,
                          .key_offset = offsetof(struct thing, id),
                          .indexes = indexes,
                          .index_count = COUNT_OF(indexes),
                          .person = person};
}

/* The program and one table more. NULL when that is accepted. */
static const char *problem_with(struct table_person person) {
    static const struct module *modules[32];
    static struct table table;
    static const struct table *const tables[] = {&table};
    static const struct module extra = {.name = "extra", .tables = tables, .table_count = 1};
    const char *problem = "none was named";
    table = table_of("things", person);
    for (uint32_t i = 0; i < cli_module_count; i++) {
        modules[i] = cli_modules[i];
    }
    modules[cli_module_count] = &extra;
    return person_open(modules, cli_module_count + 1, &problem) == ERR_OK ? NULL : problem;
}

TEST(person_rules_of_the_program_are_whole)
{
    const char *problem = NULL;
    EXPECT(person_open(cli_modules, cli_module_count, &problem) == ERR_OK);
    EXPECT(problem == NULL);
    EXPECT(strcmp(person_self()->name, "users") == 0);
}

/* Every row with a personal field is reached from the person, and parents come before children. */
TEST(person_reaches_all_personal_fields)
{
    const char *problem = NULL;
    uint32_t reached;
    REQUIRE(person_open(cli_modules, cli_module_count, &problem) == ERR_OK);
    const struct person_table *list = person_tables(&reached);
    EXPECT(reached > 5);
    for (uint32_t i = 0; i < reached; i++) {
        bool is_known = list[i].parent == person_self();
        for (uint32_t k = 0; k < i; k++) {
            is_known |= list[k].table == list[i].parent;
        }
        EXPECT(is_known);
    }
    for (uint32_t m = 0; m < cli_module_count; m++) {
        for (uint32_t t = 0; t < cli_modules[m]->table_count; t++) {
            const struct table *table = cli_modules[m]->tables[t];
            bool is_reached = table == person_self() || table->person.kind == PERSON_APART;
            bool is_personal = false;
            for (uint32_t i = 0; i < reached; i++) {
                is_reached |= list[i].table == table;
            }
            for (uint32_t f = 0; f < table->schema->field_count; f++) {
                is_personal |= (table->schema->fields[f].flags & FIELD_PERSONAL) != 0;
            }
            EXPECT(is_reached || !is_personal);
        }
    }
}

TEST(person_refuses_a_table_that_forgot_its_rule)
{
    const char *problem = problem_with((struct table_person){.kind = PERSON_UNSAID});
    REQUIRE(problem != NULL);
    EXPECT(strstr(problem, "things") != NULL);
    EXPECT(strstr(problem, "does not say") != NULL);
}

TEST(person_refuses_rules_that_cannot_be)
{
    static const struct table_person bad[] = {
        {.kind = PERSON_NOBODY}, /* with a personal field */
        {.kind = PERSON_DATA},   /* of what? */
        {.kind = PERSON_DATA, .of = "nothing", .index = 0},
        {.kind = PERSON_DATA, .of = "users", .index = 1},          /* no such index */
        {.kind = PERSON_DATA, .of = "refresh_tokens", .index = 0}, /* three steps away */
        {.kind = PERSON_DATA, .of = "signing_keys", .index = 0},   /* of nobody's rows */
        {.kind = PERSON_DATA, .of = "users", .index = 0, .by = {"created_at"}}, /* a time */
        {.kind = PERSON_DATA, .of = "members", .index = 0, .by = {"nothing"}},
    };
    for (uint32_t i = 0; i < COUNT_OF(bad); i++) {
        const char *problem = problem_with(bad[i]);
        EXPECT(problem != NULL);
        EXPECT(problem != NULL && strstr(problem, "things") != NULL);
    }
    EXPECT(problem_with((struct table_person){.kind = PERSON_DATA, .of = "users", .index = 0}) ==
           NULL);
    EXPECT(problem_with((struct table_person){
               .kind = PERSON_DATA, .of = "users", .index = 0, .by = {"email"}}) == NULL);
    EXPECT(problem_with((struct table_person){
               .kind = PERSON_MARKS, .of = "sessions", .index = STORE_PRIMARY}) == NULL);
}
