/* CSV: RFC 4180 and what spreadsheets make of it; random tables written by its rules come back. */
#include "test.h"

#include "cli/csv.h"

enum { BLOCKS = 64 };
static char memory[BLOCKS * ARENA_BLOCK_BYTES] __attribute__((aligned(64)));
static struct arena_pool pool;
static struct arena arena;
static struct csv csv;
static struct schema_pair pairs[CSV_COLUMNS_MAX];
static uint32_t count;

static enum err csv_start(const char *text) {
    arena_pool_init(&pool, memory, BLOCKS);
    arena_init(&arena, &pool, sizeof memory);
    return csv_open(&csv, str_from_c(text));
}

static enum err next(void) {
    return csv_next(&csv, &arena, pairs, &count);
}

/* "name=value;name=value" of the row just read. */
static const char *row_text(void) {
    static char text[1024];
    struct buf out = buf_over(text, sizeof text - 1);
    for (uint32_t i = 0; i < count; i++) {
        buf_put_c(&out, i == 0 ? "" : ";");
        buf_put_str(&out, pairs[i].name);
        buf_put_byte(&out, '=');
        buf_put_str(&out, pairs[i].value);
    }
    text[out.len] = '\0';
    return text;
}

#define EXPECT_ROW(expected)                                                                       \
    do {                                                                                           \
        EXPECT_EQ_INT(next(), ERR_OK);                                                             \
        EXPECT_EQ_STR(row_text(), expected);                                                       \
    } while (0)
#define EXPECT_FAULT() EXPECT_EQ_INT(next(), ERR_FORMAT)
#define EXPECT_END()                                                                               \
    do {                                                                                           \
        EXPECT_EQ_INT(next(), ERR_END);                                                            \
        EXPECT_EQ_INT(next(), ERR_END);                                                            \
    } while (0)

TEST(csv_plain) {
    REQUIRE(csv_start("a,b,c\r\n1,2,3\r\n4,5,6\r\n") == ERR_OK);
    EXPECT_EQ_UINT(csv.name_count, 3);
    EXPECT_ROW("a=1;b=2;c=3");
    EXPECT_EQ_UINT(csv.line, 2);
    EXPECT_ROW("a=4;b=5;c=6");
    EXPECT_EQ_UINT(csv.line, 3);
    EXPECT_END();
}

TEST(csv_line_ends) {
    REQUIRE(csv_start("a,b\n1,2\n3,4") == ERR_OK); /* the last one may be missing */
    EXPECT_ROW("a=1;b=2");
    EXPECT_ROW("a=3;b=4");
    EXPECT_END();
    REQUIRE(csv_start("a,b\r\n1,2\r\n3,4\r") == ERR_OK);
    EXPECT_ROW("a=1;b=2");
    EXPECT_ROW("a=3;b=4");
    EXPECT_END();
    REQUIRE(csv_start("a,b\n\n\n1,2\n\n3,4\n\n") == ERR_OK); /* blank lines are no rows */
    EXPECT_ROW("a=1;b=2");
    EXPECT_EQ_UINT(csv.line, 4);
    EXPECT_ROW("a=3;b=4");
    EXPECT_EQ_UINT(csv.line, 6);
    EXPECT_END();
    REQUIRE(csv_start("a,b\r\n\r\n1,2\r\n\r\n") == ERR_OK);
    EXPECT_ROW("a=1;b=2");
    EXPECT_EQ_UINT(csv.line, 3);
    EXPECT_END();
}

TEST(csv_empty_fields_are_left_out) {
    REQUIRE(csv_start("a,b,c\n,,\n1,,\n,2,\n,,3\n\"\",x,\"\"\n,,") == ERR_OK);
    EXPECT_ROW("");
    EXPECT_ROW("a=1");
    EXPECT_ROW("b=2");
    EXPECT_ROW("c=3");
    EXPECT_ROW("b=x");
    EXPECT_ROW("");
    EXPECT_END();
}

