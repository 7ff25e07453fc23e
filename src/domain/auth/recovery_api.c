/* The endpoint rows of what goes by mail: confirming the address, a lost password; and the pages
 * behind the links, for servers without a console. */
#include "domain/auth/jobs.h"
#include "domain/auth/links.h"
#include "domain/auth/notices.h"
#include "domain/auth/reset.h"
#include "domain/auth/verify.h"
#include "engine/page.h"

PAGE_ASSET(verify_email_html)
PAGE_ASSET(reset_password_html)
PAGE_ASSET(link_js)

static struct page verify_page;
static struct page reset_page;
static struct page script;

static enum err verify_page_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, PAGE_HTML, &verify_page);
}

static enum err reset_page_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, PAGE_HTML, &reset_page);
}

static enum err script_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, PAGE_SCRIPT, &script);
}

static const struct endpoint recovery_endpoints[] = {
    {
        .id = "verify_request",
        .method = HTTP_POST,
        .path = "/api/v1/auth/verify/email/request",
        .doc = "Send the caller a link that confirms the e-mail address.",
        .tag = "Authentication",
        .auth = AUTH_SESSION,
        .rate = RATE_LOGIN,
        .form = FORM_ENVELOPE,
        .command = &verify_request_command,
    },
    {
        .id = "verify_resend",
        .method = HTTP_POST,
        .path = "/api/v1/auth/verify/email/resend",
        .doc = "The same for somebody who is not logged in; the answer is always the same.",
        .tag = "Authentication",
        .auth = AUTH_NONE,
        .rate = RATE_LOGIN,
        .form = FORM_ENVELOPE,
        .body = &mail_request_schema,
        .status = 202,
        .command = &verify_resend_command,
    },
    {
        .id = "verify_confirm",
        .method = HTTP_POST,
        .path = "/api/v1/auth/verify/email/confirm",
        .doc = "Confirm the e-mail address with the token of the link; twice is fine.",
        .tag = "Authentication",
        .auth = AUTH_NONE,
        .rate = RATE_TOKEN,
        .form = FORM_ENVELOPE,
        .body = &verify_confirm_schema,
        .output = &verify_data_schema,
        .errors = {ERR_LINK_INVALID, ERR_LINK_EXPIRED},
        .command = &verify_confirm_command,
    },
    {
        .id = "reset_request",
        .method = HTTP_POST,
        .path = "/api/v1/auth/password/reset/request",
        .doc = "Send a link that sets a new password; the answer is always the same.",
        .tag = "Authentication",
        .auth = AUTH_NONE,
        .rate = RATE_LOGIN,
        .form = FORM_ENVELOPE,
        .body = &mail_request_schema,
        .command = &reset_request_command,
    },
    {
        .id = "reset_confirm",
        .method = HTTP_POST,
        .path = "/api/v1/auth/password/reset/confirm",
        .doc = "Set a new password with the token of the link; all sessions end.",
        .tag = "Authentication",
        .auth = AUTH_NONE,
        .rate = RATE_TOKEN,
        .form = FORM_ENVELOPE,
        .body = &reset_confirm_schema,
        .errors = {ERR_LINK_INVALID, ERR_LINK_EXPIRED},
        .command = &reset_confirm_command,
    },
    {
        .id = "verify_page",
        .method = HTTP_GET,
        .path = "/verify-email",
        .doc = "The page behind the link that confirms an address, for browsers.",
        .tag = "Pages",
        .auth = AUTH_NONE,
        .rate = RATE_READ,
        .form = FORM_RAW,
        .read = verify_page_read,
    },
    {
        .id = "reset_page",
        .method = HTTP_GET,
        .path = "/reset-password",
        .doc = "The page behind the link that sets a new password, for browsers.",
        .tag = "Pages",
        .auth = AUTH_NONE,
        .rate = RATE_READ,
        .form = FORM_RAW,
        .read = reset_page_read,
    },
    {
        .id = "link_script",
        .method = HTTP_GET,
        .path = "/link.js",
        .doc = "The script of these pages.",
        .tag = "Pages",
        .auth = AUTH_NONE,
        .rate = RATE_READ,
        .form = FORM_RAW,
        .read = script_read,
    },
};

static enum err recovery_start(struct engine *engine, const char **problem) {
    static char memory[2][PAGE_BYTES_MAX];
    (void)problem;
    const struct settings *settings = engine_settings(engine);
    verify_page = page_fill(memory[0], settings, PAGE_TEXT(verify_email_html));
    reset_page = page_fill(memory[1], settings, PAGE_TEXT(reset_password_html));
    script = page_of(PAGE_TEXT(link_js));
    return ERR_OK;
}

static const struct table *const recovery_tables[] = {&link_token_table, &device_table};

static const struct command_row *const recovery_jobs[] = {&recovery_prune_command};

const struct module recovery_module = {
    .name = "recovery",
    .start = recovery_start,
    .jobs = recovery_jobs,
    .job_count = COUNT_OF(recovery_jobs),
    .tables = recovery_tables,
    .table_count = COUNT_OF(recovery_tables),
    .endpoints = recovery_endpoints,
    .endpoint_count = COUNT_OF(recovery_endpoints),
};
