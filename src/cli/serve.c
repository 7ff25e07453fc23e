/*
 * coffer serve: boot order and the end.
 *
 *   settings -> folder, sealing key, certificate -> sockets -> other user -> mail server ->
 *   cage -> store -> engine -> loop
 *
 * Sockets come before the cage and the change of user (low ports); the store comes after, because
 * its helper thread must be inside. What calls out reads the machine's name servers and trust store
 * as the new user, before the cage.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/identity.h"
#include "cli/machine.h"
#include "crypto/secret.h"
#include "domain/appliance/appliance.h"
#include "domain/auth/auth.h"
#include "domain/mail/mail.h"
#include "domain/orgs/orgs.h"
#include "net/trust.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/init.h"
#include "os/log.h"
#include "os/loop.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "os/sysinfo.h"

enum { SERVE_DESCRIPTORS_EXTRA = 64 };

struct serve {
    struct cli_options *options;
    struct loop *loop;
    struct store_seal_key key;
    struct cli_identity identity;
    struct server *server;
    struct engine *engine;
    struct sysinfo_source *sysinfo;
    struct client_world outside;
    struct cli_mail mail;
    bool is_stopping;
    int code; /* of the process, after an end in order */
};

static struct serve the_serve;

/* ---- the end ---- */

static void on_drained(void *ctx) {
    struct serve *serve = ctx;
    loop_stop(serve->loop, 0);
}

static void serve_stop(struct serve *serve) {
    if (serve->is_stopping) {
        return;
    }
    serve->is_stopping = true;
    log_info("serve", "stopping: finishing running requests");
    int64_t deadline_us =
        loop_now_us(serve->loop) + settings_us(serve->options->settings, SETTING_STOP_TIMEOUT_ID);
    server_drain(serve->server, deadline_us, on_drained, serve);
}

static void serve_reload(struct serve *serve) {
    cli_outside_reload(&serve->outside);
    const char *problem = NULL;
    struct server_tls_files files;
    if (!cli_identity_load(serve->options, &serve->identity, &files) ||
        server_tls_reload(serve->server, &files, &problem) != ERR_OK) {
        log_error("tls", "the certificate stays as it was: %s", problem ? problem : "unreadable");
        return;
    }
    log_info("tls", "the certificate is loaded anew");
}

static void on_update_wanted(void *ctx) {
    struct serve *serve = ctx;
    log_info("serve", "an update waits for its installation");
    serve->code = INIT_EXIT_UPDATE;
    serve_stop(serve);
}

static void on_signal(void *ctx, int signal_number) {
    struct serve *serve = ctx;
    if (signal_number == SIGHUP) {
        serve_reload(serve);
    } else {
        serve_stop(serve);
    }
}

/* ---- start ---- */

static struct server_options server_options_of(struct serve *serve) {
    const struct settings *settings = serve->options->settings;
    struct server_options options = {
        .listen_count = serve->options->listen_count,
        .connections_max = (uint32_t)settings_int(settings, SETTING_CONNECTIONS_ID),
        .connections_per_address_max =
            (uint32_t)settings_int(settings, SETTING_CONNECTIONS_PER_ADDRESS_ID),
        .trusted_proxies = settings_text(settings, SETTING_TRUSTED_PROXIES_ID),
        .head_timeout_us = settings_us(settings, SETTING_HEAD_TIMEOUT_ID),
        .body_timeout_us = settings_us(settings, SETTING_BODY_TIMEOUT_ID),
        .idle_timeout_us = settings_us(settings, SETTING_IDLE_TIMEOUT_ID),
        .write_timeout_us = settings_us(settings, SETTING_WRITE_TIMEOUT_ID),
        .tls_sessions_max = (uint32_t)settings_int(settings, SETTING_TLS_SESSIONS_ID),
        .arena_pool_bytes = (uint64_t)settings_int(settings, SETTING_REQUEST_MEMORY_ID),
    };
    for (uint32_t i = 0; i < options.listen_count; i++) {
        options.listen[i] = serve->options->listen[i];
    }
    return options;
}

