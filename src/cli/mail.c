/*
 * Outgoing mail from the settings: the client that serve and the tools share, and
 *
 *     coffer mail test ADDRESS...
 *
 * which sends a mail to a person who wants to know whether the settings are right, and shows the
 * dialogue with the server; to several addresses one after the other. Exit code 0: the server took
 * them all; 1: it did not.
 */
#include <string.h>

#include "base/time.h"
#include "cli/cli.h"
#include "net/smtp.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/loop.h"

enum {
    /* A burst of mails shares connections; servers dislike clients that stay and say nothing. */
    MAIL_IDLE_S = 10,
    MAIL_TEST_BYTES_MAX = 2048,
    MAIL_LOOP_ROOM = 64, /* watches and timers: resolver and connections */
};

/* ---- the client ---- */

static enum smtp_security security_of(struct str text) {
    static const char *const words[] = {"starttls", "tls", "optional", "none"};
    static const enum smtp_security values[] = {SMTP_STARTTLS, SMTP_TLS, SMTP_OPTIONAL, SMTP_OPEN};
    uint32_t index = 0;
    while (!str_equal(text, str_from_c(words[index]))) {
        index += 1;
        CHECK(index < COUNT_OF(words)); /* the table of settings lets no other word in */
    }
    return values[index];
}

/* The host of the public URL, if it is a name that others may know us by; else empty. */
static struct str own_name_of(struct str url) {
    (void)str_split(&url, '/');
    (void)str_split(&url, '/');
    struct str host = str_is_none(url) ? STR("") : str_split(&url, ':');
    return dns_name_is_good(host) && str_has_byte(host, '.') ? host : STR("");
}

static struct smtp_options smtp_options_of(const struct settings *settings) {
    return (struct smtp_options){
        .host = settings_text(settings, SETTING_SMTP_HOST_ID),
        .port = (uint16_t)settings_int(settings, SETTING_SMTP_PORT_ID),
        .security = security_of(settings_text(settings, SETTING_SMTP_SECURITY_ID)),
        .user = settings_text(settings, SETTING_SMTP_USER_ID),
        .password = settings_text(settings, SETTING_SMTP_PASSWORD_ID),
        .own_name = own_name_of(settings_text(settings, SETTING_PUBLIC_URL_ID)),
        .step_timeout_us = settings_us(settings, SETTING_SMTP_TIMEOUT_ID),
        .idle_timeout_us = MAIL_IDLE_S * TIME_US_PER_S,
    };
}

static bool mail_open(struct cli_mail *mail, const struct client_world *world,
                      const struct smtp_options *options) {
    const char *problem = NULL;
    *mail = (struct cli_mail){.smtp = NULL};
    if (options->host.len == 0) {
        return true;
    }
    if (options->security != SMTP_OPEN && !cli_trust_load(world)) {
        return false;
    }
    if (smtp_open(&mail->smtp, world->loop, world->dns, world->trust, options, &problem) !=
        ERR_OK) {
        cli_fail("%s", problem);
        return false;
    }
    return true;
}

bool cli_mail_open(struct cli_mail *mail, const struct settings *settings,
                   const struct client_world *world) {
    struct smtp_options options = smtp_options_of(settings);
    return mail_open(mail, world, &options);
}

/* ---- coffer mail test ---- */

struct mail_test {
    struct cli_options *options;
    struct loop *loop;
    struct client_world world;
    struct cli_mail mail;
    uint32_t word; /* of the address whose turn it is; the first is "test" */
    bool is_over;
    int code;
};

static struct mail_test the_test;

static void on_trace(void *ctx, const char *line) {
    (void)ctx;
    cli_say("  %s", line);
}

/* RFC 5322, 3.3: as HTTP writes it, but with a zone in digits. */
static void date_put(struct buf *out) {
    buf_put_c(out, "Date: ");
    time_format_http(clock_wall_us(), out);
    CHECK(str_ends(buf_str(out), STR("GMT")));
    out->len -= 3;
    buf_put_c(out, "+0000\r\n");
}

