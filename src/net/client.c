/* Outgoing connections, see client.h. */
#include "net/client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"
#include "os/clock.h"

enum { RECORDS_PER_TICK = 16 }; /* of TLS, in one go: a fast peer does not hold the loop */

/* --- the end -----------------------------------------------------------------------------------
 */

static void socket_drop(struct client *client) {
    if (client->watch.fd >= 0) {
        if (!client->is_hung) {
            loop_watch_remove(client->world->loop, &client->watch);
        }
        client->is_hung = false;
        (void)close(client->watch.fd);
        client->watch.fd = -1;
    }
}

static void client_drop(struct client *client) {
    dns_cancel(client->world->dns, &client->request);
    loop_timer_clear(client->world->loop, &client->timer);
    socket_drop(client);
    if (client->tls != NULL) {
        tls_client_finish(client->tls);
        client->tls = NULL;
    }
    /* The dialogue may have held a password. */
    memset(client->in, 0, sizeof client->in);
    memset(client->out, 0, sizeof client->out);
    client->state = CLIENT_CLOSED;
}

/* HOST port N: what */
static void problem_set(struct client *client, enum client_fault fault, const char *what) {
    client->fault = fault;
    struct buf out = buf_over(client->problem, sizeof client->problem - 1);
    buf_printf(&out, "%.*s port %u: ", (int)client->host_len, client->host, client->port);
    buf_put_c(&out, what);
    client->problem[out.len] = '\0';
}

static void client_fail(struct client *client, enum client_fault fault, const char *what) {
    CHECK(client->state != CLIENT_CLOSED);
    problem_set(client, fault, what);
    client_drop(client);
    client->handler->on_end(client, client->problem);
}

void client_close(struct client *client) {
    uint32_t bytes = 0;
    if (client->state == CLIENT_CLOSED) {
        return;
    }
    if (client->state == CLIENT_OPEN && client->tls != NULL && client->watch.fd >= 0) {
        tls_close(client->tls);
        const uint8_t *record = tls_record_out(client->tls, &bytes);
        if (record != NULL) {
            (void)!send(client->watch.fd, record, bytes, MSG_NOSIGNAL);
        }
    }
    client_drop(client);
}

/* --- bytes -------------------------------------------------------------------------------------
 */

static struct str unsent(const struct client *client) {
    uint32_t bytes = client->out_to - client->out_from;
    const uint8_t *data = client->out + client->out_from;
    if (client->tls != NULL) {
        data = tls_record_out(client->tls, &bytes);
    }
    return data == NULL ? STR("") : str_from((const char *)data, bytes);
}

static void unsent_ack(struct client *client, uint32_t bytes) {
    if (client->tls != NULL) {
        tls_record_out_ack(client->tls, bytes);
        return;
    }
    client->out_from += bytes;
    if (client->out_from == client->out_to) {
        client->out_from = 0;
        client->out_to = 0;
    }
}

/* Where the socket is read to. */
static uint8_t *read_place(struct client *client, uint32_t *room) {
    if (client->tls != NULL) {
        return tls_record_in(client->tls, room);
    }
    if (client->in_from == client->in_to) {
        client->in_from = 0;
        client->in_to = 0;
    }
    *room = (uint32_t)sizeof client->in - client->in_to;
    return *room > 0 ? client->in + client->in_to : NULL;
}

