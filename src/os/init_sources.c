/* Settings from outside the machine, see init_config.h: where the texts come from. */
#include "os/init_config.h"

#include "os/files.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define FW_CFG_FOLDER "/sys/firmware/qemu_fw_cfg/by_name/opt/coffer"

enum { FW_CFG_FILES_MAX = 64 };

/* The files of a NoCloud disk that are of interest, later ones above earlier ones. */
static const char *const cidata_files[] = {"meta-data", "user-data", "coffer.conf"};

static char file_memory[INIT_VALUE_BYTES_MAX];

static enum err read_problem(struct init_config *config, const char *path, enum err err) {
    (void)snprintf(config->problem, sizeof config->problem, "%.100s: %s", path,
                   err == ERR_FULL ? "larger than 64 KiB" : "cannot be read");
    return err;
}

/* ---- kernel command line ---- */

static enum err cmdline_read(struct init_config *config) {
    struct str text;
    enum err err = file_read("/proc/cmdline", file_memory, sizeof file_memory, &text);
    return err == ERR_OK ? init_config_parse_cmdline(config, text)
                         : read_problem(config, "/proc/cmdline", err);
}

/* ---- fw_cfg ---- */

/* One line feed at the end is the editor's, not the value's; a PEM text keeps its own. */
static struct str value_of(struct str text) {
    bool is_line = str_ends(text, STR("\n")) && str_find_byte(text, '\n') == text.len - 1;
    return is_line ? str_slice(text, 0, text.len - 1) : text;
}

static enum err fw_cfg_read_one(struct init_config *config, const char *name) {
    char path[FILE_PATH_BYTES_MAX];
    struct str text;
    (void)snprintf(path, sizeof path, FW_CFG_FOLDER "/%s/raw", name);
    enum err err = file_read(path, file_memory, sizeof file_memory, &text);
    if (err != ERR_OK) {
        return read_problem(config, path, err);
    }
    /* An empty file must not be STR_NONE: it is an empty value. */
    struct str value = text.len == 0 ? STR("") : value_of(text);
    return init_config_put(config, str_from_c(name), value, INIT_SOURCE_FW_CFG);
}

static enum err fw_cfg_read(struct init_config *config) {
    DIR *folder = opendir(FW_CFG_FOLDER);
    if (folder == NULL) {
        return ERR_OK;
    }
    enum err err = ERR_OK;
    const struct dirent *entry;
    for (uint32_t count = 0; count < FW_CFG_FILES_MAX && err == ERR_OK; count++) {
        entry = readdir(folder);
        if (entry == NULL) {
            break;
        }
        if (entry->d_name[0] != '.') {
            err = fw_cfg_read_one(config, entry->d_name);
        }
    }
    (void)closedir(folder);
    return err;
}

/* ---- NoCloud ---- */

static enum err cidata_parse(struct init_config *config, const char *name, struct str text) {
    if (strcmp(name, "meta-data") == 0) {
        return init_config_parse_meta_data(config, text);
    }
    if (strcmp(name, "user-data") == 0 && !init_config_is_user_data(text)) {
        return ERR_OK; /* for somebody else's cloud-init */
    }
    return init_config_parse_lines(config, text);
}

static enum err cidata_read(struct init_config *config) {
    for (uint32_t index = 0; index < COUNT_OF(cidata_files); index++) {
        char path[FILE_PATH_BYTES_MAX];
        struct str text;
        (void)snprintf(path, sizeof path, INIT_CIDATA_FOLDER "/%s", cidata_files[index]);
        enum err err = file_read(path, file_memory, sizeof file_memory, &text);
        if (err == ERR_NOT_FOUND) {
            continue;
        }
        err = err == ERR_OK ? cidata_parse(config, cidata_files[index], text)
                            : read_problem(config, path, err);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

enum err init_config_copy(const char *mounted_folder) {
    (void)folder_make(INIT_CIDATA_FOLDER, 0700);
    for (uint32_t index = 0; index < COUNT_OF(cidata_files); index++) {
        char path[FILE_PATH_BYTES_MAX];
        struct str text;
        (void)snprintf(path, sizeof path, "%s/%s", mounted_folder, cidata_files[index]);
        enum err err = file_read(path, file_memory, sizeof file_memory, &text);
        if (err == ERR_NOT_FOUND) {
            continue;
        }
        (void)snprintf(path, sizeof path, INIT_CIDATA_FOLDER "/%s", cidata_files[index]);
        err = err == ERR_OK ? file_write(path, text, 0600) : err;
        memset(file_memory, 0, sizeof file_memory); /* it may hold keys */
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

enum err init_config_read(struct init_config *config) {
    init_config_init(config);
    enum err err = cmdline_read(config);
    err = err != ERR_OK ? err : fw_cfg_read(config);
    err = err != ERR_OK ? err : cidata_read(config);
    memset(file_memory, 0, sizeof file_memory);
    return err;
}
