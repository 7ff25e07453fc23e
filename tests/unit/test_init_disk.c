/* Which disk is whose: images in a folder stand for disks. */
#include "test.h"

#include "os/init_disk.h"

#include <fcntl.h>

enum { MIB = 1024 * 1024 };

static char folder[TEST_PATH_BYTES];
static struct disks disks;
static struct disk_choice choice;

static void folder_open(void) {
    EXPECT(mkdtemp(test_template(folder, "disks")) != NULL);
}

static int image_open(const char *name, uint64_t bytes) {
    char path[TEST_PATH_BYTES + 32];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    EXPECT(fd >= 0);
    EXPECT_EQ_INT(ftruncate(fd, (off_t)bytes), 0);
    return fd;
}

static void image_put(const char *name, uint64_t bytes, uint64_t at, const void *data, size_t len) {
    int fd = image_open(name, bytes);
    EXPECT_EQ_INT(pwrite(fd, data, len, (off_t)at), len);
    close(fd);
}

static void image_blank(const char *name, uint64_t bytes) {
    close(image_open(name, bytes));
}

static void image_data(const char *name, const char *label) {
    uint8_t entropy[EXT4_ENTROPY_BYTES] = {1, 2, 3};
    int fd = image_open(name, 32 * MIB);
    EXPECT_EQ_INT(ext4_format(fd, 32 * MIB, label, entropy, 0), ERR_OK);
    close(fd);
}

