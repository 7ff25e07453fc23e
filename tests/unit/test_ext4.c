/* ext4: the formatter against e2fsck, the reader against mke2fs, damage. */
#include "test.h"

#include "os/ext4.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

enum { MIB = 1024 * 1024 };

static char path[TEST_PATH_BYTES];

static void entropy_fill(uint8_t entropy[EXT4_ENTROPY_BYTES]) {
    for (uint32_t index = 0; index < EXT4_ENTROPY_BYTES; index++) {
        entropy[index] = (uint8_t)(index * 37 + 11);
    }
}

static int image_make(uint64_t bytes) {
    int fd = mkstemp(test_template(path, "ext4"));
    return fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 ? fd : -1;
}

static int tool_run(const char *tool, const char *const *arguments) {
    pid_t child = fork();
    if (child == 0) {
        int quiet = open("/dev/null", O_RDWR);
        (void)dup2(quiet, 1);
        (void)dup2(quiet, 2);
        (void)execvp(tool, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int checker_run(void) {
    const char *const arguments[] = {"e2fsck", "-f", "-n", path, NULL};
    return tool_run("/sbin/e2fsck", arguments);
}

static void head_read(int fd, uint8_t *head) {
    EXPECT_EQ_INT(pread(fd, head, EXT4_HEAD_BYTES, 0), EXT4_HEAD_BYTES);
}

TEST(ext4_formatted_images_pass_the_checker)
{
    static const uint64_t sizes[] = {16 * MIB,  16 * MIB + 4095, 31 * MIB, 32 * MIB,
                                     100 * MIB, 128 * MIB,       300 * MIB};
    uint8_t entropy[EXT4_ENTROPY_BYTES];
    uint8_t head[EXT4_HEAD_BYTES];
    entropy_fill(entropy);
    for (uint32_t index = 0; index < COUNT_OF(sizes); index++) {
        struct ext4_info info;
        int fd = image_make(sizes[index]);
        REQUIRE(fd >= 0);
        EXPECT_EQ_INT(ext4_format(fd, sizes[index], "coffer-data", entropy, 1789000000000000),
                      ERR_OK);
        EXPECT_EQ_INT(checker_run(), 0);
        head_read(fd, head);
        EXPECT_EQ_INT(ext4_parse(head, &info), ERR_OK);
        EXPECT_EQ_STR(info.label, "coffer-data");
        EXPECT(!info.has_errors);
        EXPECT(!info.needs_recovery);
        uint64_t expected = sizes[index] < 128 * MIB ? sizes[index] : 128 * MIB;
        EXPECT_EQ_UINT(info.bytes, expected / 4096 * 4096);
        close(fd);
        unlink(path);
    }
}

TEST(ext4_too_small_a_device_is_left_alone)
{
    uint8_t entropy[EXT4_ENTROPY_BYTES];
    uint8_t head[EXT4_HEAD_BYTES];
    uint8_t zero[EXT4_HEAD_BYTES] = {0};
    entropy_fill(entropy);
    int fd = image_make(16 * MIB - 1);
    REQUIRE(fd >= 0);
    EXPECT_EQ_INT(ext4_format(fd, 16 * MIB - 1, "coffer-data", entropy, 0), ERR_FULL);
    head_read(fd, head);
    EXPECT_EQ_MEM(head, zero, sizeof zero);
    close(fd);
    unlink(path);
}

TEST(ext4_the_checker_would_notice_a_wrong_formatter)
{
    uint8_t entropy[EXT4_ENTROPY_BYTES];
    entropy_fill(entropy);
    /* A byte in each structure that has a checksum. */
    static const uint32_t places[] = {1024 + 0x0c,  4096 + 0x0c,        2 * 4096 + 3,
                                      3 * 4096 + 1, 4 * 4096 + 256 + 4, 132 * 4096 + 20};
    for (uint32_t index = 0; index < COUNT_OF(places); index++) {
        int fd = image_make(16 * MIB);
        REQUIRE(fd >= 0);
        EXPECT_EQ_INT(ext4_format(fd, 16 * MIB, "coffer-data", entropy, 0), ERR_OK);
        uint8_t byte = 0;
        EXPECT_EQ_INT(pread(fd, &byte, 1, places[index]), 1);
        byte ^= 0x10;
        EXPECT_EQ_INT(pwrite(fd, &byte, 1, places[index]), 1);
        EXPECT(checker_run() != 0);
        close(fd);
        unlink(path);
    }
}

TEST(ext4_reads_what_mke2fs_wrote)
{
    uint8_t head[EXT4_HEAD_BYTES];
    struct ext4_info info;
    int fd = image_make(64 * MIB);
    REQUIRE(fd >= 0);
    const char *const arguments[] = {"mke2fs",           "-q", "-t",   "ext4", "-L",
                                     "exactly-16-bytes", "-b", "1024", path,   NULL};
    EXPECT_EQ_INT(tool_run("/sbin/mke2fs", arguments), 0);
    head_read(fd, head);
    EXPECT_EQ_INT(ext4_parse(head, &info), ERR_OK);
    EXPECT_EQ_STR(info.label, "exactly-16-bytes");
    EXPECT_EQ_UINT(info.bytes, 64 * MIB);
    close(fd);
    unlink(path);
}

static int debugfs_run(const char *request) {
    const char *const arguments[] = {"debugfs", "-w", "-R", request, path, NULL};
    return tool_run("/sbin/debugfs", arguments);
}

TEST(ext4_says_when_it_was_used_and_that_it_was_cut_off)
{
    uint8_t head[EXT4_HEAD_BYTES];
    struct ext4_info info;
    int64_t start_s = time(NULL);
    int fd = image_make(64 * MIB);
    REQUIRE(fd >= 0);
    const char *const arguments[] = {"mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum",
                                     path,     NULL};
    EXPECT_EQ_INT(tool_run("/sbin/mke2fs", arguments), 0);
    head_read(fd, head);
    EXPECT_EQ_INT(ext4_parse(head, &info), ERR_OK);
    EXPECT(!info.needs_recovery);
    EXPECT_EQ_INT(info.mounted_us, 0);
    EXPECT_EQ_INT(debugfs_run("set_super_value mtime @1789000000"), 0);
    EXPECT_EQ_INT(debugfs_run("feature needs_recovery"), 0);
    head_read(fd, head);
    EXPECT_EQ_INT(ext4_parse(head, &info), ERR_OK);
    EXPECT(info.needs_recovery);
    EXPECT_EQ_INT(info.mounted_us, 1789000000000000);
    EXPECT(info.written_us >= start_s * 1000000);
    EXPECT(info.written_us <= (int64_t)time(NULL) * 1000000);
    /* After 2106 (Documentation/filesystems/ext4/super.rst: s_mtime_hi). */
    uint8_t high = 1;
    EXPECT_EQ_INT(pwrite(fd, &high, 1, 1024 + 0x275), 1);
    head_read(fd, head);
    EXPECT_EQ_INT(ext4_parse(head, &info), ERR_OK);
    EXPECT_EQ_INT(info.mounted_us, (1789000000 + (INT64_C(1) << 32)) * 1000000);
    close(fd);
    unlink(path);
}

TEST(ext4_damaged_superblocks_are_told_from_none)
{
    uint8_t entropy[EXT4_ENTROPY_BYTES];
    uint8_t head[EXT4_HEAD_BYTES];
    uint8_t bad[EXT4_HEAD_BYTES];
    struct ext4_info info;
    entropy_fill(entropy);
    int fd = image_make(16 * MIB);
    REQUIRE(fd >= 0);
    EXPECT_EQ_INT(ext4_format(fd, 16 * MIB, "coffer-data", entropy, 0), ERR_OK);
    head_read(fd, head);
    for (uint32_t at = 1024; at < 2048; at++) {
        memcpy(bad, head, sizeof bad);
        bad[at] ^= 1;
        bool is_magic = at == 1024 + 0x38 || at == 1024 + 0x39;
        /* The feature bit that says that there is a checksum. */
        bool hides_checksum = at == 1024 + 0x65;
        enum err err = ext4_parse(bad, &info);
        EXPECT(err == ERR_CORRUPT || (is_magic && err == ERR_NOT_FOUND) || hides_checksum);
    }
    memset(bad, 0, sizeof bad);
    EXPECT_EQ_INT(ext4_parse(bad, &info), ERR_NOT_FOUND);
    close(fd);
    unlink(path);
}

/* Writes behind `limit` fail, as on a disk that dies meanwhile. */
static enum err format_limited(int fd, uint64_t limit) {
    uint8_t entropy[EXT4_ENTROPY_BYTES];
    entropy_fill(entropy);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit bytes = {limit, limit};
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        (void)sigaction(SIGXFSZ, &ignore, NULL);
        (void)setrlimit(RLIMIT_FSIZE, &bytes);
        _exit((int)ext4_format(fd, 16 * MIB, "coffer-data", entropy, 0));
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status) ? (enum err)WEXITSTATUS(status) : ERR_COUNT;
}

TEST(ext4_an_interrupted_formatting_is_recognised_and_can_be_repeated)
{
    static const uint32_t limits_blocks[] = {1, 2, 3, 4, 100, 133, 134};
    uint8_t head[EXT4_HEAD_BYTES];
    struct ext4_info info;
    for (uint32_t index = 0; index < COUNT_OF(limits_blocks); index++) {
        int fd = image_make(16 * MIB);
        REQUIRE(fd >= 0);
        EXPECT_EQ_INT(format_limited(fd, limits_blocks[index] * UINT64_C(4096)), ERR_IO);
        head_read(fd, head);
        EXPECT(ext4_is_half_made(head));
        EXPECT_EQ_INT(ext4_parse(head, &info), ERR_NOT_FOUND);
        EXPECT_EQ_INT(format_limited(fd, 16 * MIB), ERR_OK);
        head_read(fd, head);
        EXPECT(!ext4_is_half_made(head));
        EXPECT_EQ_INT(ext4_parse(head, &info), ERR_OK);
        EXPECT_EQ_INT(checker_run(), 0);
        close(fd);
        unlink(path);
    }
}