TEST(csv_blanks_belong_to_the_field) {
    REQUIRE(csv_start("a,b\n 1 , 2 \n\" x \",y\n") == ERR_OK);
    EXPECT_ROW("a= 1 ;b= 2 ");
    EXPECT_ROW("a= x ;b=y");
    EXPECT_END();
}

TEST(csv_quoted) {
    REQUIRE(csv_start("a,b\r\n\"1,5\",\"say \"\"hi\"\"\"\r\n\"\"\"\",\"\"\"\"\"\"\r\n"
                      "\"two\r\nlines\",\"x\ny\"\r\n\"last\",\"one\"") == ERR_OK);
    EXPECT_ROW("a=1,5;b=say \"hi\"");
    EXPECT_ROW("a=\";b=\"\"");
    EXPECT_ROW("a=two\r\nlines;b=x\ny");
    EXPECT_EQ_UINT(csv.line, 4); /* where the row begins */
    EXPECT_ROW("a=last;b=one");
    EXPECT_EQ_UINT(csv.line, 7);
    EXPECT_END();
}

TEST(csv_quotes_inside_a_plain_field_are_text) {
    REQUIRE(csv_start("a,b\n1\"2,x\"\"y\n") == ERR_OK);
    EXPECT_ROW("a=1\"2;b=x\"\"y");
    EXPECT_END();
}

TEST(csv_faulty_rows_are_skipped) {
    REQUIRE(csv_start("a,b\n1\n1,2,3\n\"x\"y,2\n5,6\n") == ERR_OK);
    EXPECT_FAULT();
    EXPECT_FAULT();
    EXPECT_EQ_UINT(csv.line, 3);
    EXPECT_FAULT();
    EXPECT_EQ_UINT(csv.line, 4);
    EXPECT_ROW("a=5;b=6");
    EXPECT_EQ_UINT(csv.line, 5);
    EXPECT_END();
}

/* What is skipped is the row, not the line: the inside of a quoted field must never pass for a row
 * of its own. */
TEST(csv_a_skipped_row_takes_its_quoted_lines_along) {
    REQUIRE(csv_start("a,b\n\"x\"y,\"1\nevil,row\n\"\n5,6\n") == ERR_OK);
    EXPECT_FAULT();
    EXPECT_ROW("a=5;b=6");
    EXPECT_EQ_UINT(csv.line, 5);
    EXPECT_END();
    REQUIRE(csv_start("a,b\n1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,\"\nevil,row\n\"\n5,6\n") ==
            ERR_OK);
    EXPECT_FAULT();
    EXPECT_ROW("a=5;b=6");
    EXPECT_END();
}

TEST(csv_a_quote_without_end_ends_the_file) {
    REQUIRE(csv_start("a,b\n1,2\n3,\"four\n5,6\n") == ERR_OK);
    EXPECT_ROW("a=1;b=2");
    EXPECT_FAULT();
    EXPECT_EQ_UINT(csv.line, 3);
    EXPECT_END();
    REQUIRE(csv_start("a,b\n1,\"") == ERR_OK);
    EXPECT_FAULT();
    EXPECT_END();
    REQUIRE(csv_start("a,b\n1,\"x\"\"") == ERR_OK);
    EXPECT_FAULT();
    EXPECT_END();
}

TEST(csv_headers) {
    EXPECT_EQ_INT(csv_start("\xef\xbb\xbf" "a,b\n1,2\n"), ERR_OK);
    EXPECT_ROW("a=1;b=2");
    EXPECT_EQ_INT(csv_start(" a ,\"b\"\n1,2\n"), ERR_OK);
    EXPECT_ROW("a=1;b=2");
    EXPECT_EQ_INT(csv_start("a"), ERR_OK);
    EXPECT_END();
    EXPECT_EQ_INT(csv_start("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16"), ERR_OK);
    EXPECT_EQ_INT(csv_start("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"), ERR_FORMAT);
    static const char *const faulty[] = {"",      "\n",       "a,,b\n",      "a, \n",
                                         "\"\"",  "a,\"b",    "\"a\"b,c\n",  "a\"b,c\n",
                                         "\r\n",  ",\n1,2\n", "\"a\"\"b\",c\n1,2\n"};
    for (uint32_t i = 0; i < COUNT_OF(faulty); i++) {
        if (csv_start(faulty[i]) != ERR_FORMAT) {
            test_fail(__FILE__, __LINE__, "header %u is taken", i);
        }
    }
}

