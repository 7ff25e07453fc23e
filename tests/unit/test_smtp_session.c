/* The SMTP dialogue without a network: a script of server lines, and what the machine says. */
#include "test.h"

#include "net/smtp_session.h"

static struct smtp_login login;
static struct smtp_session session;
static struct smtp_letter letter;
static char said[4096]; /* by us since the last look, CRLF as | */

static enum smtp_deed heard(enum smtp_deed deed) {
    size_t len = strlen(said);
    for (uint32_t index = 0; index < session.out.len; index++) {
        char byte = session.out.data[index];
        said[len] = byte == '\r' ? '|' : byte;
        len += byte == '\n' ? 0 : 1;
    }
    said[len] = '\0';
    buf_reset(&session.out);
    return deed;
}

/* Lines with | between them; the last one's deed. */
static enum smtp_deed tell(const char *lines) {
    enum smtp_deed deed = SMTP_DEED_WAIT;
    struct str rest = str_from_c(lines);
    said[0] = '\0';
    while (!str_is_none(rest)) {
        deed = heard(smtp_session_take(&session, str_split(&rest, '|')));
    }
    return deed;
}

static void start(enum smtp_security security, const char *user, bool is_loopback) {
    login = (struct smtp_login){security, str_from_c(user), STR("opensesame")};
    smtp_session_start(&session, &login, STR("us.example"), security == SMTP_TLS, is_loopback);
    said[0] = '\0';
}

static enum smtp_deed send_letter(void) {
    said[0] = '\0';
    return heard(smtp_session_send(&session, &letter));
}

static void start_ready(const char *abilities) {
    start(SMTP_OPEN, "", false);
    letter = (struct smtp_letter){
        .sender = STR("a@us.example"), .recipient = STR("b@them.example"), .bytes = 100};
    EXPECT_EQ_INT(tell("220 them"), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "EHLO us.example|");
    EXPECT_EQ_INT(tell(abilities), SMTP_DEED_READY);
}

TEST(smtp_mail_from_hello_to_quit)
{
    start_ready("250-them.example\r|250-PIPELINING|250-SIZE 1000|250 HELP");
    EXPECT_EQ_INT(send_letter(), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "MAIL FROM:<a@us.example> SIZE=100|");
    EXPECT_EQ_INT(tell("250 2.1.0 Ok"), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "RCPT TO:<b@them.example>|");
    EXPECT_EQ_INT(tell("250 2.1.5 Ok"), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "DATA|");
    EXPECT_EQ_INT(tell("354 go on"), SMTP_DEED_BODY);
    EXPECT_EQ_STR(said, "");
    EXPECT_EQ_INT(tell("250-2.0.0 Ok|250 queued as 7"), SMTP_DEED_DONE);
    EXPECT_EQ_INT(session.outcome, SMTP_DELIVERED);
    EXPECT_EQ_STR(session.detail, "accepted: 250 2.0.0 Ok queued as 7");
    EXPECT_EQ_INT(session.state, SMTP_READY);
    /* The next one on the same connection, then goodbye. */
    EXPECT_EQ_INT(send_letter(), SMTP_DEED_WAIT);
    EXPECT_EQ_INT(tell("250 1|250 2|354 3"), SMTP_DEED_BODY);
    EXPECT_EQ_INT(tell("250"), SMTP_DEED_DONE);
    said[0] = '\0';
    EXPECT_EQ_INT(heard(smtp_session_quit(&session)), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "QUIT|");
    EXPECT_EQ_INT(tell("221 bye"), SMTP_DEED_CLOSE);
    EXPECT_EQ_INT(session.state, SMTP_OVER);
}

