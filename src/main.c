/* coffer: dispatches to the subcommand. */
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "cli/cli.h"
#include "os/init.h"
#include "os/log.h"

struct subcommand {
    const char *name;
    int (*run)(struct cli_options *options);
};

static const struct subcommand subcommands[] = {
    {"serve", cli_serve},   {"admin", cli_admin},     {"import", cli_import},
    {"backup", cli_backup}, {"restore", cli_restore}, {"fsck", cli_fsck},
    {"audit", cli_audit},   {"openapi", cli_openapi}, {"settings", cli_settings},
    {"health", cli_health}, {"image", cli_image},     {"mail", cli_mail},
};

static int run(const struct subcommand *subcommand, int argc, const char *const *argv) {
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct cli_options options;
    if (!cli_options_parse(argc, argv, &options)) {
        return CLI_EXIT_USAGE;
    }
    struct str level = settings_text(options.settings, SETTING_LOG_LEVEL_ID);
    for (uint32_t i = 0; i < COUNT_OF(levels); i++) {
        if (str_equal(level, str_from_c(levels[i]))) {
            log_level_set((enum log_level)i);
        }
    }
    return subcommand->run(&options);
}

int main(int argc, char **argv) {
    if (init_is_called(argv[0])) {
        init_run(COFFER_VERSION, COFFER_RELEASED_US);
    }
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0 || strcmp(name, "-h") == 0) {
        cli_help();
        return 0;
    }
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        cli_say("coffer %s", COFFER_VERSION);
        return 0;
    }
    for (uint32_t i = 0; i < COUNT_OF(subcommands); i++) {
        if (strcmp(name, subcommands[i].name) == 0) {
            return run(&subcommands[i], argc - 2, (const char *const *)(void *)(argv + 2));
        }
    }
    cli_fail("there is no subcommand %s; see coffer --help", name);
    return CLI_EXIT_USAGE;
}
