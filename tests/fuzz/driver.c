/*
 * Drives one LLVMFuzzerTestOneInput without a fuzzing compiler: replays files, then mutates them.
 *
 *     fuzz_NAME [--mutate N] [--seed S] [--keep DIR] FILE|DIR ...
 *
 * Inputs run in a child process, in batches; each is copied into shared memory first. If the child
 * dies (sanitizer, CHECK, or longer than INPUT_SECONDS_MAX for one input) the parent still has the
 * input: it writes it to DIR (default: build/fuzz-failures), prints how to repeat it and goes on
 * behind it. Mutations depend on the seed, the files and the number of the mutation alone.
 *
 * Last line: `N passed, N failed`, counted in inputs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum {
    INPUT_BYTES_MAX = 1 << 20, /* larger files are cut: parsers here have smaller limits */
    FILES_MAX = 1 << 16,
    FAILURES_MAX = 20, /* then it gives up: the first ones say enough */
    DEPTH_MAX = 4,     /* folders below a folder named on the command line */
    CHANGES_MAX = 6,   /* changes per mutation */
    INPUT_SECONDS_MAX = 20,
    PATH_BYTES_MAX = 4096,
};

struct input {
    uint8_t *data;
    size_t bytes;
    const char *path;
};

/* Survives the child. */
struct shared {
    uint64_t number; /* of the input being run: files first, then mutations */
    size_t bytes;
    uint8_t data[INPUT_BYTES_MAX];
};

static struct input files[FILES_MAX];
static size_t file_count;
static uint64_t mutation_count;
static uint64_t seed = 1;
static const char *keep_dir = "build/fuzz-failures";
static const char *program;
static struct shared *shared;

static void die(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
    exit(2);
}

/* --- reading ------------------------------------------------------------------------------- */

static void file_add(const char *path) {
    if (file_count == FILES_MAX) {
        return;
    }
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    if (file == NULL || data == NULL) {
        die(path);
    }
    size_t bytes = fread(data, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    uint8_t *fitting = realloc(data, bytes + 1);
    files[file_count].data = fitting == NULL ? data : fitting;
    files[file_count].bytes = bytes;
    files[file_count].path = strdup(path);
    file_count += 1;
}

static int entry_is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* Sorted, so that a mutation's number means the same everywhere. */
static void path_add(const char *path, int depth) {
    struct stat status;
    if (stat(path, &status) != 0) {
        die(path);
    }
    if (!S_ISDIR(status.st_mode)) {
        file_add(path);
        return;
    }
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, entry_is_visible, alphasort);
    if (count < 0) {
        die(path);
    }
    for (int index = 0; index < count; index += 1) {
        char below[PATH_BYTES_MAX];
        int length = snprintf(below, sizeof below, "%s/%s", path, entries[index]->d_name);
        if (length > 0 && length < PATH_BYTES_MAX && depth < DEPTH_MAX) {
            path_add(below, depth + 1);
        }
        free(entries[index]);
    }
    free(entries);
}

/* --- mutating ------------------------------------------------------------------------------ */

static uint64_t random_state;

