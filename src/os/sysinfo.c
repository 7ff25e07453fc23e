/* Numbers about the machine, see sysinfo.h. The texts of /proc: proc(5). */
#include "os/sysinfo.h"

#include "base/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    /* /proc/stat has one line per processor, but only the first line is of use. */
    PROC_TEXT_BYTES_MAX = 4096,
    DIRECTORY_BYTES_MAX = 4096,
    /* Listing this many reads of 4 KiB: some 40,000 descriptors. */
    DIRECTORY_READS_MAX = 256,
};

struct sysinfo_source {
    int status_fd;       /* /proc/self/status */
    int fds_fd;          /* /proc/self/fd */
    int stat_fd;         /* /proc/stat */
    int load_fd;         /* /proc/loadavg */
    int memory_fd;       /* /proc/meminfo */
    int folder_fd;       /* the data folder */
    uint64_t busy_ticks; /* at the last read */
    uint64_t all_ticks;
    int64_t cpu_count; /* asked once: some C libraries read a file for it */
};

static struct sysinfo_source the_source;

/* --- opening --- */

static int proc_open(const char *path, int more) {
    return open(path, O_RDONLY | O_CLOEXEC | more);
}

struct sysinfo_source *sysinfo_open(const char *data_folder) {
    CHECK(data_folder != NULL);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    the_source = (struct sysinfo_source){
        .status_fd = proc_open("/proc/self/status", 0),
        .fds_fd = proc_open("/proc/self/fd", O_DIRECTORY),
        .stat_fd = proc_open("/proc/stat", 0),
        .load_fd = proc_open("/proc/loadavg", 0),
        .memory_fd = proc_open("/proc/meminfo", 0),
        .folder_fd = proc_open(data_folder, O_DIRECTORY),
        .cpu_count = cpus > 0 ? cpus : SYSINFO_UNKNOWN,
    };
    return &the_source;
}

void sysinfo_close(struct sysinfo_source *source) {
    int *fds[] = {&source->status_fd, &source->fds_fd,    &source->stat_fd,
                  &source->load_fd,   &source->memory_fd, &source->folder_fd};
    for (uint32_t index = 0; index < COUNT_OF(fds); index++) {
        if (*fds[index] >= 0) {
            (void)close(*fds[index]);
        }
        *fds[index] = -1;
    }
}

/* --- the texts of /proc --- */

/* The text as of now, cut at PROC_TEXT_BYTES_MAX; STR_NONE when there is none. */
static struct str proc_text(int fd, char *memory) {
    if (fd < 0) {
        return STR_NONE;
    }
    ssize_t bytes = pread(fd, memory, PROC_TEXT_BYTES_MAX, 0);
    return bytes <= 0 ? STR_NONE : str_from(memory, (size_t)bytes);
}

/* The next word between blanks; STR_NONE at the end. */
static struct str word_take(struct str *rest) {
    struct str word = STR_NONE;
    while (!str_is_none(*rest) && word.len == 0) {
        word = str_split(rest, ' ');
    }
    return word.len == 0 ? STR_NONE : word;
}

static int64_t number_or_unknown(struct str text) {
    int64_t number = 0;
    return str_parse_i64(text, &number) && number >= 0 ? number : SYSINFO_UNKNOWN;
}

/* The first word behind "NAME:" and blanks or tabs, as in "VmRSS:   1234 kB". */
static int64_t line_number(struct str text, struct str name) {
    struct str rest = text;
    while (!str_is_none(rest)) {
        struct str value = str_split(&rest, '\n');
        struct str key = str_split(&value, ':');
        if (str_equal(key, name) && !str_is_none(value)) {
            struct str words = str_trim(value);
            return number_or_unknown(word_take(&words));
        }
    }
    return SYSINFO_UNKNOWN;
}

static int64_t kib_to_bytes(int64_t kib) {
    return kib < 0 || kib > INT64_MAX / 1024 ? SYSINFO_UNKNOWN : kib * 1024;
}

/* "0.52" times 1000 */
static int64_t decimal_milli(struct str text) {
    struct str fraction = text;
    int64_t whole = number_or_unknown(str_split(&fraction, '.'));
    int64_t hundredths = number_or_unknown(fraction);
    bool is_usual = whole >= 0 && whole < INT32_MAX && fraction.len == 2 && hundredths >= 0;
    return is_usual ? whole * 1000 + hundredths * 10 : SYSINFO_UNKNOWN;
}