TEST(smtp_starttls_forgets_what_was_said_before)
{
    start(SMTP_STARTTLS, "", false);
    EXPECT_EQ_INT(tell("220 them|250-them|250-SIZE 5|250 STARTTLS"), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "EHLO us.example|STARTTLS|");
    EXPECT_EQ_INT(tell("220 go"), SMTP_DEED_SECURE);
    EXPECT_EQ_INT(heard(smtp_session_secured(&session)), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "EHLO us.example|");
    /* A server that still offers STARTTLS is not asked again. */
    EXPECT_EQ_INT(tell("250-them|250 STARTTLS"), SMTP_DEED_READY);
    EXPECT(!session.abilities.has_size);
}

TEST(smtp_starttls_wanted_and_not_had)
{
    start(SMTP_STARTTLS, "ada", true);
    EXPECT_EQ_INT(tell("220 them|250-them|250 AUTH PLAIN"), SMTP_DEED_CLOSE);
    EXPECT_EQ_STR(said, "EHLO us.example|");
    EXPECT(strstr(session.detail, "STARTTLS") != NULL);
    start(SMTP_STARTTLS, "", false);
    EXPECT_EQ_INT(tell("220 them|250-them|250 STARTTLS|454 not now"), SMTP_DEED_CLOSE);
    EXPECT_EQ_STR(session.detail, "the server cannot begin TLS: 454 not now");
    /* Old servers know no EHLO, so no STARTTLS. */
    start(SMTP_STARTTLS, "", false);
    EXPECT_EQ_INT(tell("220 them|502 what?|250 hello"), SMTP_DEED_CLOSE);
    EXPECT_EQ_STR(said, "EHLO us.example|HELO us.example|");
}

TEST(smtp_starttls_optional)
{
    start(SMTP_OPTIONAL, "", false);
    EXPECT_EQ_INT(tell("220 them|250-them|250 STARTTLS|220 go"), SMTP_DEED_SECURE);
    start(SMTP_OPTIONAL, "", false);
    EXPECT_EQ_INT(tell("220 them|250 them"), SMTP_DEED_READY);
    start(SMTP_OPTIONAL, "", false);
    EXPECT_EQ_INT(tell("220 them|250-them|250 STARTTLS|454 not now"), SMTP_DEED_READY);
    /* But no password without it. */
    start(SMTP_OPTIONAL, "ada", false);
    EXPECT_EQ_INT(tell("220 them|250-them|250 AUTH PLAIN LOGIN"), SMTP_DEED_CLOSE);
    EXPECT_EQ_STR(said, "EHLO us.example|");
    EXPECT(strstr(session.detail, "password is not sent") != NULL);
}

TEST(smtp_login_plain)
{
    start(SMTP_TLS, "ada", false);
    EXPECT_EQ_INT(tell("220 them|250-them|250 AUTH LOGIN PLAIN"), SMTP_DEED_WAIT);
    /* NUL ada NUL opensesame */
    EXPECT_EQ_STR(said, "EHLO us.example|AUTH PLAIN AGFkYQBvcGVuc2VzYW1l|");
    EXPECT_EQ_UINT(session.secret_from, strlen("AUTH PLAIN "));
    EXPECT_EQ_INT(tell("235 welcome"), SMTP_DEED_READY);
}

TEST(smtp_login_login)
{
    start(SMTP_OPEN, "ada", true); /* loopback: nobody listens in between */
    EXPECT_EQ_INT(tell("220 them|250-them|250 auth login"), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "EHLO us.example|AUTH LOGIN|");
    EXPECT_EQ_INT(tell("334 VXNlcm5hbWU6"), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "YWRh|");
    EXPECT_EQ_UINT(session.secret_from, 0);
    EXPECT_EQ_INT(tell("334 UGFzc3dvcmQ6"), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "b3BlbnNlc2FtZQ==|");
    EXPECT_EQ_INT(tell("235 welcome"), SMTP_DEED_READY);
}

