/* The edge to the system: clocks, memory, log, last words, files, users, the sandbox, numbers. What
 * changes the process for good is tried in a child. */
#include "test.h"

#include "os/clock.h"
#include "os/files.h"
#include "os/log.h"
#include "os/mem.h"
#include "os/panic.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "os/sysinfo.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* --- children --- */

/* Runs `work` in a child and gives its wait status. No exit handlers there: the sanitizer's own
 * threads would meet the sandbox. */
static int child_status(int (*work)(void)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(work());
    }
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* The number of the first expectation that did not hold in a child, 0 = all did. */
#define MUST(number, condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            return (number);                                                                       \
        }                                                                                          \
    } while (0)

static void child_expect(const char *what, int (*work)(void)) {
    int status = child_status(work);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        test_fail(__FILE__, __LINE__, "%s: %s %d", what,
                  WIFEXITED(status) ? "expectation" : "ended by signal",
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
}

/* --- a scratch folder --- */

static char scratch[TEST_PATH_BYTES];
static char path_memory[8][TEST_PATH_BYTES + 64];
static uint32_t path_index;

/* A path in the scratch folder; valid for eight calls. */
static const char *path_of(const char *name) {
    path_index = (path_index + 1) % COUNT_OF(path_memory);
    snprintf(path_memory[path_index], sizeof path_memory[0], "%s/%s", scratch, name);
    return path_memory[path_index];
}

static void scratch_make(void) {
    EXPECT(mkdtemp(test_template(scratch, "os")) != NULL);
}

static void scratch_remove(const char *const *names, size_t count) {
    for (size_t index = 0; index < count; index++) {
        (void)remove(path_of(names[index]));
    }
    EXPECT_EQ_INT(rmdir(scratch), 0); /* nothing else may be left: no temporary files */
}

/* --- clock, randomness, memory --- */

TEST(clock_runs_forward)
{
    int64_t before = clock_monotonic_us();
    int64_t wall = clock_wall_us();
    EXPECT(wall > INT64_C(1700000000) * 1000000); /* 2023 */
    EXPECT(wall < INT64_C(4102444800) * 1000000); /* 2100 */
    EXPECT(clock_monotonic_us() >= before);
}

TEST(random_bytes_fill_exactly)
{
    uint8_t a[66] = {0};
    uint8_t b[66] = {0};
    random_bytes(a + 1, 64);
    random_bytes(b + 1, 64);
    EXPECT(memcmp(a, b, sizeof a) != 0);
    EXPECT(a[0] == 0 && a[65] == 0);
    random_bytes(NULL, 0);
    static uint8_t large[100000]; /* more than one call of the kernel's gives when interrupted */
    random_bytes(large, sizeof large);
    uint32_t counts[256] = {0};
    for (size_t index = 0; index < sizeof large; index++) {
        counts[large[index]] += 1;
    }
    for (size_t value = 0; value < 256; value++) {
        EXPECT(counts[value] > 250 && counts[value] < 530); /* 390, seven deviations */
    }
}

TEST(mem_is_zero_and_can_be_given_back)
{
    size_t bytes = (size_t)64 * 1024 * 1024;
    char *memory = mem_reserve(bytes);
    REQUIRE(memory != NULL);
    memory[0] = 'a';
    memory[bytes - 1] = 'z';
    mem_discard(memory, bytes);
    EXPECT(memory[0] == 0 && memory[bytes - 1] == 0);
    mem_release(memory, bytes);
    mem_release(NULL, 1);
    EXPECT(mem_reserve(SIZE_MAX / 2) == NULL);
    EXPECT(mem_stack(SIZE_MAX) == NULL);
}

TEST(mem_stack_has_a_guard)
{
    volatile char *stack = mem_stack(10000);
    REQUIRE(stack != NULL);
    stack[0] = 1;
    stack[12287] = 1; /* rounded up to whole pages */
    EXPECT_DIES(stack[-1] = 1);
}

/* --- log --- */

static int log_pipe[2];
static int stderr_before;

static void log_capture_start(void) {
    fflush(stderr);
    stderr_before = dup(STDERR_FILENO);
    EXPECT_EQ_INT(pipe2(log_pipe, O_NONBLOCK), 0);
    dup2(log_pipe[1], STDERR_FILENO);
}

/* What was logged, NUL-terminated. */
static const char *log_capture_end(void) {
    static char text[1 << 17];
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    close(log_pipe[1]);
    size_t used = 0;
    ssize_t got;
    while ((got = read(log_pipe[0], text + used, sizeof text - 1 - used)) > 0) {
        used += (size_t)got;
    }
    close(log_pipe[0]);
    text[used] = '\0';
    return text;
}

static uint32_t lines_with(const char *text, const char *part) {
    uint32_t count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        count += 1;
    }
    return count;
}

