/*
 * The tests' framework: one header, no dependencies.
 *
 *     #include "test.h"
 *
 *     TEST(num_add_refuses_overflow) {
 *         int64_t sum = 0;
 *         EXPECT(!num_add_i64(INT64_MAX, 1, &sum));
 *         EXPECT_EQ_INT(sum, 0);
 *     }
 *
 * The header brings main(). Tests run in the order of the file. A failed EXPECT is reported and
 * the test goes on; a failed REQUIRE ends the test. The last line is `N passed, N failed`, counted
 * in tests; the exit code is 1 if one failed.
 *
 * Randomness comes from test_random(), whose seed is printed; a failed test prints the line that
 * repeats it. Each test starts from the seed anew, so it repeats alone as well.
 *
 *     PROGRAM [TEXT]      only the tests whose name contains TEXT
 *     TEST_SEED=N         the seed
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TEST_COUNT_MAX = 4096, TEST_SHOWN_BYTES_MAX = 32, TEST_PATH_BYTES = 256 };

struct test_case {
    const char *name;
    void (*run)(void);
};

static struct {
    struct test_case cases[TEST_COUNT_MAX];
    size_t count;
    uint64_t seed;
    uint64_t random_state;
    uint64_t failures; /* expectations of the running test that did not hold */
} test_state;

#define TEST(name)                                                                                 \
    static void test_run_##name(void);                                                             \
    __attribute__((constructor)) static void test_add_##name(void) {                               \
        test_add(#name, test_run_##name);                                                          \
    }                                                                                              \
    static void test_run_##name(void)