static bool is_transient(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* False: the connection is broken. */
static bool socket_flush(struct client *client) {
    for (uint32_t count = 0; count < RECORDS_PER_TICK; count++) {
        struct str bytes = unsent(client);
        if (bytes.len == 0) {
            return true;
        }
        ssize_t put = send(client->watch.fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (put < 0) {
            return is_transient(errno);
        }
        unsent_ack(client, (uint32_t)put);
    }
    return true;
}

static bool socket_fill(struct client *client) {
    for (uint32_t count = 0; count < RECORDS_PER_TICK && !client->has_ended; count++) {
        uint32_t room = 0;
        uint8_t *place = read_place(client, &room);
        if (place == NULL) {
            return true;
        }
        ssize_t got = recv(client->watch.fd, place, room, 0);
        if (got < 0) {
            return is_transient(errno);
        }
        if (got == 0) {
            client->has_ended = true;
        } else if (client->tls != NULL) {
            tls_record_in_ack(client->tls, (uint32_t)got);
        } else {
            client->in_to += (uint32_t)got;
        }
    }
    return true;
}

/* Nothing to watch once the peer has ended it and only the owner's reading is left. */
static void watch_update(struct client *client) {
    uint32_t room = 0;
    uint32_t events = 0;
    if (client->watch.fd < 0 || client->is_hung) {
        return;
    }
    events |= !client->has_ended && read_place(client, &room) != NULL ? (uint32_t)LOOP_READ : 0;
    events |= unsent(client).len > 0 ? (uint32_t)LOOP_WRITE : 0;
    loop_watch_change(client->world->loop, &client->watch, events);
}

/* --- TLS ---------------------------------------------------------------------------------------
 */

/* The buffers change hands: what was in them is over. */
static enum err handshake_start(struct client *client) {
    struct net_address address;
    const char *what = "there is no trust store, so no certificate can be checked";
    struct str host = str_from(client->host, client->host_len);
    struct tls *tls = NULL;
    CHECK(client->tls == NULL);
    if (net_address_parse(host, &address)) {
        what = "for TLS the server must be given by its name: certificates are checked by name";
    } else if (client->world->trust != NULL) {
        tls = tls_client_start(client->context, client->in, client->out, client->world->trust,
                               str_ends(host, STR(".")) ? str_slice(host, 0, host.len - 1) : host,
                               clock_wall_us(), &what);
    }
    if (tls == NULL) {
        problem_set(client, CLIENT_FAULT_TLS, what);
        return ERR_CRYPTO;
    }
    client->tls = tls;
    client->state = CLIENT_HANDSHAKE;
    watch_update(client);
    return ERR_OK;
}

enum err client_secure(struct client *client) {
    CHECK(client->state == CLIENT_OPEN);
    CHECK(client->tls == NULL);
    if (client->in_from != client->in_to || client->out_from != client->out_to) {
        return ERR_FORMAT;
    }
    return handshake_start(client);
}

/* --- an open connection ------------------------------------------------------------------------
 */

static void open_fail(struct client *client) {
    const char *what = client->tls != NULL ? tls_client_problem(client->tls) : NULL;
    bool is_in_order = client->tls != NULL ? tls_is_closed(client->tls) : !client->is_broken;
    if (what != NULL) {
        client_fail(client, CLIENT_FAULT_TLS, what);
    } else {
        client_fail(client, is_in_order ? CLIENT_FAULT_END : CLIENT_FAULT_BROKEN,
                    "the server closed the connection");
    }
}

/* The owner's callback may have closed the connection, and even opened another one. */
static bool is_same(const struct client *client, uint32_t open_number) {
    return client->open_number == open_number && client->state != CLIENT_CLOSED;
}

static void open_step(struct client *client) {
    CHECK(client->state == CLIENT_OPEN);
    bool is_over = client->has_ended || (client->tls != NULL && tls_is_closed(client->tls));
    uint32_t open_number = client->open_number;
    client->handler->on_progress(client);
    if (!is_same(client, open_number)) {
        return;
    }
    if (!is_over) {
        watch_update(client);
    } else if (client_read(client).len == 0) {
        open_fail(client);
    } else {
        socket_drop(client); /* the owner reads the rest when it can */
    }
}

/* What the server said in one breath with the end of the handshake is in the engine already, and no
 * event will tell of it. */
static void opened(struct client *client) {
    uint32_t open_number = client->open_number;
    client->state = CLIENT_OPEN;
    watch_update(client);
    client->handler->on_open(client);
    if (is_same(client, open_number) && client->state == CLIENT_OPEN) {
        open_step(client);
    }
}

static void handshake_step(struct client *client) {
    CHECK(client->state == CLIENT_HANDSHAKE);
    const char *what = tls_client_problem(client->tls);
    if (what != NULL || tls_is_closed(client->tls)) {
        client_fail(client, CLIENT_FAULT_TLS,
                    what != NULL ? what : "the server ended TLS before it began");
    } else if (client->has_ended) {
        client_fail(client, CLIENT_FAULT_TLS,
                    "the server closed the connection when TLS was to begin");
    } else if (tls_is_open(client->tls)) {
        tls_client_handshake_finish(client->tls);
        opened(client);
    } else {
        watch_update(client);
    }
}

/* A broken connection may still hold what the server said before: a refusal in the middle of our
 * message, for one. So it is read first, and the break counts as the end. */
static void bytes_move(struct client *client) {
    if (client->watch.fd >= 0) {
        bool is_whole = socket_flush(client);
        is_whole = socket_fill(client) && is_whole;
        /* The engine may have an answer at once: the next flight of the handshake, or an alert. */
        is_whole = socket_flush(client) && is_whole;
        client->is_broken = client->is_broken || !is_whole;
        client->has_ended = client->has_ended || !is_whole;
    }
    if (client->state == CLIENT_HANDSHAKE) {
        handshake_step(client);
    } else {
        open_step(client);
    }
}

/* The loop tells of a broken connection again and again, and there is no room to read it to its
 * end: so it is not watched until the owner has read. */
static void hang(struct client *client) {
    uint32_t room = 0;
    bool is_stuck = client->state == CLIENT_OPEN && client->watch.fd >= 0 && !client->has_ended &&
                    read_place(client, &room) == NULL;
    if (is_stuck) {
        loop_watch_remove(client->world->loop, &client->watch);
        client->is_hung = true;
    }
}

/* The owner wants to go on reading. */
static void again(struct client *client) {
    if (client->is_hung) {
        client->is_hung = false;
        if (loop_watch_add(client->world->loop, &client->watch, 0) != ERR_OK) {
            (void)close(client->watch.fd);
            client->watch.fd = -1;
            client_fail(client, CLIENT_FAULT_BROKEN, "no more descriptors can be watched");
            return;
        }
    }
    bytes_move(client);
}

/* --- addresses ---------------------------------------------------------------------------------
 */

static const char *connect_problem(int error) {
    switch (error) {
    case ECONNREFUSED:
        return "nobody listens there; is the port right?";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "it cannot be reached from this machine";
    case EACCES:
    case EPERM:
        return "this machine does not let us connect there";
    case EMFILE:
    case ENFILE:
        return "no more descriptors are allowed";
    default:
        return "no answer; does a firewall block the port?";
    }
}

static void connect_fail(struct client *client, int error) {
    client_fail(client, error == ETIMEDOUT ? CLIENT_FAULT_TIMEOUT : CLIENT_FAULT_CONNECT,
                connect_problem(error));
}

/* One after the other until one is on its way; false when none is left. */
static bool address_try(struct client *client, int *error) {
    struct loop *loop = client->world->loop;
    for (; client->address_index < client->addresses.count; client->address_index++) {
        client->watch.fd = socket_connect(client_peer(client), SOCKET_STREAM, error);
        if (client->watch.fd < 0) {
            continue;
        }
        if (loop_watch_add(loop, &client->watch, LOOP_WRITE) != ERR_OK) {
            (void)close(client->watch.fd);
            client->watch.fd = -1;
            *error = EMFILE;
            continue;
        }
        int64_t now_us = loop_now_us(loop);
        int64_t left_us = client->deadline_us - now_us;
        int64_t share = (int64_t)(client->addresses.count - client->address_index);
        loop_timer_set(loop, &client->timer, now_us + left_us / share);
        return true;
    }
    return false;
}

static void address_next(struct client *client, int error) {
    CHECK(client->state == CLIENT_CONNECTING);
    socket_drop(client);
    client->address_index += 1;
    if (!address_try(client, &error)) {
        connect_fail(client, error);
    }
}

static void connected(struct client *client) {
    int error = socket_error(client->watch.fd);
    CHECK(client->state == CLIENT_CONNECTING);
    if (error != 0) {
        address_next(client, error);
        return;
    }
    loop_timer_set(client->world->loop, &client->timer, client->deadline_us);
    if (!client->is_tls_wanted) {
        opened(client);
    } else if (handshake_start(client) != ERR_OK) {
        client_drop(client);
        client->handler->on_end(client, client->problem);
    }
}

static void on_ready(struct loop_watch *watch, uint32_t events) {
    struct client *client = (struct client *)(void *)watch;
    uint32_t open_number = client->open_number;
    switch (client->state) {
    case CLIENT_CONNECTING:
        connected(client);
        return;
    case CLIENT_HANDSHAKE:
    case CLIENT_OPEN:
        bytes_move(client);
        if ((events & LOOP_HANGUP) != 0 && is_same(client, open_number)) {
            hang(client);
        }
        return;
    case CLIENT_CLOSED:
    case CLIENT_RESOLVING:
        break;
    }
    CHECK(client->state == CLIENT_OPEN); /* no descriptor, so no event */
}

/* --- names -------------------------------------------------------------------------------------
 */

static const char *resolve_problem(enum err err) {
    if (err == ERR_NOT_FOUND) {
        return "there is no host of that name, or it has no address";
    }
    return err == ERR_FORMAT ? "that is not a host name"
                             : "its address is not known: no name server answers (net.resolvers, "
                               "/etc/resolv.conf)";
}

static bool reach_allows(enum client_reach reach, struct net_address address) {
    switch (reach) {
    case CLIENT_ANYWHERE:
        return true;
    case CLIENT_PUBLIC:
        return net_address_is_public(address);
    case CLIENT_LOOPBACK:
        return net_address_is_loopback(address);
    }
    return false;
}

/* Keeps the addresses that may be connected to. */
static void addresses_judge(struct client *client) {
    struct dns_addresses *addresses = &client->addresses;
    uint32_t count = 0;
    for (uint32_t index = 0; index < addresses->count; index++) {
        if (reach_allows(client->reach, addresses->rows[index])) {
            addresses->rows[count] = addresses->rows[index];
            count += 1;
        }
    }
    addresses->count = count;
}

static void resolved(struct client *client, enum err err) {
    int error = 0;
    CHECK(client->state == CLIENT_RESOLVING);
    if (err != ERR_OK) {
        client_fail(client, CLIENT_FAULT_NAME, resolve_problem(err));
        return;
    }
    addresses_judge(client);
    if (client->addresses.count == 0) {
        client_fail(client, CLIENT_FAULT_REACH,
                    client->reach == CLIENT_LOOPBACK ? "that is not this machine"
                                                     : "that is not a public address");
        return;
    }
    client->state = CLIENT_CONNECTING;
    client->address_index = 0;
    if (!address_try(client, &error)) {
        connect_fail(client, error);
    }
}

static void on_resolved(struct dns_request *request, enum err err,
                        const struct dns_addresses *addresses) {
    struct client *client =
        (struct client *)(void *)((char *)request - offsetof(struct client, request));
    client->addresses = *addresses;
    resolved(client, err);
}

/* The name is looked up from the loop, so that a failure at once is told from there. */
static void resolve_start(struct client *client) {
    enum err err = dns_find(client->world->dns, str_from(client->host, client->host_len),
                            &client->request, &client->addresses);
    if (err != ERR_AGAIN) {
        resolved(client, err);
        return;
    }
    loop_timer_set(client->world->loop, &client->timer, client->deadline_us);
}

static void deadline_arm(struct client *client) {
    loop_timer_set(client->world->loop, &client->timer,
                   client->is_again_wanted ? loop_now_us(client->world->loop)
                                           : client->deadline_us);
}

static void on_due(struct loop_timer *timer) {
    struct client *client =
        (struct client *)(void *)((char *)timer - offsetof(struct client, timer));
    switch (client->state) {
    case CLIENT_RESOLVING:
        if (client->request.slot == NULL) {
            resolve_start(client);
        } else {
            client_fail(client, CLIENT_FAULT_NAME, resolve_problem(ERR_UNAVAILABLE));
        }
        return;
    case CLIENT_CONNECTING:
        address_next(client, ETIMEDOUT);
        return;
    case CLIENT_HANDSHAKE:
        client_fail(client, CLIENT_FAULT_TIMEOUT,
                    "the server does not answer to the beginning of TLS");
        return;
    case CLIENT_OPEN:
        if (client->is_again_wanted) {
            client->is_again_wanted = false;
            deadline_arm(client);
            again(client);
        } else {
            client_fail(client, CLIENT_FAULT_TIMEOUT, "the server does not answer");
        }
        return;
    case CLIENT_CLOSED:
        break;
    }
    CHECK(client->state != CLIENT_CLOSED);
}

/* --- the interface -----------------------------------------------------------------------------
 */

void client_open(struct client *client, const struct client_world *world,
                 const struct client_handler *handler, const struct client_target *target,
                 int64_t deadline_us) {
    CHECK(client->state == CLIENT_CLOSED);
    CHECK(target->host.len > 0);
    CHECK(target->host.len < sizeof client->host);
    client->world = world;
    client->handler = handler;
    client->fault = CLIENT_FAULT_NONE;
    memcpy(client->host, target->host.data, target->host.len);
    client->host_len = target->host.len;
    client->port = target->port;
    client->reach = target->reach;
    client->is_tls_wanted = target->is_tls;
    client->has_ended = false;
    client->is_broken = false;
    client->is_hung = false;
    client->is_again_wanted = false;
    client->open_number += 1;
    client->deadline_us = deadline_us;
    client->tls = NULL;
    client->in_from = 0;
    client->in_to = 0;
    client->out_from = 0;
    client->out_to = 0;
    client->watch = (struct loop_watch){.fd = -1, .on_ready = on_ready};
    client->request.on_done = on_resolved;
    client->timer.on_due = on_due;
    client->state = CLIENT_RESOLVING;
    loop_timer_set(world->loop, &client->timer, loop_now_us(world->loop));
}

void client_deadline_set(struct client *client, int64_t deadline_us) {
    CHECK(client->state == CLIENT_OPEN || client->state == CLIENT_HANDSHAKE);
    client->deadline_us = deadline_us;
    deadline_arm(client);
}

void client_again(struct client *client) {
    CHECK(client->state == CLIENT_OPEN);
    client->is_again_wanted = true;
    deadline_arm(client);
}

struct str client_read(const struct client *client) {
    uint32_t bytes = client->in_to - client->in_from;
    const uint8_t *data = client->in + client->in_from;
    if (client->state != CLIENT_OPEN) {
        return STR("");
    }
    if (client->tls != NULL) {
        data = tls_plain_in(client->tls, &bytes);
    }
    return data == NULL ? STR("") : str_from((const char *)data, bytes);
}

void client_read_ack(struct client *client, uint32_t bytes) {
    CHECK(client->state == CLIENT_OPEN);
    if (client->tls != NULL) {
        tls_plain_in_ack(client->tls, bytes);
        return;
    }
    CHECK(bytes <= client->in_to - client->in_from);
    client->in_from += bytes;
}

static uint32_t copy_some(uint8_t *place, uint32_t room, struct str bytes) {
    uint32_t count = bytes.len < room ? bytes.len : room;
    if (count > 0) {
        memcpy(place, bytes.data, count);
    }
    return count;
}

uint32_t client_write(struct client *client, struct str bytes) {
    uint32_t count = 0;
    CHECK(client->state == CLIENT_OPEN);
    if (client->tls != NULL) {
        uint32_t room = 0;
        uint8_t *place = tls_plain_out(client->tls, &room);
        count = place == NULL ? 0 : copy_some(place, room, bytes);
        if (count > 0) {
            tls_plain_out_ack(client->tls, count);
            tls_plain_flush(client->tls);
        }
    } else {
        count = copy_some(client->out + client->out_to,
                          (uint32_t)sizeof client->out - client->out_to, bytes);
        client->out_to += count;
    }
    watch_update(client);
    return count;
}

bool client_is_flushed(const struct client *client) {
    return unsent(client).len == 0;
}

struct net_endpoint client_peer(const struct client *client) {
    CHECK(client->address_index < client->addresses.count);
    return (struct net_endpoint){client->addresses.rows[client->address_index], client->port};
}

struct net_address client_own_address(const struct client *client) {
    return socket_own(client->watch.fd).address;
}