static void loads_read(int fd, struct sysinfo_values *values) {
    char memory[PROC_TEXT_BYTES_MAX];
    struct str rest = proc_text(fd, memory);
    for (uint32_t index = 0; index < SYSINFO_LOADS; index++) {
        values->load_milli[index] = decimal_milli(word_take(&rest));
    }
}

/* "cpu user nice system idle iowait irq softirq steal ...": idle and iowait are not work. */
static int64_t busy_permille(struct sysinfo_source *source) {
    char memory[PROC_TEXT_BYTES_MAX];
    struct str text = proc_text(source->stat_fd, memory);
    struct str line = str_split(&text, '\n');
    if (!str_equal(word_take(&line), STR("cpu"))) {
        return SYSINFO_UNKNOWN;
    }
    uint64_t busy = 0;
    uint64_t all = 0;
    for (uint32_t index = 0; index < 8; index++) {
        uint64_t ticks = 0;
        if (!str_parse_u64(word_take(&line), &ticks)) {
            break;
        }
        all += ticks;
        busy += index == 3 || index == 4 ? 0 : ticks;
    }
    /* iowait may run backwards, says proc(5). */
    bool has_before =
        source->all_ticks > 0 && all > source->all_ticks && busy >= source->busy_ticks;
    uint64_t permille =
        has_before ? (busy - source->busy_ticks) * 1000 / (all - source->all_ticks) : 0;
    source->all_ticks = all;
    source->busy_ticks = busy;
    return has_before ? (int64_t)(permille > 1000 ? 1000 : permille) : SYSINFO_UNKNOWN;
}

/* --- everything else --- */

/* The folder's size is their number since Linux 6.2; before, the names must be counted. */
static int64_t descriptors_count(int fd) {
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        return SYSINFO_UNKNOWN;
    }
    if (status.st_size > 0) {
        return status.st_size;
    }
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return SYSINFO_UNKNOWN;
    }
    int64_t count = -2; /* "." and ".." */
    _Alignas(8) char entries[DIRECTORY_BYTES_MAX];
    for (uint32_t reads = 0; reads < DIRECTORY_READS_MAX; reads++) {
        long bytes = syscall(SYS_getdents64, fd, entries, sizeof entries);
        if (bytes <= 0) {
            return bytes == 0 && count >= 0 ? count : SYSINFO_UNKNOWN;
        }
        for (long at = 0; at < bytes;) {
            /* struct linux_dirent64: inode 8, offset 8, length of this entry 2 bytes */
            uint16_t entry_bytes;
            memcpy(&entry_bytes, entries + at + 16, sizeof entry_bytes);
            at += entry_bytes;
            count += 1;
        }
    }
    return SYSINFO_UNKNOWN;
}

static int64_t process_cpu_us(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return SYSINFO_UNKNOWN;
    }
    return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void disk_read(int fd, struct sysinfo_values *values) {
    struct statvfs status;
    values->disk_total_bytes = SYSINFO_UNKNOWN;
    values->disk_free_bytes = SYSINFO_UNKNOWN;
    if (fd < 0 || fstatvfs(fd, &status) != 0) {
        return;
    }
    values->disk_total_bytes = (int64_t)(status.f_blocks * status.f_frsize);
    values->disk_free_bytes = (int64_t)(status.f_bavail * status.f_frsize);
}

void sysinfo_read(struct sysinfo_source *source, struct sysinfo_values *values) {
    CHECK(source == &the_source);
    char memory[PROC_TEXT_BYTES_MAX];
    struct str status = proc_text(source->status_fd, memory);
    values->rss_bytes = kib_to_bytes(line_number(status, STR("VmRSS")));
    values->threads = line_number(status, STR("Threads"));
    struct str meminfo = proc_text(source->memory_fd, memory);
    values->memory_total_bytes = kib_to_bytes(line_number(meminfo, STR("MemTotal")));
    values->memory_available_bytes = kib_to_bytes(line_number(meminfo, STR("MemAvailable")));
    loads_read(source->load_fd, values);
    disk_read(source->folder_fd, values);
    values->cpu_busy_permille = busy_permille(source);
    values->open_descriptors = descriptors_count(source->fds_fd);
    values->cpu_process_us = process_cpu_us();
    values->pid = getpid();
    values->cpu_count = source->cpu_count;
}