static void test_mail_make(struct str from, struct str to, struct buf *out) {
    uint8_t id[16];
    random_bytes(id, sizeof id);
    buf_printf(out, "From: <%.*s>\r\nTo: <%.*s>\r\n", STR_ARG(from), STR_ARG(to));
    buf_put_c(out, "Subject: A test mail from Coffer\r\n");
    date_put(out);
    buf_put_c(out, "Message-ID: <");
    buf_put_hex(out, id, sizeof id);
    buf_put_str(out, str_slice(from, str_find_byte(from, '@'), from.len));
    buf_put_c(out, ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                   "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
                   "If you can read this, Coffer can send mail.\r\n");
}

static void report(struct mail_test *test, enum smtp_outcome outcome, const char *detail) {
    const char *address = test->options->words[test->word];
    switch (outcome) {
    case SMTP_DELIVERED:
        cli_say("The server has taken the mail for %s. If it does not arrive, look into the "
                "server's log and into the spam folder.",
                address);
        return;
    case SMTP_RETRY_LATER:
        test->code = cli_fail("%s: not sent: %s", address, detail);
        return;
    case SMTP_REFUSED:
        test->code = cli_fail("%s: refused: %s", address, detail);
        return;
    }
}

static void test_next(struct mail_test *test);

static void on_done(void *ctx, uint64_t handle, enum smtp_outcome outcome, const char *detail) {
    struct mail_test *test = ctx;
    CHECK(handle == test->word);
    report(test, outcome, detail);
    test_next(test);
}

/* Perhaps before the loop has begun. */
static void test_stop(struct mail_test *test) {
    test->is_over = true;
    loop_stop(test->loop, 0);
}

/* Sends to the next address; after the last one the loop ends. */
static void test_next(struct mail_test *test) {
    char memory[MAIL_TEST_BYTES_MAX];
    struct buf bytes = buf_over(memory, sizeof memory);
    test->word += 1;
    if (test->word == test->options->word_count) {
        test_stop(test);
        return;
    }
    const char *address = test->options->words[test->word];
    struct smtp_message message = {
        .sender = settings_text(test->options->settings, SETTING_MAIL_FROM_ID),
        .recipient = str_from_c(address),
    };
    test_mail_make(message.sender, message.recipient, &bytes);
    message.bytes = buf_str(&bytes);
    if (bytes.is_full ||
        smtp_send(test->mail.smtp, &message, test->word, on_done, test) != ERR_OK) {
        test->code = cli_fail("%s, or mail.from, is not a mail address", address);
        test_stop(test);
    }
}

static int mail_test(struct cli_options *options) {
    struct mail_test *test = &the_test;
    struct smtp_options smtp_options = smtp_options_of(options->settings);
    test->options = options;
    smtp_options.on_trace = on_trace;
    if (smtp_options.host.len == 0) {
        return cli_fail("no mail server is set; give its name as mail.smtp-host");
    }
    if (loop_open(&test->loop, MAIL_LOOP_ROOM, MAIL_LOOP_ROOM) != ERR_OK) {
        return cli_fail("the event loop cannot be opened");
    }
    if (!cli_outside_open(&test->world, options->settings, test->loop) ||
        !mail_open(&test->mail, &test->world, &smtp_options)) {
        return CLI_EXIT_FAILED;
    }
    test_next(test);
    if (!test->is_over) {
        (void)loop_run(test->loop);
    }
    smtp_close(test->mail.smtp);
    return test->code;
}

int cli_mail(struct cli_options *options) {
    if (options->word_count < 2 || strcmp(options->words[0], "test") != 0) {
        cli_fail("usage: coffer mail test ADDRESS...");
        return CLI_EXIT_USAGE;
    }
    return mail_test(options);
}
