/* One flush per commit: what is listed, what is settled, and what is taken back after a crash. The
 * power cuts themselves are in tests/crash. */
#include <fcntl.h>
#include <sys/stat.h>

#include "test.h"

#include "store/commit.h"
#include "support/store_support.h"

enum { PAGE = 4096, FILE_BYTES_MAX = 8 << 20 };

/* ---- the list ---- */

static struct store_commit commit;
static const char page_bytes[4 * PAGE] = {7};

static void commit_begin(void) {
    commit = (struct store_commit){.is_armed = true, .page_bytes = PAGE};
    store_commit_start(&commit);
}

static bool commit_is_listed(void) {
    bool is_listed = false;
    struct str record = store_commit_record(&commit, 9, &is_listed);
    EXPECT(record.len >= COMMIT_HEADER_BYTES && record.len <= COMMIT_RECORD_BYTES_MAX);
    EXPECT(is_listed || record.len == COMMIT_HEADER_BYTES);
    return is_listed;
}

static void note_pages(uint64_t page, uint64_t count) {
    store_commit_note(&commit, page_bytes, count * PAGE, page * PAGE);
}

TEST(commit_lists_pages_in_ascending_order)
{
    commit_begin();
    EXPECT(commit_is_listed()); /* nothing at all */
    commit_begin();
    note_pages(2, 1);
    note_pages(3, 4);
    note_pages(1000000, 1);
    EXPECT(commit_is_listed());
    EXPECT_EQ_INT(commit.runs.len, 1 + 1 + 3 + 1); /* two runs: 2 and 5 pages, then 1 */
}

TEST(commit_does_not_list_a_page_twice_backwards_or_in_part)
{
    commit_begin();
    note_pages(5, 2);
    note_pages(6, 1);
    EXPECT(!commit_is_listed());
    commit_begin();
    note_pages(5, 1);
    note_pages(4, 1);
    EXPECT(!commit_is_listed());
    commit_begin();
    store_commit_note(&commit, page_bytes, 100, 5 * PAGE);
    EXPECT(!commit_is_listed());
    commit_begin();
    store_commit_note(&commit, page_bytes, PAGE, 5 * PAGE + 1);
    EXPECT(!commit_is_listed());
}

TEST(commit_does_not_list_more_than_fits_beside_the_meta_page)
{
    uint64_t runs = (COMMIT_RECORD_BYTES_MAX - COMMIT_HEADER_BYTES) / 2;
    commit_begin();
    for (uint64_t run = 0; run < runs; run += 1) {
        note_pages(run * 3, 1);
    }
    EXPECT(commit_is_listed());
    note_pages(runs * 3, 1);
    note_pages(runs * 3 + 10, 1);
    EXPECT(!commit_is_listed());
}

/* ---- files ---- */

static char file_bytes[3][FILE_BYTES_MAX];

static uint64_t file_load(const char *folder, char *bytes) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    int fd = open(path, O_RDONLY);
    ssize_t got = fd < 0 ? -1 : read(fd, bytes, FILE_BYTES_MAX);
    close(fd);
    EXPECT(got > 2 * PAGE && got < FILE_BYTES_MAX);
    return got < 0 ? 0 : (uint64_t)got;
}

/* A store that was killed while its file was so. */
static void killed_make(struct store_bench *bench, char folder[300], const char *bytes,
                        uint64_t count) {
    char path[512];
    (void)snprintf(folder, 300, "%s.killed", bench->folder);
    (void)mkdir(folder, 0700);
    (void)snprintf(path, sizeof path, "%s/lock.mdb", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0 && write(fd, bytes, count) == (ssize_t)count);
    close(fd);
}

/* The sequence that it opens with; 0 = refused with *err. */
static uint64_t killed_open(struct store_bench *bench, const char *folder, bool is_read_only,
                            enum err *err) {
    struct store_options options = bench->options;
    struct store *store = NULL;
    const char *problem = NULL;
    struct store_stats stats = {0};
    options.folder = folder;
    options.is_read_only = is_read_only;
    *err = store_open(&store, &options, &problem);
    EXPECT(*err == ERR_OK || problem != NULL);
    if (*err == ERR_OK) {
        store_stats_read(store, &stats);
        EXPECT(store_fsck(store, NULL, NULL) == ERR_OK);
    }
    store_close(store);
    return stats.sequence;
}

static uint64_t sequence_of(const struct store_bench *bench) {
    struct store_stats stats;
    store_stats_read(bench->store, &stats);
    return stats.sequence;
}

static uint64_t meta_txnid(const char *bytes, uint32_t slot) {
    uint64_t txnid;
    memcpy(&txnid, bytes + (size_t)slot * PAGE + 144, sizeof txnid);
    return txnid;
}

static uint32_t newest_slot(const char *bytes) {
    return meta_txnid(bytes, 0) > meta_txnid(bytes, 1) ? 0 : 1;
}

/* Three commits; the file before the last one, and after it. */
static bool commits_make(struct store_bench *bench, uint64_t *before, uint64_t *after) {
    if (!bench_open(bench, NULL)) {
        return false;
    }
    for (uint64_t number = 1; number <= 3; number += 1) {
        struct item item = bench_item(bench, number,
                                      number == 3   ? "c"
                                      : number == 2 ? "b"
                                                    : "a",
                                      1);
        *before = file_load(bench->folder, file_bytes[0]);
        bench_put(bench, &item);
    }
    *after = file_load(bench->folder, file_bytes[1]);
    return *before > 0 && *after >= *before;
}

static void killed_remove(struct store_bench *bench) {
    char folder[300];
    (void)snprintf(folder, sizeof folder, "%s.killed", bench->folder);
    bench_folder_remove(folder);
    bench_close(bench);
}

