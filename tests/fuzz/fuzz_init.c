/*
 * What PID 1 reads from outside: the kernel command line, the lines and host name of a NoCloud
 * disk, the first bytes of disks. The first byte chooses. Never a crash; values lie within the
 * table's own memory; a refusal comes with a sentence.
 */
#include "os/init_config.h"
#include "os/init_disk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void text_require_inside(const struct init_config *config, struct str text) {
    require(text.data >= config->bytes);
    require(text.data + text.len <= config->bytes + config->memory.len);
}

static void config_require_sound(const struct init_config *config, enum err err) {
    require((err == ERR_OK) == (config->problem[0] == '\0'));
    for (uint32_t index = 0; index < config->count; index++) {
        const struct init_value *row = &config->values[index];
        text_require_inside(config, row->name);
        text_require_inside(config, row->value);
        require(row->name.len > 0 && row->name.len <= INIT_NAME_BYTES_MAX);
        /* A chain of certificates never holds a key. */
        if (str_equal(row->name, STR("tls.certificate")) &&
            str_starts(row->value, STR("-----BEGIN "))) {
            require(memmem(row->value.data, row->value.len, "\n-----BEGIN PRIVATE KEY-----\n",
                           29) == NULL);
        }
    }
}

static void disk_read(const uint8_t *data, size_t size) {
    static uint8_t head[DISK_HEAD_BYTES];
    struct ext4_info info;
    memset(head, 0, sizeof head);
    memcpy(head, data, size < sizeof head ? size : sizeof head);
    enum disk_kind kind = disk_judge(head, &info);
    require(kind != DISK_BLANK && kind != DISK_UNREADABLE);
    require(kind != DISK_DATA || strcmp(info.label, DISK_DATA_LABEL) == 0);
    require(memchr(info.label, '\0', sizeof info.label) != NULL);
    require(memchr(info.error_function, '\0', sizeof info.error_function) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct init_config config;
    if (size == 0) {
        return 0;
    }
    struct str text = str_from((const char *)data + 1, size - 1);
    init_config_init(&config);
    if (data[0] == 'd') {
        disk_read(data + 1, size - 1);
    } else if (data[0] == 'm') {
        config_require_sound(&config, init_config_parse_meta_data(&config, text));
    } else if (data[0] == 'l') {
        (void)init_config_is_user_data(text);
        config_require_sound(&config, init_config_parse_lines(&config, text));
    } else {
        config_require_sound(&config, init_config_parse_cmdline(&config, text));
    }
    return 0;
}