TEST(smtp_login_refused_or_impossible)
{
    start(SMTP_TLS, "ada", false);
    EXPECT_EQ_INT(tell("220 t|250-t|250 AUTH PLAIN|535 5.7.8 no"), SMTP_DEED_CLOSE);
    EXPECT_EQ_STR(session.detail,
                  "the server refuses mail.smtp-user and mail.smtp-password: 535 5.7.8 no");
    start(SMTP_TLS, "ada", false);
    EXPECT_EQ_INT(tell("220 t|250-t|250 AUTH LOGIN|504 no"), SMTP_DEED_CLOSE);
    start(SMTP_TLS, "ada", false);
    EXPECT_EQ_INT(tell("220 t|250-t|250 AUTH GSSAPI XOAUTH2"), SMTP_DEED_CLOSE);
    start(SMTP_TLS, "ada", false);
    EXPECT_EQ_INT(tell("220 t|250-t|250 AUTH PLAIN|334 more?"), SMTP_DEED_CLOSE);
    EXPECT(strstr(session.detail, "opensesame") == NULL);
}

TEST(smtp_outcomes_at_each_step)
{
    static const struct {
        const char *replies; /* from MAIL on */
        enum smtp_outcome outcome;
        enum smtp_state state;
        const char *last_said;
    } rows[] = {
        {"451 later", SMTP_RETRY_LATER, SMTP_READY, "MAIL"},
        {"550 no", SMTP_REFUSED, SMTP_READY, "MAIL"},
        {"530 5.7.0 Must issue a STARTTLS command first", SMTP_RETRY_LATER, SMTP_READY, "MAIL"},
        {"250 1|450 greylisted", SMTP_RETRY_LATER, SMTP_RSET, "RSET|"},
        {"250 1|550 5.1.1 unknown", SMTP_REFUSED, SMTP_RSET, "RSET|"},
        {"250 1|251 2|452 full", SMTP_RETRY_LATER, SMTP_RSET, "RSET|"},
        {"250 1|250 2|554 no", SMTP_REFUSED, SMTP_RSET, "RSET|"},
        {"250 1|250 2|250 what", SMTP_RETRY_LATER, SMTP_RSET, "RSET|"},
        {"250 1|250 2|354 3|451 later", SMTP_RETRY_LATER, SMTP_READY, "DATA"},
        {"250 1|250 2|354 3|554-5.7.1 spam|554 5.7.1 really", SMTP_REFUSED, SMTP_READY, "DATA"},
    };
    for (uint32_t row = 0; row < COUNT_OF(rows); row++) {
        start_ready("250 them");
        EXPECT_EQ_INT(send_letter(), SMTP_DEED_WAIT);
        EXPECT_EQ_INT(tell(rows[row].replies), SMTP_DEED_DONE);
        EXPECT_EQ_INT(session.outcome, rows[row].outcome);
        EXPECT_EQ_INT(session.state, rows[row].state);
        EXPECT(strstr(said, rows[row].last_said) != NULL || rows[row].state == SMTP_READY);
        if (session.state == SMTP_RSET) {
            EXPECT_EQ_INT(tell("250 forgotten"), SMTP_DEED_READY);
        }
        EXPECT_EQ_INT(send_letter(), SMTP_DEED_WAIT);
    }
}

TEST(smtp_closing_and_nonsense_end_the_connection)
{
    static const char *const rows[] = {
        "421 busy",
        "554 go away",
        "HTTP/1.1 400 Bad Request",
        "",
        "22",
        "220them",
        "199 x",
        "600 x",
        "220 t|250-t|251 t",
        "220 t|421 shutting down",
        "220 t|250 t|250 again",
    };
    for (uint32_t row = 0; row < COUNT_OF(rows); row++) {
        start(SMTP_OPEN, "", false);
        EXPECT_EQ_INT(tell(rows[row]), SMTP_DEED_CLOSE);
        EXPECT_EQ_INT(session.state, SMTP_OVER);
        EXPECT(strlen(session.detail) > 10);
    }
    start_ready("250 them");
    EXPECT_EQ_INT(send_letter(), SMTP_DEED_WAIT);
    EXPECT_EQ_INT(tell("250 1|250 2|354 3|421 no more"), SMTP_DEED_CLOSE);
}