TEST(log_lines_have_a_form)
{
    log_capture_start();
    log_warn("form", "value %d of %s", 5, "x");
    const char *text = log_capture_end();
    int year = 0;
    char rest[64] = "";
    EXPECT_EQ_INT(sscanf(text, "%d-%*d-%*dT%*d:%*d:%*d.%*dZ %63[^\n]", &year, rest), 2);
    EXPECT(year >= 2023);
    EXPECT_EQ_STR(rest, "WARN form: value 5 of x");
    EXPECT_EQ_UINT(lines_with(text, "\n"), 1);
}

TEST(log_input_cannot_make_lines)
{
    log_capture_start();
    log_info("escape", "%s", "a\nb\r\x1b[2J\\n\xc3\xbc\x7f");
    const char *text = log_capture_end();
    EXPECT(strstr(text, "escape: a\\x0ab\\x0d\\x1b[2J\\\\n\\xc3\\xbc\\x7f\n") != NULL);
    EXPECT_EQ_UINT(lines_with(text, "\n"), 1);
}

TEST(log_lines_are_cut)
{
    static char longest[5000];
    memset(longest, '\n', sizeof longest - 1); /* four bytes each when escaped */
    log_capture_start();
    log_info("cut", "%s", longest);
    const char *text = log_capture_end();
    size_t len = strlen(text);
    EXPECT(len > 900);
    EXPECT(len <= LOG_LINE_BYTES_MAX);
    EXPECT(len > 0 && text[len - 1] == '\n');
    EXPECT_EQ_UINT(lines_with(text, "\n"), 1);
}

TEST(log_levels_are_respected)
{
    log_capture_start();
    log_line(LOG_DEBUG, "level", "not said");
    log_level_set(LOG_DEBUG);
    log_line(LOG_DEBUG, "level", "is said");
    log_level_set(LOG_INFO);
    const char *text = log_capture_end();
    EXPECT_EQ_UINT(lines_with(text, "\n"), 1);
    EXPECT(strstr(text, "DEBUG level: is said\n") != NULL);
}

TEST(log_floods_are_held_back_and_counted)
{
    enum { LINES = 500 };
    log_capture_start();
    int64_t start_us = clock_monotonic_us();
    for (uint32_t index = 0; index < LINES; index++) {
        log_info("flood", "again");
    }
    log_info("quiet", "another area");
    int64_t seconds = clock_monotonic_us() / 1000000 - start_us / 1000000 + 1;
    while (clock_monotonic_us() / 1000000 <= start_us / 1000000 + seconds) {
        usleep(20000);
    }
    log_flush();
    const char *text = log_capture_end();
    uint32_t said = lines_with(text, "flood: again");
    EXPECT(said >= LOG_LINES_PER_SECOND);
    EXPECT(said <= LOG_LINES_PER_SECOND * seconds);
    EXPECT_EQ_UINT(lines_with(text, "quiet: another area"), 1);
    uint32_t held = 0;
    for (const char *at = strstr(text, "flood: "); at != NULL; at = strstr(at + 1, "flood: ")) {
        uint32_t count = 0;
        held += sscanf(at, "flood: %u lines were held back", &count) == 1 ? count : 0;
    }
    EXPECT_EQ_UINT(said + held, LINES);
}

