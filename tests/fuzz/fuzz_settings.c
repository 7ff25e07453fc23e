/*
 * Settings from a file and from the environment: never a crash, and whatever is accepted is within
 * its limits; what is refused comes with a sentence. The first byte chooses the source.
 */
#include "engine/settings.h"

#include <stdlib.h>
#include <string.h>

enum { VARIABLE_BYTES_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void settings_require_sound(const struct settings *settings) {
    for (uint32_t index = 0; index < SETTINGS_COUNT; index += 1) {
        const struct setting_row *row = setting_row((enum setting)index);
        const char *text = settings->texts[index];
        int64_t size = settings->numbers[index];
        if (row->kind == SETTING_TEXT) {
            size = (int64_t)strlen(text);
            require(strpbrk(text, "\n\r\t") == NULL);
        }
        require(size >= row->min && size <= row->max);
        require(settings->sources[index] != NULL);
    }
}

static enum err environment_parse(struct settings *settings, const uint8_t *data, size_t size,
                                  const char **problem) {
    static char variable[VARIABLE_BYTES_MAX + 1];
    size_t len = size < VARIABLE_BYTES_MAX ? size : VARIABLE_BYTES_MAX;
    const char *const environment[] = {"PATH=/bin", variable, NULL};
    memcpy(variable, data, len);
    variable[len] = '\0';
    return settings_parse_environment(settings, environment, problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct settings settings;
    const char *problem = NULL;
    if (size == 0) {
        return 0;
    }
    settings_init(&settings);
    struct str text = str_from((const char *)data + 1, size - 1);
    enum err err = data[0] == 'e' ? environment_parse(&settings, data + 1, size - 1, &problem)
                                  : settings_parse_file(&settings, text, &problem);
    require((err == ERR_OK) == (problem == NULL));
    require(problem == NULL || (strlen(problem) > 10 && strlen(problem) < 512));
    settings_require_sound(&settings);
    return 0;
}
