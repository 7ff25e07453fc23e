/*
 * The SMTP client on the real loop, against a small server in child processes: several messages at
 * once, connections used again and given up, large messages, and what is refused before it is sent.
 */
#include "test.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "net/dns.h"
#include "net/smtp.h"
#include "os/clock.h"
#include "os/loop.h"
#include "support/peer_support.h"

enum { PATIENCE_US = 20 * 1000 * 1000, LINE_BYTES = 4096, EVENTS_BYTES = 8192 };

/* ---- the server: one process per connection; tells what happens through a pipe ---- */

static int events_fd[2];  /* server to test: one line per event */
static int release_fd[2]; /* test to server: one byte lets one held reply go */

static void say(int fd, const char *text) {
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        _exit(1);
    }
}

static void report(const char *format, ...) {
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    say(events_fd[1], line);
}

static bool line_read(FILE *in, char *line) {
    return fgets(line, LINE_BYTES, in) != NULL;
}

/* The message as the sender gave it: how many bytes, and a sum that knows their order. */
static void message_read(FILE *in) {
    char line[LINE_BYTES];
    unsigned bytes = 0;
    unsigned sum = 0;
    while (line_read(in, line) && strcmp(line, ".\r\n") != 0) {
        for (const char *at = line[0] == '.' ? line + 1 : line; *at != '\0'; at++) {
            bytes += 1;
            sum = sum * 31 + (unsigned char)*at;
        }
    }
    report("message %u %u\n", bytes, sum);
}

static void serve(int fd) {
    FILE *in = fdopen(dup(fd), "r");
    char line[LINE_BYTES];
    bool is_held = false;
    bool leaves = false;
    report("connection\n");
    say(fd, "220 test\r\n");
    while (line_read(in, line)) {
        if (strncmp(line, "DATA", 4) == 0) {
            say(fd, "354 go on\r\n");
            message_read(in);
            char byte;
            if (is_held && read(release_fd[0], &byte, 1) != 1) {
                _exit(1);
            }
        } else if (strncmp(line, "RCPT", 4) == 0) {
            is_held = strstr(line, "<hold@") != NULL;
            leaves = strstr(line, "<leave@") != NULL;
            if (strstr(line, "<no@") != NULL) {
                say(fd, "550 no\r\n");
                continue;
            }
        } else if (strncmp(line, "QUIT", 4) == 0) {
            report("quit\n");
            say(fd, "221 bye\r\n");
            break;
        }
        say(fd, "250 ok\r\n");
        if (leaves && strncmp(line, "DATA", 4) == 0) {
            break;
        }
    }
    _exit(0);
}

static pid_t peer;
static uint16_t listen_port;

static void server_start(void) {
    int listener = peer_listen(&listen_port);
    if (pipe(events_fd) != 0 || pipe(release_fd) != 0) {
        abort();
    }
    peer = peer_start(listener, serve);
    close(listener);
}

static void peer_stop(void) {
    kill(-peer, SIGKILL);
    waitpid(peer, NULL, 0);
    for (int end = 0; end < 2; end++) {
        close(events_fd[end]);
        close(release_fd[end]);
    }
}

/* ---- the client ---- */

static struct loop *loop;
static struct dns *dns;
static struct smtp_client *client;
static struct loop_watch events_watch;
static struct loop_timer guard;
static char events[EVENTS_BYTES];
static uint32_t done_count;
static uint32_t delivered_count;
static uint64_t last_handle;
static char last_detail[SMTP_DETAIL_BYTES_MAX];
static bool (*is_enough)(void);

static void look(void) {
    if (is_enough()) {
        loop_stop(loop, 0);
    }
}

static void on_event(struct loop_watch *watch, uint32_t ready) {
    size_t len = strlen(events);
    (void)ready;
    ssize_t got = read(watch->fd, events + len, sizeof events - len - 1);
    events[len + (size_t)(got > 0 ? got : 0)] = '\0';
    look();
}