TEST(commit_of_a_killed_process_is_whole)
{
    struct store_bench bench;
    uint64_t before = 0;
    uint64_t after = 0;
    enum err err = ERR_OK;
    char folder[300];
    REQUIRE(commits_make(&bench, &before, &after));
    for (int is_read_only = 0; is_read_only < 2; is_read_only += 1) {
        killed_make(&bench, folder, file_bytes[1], after);
        EXPECT_EQ_INT(killed_open(&bench, folder, is_read_only != 0, &err), sequence_of(&bench));
    }
    killed_remove(&bench);
}

/* Each page of the last commit, one at a time, as if it had not arrived. */
TEST(commit_without_one_of_its_pages_is_taken_back)
{
    struct store_bench bench;
    uint64_t before = 0;
    uint64_t after = 0;
    uint32_t tried = 0;
    enum err err = ERR_OK;
    char folder[300];
    REQUIRE(commits_make(&bench, &before, &after));
    for (uint64_t page = 2; page < after / PAGE; page += 1) {
        char *now = file_bytes[1] + page * PAGE;
        if (memcmp(now, file_bytes[0] + page * PAGE, PAGE) == 0) {
            continue;
        }
        memcpy(file_bytes[2], file_bytes[1], after);
        memcpy(file_bytes[2] + page * PAGE, file_bytes[0] + page * PAGE, PAGE);
        killed_make(&bench, folder, file_bytes[2], after);
        bool is_read_only = tried % 2 == 1;
        EXPECT_EQ_INT(killed_open(&bench, folder, is_read_only, &err), sequence_of(&bench) - 1);
        EXPECT_EQ_INT(killed_open(&bench, folder, false, &err), sequence_of(&bench) - 1);
        tried += 1;
    }
    EXPECT(tried >= 3);
    killed_remove(&bench);
}

TEST(commit_without_its_record_is_taken_back)
{
    struct store_bench bench;
    uint64_t before = 0;
    uint64_t after = 0;
    enum err err = ERR_OK;
    char folder[300];
    REQUIRE(commits_make(&bench, &before, &after));
    size_t at = (size_t)newest_slot(file_bytes[1]) * PAGE + COMMIT_RECORD_AT;
    memcpy(file_bytes[2], file_bytes[1], after);
    memcpy(file_bytes[2] + at, file_bytes[0] + at, PAGE - COMMIT_RECORD_AT);
    killed_make(&bench, folder, file_bytes[2], after);
    EXPECT_EQ_INT(killed_open(&bench, folder, false, &err), sequence_of(&bench) - 1);
    for (size_t byte = 0; byte < COMMIT_HEADER_BYTES + 4; byte += 1) {
        if (byte < 8) {
            continue; /* another magic is no record of ours */
        }
        memcpy(file_bytes[2], file_bytes[1], after);
        file_bytes[2][at + byte] ^= 0x10;
        killed_make(&bench, folder, file_bytes[2], after);
        EXPECT_EQ_INT(killed_open(&bench, folder, false, &err), sequence_of(&bench) - 1);
    }
    killed_remove(&bench);
}

TEST(commit_is_not_taken_back_to_a_state_that_is_not_the_one_before)
{
    struct store_bench bench;
    uint64_t before = 0;
    uint64_t after = 0;
    enum err err = ERR_OK;
    char folder[300];
    REQUIRE(commits_make(&bench, &before, &after));
    uint32_t newest = newest_slot(file_bytes[1]);
    file_bytes[1][(size_t)newest * PAGE + COMMIT_RECORD_AT + 12] ^= 1;
    file_bytes[1][(size_t)(newest ^ 1) * PAGE + 144] -= 2;
    killed_make(&bench, folder, file_bytes[1], after);
    EXPECT_EQ_INT(killed_open(&bench, folder, false, &err), 0);
    EXPECT_EQ_INT(err, ERR_CORRUPT);
    killed_remove(&bench);
}

TEST(commit_leaves_no_record_in_a_closed_store)
{
    struct store_bench bench;
    uint64_t before = 0;
    uint64_t after = 0;
    REQUIRE(commits_make(&bench, &before, &after));
    for (uint32_t slot = 0; slot < 2; slot += 1) {
        EXPECT(memcmp(file_bytes[1] + slot * PAGE + COMMIT_RECORD_AT, "CofferC1", 8) == 0);
    }
    store_close(bench.store);
    bench.store = NULL;
    (void)file_load(bench.folder, file_bytes[2]);
    for (uint32_t slot = 0; slot < 2; slot += 1) {
        EXPECT(memcmp(file_bytes[2] + slot * PAGE + COMMIT_RECORD_AT, "CofferC1", 8) != 0);
    }
    bench_close(&bench);
}

/* ---- the runway ---- */

TEST(runway_keeps_the_length_of_the_file)
{
    struct store_bench bench;
    char path[512];
    struct stat first;
    struct stat last;
    REQUIRE(bench_open(&bench, NULL));
    struct item item = bench_item(&bench, 1, "a", 1);
    bench_put(&bench, &item);
    (void)snprintf(path, sizeof path, "%s/data.mdb", bench.folder);
    REQUIRE(stat(path, &first) == 0);
    struct store_stats stats;
    store_stats_read(bench.store, &stats);
    EXPECT((uint64_t)first.st_size >= stats.used_bytes + (128 << 10));
    EXPECT((uint64_t)first.st_blocks * 512 >= (uint64_t)first.st_size); /* no holes */
    for (uint64_t number = 2; number < 6; number += 1) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", (unsigned)number);
        item = bench_item(&bench, number, name, 1);
        bench_put(&bench, &item);
    }
    REQUIRE(stat(path, &last) == 0);
    EXPECT_EQ_INT(last.st_size, first.st_size);
    bench_close(&bench);
}