TEST(smtp_reply_has_an_end)
{
    start(SMTP_OPEN, "", false);
    for (uint32_t line = 0; line < SMTP_REPLY_LINES_MAX; line++) {
        EXPECT_EQ_INT(tell("220-chatting"), SMTP_DEED_WAIT);
    }
    EXPECT_EQ_INT(tell("220-chatting"), SMTP_DEED_CLOSE);
}

TEST(smtp_letters_that_the_server_cannot_take)
{
    start_ready("250-them|250 SIZE 99");
    EXPECT_EQ_INT(send_letter(), SMTP_DEED_DONE);
    EXPECT_EQ_INT(session.outcome, SMTP_REFUSED);
    EXPECT_EQ_STR(said, "");
    start_ready("250-them|250 SIZE 0");
    letter.needs_8bitmime = true;
    EXPECT_EQ_INT(send_letter(), SMTP_DEED_DONE);
    EXPECT_EQ_INT(session.outcome, SMTP_REFUSED);
    start_ready("250-them|250 8BITMIME");
    letter.needs_8bitmime = true;
    letter.needs_smtputf8 = true;
    EXPECT_EQ_INT(send_letter(), SMTP_DEED_DONE);
    EXPECT_EQ_INT(session.outcome, SMTP_REFUSED);
    start_ready("250-them|250-8bitmime|250 SMTPUTF8");
    letter.needs_8bitmime = true;
    letter.needs_smtputf8 = true;
    letter.sender = STR("");
    EXPECT_EQ_INT(send_letter(), SMTP_DEED_WAIT);
    EXPECT_EQ_STR(said, "MAIL FROM:<> BODY=8BITMIME SMTPUTF8|");
}

TEST(smtp_details_are_printable_and_bounded)
{
    char line[SMTP_LINE_BYTES_MAX];
    start(SMTP_OPEN, "", false);
    memset(line, 0x80, sizeof line);
    memcpy(line, "554 \x1b[31m", 9);
    line[sizeof line - 1] = '\0';
    EXPECT_EQ_INT(tell(line), SMTP_DEED_CLOSE);
    EXPECT(strlen(session.detail) < SMTP_DETAIL_BYTES_MAX);
    for (const char *at = session.detail; *at != '\0'; at++) {
        EXPECT(*at >= ' ' && *at <= '~');
    }
    EXPECT(strstr(session.detail, "554 ?[31m?") != NULL);
}

TEST(smtp_lines_out_of_a_stream)
{
    static struct smtp_lines lines;
    static char endless[SMTP_LINE_BYTES_MAX + 1];
    struct str line = STR_NONE;
    uint32_t taken = 0;
    EXPECT_EQ_INT(smtp_lines_take(&lines, STR("250-a"), &taken, &line), ERR_AGAIN);
    EXPECT_EQ_UINT(taken, 5);
    EXPECT_EQ_INT(smtp_lines_take(&lines, STR("b\r\n250 c\n"), &taken, &line), ERR_OK);
    EXPECT_EQ_UINT(taken, 3);
    EXPECT(str_equal(line, STR("250-ab")));
    EXPECT_EQ_INT(smtp_lines_take(&lines, STR("250 c\n"), &taken, &line), ERR_OK);
    EXPECT(str_equal(line, STR("250 c")));
    EXPECT_EQ_INT(smtp_lines_take(&lines, STR("\n"), &taken, &line), ERR_OK);
    EXPECT_EQ_UINT(line.len, 0);
    memset(endless, 'x', sizeof endless);
    EXPECT_EQ_INT(smtp_lines_take(&lines, str_from(endless, sizeof endless - 1), &taken, &line),
                  ERR_AGAIN);
    EXPECT_EQ_INT(smtp_lines_take(&lines, STR("x"), &taken, &line), ERR_FULL);
}
