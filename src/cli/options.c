/* Flags, environment and file become one set of settings; later sources win. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "os/files.h"

#define SEAL_KEY_VARIABLE "COFFER_SEAL_KEY"

enum { CONF_BYTES_MAX = 64 * 1024 };

extern char **environ;

static struct settings the_settings;

int cli_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("coffer: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return CLI_EXIT_FAILED;
}

void cli_say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
    va_end(arguments);
}

void cli_help(void) {
    static char text[32 * 1024];
    static struct settings defaults;
    struct buf out = buf_over(text, sizeof(text));
    cli_say(
        "coffer: a whole app backend in one file\n\n"
        "  coffer serve            serve HTTPS from an embedded store\n"
        "  coffer admin create EMAIL\n"
        "                          make an administrator, print the password once\n"
        "  coffer admin promote ACCOUNT_NUMBER\n"
        "                          let a customer of the Gatekeeper paths edit the others\n"
        "  coffer import users FILE\n"
        "                          CSV or JSON lines: email,password_hash,full_name,role;\n"
        "                          or the CSV export of a Gatekeeper table\n"
        "  coffer backup FILE      copy a live store into one file\n"
        "  coffer restore FILE     make a data folder from a backup\n"
        "  coffer fsck [DIR]       check every record, index and chain\n"
        "  coffer audit verify [DIR]\n"
        "                          check the audit chain\n"
        "  coffer health URL       ask the server on this machine how it is\n"
        "  coffer image update FILE|URL\n"
        "                          have a signed bundle installed at the machine's next start\n"
        "  coffer mail test ADDRESS...\n"
        "                          send a mail with the settings, show what the server says\n"
        "  coffer openapi          print the OpenAPI document\n"
        "  coffer settings         print all settings with their values\n"
        "  coffer version          print the version\n\n"
        "  --data DIR              where the store lives (./data)\n"
        "  --listen URL            https://HOST:PORT or http://HOST:PORT; several are fine\n"
        "                          (https://localhost:8443)\n"
        "  --set NAME=VALUE        a setting, over the environment (COFFER_HTTP_IDLE_TIMEOUT=5)"
        ",\n                          over DIR/coffer.conf (http.idle-timeout = 5)\n"
        "  --NAME VALUE            the same for one setting: --key-file FILE, --user NAME\n"
        "  COFFER_SEAL_KEY         in the environment: the sealing key itself, 64 hex digits\n\n"
        "settings:");
    settings_init(&defaults);
    settings_print(&defaults, &out);
    fwrite(text, 1, out.len, stdout);
}

static bool set_or_fail(struct settings *settings, struct str name, struct str value) {
    const char *problem = NULL;
    if (settings_set(settings, name, value, "flag", &problem) != ERR_OK) {
        cli_fail("%s", problem);
        return false;
    }
    return true;
}

/* One flag with its value. */
static bool flag_take(struct cli_options *options, const char *flag, const char *value) {
    if (value == NULL) {
        cli_fail("%s needs a value; see coffer --help", flag);
        return false;
    }
    if (strcmp(flag, "--data") == 0) {
        return true; /* taken already: the settings file lies there */
    }
    if (strcmp(flag, "--listen") == 0) {
        if (options->listen_count == CLI_LISTEN_MAX) {
            cli_fail("at most %d --listen", CLI_LISTEN_MAX);
            return false;
        }
        options->listen[options->listen_count++] = str_from_c(value);
        return true;
    }
    if (strcmp(flag, "--set") == 0) {
        struct str rest = str_from_c(value);
        struct str name = str_split(&rest, '=');
        if (str_is_none(rest)) {
            cli_fail("--set takes NAME=VALUE");
            return false;
        }
        return set_or_fail(options->settings, name, rest);
    }
    return set_or_fail(options->settings, str_from_c(flag + 2), str_from_c(value));
}

static void folder_find(int argc, const char *const *argv, struct cli_options *options) {
    options->folder = "./data";
    for (int i = 0; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--data") == 0) {
            options->folder = argv[i + 1];
        }
    }
}

static bool file_settings(struct cli_options *options) {
    static char text[CONF_BYTES_MAX];
    char path[FILE_PATH_BYTES_MAX];
    struct str contents;
    const char *problem = NULL;
    snprintf(path, sizeof(path), "%s/coffer.conf", options->folder);
    enum err err = file_read(path, text, sizeof(text), &contents);
    if (err == ERR_NOT_FOUND) {
        return true;
    }
    if (err == ERR_OK) {
        err = settings_parse_file(options->settings, contents, &problem);
    }
    if (err != ERR_OK) {
        cli_fail("%s: %s", path, problem ? problem : err_row(err)->sentence);
    }
    return err == ERR_OK;
}

bool cli_options_parse(int argc, const char *const *argv, struct cli_options *options) {
    const char *problem = NULL;
    *options = (struct cli_options){.settings = &the_settings};
    settings_init(options->settings);
    folder_find(argc, argv, options);
    if (!file_settings(options)) {
        return false;
    }
    options->seal_key_hex = getenv(SEAL_KEY_VARIABLE);
    unsetenv(SEAL_KEY_VARIABLE); /* no setting; and nobody else shall read it from here */
    if (settings_parse_environment(options->settings, (const char *const *)(void *)environ,
                                   &problem) != ERR_OK) {
        cli_fail("%s", problem);
        return false;
    }
    if (!cli_machine_apply(options)) {
        return false;
    }
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            if (!flag_take(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL)) {
                return false;
            }
            i++;
        } else if (options->word_count < CLI_WORDS_MAX) {
            options->words[options->word_count++] = argv[i];
        } else {
            cli_fail("too many words: %s; see coffer --help", argv[i]);
            return false;
        }
    }
    return true;
}
