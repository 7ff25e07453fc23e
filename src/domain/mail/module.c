/* The module of this domain: its tables, its sender. */
#include "domain/mail/outbox_api.h"
#include "domain/mail/sender.h"

static const struct table *const mail_tables[] = {&outbox_table, &outbox_dead_table,
                                                  &mail_template_table};

static const struct command_row *const mail_jobs[] = {&outbox_prune_command};

static enum err mail_start(struct engine *engine, const char **problem) {
    (void)engine;
    (void)problem;
    outbox_sender_set(OUTBOX_MAIL, &mail_sender);
    return ERR_OK;
}

const char *mail_health(const struct store_view *view, const struct settings *settings) {
    if (!outbox_is_ready(OUTBOX_MAIL, settings)) {
        return "not_configured";
    }
    return store_count(view, &outbox_dead_table) > 0 ? "unhealthy" : "healthy";
}

const struct module mail_module = {
    .name = "mail",
    .start = mail_start,
    .jobs = mail_jobs,
    .job_count = COUNT_OF(mail_jobs),
    .tables = mail_tables,
    .table_count = COUNT_OF(mail_tables),
    .endpoints = outbox_endpoints,
    .endpoint_count = OUTBOX_ENDPOINTS,
};