#define EXPECT(condition) ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #condition))

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            test_fail(__FILE__, __LINE__, "%s", #condition);                                       \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#define EXPECT_EQ_INT(actual, expected)                                                            \
    test_equal_int(__FILE__, __LINE__, #actual, (intmax_t)(actual), (intmax_t)(expected))
#define EXPECT_EQ_UINT(actual, expected)                                                           \
    test_equal_uint(__FILE__, __LINE__, #actual, (uintmax_t)(actual), (uintmax_t)(expected))
#define EXPECT_EQ_STR(actual, expected)                                                            \
    test_equal_str(__FILE__, __LINE__, #actual, (actual), (expected))
#define EXPECT_EQ_MEM(actual, expected, bytes)                                                     \
    test_equal_mem(__FILE__, __LINE__, #actual, (actual), (expected), (bytes))

/* The statement must end the process by a signal or a non-zero exit: a CHECK that has to bite. */
#define EXPECT_DIES(statement)                                                                     \
    do {                                                                                           \
        pid_t test_child = test_fork_quietly();                                                    \
        if (test_child == 0) {                                                                     \
            statement;                                                                             \
            _exit(0);                                                                              \
        }                                                                                          \
        if (!test_child_died(test_child)) {                                                        \
            test_fail(__FILE__, __LINE__, "survived: %s", #statement);                             \
        }                                                                                          \
    } while (0)

/* "$TMPDIR/coffer-NAME-XXXXXX", as mkdtemp and mkstemp want it. */
__attribute__((unused)) static char *test_template(char path[TEST_PATH_BYTES], const char *name) {
    const char *base = getenv("TMPDIR");
    (void)snprintf(path, TEST_PATH_BYTES, "%s/coffer-%s-XXXXXX", base == NULL ? "/tmp" : base,
                   name);
    return path;
}

static void test_add(const char *name, void (*run)(void)) {
    if (test_state.count == TEST_COUNT_MAX) {
        fprintf(stderr, "test.h: more than %d tests\n", TEST_COUNT_MAX);
        abort();
    }
    test_state.cases[test_state.count].name = name;
    test_state.cases[test_state.count].run = run;
    test_state.count += 1;
}

__attribute__((format(printf, 3, 4), unused)) static void test_fail(const char *file, int line,
                                                                    const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("    %s:%d: ", file, line);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    test_state.failures += 1;
}

__attribute__((unused)) static void test_equal_int(const char *file, int line, const char *what,
                                                   intmax_t actual, intmax_t expected) {
    if (actual != expected) {
        test_fail(file, line, "%s is %jd, not %jd", what, actual, expected);
    }
}

__attribute__((unused)) static void test_equal_uint(const char *file, int line, const char *what,
                                                    uintmax_t actual, uintmax_t expected) {
    if (actual != expected) {
        test_fail(file, line, "%s is %ju (0x%jx), not %ju (0x%jx)", what, actual, actual, expected,
                  expected);
    }
}

__attribute__((unused)) static void test_equal_str(const char *file, int line, const char *what,
                                                   const char *actual, const char *expected) {
    bool is_equal =
        actual == expected || (actual != NULL && expected != NULL && strcmp(actual, expected) == 0);
    if (!is_equal) {
        test_fail(file, line, "%s is \"%s\", not \"%s\"", what, actual == NULL ? "(null)" : actual,
                  expected == NULL ? "(null)" : expected);
    }
}

__attribute__((unused)) static void test_equal_mem(const char *file, int line, const char *what,
                                                   const void *actual, const void *expected,
                                                   size_t bytes) {
    const uint8_t *a = actual;
    const uint8_t *b = expected;
    size_t at = 0;
    while (at < bytes && a[at] == b[at]) {
        at += 1;
    }
    if (at == bytes) {
        return;
    }
    test_fail(file, line, "%s differs at byte %zu of %zu:", what, at, bytes);
    size_t shown = bytes - at < TEST_SHOWN_BYTES_MAX ? bytes - at : TEST_SHOWN_BYTES_MAX;
    printf("      is  ");
    for (size_t index = 0; index < shown; index += 1) {
        printf(" %02x", a[at + index]);
    }
    printf("\n      not ");
    for (size_t index = 0; index < shown; index += 1) {
        printf(" %02x", b[at + index]);
    }
    printf("\n");
}

__attribute__((unused)) static pid_t test_fork_quietly(void) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        /* What a dying program says is expected here. */
        if (freopen("/dev/null", "w", stderr) == NULL ||
            freopen("/dev/null", "w", stdout) == NULL) {
            _exit(0);
        }
    }
    return child;
}

__attribute__((unused)) static bool test_child_died(pid_t child) {
    int status = 0;
    pid_t waited = 0;
    if (child < 0) {
        return false;
    }
    do {
        waited = waitpid(child, &status, 0);
    } while (waited < 0 && errno == EINTR);
    return waited == child && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* splitmix64: every seed is a good one. */
__attribute__((unused)) static uint64_t test_random(void) {
    test_state.random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = test_state.random_state;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* 0 .. bound-1; the bias of the remainder does not matter to a test. */
__attribute__((unused)) static uint64_t test_random_below(uint64_t bound) {
    return bound == 0 ? 0 : test_random() % bound;
}

__attribute__((unused)) static void test_random_fill(void *target, size_t bytes) {
    uint8_t *to = target;
    for (size_t index = 0; index < bytes; index += 1) {
        to[index] = (uint8_t)test_random();
    }
}

static uint64_t test_seed_choose(void) {
    const char *given = getenv("TEST_SEED");
    if (given != NULL && given[0] != '\0') {
        return strtoull(given, NULL, 0);
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec) % 1000000000u;
}

/* True if the test passed. */
static bool test_run_one(const struct test_case *test, const char *program) {
    test_state.failures = 0;
    test_state.random_state = test_state.seed;
    test->run();
    if (test_state.failures == 0) {
        return true;
    }
    printf("  FAILED %s\n    again: TEST_SEED=%" PRIu64 " %s %s\n", test->name, test_state.seed,
           program, test->name);
    return false;
}

int main(int argc, char **argv) {
    const char *filter = argc > 1 ? argv[1] : "";
    uint64_t passed = 0;
    uint64_t failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_state.seed = test_seed_choose();
    printf("seed %" PRIu64 "\n", test_state.seed);
    for (size_t index = 0; index < test_state.count; index += 1) {
        if (strstr(test_state.cases[index].name, filter) == NULL) {
            continue;
        }
        if (test_run_one(&test_state.cases[index], argv[0])) {
            passed += 1;
        } else {
            failed += 1;
        }
    }
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}

#endif