static void on_guard(struct loop_timer *timer) {
    (void)timer;
    loop_stop(loop, 1);
}

static void on_done(void *ctx, uint64_t handle, enum smtp_outcome outcome, const char *detail) {
    EXPECT(ctx == &done_count);
    done_count += 1;
    delivered_count += outcome == SMTP_DELIVERED ? 1 : 0;
    last_handle = handle;
    snprintf(last_detail, sizeof last_detail, "%s", detail);
    look();
}

static void client_start(int64_t idle_timeout_us) {
    const char *problem = NULL;
    struct dns_options dns_options = {STR(""), "/nowhere/resolv.conf", "/nowhere/hosts"};
    struct smtp_options options = {
        .host = STR("127.0.0.1"),
        .port = listen_port,
        .security = SMTP_OPEN,
        .step_timeout_us = PATIENCE_US / 2,
        .idle_timeout_us = idle_timeout_us,
    };
    EXPECT_EQ_INT(loop_open(&loop, 64, 64), ERR_OK);
    EXPECT_EQ_INT(dns_open(&dns, loop, &dns_options, &problem), ERR_OK);
    EXPECT_EQ_INT(smtp_open(&client, loop, dns, NULL, &options, &problem), ERR_OK);
    events_watch = (struct loop_watch){.fd = events_fd[0], .on_ready = on_event};
    EXPECT_EQ_INT(loop_watch_add(loop, &events_watch, LOOP_READ), ERR_OK);
    guard = (struct loop_timer){.on_due = on_guard};
    events[0] = '\0';
    done_count = 0;
    delivered_count = 0;
}

static void start(int64_t idle_timeout_us) {
    server_start();
    client_start(idle_timeout_us);
}

static void stop(void) {
    smtp_close(client);
    dns_close(dns);
    loop_watch_remove(loop, &events_watch);
    loop_close(loop);
    peer_stop();
}

/* Runs the loop until that is so. */
static bool run_until(bool (*condition)(void)) {
    is_enough = condition;
    if (condition()) {
        return true;
    }
    loop_timer_set(loop, &guard, clock_monotonic_us() + PATIENCE_US);
    int code = loop_run(loop);
    loop_timer_clear(loop, &guard);
    return code == 0;
}

static enum err send_to(const char *recipient, struct str bytes, uint64_t handle) {
    struct smtp_message message = {STR("us@example.org"), str_from_c(recipient), bytes};
    return smtp_send(client, &message, handle, on_done, &done_count);
}

static uint32_t events_of(const char *text) {
    uint32_t count = 0;
    for (const char *at = events; (at = strstr(at, text)) != NULL; at += strlen(text)) {
        count += 1;
    }
    return count;
}

static bool one_is_done(void) {
    return done_count == 1;
}

static bool two_are_done(void) {
    return done_count == 2;
}

static const struct str letter = {"Subject: x\r\n\r\ny\r\n", 17};

static void on_found(struct dns_request *request, enum err err,
                     const struct dns_addresses *addresses) {
    (void)request;
    (void)err;
    (void)addresses;
    EXPECT(false); /* it is given up before */
}

/* A machine that gets its network, and so its name servers, after the start. */
TEST(smtp_client_learns_of_name_servers_later)
{
    char path[TEST_PATH_BYTES];
    const char *problem = NULL;
    struct dns_request request = {.on_done = on_found};
    struct dns_addresses addresses;
    int fd = mkstemp(test_template(path, "resolv"));
    struct dns_options options = {STR(""), path, "/nowhere/hosts"};
    EXPECT_EQ_INT(loop_open(&loop, 64, 64), ERR_OK);
    EXPECT_EQ_INT(dns_open(&dns, loop, &options, &problem), ERR_OK);
    EXPECT_EQ_INT(dns_find(dns, STR("mail.example"), &request, &addresses), ERR_UNAVAILABLE);
    EXPECT_EQ_INT(dns_find(dns, STR("mail example"), &request, &addresses), ERR_FORMAT);
    EXPECT_EQ_INT(dns_find(dns, STR("localhost."), &request, &addresses), ERR_OK);
    EXPECT_EQ_UINT(addresses.count, 2);
    say(fd, "nameserver 127.0.0.1\n");
    EXPECT_EQ_INT(dns_find(dns, STR("mail.example"), &request, &addresses), ERR_AGAIN);
    dns_cancel(dns, &request);
    dns_close(dns);
    loop_close(loop);
    close(fd);
    unlink(path);
}