static int log_into_full_pipe(void) {
    char fill[4096] = {0};
    MUST(1, pipe(log_pipe) == 0); /* blocking: a plain write would hang */
    MUST(2, fcntl(log_pipe[1], F_SETFL, O_NONBLOCK) == 0);
    while (write(log_pipe[1], fill, sizeof fill) > 0) {
    }
    MUST(3, fcntl(log_pipe[1], F_SETFL, 0) == 0);
    MUST(4, dup2(log_pipe[1], STDERR_FILENO) == STDERR_FILENO);
    alarm(5);
    log_info("stuck", "nobody reads this");
    return 0;
}

TEST(log_never_waits_for_its_reader)
{ child_expect("a full pipe", log_into_full_pipe); }

/* --- last words --- */

static int panic_in_child(void) {
    panic_exit("panic", "on purpose");
}

static int check_in_child(void) {
    CHECK(1 + 1 == 3);
    return 0;
}

TEST(panic_says_why_and_exits)
{
    log_capture_start();
    int status = child_status(panic_in_child);
    const char *text = log_capture_end();
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == PANIC_EXIT_CODE);
    EXPECT(strstr(text, "ERROR panic: on purpose\n") != NULL);
}

TEST(check_says_where_and_aborts)
{
    log_capture_start();
    int status = child_status(check_in_child);
    const char *text = log_capture_end();
    EXPECT(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    EXPECT(strstr(text, "test_os.c") != NULL);
    EXPECT(strstr(text, "1 + 1 == 3\n") != NULL);
}

/* --- files --- */

static uint32_t mode_of(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? (uint32_t)status.st_mode & 07777 : 0;
}

TEST(files_come_back_as_written)
{
    scratch_make();
    char memory[64];
    struct str contents = STR_NONE;
    const char *path = path_of("a");
    EXPECT_EQ_INT(file_read(path, memory, sizeof memory, &contents), ERR_NOT_FOUND);
    EXPECT(str_is_none(contents));
    EXPECT(!file_exists(path));
    EXPECT_EQ_INT(file_write(path, STR("secret\0!"), 0600), ERR_OK);
    EXPECT(file_exists(path));
    EXPECT(file_is_private(path));
    EXPECT_EQ_UINT(mode_of(path), 0600);
    EXPECT_EQ_INT(file_read(path, memory, sizeof memory, &contents), ERR_OK);
    EXPECT(str_equal(contents, STR("secret\0!")));
    /* exactly as large as the memory, and one byte larger */
    EXPECT_EQ_INT(file_read(path, memory, 8, &contents), ERR_OK);
    EXPECT_EQ_INT(file_read(path, memory, 7, &contents), ERR_FULL);
    mode_t umask_before = umask(077);
    EXPECT_EQ_INT(file_write(path, STR(""), 0644), ERR_OK);
    umask(umask_before);
    EXPECT_EQ_UINT(mode_of(path), 0644);
    EXPECT(!file_is_private(path));
    EXPECT_EQ_INT(file_read(path, memory, sizeof memory, &contents), ERR_OK);
    EXPECT(contents.data != NULL && contents.len == 0);
    static const char *const names[] = {"a"};
    scratch_remove(names, COUNT_OF(names));
}

TEST(unsynced_files_are_whole_or_not_there)
{
    scratch_make();
    char memory[64];
    struct str contents = STR_NONE;
    EXPECT_EQ_INT(file_put_unsynced(path_of("a"), STR("first"), 0600), ERR_OK);
    EXPECT_EQ_INT(file_put_unsynced(path_of("a"), STR("second"), 0600), ERR_OK);
    EXPECT(file_is_private(path_of("a")));
    EXPECT(!file_exists(path_of("a.tmp")));
    EXPECT_EQ_INT(file_read(path_of("a"), memory, sizeof memory, &contents), ERR_OK);
    EXPECT(str_equal(contents, STR("second")));
    EXPECT_EQ_INT(file_put_unsynced(path_of("no/such/folder"), STR("x"), 0600), ERR_IO);
    static const char *const names[] = {"a"};
    scratch_remove(names, COUNT_OF(names));
}

TEST(files_survive_a_failed_write)
{
    scratch_make();
    char memory[64];
    struct str contents = STR_NONE;
    EXPECT_EQ_INT(file_write(path_of("a"), STR("old"), 0600), ERR_OK);
    /* A crash left a temporary file behind: no obstacle. */
    EXPECT_EQ_INT(file_write(path_of("a.tmp"), STR("half"), 0600), ERR_OK);
    EXPECT_EQ_INT(file_write(path_of("a"), STR("new"), 0600), ERR_OK);
    EXPECT(!file_exists(path_of("a.tmp")));
    /* A folder cannot be replaced by a file, and leaves no temporary file. */
    EXPECT_EQ_INT(folder_make(path_of("d"), 0700), ERR_OK);
    EXPECT_EQ_INT(file_write(path_of("d"), STR("x"), 0600), ERR_IO);
    EXPECT(!file_exists(path_of("d.tmp")));
    EXPECT_EQ_INT(file_write(path_of("no/such/folder"), STR("x"), 0600), ERR_IO);
    EXPECT_EQ_INT(file_read(path_of("a"), memory, sizeof memory, &contents), ERR_OK);
    EXPECT(str_equal(contents, STR("new")));
    static const char *const names[] = {"a", "d"};
    scratch_remove(names, COUNT_OF(names));
}

static int full_disk_write(void) {
    struct rlimit limit = {.rlim_cur = 1000, .rlim_max = 1000};
    static char large[5000];
    char memory[64];
    struct str contents = STR_NONE;
    signal(SIGXFSZ, SIG_IGN);
    MUST(1, setrlimit(RLIMIT_FSIZE, &limit) == 0);
    MUST(2, file_write(path_of("a"), str_from(large, sizeof large), 0600) == ERR_IO);
    MUST(3, !file_exists(path_of("a.tmp")));
    MUST(4, file_read(path_of("a"), memory, sizeof memory, &contents) == ERR_OK);
    MUST(5, str_equal(contents, STR("old")));
    return 0;
}

TEST(files_stay_when_the_disk_is_full)
{
    scratch_make();
    EXPECT_EQ_INT(file_write(path_of("a"), STR("old"), 0600), ERR_OK);
    child_expect("a file of 5000 bytes where 1000 are allowed", full_disk_write);
    static const char *const names[] = {"a"};
    scratch_remove(names, COUNT_OF(names));
}

TEST(files_must_be_ordinary)
{
    scratch_make();
    char memory[64];
    struct str contents = STR_NONE;
    EXPECT_EQ_INT(mkfifo(path_of("pipe"), 0600), 0);
    EXPECT_EQ_INT(file_read(path_of("pipe"), memory, sizeof memory, &contents), ERR_IO);
    EXPECT_EQ_INT(file_read(scratch, memory, sizeof memory, &contents), ERR_IO);
    EXPECT_EQ_INT(file_read("/dev/zero", memory, sizeof memory, &contents), ERR_IO);
    char proc[4096]; /* tells no size before it is read */
    EXPECT_EQ_INT(file_read("/proc/self/status", proc, sizeof proc, &contents), ERR_OK);
    EXPECT(contents.len > 100);
    static const char *const names[] = {"pipe"};
    scratch_remove(names, COUNT_OF(names));
}

TEST(folders_are_made_once)
{
    scratch_make();
    EXPECT_EQ_INT(folder_make(path_of("d"), 0700), ERR_OK);
    EXPECT_EQ_UINT(mode_of(path_of("d")), 0700);
    EXPECT_EQ_INT(folder_make(path_of("d"), 0755), ERR_EXISTS);
    EXPECT_EQ_INT(folder_make(path_of("d/"), 0755), ERR_EXISTS);
    EXPECT_EQ_INT(folder_make(path_of("x/y"), 0700), ERR_IO);
    EXPECT_EQ_INT(file_write(path_of("f"), STR("x"), 0600), ERR_OK);
    EXPECT_EQ_INT(folder_make(path_of("f"), 0700), ERR_IO);
    EXPECT_EQ_INT(folder_sync(path_of("d")), ERR_OK);
    EXPECT_EQ_INT(folder_sync(path_of("f")), ERR_IO);
    static const char *const names[] = {"d", "f"};
    scratch_remove(names, COUNT_OF(names));
}

TEST(path_folder_takes_the_name_off)
{
    static const char *const rows[][2] = {
        {"a", "."},        {"a/b", "a"},     {"/a", "/"},    {"/", "/"},
        {"//", "/"},       {"a/b/c", "a/b"}, {"a/b/", "a"},  {"a//b", "a"},
        {"/a//b//", "/a"}, {"./a", "."},     {"../a", ".."}, {"a/", "."},
    };
    char folder[FILE_PATH_BYTES_MAX];
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        EXPECT(path_folder(rows[index][0], folder));
        EXPECT_EQ_STR(folder, rows[index][1]);
    }
    EXPECT(!path_folder("", folder));
    static char longest[FILE_PATH_BYTES_MAX + 1];
    memset(longest, 'a', FILE_PATH_BYTES_MAX - 1);
    EXPECT(path_folder(longest, folder));
    longest[FILE_PATH_BYTES_MAX - 1] = 'a';
    EXPECT(!path_folder(longest, folder));
}

