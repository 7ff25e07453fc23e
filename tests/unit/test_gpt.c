/* The partition table grows: against sfdisk, and cut off after each of its writes. */
#include "test.h"

#include "base/le.h"
#include "os/gpt.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { MIB = 1024 * 1024, DISK_BYTES = 8 * MIB, GROWN_BYTES = 16 * MIB, DATA = 3, SECTOR = 512 };

static char path[TEST_PATH_BYTES];
static struct gpt gpt;

/* The disk's file is the script's $0. */
static int shell(const char *script) {
    pid_t child = fork();
    if (child == 0) {
        (void)execlp("sh", "sh", "-c", script, path, NULL);
        _exit(127);
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Like ours: two before the data, and one that lies first and is numbered last. */
static int disk_make(const char *more) {
    char layout[256];
    int fd = mkstemp(test_template(path, "gpt"));
    EXPECT(fd >= 0);
    EXPECT_EQ_INT(ftruncate(fd, DISK_BYTES), 0);
    (void)snprintf(layout, sizeof layout,
                   "printf 'label: gpt\\nfirst-lba: 128\\nstart=2048,size=2048\\n"
                   "start=4096,size=2048\\nstart=6144,size=6144,name=coffer-data\\n"
                   "start=128,size=1920\\n%s' | sfdisk --quiet --no-tell-kernel \"$0\"",
                   more);
    EXPECT_EQ_INT(shell(layout), 0);
    return fd;
}

static void disk_end(int fd) {
    (void)close(fd);
    (void)unlink(path);
}

/* Another program finds the data where it should be. */
static void disk_expect(uint64_t sectors) {
    char line[256];
    (void)snprintf(line, sizeof line,
                   "sfdisk --dump \"$0\" 2>&1 | grep -q 'start= *6144, size= *%llu,'",
                   (unsigned long long)sectors);
    EXPECT_EQ_INT(shell(line), 0);
}

/* And no fault with the whole of it: both tables, at both ends. */
static void disk_expect_sound(uint64_t sectors) {
    disk_expect(sectors);
    EXPECT_EQ_INT(shell("sfdisk --verify \"$0\" 2>&1 | grep -q 'No errors detected'"), 0);
}

static enum err disk_grow(int fd, uint64_t bytes) {
    enum err err = gpt_read(fd, bytes, &gpt);
    return err == ERR_OK ? gpt_grow(fd, bytes, DATA, &gpt) : err;
}

TEST(gpt_last_partition_grows_to_the_end)
{
    int fd = disk_make("");
    disk_expect(6144);
    EXPECT_EQ_INT(disk_grow(fd, DISK_BYTES),
                  ERR_OK); /* to the last whole MiB but the second table */
    disk_expect_sound(8192);
    EXPECT_EQ_INT(disk_grow(fd, DISK_BYTES), ERR_EXISTS);
    EXPECT_EQ_INT(ftruncate(fd, GROWN_BYTES), 0);
    EXPECT_EQ_INT(disk_grow(fd, GROWN_BYTES), ERR_OK);
    EXPECT_EQ_INT(gpt_sectors(&gpt, DATA), GROWN_BYTES / SECTOR - 2048 - 6144);
    disk_expect_sound(GROWN_BYTES / SECTOR - 2048 - 6144);
    EXPECT_EQ_INT(gpt_sectors(&gpt, 1), 2048);
    EXPECT_EQ_INT(gpt_sectors(&gpt, 5), 0);
    EXPECT_EQ_INT(gpt_sectors(&gpt, 0), 0);
    disk_end(fd);
}

TEST(gpt_partition_with_another_behind_it_stays)
{
    int fd = disk_make("start=12288,size=2048\\n");
    EXPECT_EQ_INT(ftruncate(fd, GROWN_BYTES), 0);
    EXPECT_EQ_INT(disk_grow(fd, GROWN_BYTES), ERR_CONFLICT);
    disk_expect(6144);
    EXPECT_EQ_INT(gpt_read(fd, GROWN_BYTES, &gpt), ERR_OK);
    EXPECT_EQ_INT(gpt_grow(fd, GROWN_BYTES, 9, &gpt), ERR_NOT_FOUND);
    disk_end(fd);
}

TEST(gpt_without_room_for_a_second_list_stays)
{
    int fd = disk_make("");
    EXPECT_EQ_INT(shell("printf 'label: gpt\\nfirst-lba: 34\\nstart=34,size=60\\nstart=2048,"
                        "size=2048\\nstart=6144,size=6144\\n' | sfdisk --quiet --no-tell-kernel "
                        "--wipe always \"$0\""),
                  0);
    EXPECT_EQ_INT(ftruncate(fd, GROWN_BYTES), 0);
    EXPECT_EQ_INT(disk_grow(fd, GROWN_BYTES), ERR_CONFLICT);
    disk_expect(6144);
    disk_end(fd);
}

TEST(gpt_what_is_none_or_broken_is_refused)
{
    uint8_t byte = 0;
    int fd = disk_make("");
    static const uint32_t places[] = {SECTOR + 8,  SECTOR + 24, SECTOR + 48,      SECTOR + 72,
                                      SECTOR + 84, SECTOR + 88, 2 * SECTOR + 300, 33 * SECTOR};
    for (uint32_t index = 0; index < COUNT_OF(places); index++) {
        EXPECT_EQ_INT(pread(fd, &byte, 1, places[index]), 1);
        byte ^= 0x40;
        EXPECT_EQ_INT(pwrite(fd, &byte, 1, places[index]), 1);
        EXPECT_EQ_INT(gpt_read(fd, DISK_BYTES, &gpt), ERR_CORRUPT);
        byte ^= 0x40;
        EXPECT_EQ_INT(pwrite(fd, &byte, 1, places[index]), 1);
    }
    EXPECT_EQ_INT(gpt_read(fd, DISK_BYTES, &gpt), ERR_OK);
    EXPECT_EQ_INT(gpt_read(fd, 1024, &gpt), ERR_NOT_FOUND);
    EXPECT_EQ_INT(pwrite(fd, "EFI PARS", 8, SECTOR), 8);
    EXPECT_EQ_INT(gpt_read(fd, DISK_BYTES, &gpt), ERR_NOT_FOUND);
    disk_end(fd);
}

/* ---- power cuts ---- */

static uint8_t old_disk[GROWN_BYTES];
static uint8_t new_disk[GROWN_BYTES];
static uint8_t cut_disk[GROWN_BYTES];

/* The sectors that growing writes, in its order: all the second table, then the entries with the
 * boot sector, then the header. */
static uint32_t written_sectors(uint64_t *sectors, uint32_t max) {
    uint32_t count = 0;
    static const uint64_t header = 1;
    for (uint64_t at = GROWN_BYTES / SECTOR; at > 0; at--) {
        uint64_t sector = at - 1;
        bool is_changed =
            memcmp(old_disk + sector * SECTOR, new_disk + sector * SECTOR, SECTOR) != 0;
        if (is_changed && sector != header) {
            EXPECT(count + 1 < max);
            if (count + 1 == max) {
                break;
            }
            sectors[count++] = sector;
        }
    }
    sectors[count++] = header;
    return count;
}

static void cut_expect(int fd, uint64_t sectors) {
    EXPECT_EQ_INT(pwrite(fd, cut_disk, sizeof cut_disk, 0), sizeof cut_disk);
    REQUIRE(gpt_read(fd, GROWN_BYTES, &gpt) == ERR_OK);
    EXPECT_EQ_INT(gpt_sectors(&gpt, DATA), sectors);
    enum err err = gpt_grow(fd, GROWN_BYTES, DATA, &gpt);
    EXPECT(err == ERR_OK || err == ERR_EXISTS);
    EXPECT_EQ_INT(pread(fd, cut_disk, sizeof cut_disk, 0), sizeof cut_disk);
    EXPECT(memcmp(cut_disk, new_disk, sizeof cut_disk) == 0);
}

/* Any set of the sectors before the header: one after the other, forwards and backwards. */
TEST(gpt_growing_may_be_cut_off)
{
    uint64_t sectors[128];
    int fd = disk_make("");
    uint64_t old_sectors = 6144;
    EXPECT_EQ_INT(ftruncate(fd, GROWN_BYTES), 0);
    EXPECT_EQ_INT(pread(fd, old_disk, sizeof old_disk, 0), sizeof old_disk);
    EXPECT_EQ_INT(disk_grow(fd, GROWN_BYTES), ERR_OK);
    uint64_t new_sectors = gpt_sectors(&gpt, DATA);
    EXPECT_EQ_INT(pread(fd, new_disk, sizeof new_disk, 0), sizeof new_disk);
    uint32_t count = written_sectors(sectors, COUNT_OF(sectors));
    EXPECT(count > 3);
    for (uint32_t cut = 0; cut <= count; cut++) {
        for (uint32_t is_backwards = 0; is_backwards < 2; is_backwards++) {
            memcpy(cut_disk, old_disk, sizeof cut_disk);
            for (uint32_t index = 0; index < cut; index++) {
                bool is_header = index == count - 1;
                uint32_t which = is_backwards != 0 && !is_header ? count - 2 - index : index;
                memcpy(cut_disk + sectors[which] * SECTOR, new_disk + sectors[which] * SECTOR,
                       SECTOR);
            }
            cut_expect(fd, cut == count ? new_sectors : old_sectors);
        }
    }
    disk_end(fd);
}