static uint64_t random_next(void) {
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = random_state;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static size_t random_below(size_t bound) {
    return bound == 0 ? 0 : (size_t)(random_next() % bound);
}

/* Bytes that parsers treat specially, and the edges of the integers. */
static uint8_t random_byte(void) {
    static const uint8_t special[] = {0,   1,   9,   10,   13,   ' ',  '"',  '%',  '&',  '+',
                                      ',', '-', '.', '/',  '0',  '9',  ':',  ';',  '=',  '[',
                                      ']', '{', '}', '\\', 0x7f, 0x80, 0xc0, 0xed, 0xfe, 0xff};
    return random_below(2) == 0 ? special[random_below(sizeof special)] : (uint8_t)random_next();
}

/* Opens a gap of `wanted` bytes at `at`, less if it does not fit; says how many. */
static size_t gap_open(size_t at, size_t wanted) {
    size_t room = INPUT_BYTES_MAX - shared->bytes;
    size_t gap = wanted < room ? wanted : room;
    memmove(shared->data + at + gap, shared->data + at, shared->bytes - at);
    shared->bytes += gap;
    return gap;
}

static void change_bytes_insert(void) {
    size_t at = random_below(shared->bytes + 1);
    size_t gap = gap_open(at, 1 + random_below(8));
    uint8_t byte = random_byte();
    bool is_run = random_below(2) == 0;
    for (size_t index = 0; index < gap; index += 1) {
        shared->data[at + index] = is_run ? byte : random_byte();
    }
}

static void change_bytes_delete(void) {
    size_t at = random_below(shared->bytes);
    size_t count = 1 + random_below(random_below(4) == 0 ? shared->bytes - at : 8);
    if (count > shared->bytes - at) {
        count = shared->bytes - at;
    }
    memmove(shared->data + at, shared->data + at + count, shared->bytes - at - count);
    shared->bytes -= count;
}

static void change_part_repeat(void) {
    size_t from = random_below(shared->bytes);
    size_t count = 1 + random_below(shared->bytes - from < 64 ? shared->bytes - from : 64);
    if (count > shared->bytes - from) {
        count = shared->bytes - from;
    }
    uint8_t part[64];
    memcpy(part, shared->data + from, count);
    size_t at = random_below(shared->bytes + 1);
    size_t gap = gap_open(at, count);
    memcpy(shared->data + at, part, gap);
}

/* A part of another file lands here. */
static void change_part_borrow(void) {
    const struct input *other = &files[random_below(file_count)];
    if (other->bytes == 0) {
        return;
    }
    size_t from = random_below(other->bytes);
    size_t count = 1 + random_below(other->bytes - from);
    size_t at = random_below(shared->bytes + 1);
    size_t gap = gap_open(at, count < 256 ? count : 256);
    memcpy(shared->data + at, other->data + from, gap);
}

static void change_one(void) {
    size_t kind = random_below(8);
    if (kind == 5) {
        change_bytes_insert();
    } else if (kind == 7 && file_count > 0) {
        change_part_borrow();
    } else if (shared->bytes == 0) {
        change_bytes_insert();
    } else if (kind == 4) {
        change_bytes_delete();
    } else if (kind == 6) {
        change_part_repeat();
    } else if (kind <= 1) {
        shared->data[random_below(shared->bytes)] ^= (uint8_t)(1u << random_below(8));
    } else if (kind == 2) {
        shared->data[random_below(shared->bytes)] = random_byte();
    } else {
        shared->data[random_below(shared->bytes)] += (uint8_t)(random_below(2) == 0 ? 1 : 255);
    }
}

static void mutation_make(uint64_t number) {
    random_state = seed * UINT64_C(0xd1342543de82ef95) + number;
    const struct input *base = &files[random_below(file_count)];
    if (file_count > 0) {
        memcpy(shared->data, base->data, base->bytes);
    }
    shared->bytes = file_count > 0 ? base->bytes : 0;
    size_t changes = 1 + random_below(CHANGES_MAX);
    for (size_t index = 0; index < changes; index += 1) {
        change_one();
    }
}

/* --- running ------------------------------------------------------------------------------- */

static void input_make(uint64_t number) {
    if (number < file_count) {
        shared->bytes = files[number].bytes;
        memcpy(shared->data, files[number].data, shared->bytes);
    } else {
        mutation_make(number - file_count);
    }
    shared->number = number;
}

/* A heap copy of exactly its size: reading one byte too far is seen. */
static void input_run(void) {
    uint8_t *copy = malloc(shared->bytes == 0 ? 1 : shared->bytes);
    if (copy == NULL) {
        die("malloc");
    }
    memcpy(copy, shared->data, shared->bytes);
    alarm(INPUT_SECONDS_MAX);
    (void)LLVMFuzzerTestOneInput(copy, shared->bytes);
    free(copy);
}

static void failure_keep(int status) {
    char path[PATH_BYTES_MAX];
    const char *slash = strrchr(program, '/');
    snprintf(path, sizeof path, "%s/%s-seed%" PRIu64 "-%" PRIu64, keep_dir,
             slash == NULL ? program : slash + 1, seed, shared->number);
    mkdir(keep_dir, 0755);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(shared->data, 1, shared->bytes, file) != shared->bytes ||
        fclose(file) != 0) {
        die(path);
    }
    const char *origin = shared->number < file_count ? files[shared->number].path : "a mutation";
    printf("  FAILED on %s (%s %d)\n    again: %s %s\n", origin,
           WIFSIGNALED(status) ? "signal" : "exit code",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), program, path);
}

/* Runs inputs first..last-1 in a child; says how many it survived, `last - first` if all. */
static uint64_t child_run(uint64_t first, uint64_t last) {
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        die("fork");
    }
    if (child == 0) {
        for (uint64_t number = first; number < last; number += 1) {
            input_make(number);
            input_run();
        }
        shared->number = last;
        exit(0); /* runs the leak check */
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            die("waitpid");
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return last - first;
    }
    if (shared->number == last) {
        /* Every input came through, so it is a leak: the last input stands for the batch. */
        printf("  leaked in inputs %" PRIu64 "..%" PRIu64 "\n", first, last - 1);
        shared->number = last - 1;
    }
    failure_keep(status);
    return shared->number - first;
}

static void arguments_read(int argc, char **argv) {
    for (int index = 1; index < argc; index += 1) {
        bool has_value = index + 1 < argc;
        if (strcmp(argv[index], "--mutate") == 0 && has_value) {
            mutation_count = strtoull(argv[++index], NULL, 0);
        } else if (strcmp(argv[index], "--seed") == 0 && has_value) {
            seed = strtoull(argv[++index], NULL, 0);
        } else if (strcmp(argv[index], "--keep") == 0 && has_value) {
            keep_dir = argv[++index];
        } else {
            path_add(argv[index], 0);
        }
    }
}

int main(int argc, char **argv) {
    program = argv[0];
    setvbuf(stdout, NULL, _IOLBF, 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        die("mmap");
    }
    arguments_read(argc, argv);
    uint64_t total = file_count + mutation_count;
    uint64_t done = 0;
    uint64_t failed = 0;
    while (done < total && failed < FAILURES_MAX) {
        uint64_t survived = child_run(done, total);
        done += survived;
        if (done < total) {
            failed += 1;
            done += 1;
        }
    }
    printf("%zu files, %" PRIu64 " mutations, seed %" PRIu64 "\n", file_count, mutation_count,
           seed);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", done - failed, failed);
    return failed == 0 && total > 0 ? 0 : 1;
}