static void folder_close(void) {
    char path[TEST_PATH_BYTES + 32];
    static const char *const names[] = {"vda", "vdb", "vdc", "sda", "nvme0n1", "nvme0", "tty"};
    for (uint32_t index = 0; index < COUNT_OF(names); index++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[index]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static void look(const char *wanted, bool may_format) {
    disks_scan(folder, &disks);
    disks_choose(&disks, str_from_c(wanted), may_format, &choice);
}

static const char *chosen(void) {
    return choice.disk == NULL ? NULL : choice.disk->name;
}

TEST(disks_are_found_by_name_and_in_order)
{
    folder_open();
    image_blank("vdb", 16 * MIB);
    image_blank("nvme0n1", 16 * MIB);
    image_blank("nvme0", 0);
    image_blank("tty", 16 * MIB);
    image_blank("vda", 1);
    disks_scan(folder, &disks);
    REQUIRE(disks.count == 3);
    EXPECT_EQ_STR(disks.rows[0].name, "nvme0n1");
    EXPECT_EQ_STR(disks.rows[1].name, "vda");
    EXPECT_EQ_INT(disks.rows[1].kind, DISK_UNREADABLE);
    EXPECT_EQ_STR(disks.rows[2].name, "vdb");
    EXPECT_EQ_INT(disks.rows[2].kind, DISK_BLANK);
    folder_close();
}

TEST(disks_with_data_stand_above_blank_ones)
{
    folder_open();
    image_blank("vda", 64 * MIB);
    image_data("vdb", "coffer-data");
    image_data("vdc", "something");
    look("", true);
    EXPECT_EQ_STR(chosen(), "vdb");
    EXPECT(!choice.must_format);
    look("vda", true);
    EXPECT_EQ_STR(chosen(), "vda");
    EXPECT(choice.must_format);
    look("vdc", true);
    EXPECT_EQ_STR(chosen(), NULL);
    EXPECT_EQ_STR(choice.problem, "coffer.disk=vdc is neither blank nor labelled coffer-data");
    look("vdz", true);
    EXPECT_EQ_STR(choice.problem, "there is no disk vdz (coffer.disk)");
    folder_close();
}

TEST(disks_one_blank_disk_is_formatted_unless_forbidden)
{
    folder_open();
    image_blank("vda", 64 * MIB);
    look("", true);
    EXPECT_EQ_STR(chosen(), "vda");
    EXPECT(choice.must_format);
    look("", false);
    EXPECT_EQ_STR(chosen(), NULL);
    EXPECT(strstr(choice.problem, "never") != NULL);
    image_blank("vdb", 64 * MIB);
    look("", true);
    EXPECT_EQ_STR(chosen(), NULL);
    EXPECT_EQ_STR(choice.problem, "2 disks are blank: name one (coffer.disk=vda)");
    folder_close();
}

TEST(disks_two_with_data_are_one_too_many)
{
    folder_open();
    image_data("vda", "coffer-data");
    image_data("vdb", "coffer-data");
    look("", true);
    EXPECT_EQ_STR(chosen(), NULL);
    look("vdb", true);
    EXPECT_EQ_STR(chosen(), "vdb");
    EXPECT(!choice.must_format);
    folder_close();
}

TEST(disks_a_damaged_superblock_stops_everything)
{
    folder_open();
    image_data("vda", "coffer-data");
    image_put("vda", 32 * MIB, 1024 + 4, "\xff", 1);
    image_blank("vdb", 64 * MIB);
    look("", true);
    EXPECT_EQ_STR(chosen(), NULL);
    EXPECT(strstr(choice.problem, "vda is damaged") != NULL);
    folder_close();
}

/* One byte anywhere that a table, a signature or a backup may be. */
TEST(disks_with_a_single_byte_are_not_blank)
{
    static const uint64_t bytes = UINT64_C(300) * MIB;
    static const uint64_t places[] = {0,
                                      1,
                                      511,
                                      4096,
                                      64 * 1024,
                                      2 * MIB - 1,
                                      128 * MIB,
                                      UINT64_C(300) * MIB - MIB,
                                      UINT64_C(300) * MIB - 1};
    for (uint32_t index = 0; index < COUNT_OF(places); index++) {
        folder_open();
        image_put("vda", bytes, places[index], "x", 1);
        look("", true);
        EXPECT_EQ_STR(chosen(), NULL);
        EXPECT(strstr(choice.problem, "none that is blank") != NULL);
        folder_close();
    }
}

TEST(disks_a_half_made_one_is_made_again)
{
    folder_open();
    image_put("vda", 64 * MIB, 0, "coffer is formatting this disk", 31);
    image_put("vda", 64 * MIB, 8192, "\xff\xff", 2);
    look("", true);
    EXPECT_EQ_STR(chosen(), "vda");
    EXPECT(choice.must_format);
    look("", false);
    EXPECT_EQ_STR(chosen(), NULL);
    folder_close();
}

TEST(disks_with_settings_are_known_by_their_label)
{
    uint8_t fat[512] = {0};
    folder_open();
    image_put("vda", 2 * MIB, 32768, "\1CD001\1", 7);
    image_put("vda", 2 * MIB, 32768 + 40, "cidata                          ", 32);
    memcpy(fat + 43, "CIDATA     FAT12   ", 19);
    fat[510] = 0x55;
    fat[511] = 0xaa;
    image_put("vdb", 2 * MIB, 0, fat, sizeof fat);
    image_put("vdc", 2 * MIB, 32768, "\1CD001\1", 7);
    image_put("vdc", 2 * MIB, 32768 + 40, "cidatas                         ", 32);
    disks_scan(folder, &disks);
    REQUIRE(disks.count == 3);
    EXPECT_EQ_INT(disks.rows[0].kind, DISK_SETTINGS_ISO);
    EXPECT_EQ_INT(disks.rows[1].kind, DISK_SETTINGS_FAT);
    EXPECT_EQ_INT(disks.rows[2].kind, DISK_OTHER);
    EXPECT(disks_find(&disks, DISK_SETTINGS_FAT) == &disks.rows[1]);
    EXPECT(disks_find(&disks, DISK_DATA) == NULL);
    folder_close();
}

TEST(disks_no_disk_at_all)
{
    folder_open();
    look("", true);
    EXPECT_EQ_UINT(disks.count, 0);
    EXPECT_EQ_STR(chosen(), NULL);
    folder_close();
    disks_scan("/nonexistent", &disks);
    EXPECT_EQ_UINT(disks.count, 0);
}