static bool serve_sockets(struct serve *serve) {
    const char *problem = NULL;
    struct server_options options = server_options_of(serve);
    uint32_t wanted = options.connections_max + SERVE_DESCRIPTORS_EXTRA;
    uint32_t allowed = process_descriptors_allow(wanted);
    if (allowed < wanted) {
        cli_fail("only %u descriptors are allowed, %u are needed: raise the limit (ulimit -n) or "
                 "lower http.connections",
                 allowed, wanted);
        return false;
    }
    if (loop_open(&serve->loop, wanted, wanted + SERVE_DESCRIPTORS_EXTRA) != ERR_OK) {
        cli_fail("the event loop cannot be opened");
        return false;
    }
    if (!cli_identity_load(serve->options, &serve->identity, &options.tls)) {
        return false;
    }
    if (server_open(&serve->server, serve->loop, &options, engine_handler(), &problem) != ERR_OK) {
        cli_fail("%s", problem);
        return false;
    }
    return true;
}

/* What an earlier start as root has left in the folder must not lock the new user out. */
static bool folder_give(const char *folder, struct process_user user) {
    static const char *const names[] = {"",
                                        "/certificate.pem",
                                        "/certificate-key.pem",
                                        "/coffer.conf",
                                        "/data.mdb",
                                        "/lock.mdb",
                                        "/redo.0",
                                        "/redo.1"};
    char path[FILE_PATH_BYTES_MAX];
    for (uint32_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof(path), "%s%s", folder, names[i]);
        if (file_exists(path) && file_owner_set(path, user.uid, user.gid) != ERR_OK) {
            cli_fail("%s cannot be given to the user", path);
            return false;
        }
    }
    return true;
}

static bool serve_user(struct serve *serve) {
    struct process_user user;
    struct str text = settings_text(serve->options->settings, SETTING_USER_ID);
    if (text.len > 0) {
        if (process_user_find(text, &user) != ERR_OK) {
            cli_fail("there is no user %.*s", STR_ARG(text));
            return false;
        }
        if (process_is_root() && !folder_give(serve->options->folder, user)) {
            return false;
        }
        if (process_user_become(user) != ERR_OK) {
            cli_fail("cannot become %.*s", STR_ARG(text));
            return false;
        }
    } else if (process_is_root()) {
        log_warn("serve", "running as root: give --user NAME to drop it");
    }
    process_harden();
    return true;
}

/* Made when missing, so that the cage can open it. */
static bool serve_mail_folder(struct serve *serve, char path[FILE_PATH_BYTES_MAX],
                              struct sandbox_paths *paths) {
    struct str folder = settings_text(serve->options->settings, SETTING_MAIL_FOLDER_ID);
    if (folder.len == 0) {
        return true;
    }
    snprintf(path, FILE_PATH_BYTES_MAX, "%.*s", STR_ARG(folder));
    enum err err = folder_make(path, 0700);
    if (err != ERR_OK && err != ERR_EXISTS) {
        cli_fail("%s: the folder for mails cannot be made; is its parent there and writable?",
                 path);
        return false;
    }
    paths->writable[paths->writable_count++] = path;
    return true;
}

static bool serve_cage(struct serve *serve) {
    char mail_folder[FILE_PATH_BYTES_MAX];
    serve->sysinfo = sysinfo_open(serve->options->folder); /* /proc is out of reach inside */
    struct sandbox_paths paths = {.writable = {serve->options->folder}, .writable_count = 1};
    if (!serve_mail_folder(serve, mail_folder, &paths)) {
        return false;
    }
    if (!settings_bool(serve->options->settings, SETTING_SANDBOX_ID)) {
        return true;
    }
    if (serve->identity.is_given) {
        paths.readable[paths.readable_count++] = serve->identity.certificate_path;
        paths.readable[paths.readable_count++] = serve->identity.key_path;
    }
    paths.files[paths.file_count++] = CLI_RESOLV_CONF;
    if (serve->outside.trust != NULL) {
        paths.readable[paths.readable_count++] = trust_path(serve->outside.trust);
    }
    if (sandbox_enter(&paths) != ERR_OK) {
        cli_fail("the sandbox cannot be entered; --set sandbox=false goes on without");
        return false;
    }
    return true;
}