/* --- process --- */

TEST(users_are_found_by_name_and_number)
{
    struct process_user user = {0, 0};
    EXPECT_EQ_INT(process_user_find(STR("root"), &user), ERR_OK);
    EXPECT_EQ_UINT(user.uid, 0);
    EXPECT_EQ_UINT(user.gid, 0);
    EXPECT_EQ_INT(process_user_find(STR("root:17"), &user), ERR_OK);
    EXPECT_EQ_UINT(user.gid, 17);
    EXPECT_EQ_INT(process_user_find(STR("4123456789"), &user), ERR_OK);
    EXPECT_EQ_UINT(user.uid, 4123456789u);
    EXPECT_EQ_UINT(user.gid, 4123456789u);
    EXPECT_EQ_INT(process_user_find(STR("7:8"), &user), ERR_OK);
    EXPECT_EQ_UINT(user.uid, 7);
    EXPECT_EQ_UINT(user.gid, 8);
    EXPECT_EQ_INT(process_user_find(STR("no-such-user-here"), &user), ERR_NOT_FOUND);
    EXPECT_EQ_INT(process_user_find(STR("4294967295"), &user), ERR_NOT_FOUND);
    EXPECT_EQ_INT(process_user_find(STR(""), &user), ERR_FORMAT);
    EXPECT_EQ_INT(process_user_find(STR(":5"), &user), ERR_FORMAT);
    EXPECT_EQ_INT(process_user_find(STR("7:"), &user), ERR_FORMAT);
    EXPECT_EQ_INT(process_user_find(STR("7:x"), &user), ERR_FORMAT);
    EXPECT_EQ_INT(process_user_find(STR("7:4294967295"), &user), ERR_FORMAT);
    EXPECT_EQ_INT(process_user_find(STR("7:8:9"), &user), ERR_FORMAT);
}

