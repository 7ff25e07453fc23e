/*
 * serve as the child of our own PID 1: what the machine's sources say becomes settings, and
 * defaults fit a machine that nothing else runs on. Without INIT_VARIABLE in the environment this
 * file does nothing.
 */
#include "cli/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "os/files.h"
#include "os/init.h"
#include "os/init_config.h"

/* The user that many images call "nonroot". There is no list of users to look up. */
#define MACHINE_USER STR("65532:65532")
#define TLS_FOLDER INIT_RUN_FOLDER "/tls"

enum { SEAL_KEY_BYTES_MAX = 128, LISTEN_BYTES_MAX = 1024 };

static struct init_config config;

static bool setting_put(struct cli_options *options, struct str name, struct str value,
                        const char *source) {
    const char *problem = NULL;
    if (settings_set(options->settings, name, value, source, &problem) != ERR_OK) {
        cli_fail("%s: %s", source, problem);
        return false;
    }
    return true;
}

/* A certificate or key by value becomes a file in memory: the setting is a path. Authorities are no
 * secret, and read after the change of user. */
static bool pem_put(struct cli_options *options, const struct init_value *row) {
    char path[FILE_PATH_BYTES_MAX];
    uint32_t mode = str_equal(row->name, STR("net.trust-store")) ? 0644 : 0600;
    enum err made = folder_make(TLS_FOLDER, 0755);
    (void)snprintf(path, sizeof(path), TLS_FOLDER "/%.*s.pem", STR_ARG(row->name));
    if ((made != ERR_OK && made != ERR_EXISTS) || file_write(path, row->value, mode) != ERR_OK) {
        cli_fail("%s cannot be written", path);
        return false;
    }
    return setting_put(options, row->name, str_from_c(path), row->source);
}

static bool row_take(struct cli_options *options, const struct init_value *row) {
    bool is_pem_setting = str_equal(row->name, STR("tls.certificate")) ||
                          str_equal(row->name, STR("tls.key")) ||
                          str_equal(row->name, STR("net.trust-store"));
    if (init_config_is_machine(row->name)) {
        return true;
    }
    if (is_pem_setting && str_starts(row->value, STR("-----BEGIN "))) {
        return pem_put(options, row);
    }
    return setting_put(options, row->name, row->value, row->source);
}

static bool listen_take(struct cli_options *options) {
    static char memory[LISTEN_BYTES_MAX];
    struct str rest = init_config_get(&config, "listen");
    if (rest.len > sizeof(memory)) {
        cli_fail("listen is too long");
        return false;
    }
    if (str_is_none(rest)) {
        options->listen[options->listen_count++] = STR("https://0.0.0.0:443");
        if (file_exists("/proc/net/if_inet6")) {
            options->listen[options->listen_count++] = STR("https://[::]:443");
        }
        return true;
    }
    while (!str_is_none(rest)) {
        if (options->listen_count == CLI_LISTEN_MAX) {
            cli_fail("at most %d addresses to listen on", CLI_LISTEN_MAX);
            return false;
        }
        options->listen[options->listen_count++] = str_trim(str_split(&rest, ','));
    }
    return true;
}

static void seal_key_take(struct cli_options *options) {
    static char memory[SEAL_KEY_BYTES_MAX + 1];
    struct str key = init_config_get(&config, "seal-key");
    if (!str_is_none(key)) {
        (void)snprintf(memory, sizeof(memory), "%.*s", STR_ARG(key));
        crypto_wipe((void *)(uintptr_t)key.data, key.len); /* in `config`, which is ours */
        options->seal_key_hex = memory;
    }
}

static bool is_default(const struct cli_options *options, enum setting id) {
    return strcmp(options->settings->sources[id], "default") == 0;
}

/* The address that people will type; a listener on another port than 443 has to name it. */
static bool public_url_put(struct cli_options *options, struct str address) {
    char memory[256];
    struct buf url = buf_over(memory, sizeof(memory));
    struct str port = options->listen[0];
    bool is_6 = str_has_byte(address, ':');
    while (!str_is_none(port) && str_has_byte(port, ':')) {
        (void)str_split(&port, ':');
    }
    buf_printf(&url, "%s%s%.*s%s",
               str_starts(options->listen[0], STR("https:")) ? "https://" : "http://",
               is_6 ? "[" : "", STR_ARG(address), is_6 ? "]" : "");
    if (!str_equal(port, STR("443"))) {
        buf_put_byte(&url, ':');
        buf_put_str(&url, port);
    }
    return setting_put(options, STR("public-url"), buf_str(&url), "default");
}

bool cli_machine_apply(struct cli_options *options) {
    const char *address = getenv(INIT_VARIABLE);
    options->has_slots = getenv(INIT_SLOTS_VARIABLE) != NULL;
    if (address == NULL) {
        return true;
    }
    options->is_machine = true;
    if (init_config_read(&config) != ERR_OK) {
        cli_fail("%s", config.problem);
        return false;
    }
    for (uint32_t i = 0; i < config.count; i++) {
        if (!row_take(options, &config.values[i])) {
            return false;
        }
    }
    seal_key_take(options);
    bool is_good = listen_take(options);
    if (is_good && is_default(options, SETTING_USER_ID)) {
        is_good = setting_put(options, STR("user"), MACHINE_USER, "default");
    }
    if (is_good && is_default(options, SETTING_PUBLIC_URL_ID) && address[0] != '\0') {
        is_good = public_url_put(options, str_from_c(address));
    }
    unsetenv(INIT_VARIABLE); /* no setting */
    return is_good;
}