TEST(csv_without_memory) {
    REQUIRE(csv_start("a,b\n\"x\"\"y\",2\n3,4\n") == ERR_OK);
    arena_init(&arena, &pool, 0);
    EXPECT_EQ_INT(next(), ERR_NO_MEMORY);
    EXPECT_ROW("a=3;b=4"); /* plain fields need none */
    EXPECT_END();
}

/* ---- random tables ---- */

enum { ROWS_MAX = 8, FIELD_BYTES_MAX = 12 };

struct table_text {
    char text[16 * 1024];
    char fields[ROWS_MAX][CSV_COLUMNS_MAX][FIELD_BYTES_MAX];
    uint32_t lens[ROWS_MAX][CSV_COLUMNS_MAX];
    uint32_t rows;
    uint32_t columns;
};

static void field_make(struct table_text *table, uint32_t row, uint32_t column) {
    static const char alphabet[] = "a,\"\r\n; \xc3";
    uint32_t len = (uint32_t)test_random_below(FIELD_BYTES_MAX);
    for (uint32_t i = 0; i < len; i++) {
        table->fields[row][column][i] = alphabet[test_random_below(sizeof alphabet - 1)];
    }
    table->lens[row][column] = len;
}

static bool needs_quotes(struct str field) {
    return str_has_byte(field, ',') || str_has_byte(field, '"') || str_has_byte(field, '\r') ||
           str_has_byte(field, '\n');
}

static void field_write(struct buf *out, struct str field) {
    if (!needs_quotes(field) && test_random_below(2) == 0) {
        buf_put_str(out, field);
        return;
    }
    buf_put_byte(out, '"');
    for (uint32_t i = 0; i < field.len; i++) {
        buf_put_byte(out, (uint8_t)field.data[i]);
        if (field.data[i] == '"') {
            buf_put_byte(out, '"');
        }
    }
    buf_put_byte(out, '"');
}

static void table_make(struct table_text *table) {
    struct buf out = buf_over(table->text, sizeof table->text - 1);
    const char *line_end = test_random_below(2) == 0 ? "\r\n" : "\n";
    table->rows = (uint32_t)test_random_below(ROWS_MAX + 1);
    table->columns = 2 + (uint32_t)test_random_below(CSV_COLUMNS_MAX - 1);
    for (uint32_t column = 0; column < table->columns; column++) {
        buf_printf(&out, "%sc%u", column == 0 ? "" : ",", column);
    }
    for (uint32_t row = 0; row < table->rows; row++) {
        buf_put_c(&out, line_end);
        for (uint32_t column = 0; column < table->columns; column++) {
            field_make(table, row, column);
            buf_put_c(&out, column == 0 ? "" : ",");
            field_write(&out, str_from(table->fields[row][column], table->lens[row][column]));
        }
    }
    if (test_random_below(2) == 0) {
        buf_put_c(&out, line_end);
    }
    table->text[out.len] = '\0';
}

static void row_check(const struct table_text *table, uint32_t row) {
    uint32_t at = 0;
    EXPECT_EQ_INT(next(), ERR_OK);
    for (uint32_t column = 0; column < table->columns; column++) {
        if (table->lens[row][column] == 0) {
            continue;
        }
        REQUIRE(at < count);
        EXPECT(str_equal(pairs[at].name, csv.names[column]));
        EXPECT(str_equal(pairs[at].value,
                         str_from(table->fields[row][column], table->lens[row][column])));
        at++;
    }
    EXPECT_EQ_UINT(count, at);
}

TEST(csv_what_is_written_comes_back) {
    static struct table_text table;
    for (uint32_t round = 0; round < 3000; round++) {
        table_make(&table);
        REQUIRE(csv_start(table.text) == ERR_OK);
        for (uint32_t row = 0; row < table.rows; row++) {
            row_check(&table, row);
        }
        EXPECT_END();
        arena_reset(&arena);
    }
}