static int user_become_in_child(void) {
    struct process_user user = {.uid = 54321, .gid = 54322};
    if (!process_is_root()) {
        MUST(1, process_user_become(user) == ERR_IO);
        struct process_user self = {.uid = getuid(), .gid = getgid()};
        MUST(2, process_user_become(self) == ERR_OK);
        return 0;
    }
    MUST(3, process_user_become(user) == ERR_OK);
    MUST(4, getuid() == 54321 && geteuid() == 54321);
    MUST(5, getgid() == 54322 && getegid() == 54322);
    MUST(6, getgroups(0, NULL) == 0);
    MUST(7, setuid(0) != 0);
    MUST(8, setgid(0) != 0);
    MUST(9, process_user_become(user) == ERR_OK); /* it is that one already */
    user.uid = 0;
    MUST(10, process_user_become(user) == ERR_IO);
    return 0;
}

TEST(user_becomes_another_for_good)
{ child_expect("another user", user_become_in_child); }

static int harden_in_child(void) {
    process_harden();
    struct rlimit limit;
    MUST(1, getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
    MUST(2, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    MUST(3, umask(0) == 077);
    return 0;
}

TEST(process_leaves_no_memory_behind)
{ child_expect("hardening", harden_in_child); }

static int descriptors_in_child(void) {
    struct rlimit limit = {.rlim_cur = 64, .rlim_max = 128};
    MUST(1, setrlimit(RLIMIT_NOFILE, &limit) == 0);
    MUST(2, process_descriptors_allow(32) == 64);
    MUST(3, process_descriptors_allow(100) == 100);
    bool may_lift = process_is_root();
    uint32_t allowed = process_descriptors_allow(200);
    MUST(4, may_lift ? allowed >= 128 : allowed == 128);
    return 0;
}

TEST(process_raises_its_descriptors)
{ child_expect("descriptors", descriptors_in_child); }

/* --- sandbox --- */

static bool can_open(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static int files_close_in_child(void) {
    struct sandbox_paths paths = {.writable = {path_of("data")},
                                  .writable_count = 1,
                                  .readable = {path_of("link"), path_of("nowhere/at/all")},
                                  .readable_count = 2};
    enum err err = sandbox_files_close(&paths);
    if (err == ERR_NOT_FOUND) {
        return 0; /* a kernel without Landlock */
    }
    MUST(1, err == ERR_OK);
    MUST(2, file_write(path_of("data/new"), STR("x"), 0600) == ERR_OK);
    MUST(3, can_open(path_of("data/new"), O_RDWR | O_TRUNC));
    MUST(4, folder_make(path_of("data/sub"), 0700) == ERR_OK);
    MUST(5, rename(path_of("data/new"), path_of("data/sub/new")) == 0);
    MUST(15, link(path_of("data/sub/new"), path_of("data/new")) == 0);
    MUST(16, unlink(path_of("data/new")) == 0);
    MUST(6, unlink(path_of("data/sub/new")) == 0);
    MUST(7, rmdir(path_of("data/sub")) == 0);
    MUST(8, can_open(path_of("link"), O_RDONLY));
    MUST(9, can_open(path_of("pem/real.pem"), O_RDONLY));
    MUST(10, !can_open(path_of("pem/real.pem"), O_RDWR));
    MUST(11, !can_open(path_of("pem/other.pem"), O_WRONLY | O_CREAT));
    MUST(12, !can_open("/etc/passwd", O_RDONLY));
    MUST(13, !can_open("/proc/self/environ", O_RDONLY));
    MUST(14, unlink(path_of("pem/real.pem")) != 0);
    return 0;
}

TEST(sandbox_leaves_only_its_files)
{
    scratch_make();
    EXPECT_EQ_INT(folder_make(path_of("data"), 0700), ERR_OK);
    EXPECT_EQ_INT(folder_make(path_of("pem"), 0700), ERR_OK);
    EXPECT_EQ_INT(file_write(path_of("pem/real.pem"), STR("x"), 0600), ERR_OK);
    EXPECT_EQ_INT(symlink("pem/real.pem", path_of("link")), 0);
    log_capture_start();
    child_expect("Landlock", files_close_in_child);
    const char *text = log_capture_end();
    EXPECT(text[0] == '\0' || strstr(text, "nowhere/at/all is not there") != NULL);
    static const char *const names[] = {"pem/real.pem", "link", "pem", "data"};
    scratch_remove(names, COUNT_OF(names));
}

static int single_file_in_child(void) {
    struct sandbox_paths paths = {.files = {path_of("one"), path_of("nowhere")}, .file_count = 2};
    enum err err = sandbox_files_close(&paths);
    if (err == ERR_NOT_FOUND) {
        return 0; /* a kernel without Landlock */
    }
    MUST(1, err == ERR_OK);
    MUST(2, can_open(path_of("one"), O_RDONLY));
    MUST(3, !can_open(path_of("one"), O_RDWR));
    MUST(4, !can_open(path_of("two"), O_RDONLY));
    return 0;
}

TEST(sandbox_leaves_a_file_without_its_folder)
{
    scratch_make();
    EXPECT_EQ_INT(file_write(path_of("one"), STR("x"), 0600), ERR_OK);
    EXPECT_EQ_INT(file_write(path_of("two"), STR("x"), 0600), ERR_OK);
    child_expect("Landlock", single_file_in_child);
    static const char *const names[] = {"one", "two"};
    scratch_remove(names, COUNT_OF(names));
}

static void *thread_nothing(void *ctx) {
    return ctx;
}

/* The calls of an ordinary day, each of which must still work. */
static int calls_work_in_child(void) {
    enum err err = sandbox_calls_close();
    if (err == ERR_NOT_FOUND) {
        return 0; /* a kernel without filters */
    }
    MUST(1, err == ERR_OK);
    MUST(2, clock_wall_us() > 0 && clock_monotonic_us() > 0);
    char byte;
    random_bytes(&byte, 1);
    char *memory = mem_reserve(1 << 20);
    MUST(3, memory != NULL);
    memory[0] = 1;
    mem_discard(memory, 1 << 20);
    pthread_t thread;
    MUST(4, pthread_create(&thread, NULL, thread_nothing, memory) == 0);
    void *result = NULL;
    MUST(5, pthread_join(thread, &result) == 0 && result == memory);
    mem_release(memory, 1 << 20);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    MUST(6, fd >= 0);
    MUST(7, listen(fd, 1) == 0);
    close(fd);
    MUST(8, file_write(path_of("a"), STR("x"), 0600) == ERR_OK);
    MUST(9, unlink(path_of("a")) == 0);
    return 0;
}

/* Refused, but the process goes on. */
static int calls_refused_in_child(void) {
    if (sandbox_calls_close() == ERR_NOT_FOUND) {
        return 0;
    }
    MUST(1, socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
    MUST(2, socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
    MUST(3, memory == MAP_FAILED); /* musl tells EPERM as ENOMEM */
    memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    MUST(4, memory != MAP_FAILED);
    MUST(5, mprotect(memory, 4096, PROT_READ | PROT_EXEC) != 0 && errno == EPERM);
    MUST(6, kill(getppid(), 0) != 0 && errno == EPERM);
    MUST(7, syscall(SYS_memfd_create, "x", 0) < 0 && errno == EPERM);
    MUST(8, syscall(435, NULL, 0) < 0 && errno == ENOSYS); /* clone3 */
    MUST(9, syscall(0x40000000, 0) < 0);                   /* x32 */
    return 0;
}

static int exec_in_child(void) {
    if (sandbox_calls_close() == ERR_NOT_FOUND) {
        raise(SIGSYS);
    }
    execl("/bin/true", "true", (char *)NULL);
    return 0;
}

static int ptrace_in_child(void) {
    if (sandbox_calls_close() == ERR_NOT_FOUND) {
        raise(SIGSYS);
    }
    (void)syscall(SYS_ptrace, 0, 0, 0, 0);
    return 0;
}

static int fork_in_child(void) {
    if (sandbox_calls_close() == ERR_NOT_FOUND) {
        raise(SIGSYS);
    }
    (void)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    return 0;
}

static int thread_pipe[2];

static void *thread_exec_when_told(void *ctx) {
    char byte;
    if (read(thread_pipe[0], &byte, 1) == 1) {
        execl("/bin/true", "true", (char *)NULL);
    }
    return ctx;
}

/* The filter holds for threads made before it, too. */
static int thread_before_in_child(void) {
    pthread_t thread;
    MUST(1, pipe(thread_pipe) == 0);
    MUST(2, pthread_create(&thread, NULL, thread_exec_when_told, NULL) == 0);
    if (sandbox_calls_close() == ERR_NOT_FOUND) {
        raise(SIGSYS);
    }
    MUST(3, write(thread_pipe[1], "x", 1) == 1);
    (void)pthread_join(thread, NULL);
    return 0;
}

static void killed_expect(const char *what, int (*work)(void)) {
    int status = child_status(work);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS) {
        test_fail(__FILE__, __LINE__, "%s: status 0x%x", what, (unsigned)status);
    }
}

TEST(sandbox_leaves_only_its_calls)
{
    scratch_make();
    child_expect("calls of an ordinary day", calls_work_in_child);
    child_expect("calls that fail", calls_refused_in_child);
    killed_expect("execve", exec_in_child);
    killed_expect("ptrace", ptrace_in_child);
    killed_expect("clone of a process", fork_in_child);
    killed_expect("execve in another thread", thread_before_in_child);
    scratch_remove(NULL, 0);
}

static int enter_in_child(void) {
    struct sandbox_paths paths = {.writable = {scratch}, .writable_count = 1};
    MUST(1, sandbox_enter(&paths) == ERR_OK);
    MUST(2, file_write(path_of("a"), STR("x"), 0600) == ERR_OK);
    MUST(3, unlink(path_of("a")) == 0);
    return 0;
}

static int enter_wrongly_in_child(void) {
    struct sandbox_paths paths = {.writable = {path_of("nowhere")}, .writable_count = 1};
    enum err err = sandbox_enter(&paths);
    return err == ERR_IO ? 0 : 1;
}

TEST(sandbox_is_entered_whole)
{
    scratch_make();
    child_expect("both locks", enter_in_child);
    log_capture_start();
    child_expect("a folder that is not there", enter_wrongly_in_child);
    (void)log_capture_end();
    scratch_remove(NULL, 0);
}

/* --- numbers --- */

static uint32_t descriptors_by_hand(void) {
    uint32_t count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

TEST(sysinfo_tells_what_is)
{
    struct sysinfo_source *source = sysinfo_open("/tmp");
    struct sysinfo_values values;
    sysinfo_read(source, &values);
    EXPECT_EQ_INT(values.pid, getpid());
    EXPECT_EQ_INT(values.open_descriptors, descriptors_by_hand());
    EXPECT(values.rss_bytes > 100000);
    EXPECT_EQ_INT(values.threads, 1);
    EXPECT_EQ_INT(values.cpu_count, sysconf(_SC_NPROCESSORS_ONLN));
    EXPECT_EQ_INT(values.cpu_busy_permille, SYSINFO_UNKNOWN); /* nothing to compare with yet */
    EXPECT(values.load_milli[0] >= 0 && values.load_milli[2] >= 0);
    EXPECT(values.memory_total_bytes > values.memory_available_bytes);
    EXPECT(values.memory_available_bytes > 0);
    EXPECT(values.disk_total_bytes >= values.disk_free_bytes);
    EXPECT(values.disk_total_bytes > 0);
    int64_t cpu_before_us = values.cpu_process_us;
    int64_t start_us = clock_monotonic_us();
    while (clock_monotonic_us() < start_us + 100000) {
    }
    int extra = dup(0);
    sysinfo_read(source, &values);
    EXPECT(values.cpu_process_us > cpu_before_us);
    EXPECT(values.cpu_busy_permille > 0 && values.cpu_busy_permille <= 1000);
    EXPECT_EQ_INT(values.open_descriptors, descriptors_by_hand());
    close(extra);
    sysinfo_close(source);
}

/* As in a container without /proc: nothing is invented. */
TEST(sysinfo_says_unknown)
{
    struct sysinfo_source *source = sysinfo_open("/no/such/folder");
    sysinfo_close(source);
    struct sysinfo_values values;
    sysinfo_read(source, &values);
    EXPECT_EQ_INT(values.rss_bytes, SYSINFO_UNKNOWN);
    EXPECT_EQ_INT(values.threads, SYSINFO_UNKNOWN);
    EXPECT_EQ_INT(values.open_descriptors, SYSINFO_UNKNOWN);
    EXPECT_EQ_INT(values.cpu_busy_permille, SYSINFO_UNKNOWN);
    EXPECT_EQ_INT(values.memory_total_bytes, SYSINFO_UNKNOWN);
    EXPECT_EQ_INT(values.memory_available_bytes, SYSINFO_UNKNOWN);
    EXPECT_EQ_INT(values.disk_total_bytes, SYSINFO_UNKNOWN);
    EXPECT_EQ_INT(values.disk_free_bytes, SYSINFO_UNKNOWN);
    for (uint32_t index = 0; index < SYSINFO_LOADS; index++) {
        EXPECT_EQ_INT(values.load_milli[index], SYSINFO_UNKNOWN);
    }
    EXPECT(values.pid == getpid());
}