TEST(smtp_client_sends_several_at_once)
{
    start(PATIENCE_US);
    for (uint64_t handle = 1; handle <= SMTP_CONNECTIONS_MAX; handle++) {
        EXPECT_EQ_UINT(smtp_room(client), SMTP_CONNECTIONS_MAX + 1 - handle);
        EXPECT_EQ_INT(send_to("hold@example.com", letter, handle), ERR_OK);
    }
    EXPECT_EQ_UINT(smtp_room(client), 0);
    EXPECT_EQ_INT(send_to("hold@example.com", letter, 9), ERR_FULL);
    EXPECT_EQ_UINT(done_count, 0);
    say(release_fd[1], "x");
    EXPECT(run_until(one_is_done));
    EXPECT_EQ_UINT(smtp_room(client), 1);
    /* The next one goes over the connection that is free now. */
    EXPECT_EQ_INT(send_to("b@example.com", letter, 9), ERR_OK);
    EXPECT_EQ_UINT(done_count, 1);
    EXPECT(run_until(two_are_done));
    EXPECT_EQ_UINT(last_handle, 9);
    EXPECT_EQ_UINT(delivered_count, 2);
    struct smtp_stats stats;
    smtp_stats_read(client, &stats);
    EXPECT_EQ_UINT(stats.delivered, 2);
    EXPECT(stats.connections <= SMTP_CONNECTIONS_MAX);
    stop();
}

static bool has_quit(void) {
    return done_count == 1 && events_of("quit") == 1;
}

TEST(smtp_client_says_goodbye_when_idle)
{
    start(20 * 1000);
    EXPECT_EQ_INT(send_to("a@example.com", letter, 1), ERR_OK);
    EXPECT(run_until(has_quit));
    EXPECT_EQ_UINT(events_of("connection"), 1);
    /* And comes again. */
    EXPECT_EQ_INT(send_to("b@example.com", letter, 2), ERR_OK);
    EXPECT(run_until(two_are_done));
    EXPECT_EQ_UINT(delivered_count, 2);
    EXPECT_EQ_STR(last_detail, "accepted: 250 ok");
    stop();
}

TEST(smtp_client_uses_a_connection_after_a_refusal)
{
    start(PATIENCE_US);
    EXPECT_EQ_INT(send_to("no@example.com", letter, 1), ERR_OK);
    EXPECT(run_until(one_is_done));
    EXPECT_EQ_STR(last_detail, "the recipient is refused: 550 no");
    EXPECT_EQ_INT(send_to("b@example.com", letter, 2), ERR_OK);
    EXPECT(run_until(two_are_done));
    EXPECT_EQ_UINT(delivered_count, 1);
    EXPECT_EQ_UINT(events_of("connection"), 1);
    stop();
}

static bool has_two_connections(void) {
    return done_count == 2 && events_of("connection") == 2;
}

TEST(smtp_client_connects_anew_when_the_server_has_left)
{
    start(PATIENCE_US);
    EXPECT_EQ_INT(send_to("leave@example.com", letter, 1), ERR_OK);
    EXPECT(run_until(one_is_done));
    EXPECT_EQ_INT(send_to("b@example.com", letter, 2), ERR_OK);
    EXPECT(run_until(has_two_connections));
    EXPECT_EQ_UINT(delivered_count, 2);
    stop();
}

