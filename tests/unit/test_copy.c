/* Copies of every length and direction, against a byte-wise one. */
#include "test.h"

#include "base/copy.h"

enum { LENGTH_MAX = 700, ROOM = 2048 };

static char memory[ROOM];
static char expected[ROOM];

static void memory_fill(void) {
    for (size_t at = 0; at < ROOM; at += 1) {
        memory[at] = expected[at] = (char)(at * 131 + at / 251);
    }
}

static void expect_move(size_t to, size_t from, size_t bytes) {
    char held[LENGTH_MAX];
    for (size_t at = 0; at < bytes; at += 1) {
        held[at] = expected[from + at];
    }
    for (size_t at = 0; at < bytes; at += 1) {
        expected[to + at] = held[at];
    }
}

TEST(copies_of_every_length)
{
    for (size_t bytes = 0; bytes <= LENGTH_MAX; bytes += 1) {
        for (size_t shift = 0; shift < 4; shift += 1) {
            memory_fill();
            EXPECT(copy_apart(memory + 3 + shift, memory + 1024 + 2 * shift, bytes) ==
                   memory + 3 + shift);
            expect_move(3 + shift, 1024 + 2 * shift, bytes);
            EXPECT(memcmp(memory, expected, ROOM) == 0);
        }
    }
}

TEST(copies_that_overlap_in_both_directions)
{
    static const size_t shifts[] = {0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 127, 128, 129, 300};
    for (size_t bytes = 0; bytes <= LENGTH_MAX; bytes += 1) {
        for (size_t index = 0; index < sizeof shifts / sizeof *shifts; index += 1) {
            size_t shift = shifts[index];
            memory_fill();
            EXPECT(copy_over(memory + 500 + shift, memory + 500, bytes) == memory + 500 + shift);
            expect_move(500 + shift, 500, bytes);
            EXPECT(memcmp(memory, expected, ROOM) == 0);
            EXPECT(copy_over(memory + 500 - shift, memory + 500, bytes) == memory + 500 - shift);
            expect_move(500 - shift, 500, bytes);
            EXPECT(memcmp(memory, expected, ROOM) == 0);
        }
    }
}