static bool serve_engine(struct serve *serve) {
    const char *problem = NULL;
    struct engine_options options = {
        .loop = serve->loop,
        .settings = serve->options->settings,
        .seal_key = serve->key,
        .modules = cli_modules,
        .module_count = cli_module_count,
        .authenticator = &auth_authenticator,
        .keys = &orgs_key_authenticator,
        .sysinfo = serve->sysinfo,
    };
    appliance_set_machine(serve->options->has_slots);
    loop_on_signal(serve->loop, on_signal, serve);
    if (router_open(&options.router, cli_modules, cli_module_count, &problem) != ERR_OK) {
        cli_fail("%s", problem);
        return false;
    }
    if (!cli_store_open(serve->options, &serve->key, false, &options.store)) {
        return false;
    }
    if (engine_open(&serve->engine, &options, &problem) != ERR_OK) {
        cli_fail("%s", problem);
        return false;
    }
    engine_set_server(serve->engine, serve->server);
    return true;
}

static void settings_log(const struct settings *settings) {
    for (uint32_t i = 0; i < SETTINGS_COUNT; i++) {
        if (strcmp(settings->sources[i], "default") != 0) {
            log_info("settings", "%s is from %s", setting_row((enum setting)i)->name,
                     settings->sources[i]);
        }
    }
}

/* What a person needs to go on, once. */
static void serve_banner(const struct serve *serve) {
    struct str url = settings_text(serve->options->settings, SETTING_PUBLIC_URL_ID);
    struct str token = auth_setup_token();
    cli_say("coffer %s serves %.*s", COFFER_VERSION, STR_ARG(serve->options->listen[0]));
    cli_say("  data         %s", serve->options->folder);
    cli_say("  certificate  %s%s", serve->identity.fingerprint,
            serve->identity.is_given ? "" : " (self-signed)");
    cli_say("  docs         %.*s/docs", STR_ARG(url));
    if (!str_is_none(token)) {
        cli_say("  There is no administrator yet. Make the first one with this one-time link:\n"
                "  %.*s/setup#%.*s",
                STR_ARG(url), STR_ARG(token));
    }
}

/* The public address follows the first listener unless it was set. */
static void public_url_default(struct cli_options *options) {
    const char *problem = NULL;
    if (options->listen_count == 0) {
        options->listen[options->listen_count++] = STR("https://localhost:8443");
    }
    struct str first = options->listen[0];
    bool is_wildcard =
        str_starts(first, STR("https://0.0.0.0")) || str_starts(first, STR("https://[::]"));
    if (strcmp(options->settings->sources[SETTING_PUBLIC_URL_ID], "default") == 0 && !is_wildcard) {
        settings_set(options->settings, STR("public-url"), first, "default", &problem);
    }
}

/* Tools end soon; the server does not keep the key's text for as long as it runs. */
static bool serve_key(struct serve *serve) {
    struct cli_options *options = serve->options;
    bool is_good = cli_key_load(options, true, &serve->key);
    if (options->seal_key_hex != NULL) {
        crypto_wipe(options->seal_key_hex, strlen(options->seal_key_hex));
    }
    return is_good;
}

int cli_serve(struct cli_options *options) {
    struct serve *serve = &the_serve;
    serve->options = options;
    public_url_default(options);
    settings_log(options->settings);
    if (!cli_folder_make(options) || !serve_key(serve) || !serve_sockets(serve) ||
        !serve_user(serve) || !cli_outside_open(&serve->outside, options->settings, serve->loop) ||
        !cli_mail_open(&serve->mail, options->settings, &serve->outside) || !serve_cage(serve) ||
        !serve_engine(serve)) {
        return CLI_EXIT_FAILED;
    }
    mail_server_set(serve->mail.smtp);
    serve_banner(serve);
    if (options->is_machine) {
        cli_status_open(serve->loop, serve->engine, serve->server);
    }
    if (options->has_slots) {
        update_fetcher_open(serve->engine, &serve->outside);
        cli_updates_open(serve->loop, serve->engine, on_update_wanted, serve);
    }
    int code = loop_run(serve->loop);
    cli_engine_close(serve->engine);
    server_close(serve->server);
    log_info("serve", "stopped");
    return code == 0 ? serve->code : code;
}