TEST(smtp_client_brings_every_byte)
{
    static char large[SMTP_MESSAGE_BYTES_MAX];
    char expected[64];
    unsigned sum = 0;
    struct buf out = buf_over(large, sizeof large);
    buf_put_c(&out, "Subject: dots\r\n\r\n");
    while (buf_room(&out) > 120) {
        /* Lines that begin with a dot, are a dot, are empty. */
        static const char *const beginnings[] = {"", ".", "..", "...x", "x", ".\t"};
        buf_put_c(&out, beginnings[test_random_below(COUNT_OF(beginnings))]);
        for (uint64_t count = test_random_below(2) * test_random_below(100); count > 0; count--) {
            buf_put_byte(&out, (uint8_t)('!' + test_random_below(90)));
        }
        buf_put_c(&out, "\r\n");
    }
    for (uint32_t index = 0; index < out.len; index++) {
        sum = sum * 31 + (unsigned char)large[index];
    }
    start(PATIENCE_US);
    EXPECT_EQ_INT(send_to("a@example.com", buf_str(&out), 1), ERR_OK);
    EXPECT(run_until(one_is_done));
    EXPECT_EQ_UINT(delivered_count, 1);
    snprintf(expected, sizeof expected, "message %u %u\n", out.len, sum);
    EXPECT(strstr(events, expected) != NULL);
    stop();
}

TEST(smtp_client_refuses_what_no_server_may_be_given)
{
    static char large[SMTP_MESSAGE_BYTES_MAX + 2];
    static const char *const bad_addresses[] = {"",     "a",           "a b@c",   "a@b>",
                                                "<a@b", "a@b\r\nDATA", "a@b\x7f", "a@\xff"};
    static const char *const bad_letters[] = {
        "", "x", "x\r", "x\n", "x\r\ny", "x\ny\r\n", "x\ry\r\n", "\r\n.\n\r\n", "x\r\r\n"};
    start(PATIENCE_US);
    for (uint32_t row = 0; row < COUNT_OF(bad_addresses); row++) {
        EXPECT_EQ_INT(send_to(bad_addresses[row], letter, 1), ERR_FORMAT);
        struct smtp_message message = {str_from_c(bad_addresses[row]), STR("a@b"), letter};
        EXPECT_EQ_INT(smtp_send(client, &message, 1, on_done, &done_count),
                      row == 0 ? ERR_OK : ERR_FORMAT); /* the null sender is one */
    }
    for (uint32_t row = 0; row < COUNT_OF(bad_letters); row++) {
        EXPECT_EQ_INT(send_to("a@b", str_from_c(bad_letters[row]), 1), ERR_FORMAT);
    }
    EXPECT_EQ_INT(send_to("a@b", str_from("x\0\r\n", 4), 1), ERR_FORMAT);
    memset(large, 'x', sizeof large);
    large[998] = '\r';
    large[999] = '\n';
    EXPECT_EQ_INT(send_to("a@b", str_from(large + 1, 999), 1), ERR_OK);
    EXPECT_EQ_INT(send_to("a@b", str_from(large, 1000), 1), ERR_OK);
    memset(large, 'x', 1001);
    large[999] = '\r';
    large[1000] = '\n';
    EXPECT_EQ_INT(send_to("a@b", str_from(large, 1001), 1), ERR_FORMAT);
    for (uint32_t at = 0; at < sizeof large; at += 2) {
        large[at] = '\r';
        large[at + 1] = '\n';
    }
    EXPECT_EQ_INT(send_to("a@b", str_from(large, sizeof large), 1), ERR_FORMAT);
    EXPECT_EQ_INT(send_to("a@b", str_from(large, sizeof large - 2), 1), ERR_OK);
    EXPECT_EQ_UINT(smtp_room(client), 0);
    stop();
}
