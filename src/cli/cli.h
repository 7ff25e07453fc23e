/*
 * The command line: what main dispatches to. Exit codes follow sysexits.h where they fit: 0 done,
 * 1 it did not work (a sentence on standard error says why and what to do), 64 wrong usage.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "engine/engine.h"
#include "net/client.h"

struct smtp_client;

enum { CLI_LISTEN_MAX = 8, CLI_WORDS_MAX = 4, CLI_EXIT_FAILED = 1, CLI_EXIT_USAGE = 64 };

struct cli_options {
    const char *folder; /* --data; "./data" when not given */
    struct str listen[CLI_LISTEN_MAX];
    uint32_t listen_count;
    const char *words[CLI_WORDS_MAX]; /* what follows the subcommand, flags left out */
    uint32_t word_count;
    char *seal_key_hex;        /* from the environment or the machine's settings, or NULL */
    bool is_machine;           /* the child of our own PID 1 */
    bool has_slots;            /* PID 1 can install updates */
    struct settings *settings; /* all sources merged */
};

/* ---- options.c ---- */

/* Flags and words behind the subcommand, over environment, over DIR/coffer.conf. On failure prints
 * why and returns false. */
bool cli_options_parse(int argc, const char *const *argv, struct cli_options *options);
void cli_help(void);

/* ---- boot.c: what serve and the tools share ---- */

extern const struct module *const cli_modules[];
extern const uint32_t cli_module_count;

/* All tables of all modules, gathered once. */
const struct table *const *cli_tables(uint32_t *count);

/* The sealing key: from COFFER_SEAL_KEY, the file of key-file, or DIR.key, which is made when
 * `may_make`. Prints why not. */
bool cli_key_load(const struct cli_options *options, bool may_make, struct store_seal_key *key);
/* Makes the data folder (mode 0700) when missing. */
bool cli_folder_make(const struct cli_options *options);
bool cli_store_open(const struct cli_options *options, const struct store_seal_key *key,
                    bool is_read_only, struct store **store);
/* Loop, store, router and engine without a server, for one-off commands. */
bool cli_engine_open(const struct cli_options *options, struct engine **engine);
/* back.c: the store is one that this version opens, if need be from that copy. Prints why not. */
bool cli_store_go_back(const struct cli_options *options, const char *copy);
/* Finishes what is queued and closes the store. */
void cli_engine_close(struct engine *engine);

/* ---- outside.c: what calling out needs ---- */

#define CLI_RESOLV_CONF "/etc/resolv.conf" /* for the cage, too */

/* Before the sandbox: it reads what lies outside of it. Prints what is wrong. Without a trust store
 * world->trust is NULL. */
bool cli_outside_open(struct client_world *world, const struct settings *settings,
                      struct loop *loop);
/* Now and not when it is first needed: who starts the server shall see what is wrong with it. */
bool cli_trust_load(const struct client_world *world);
/* The trust store anew; for SIGHUP. */
void cli_outside_reload(const struct client_world *world);

/* ---- mail.c ---- */

struct cli_mail {
    struct smtp_client *smtp; /* NULL = no mail server is set */
};
/* Before the sandbox, too. Prints what is wrong. */
bool cli_mail_open(struct cli_mail *mail, const struct settings *settings,
                   const struct client_world *world);

/* "coffer: text" on standard error; returns CLI_EXIT_FAILED. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line on standard output. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the subcommands ---- */

int cli_serve(struct cli_options *options);
int cli_admin(struct cli_options *options);  /* admin create EMAIL, admin promote ACCOUNT */
int cli_import(struct cli_options *options); /* import users FILE */
int cli_backup(struct cli_options *options);
int cli_restore(struct cli_options *options);
int cli_fsck(struct cli_options *options);
int cli_audit(struct cli_options *options); /* audit verify DIR */
int cli_openapi(struct cli_options *options);
int cli_settings(struct cli_options *options);
int cli_health(struct cli_options *options); /* health URL */
int cli_mail(struct cli_options *options);   /* mail test ADDRESS... */
int cli_image(struct cli_options *options);  /* image update FILE */

#endif
