/*
 * The stub resolver, see dns.h. A lookup is two queries, for A and AAAA, each of which walks:
 *
 *   ASKING --reply--> DONE
 *     |  ^  \--truncated--> CONNECTING --> READING --reply--> DONE
 *     |  +---- next server ------+------------+
 *     +--- all were asked twice --------------------------> DONE
 *
 * query_ask begins an attempt, query_retry ends it (the timer does too), query_finish is the end.
 * Failures at once go through the timer as well: so on_done is never called from inside dns_find,
 * and an attempt costs a turn of the loop at least.
 */
#include "net/dns.h"

#include "base/time.h"
#include "net/dns_files.h"
#include "net/socket.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ROUNDS = 2,                   /* how often each server is asked */
    ATTEMPT_US = 2 * 1000 * 1000, /* a server that needs longer is as good as dead */
    /* Once one of the two has an answer, the other gets this long: there are name servers that do
     * not answer to AAAA at all. */
    GRACE_US = 500 * 1000,
    CACHE_S_MAX = 3600,
    CONF_AGE_US = 5 * 1000 * 1000, /* how old what we know of resolv.conf may be */
    FILE_BYTES_MAX = 64 * 1024,    /* a larger one (lists of advertisers) is left unread */
    QUERIES = 2,
    STRAYS_MAX = 64, /* messages that were not the reply, per attempt: somebody is guessing */
};

enum query_state { QUERY_OFF, QUERY_ASKING, QUERY_CONNECTING, QUERY_READING, QUERY_DONE };

struct query {
    struct loop_watch watch; /* first: the loop hands us a pointer to it */
    struct loop_timer timer;
    struct dns_slot *slot;
    enum query_state state;
    enum dns_type type;
    enum err result; /* when DONE; ERR_OK also without an address */
    bool is_last;    /* no attempt follows */
    uint16_t id;
    uint32_t attempt;
    uint32_t stray_count;
    struct dns_addresses addresses;
    uint32_t ttl_s;
    uint32_t bytes; /* in the buffer */
    uint8_t buffer[2 + DNS_REPLY_BYTES_MAX];
};

struct dns_slot {
    struct dns *dns;
    struct dns_request *request; /* NULL = free */
    char name[DNS_NAME_LEN_MAX + 1];
    uint32_t name_len;
    struct query queries[QUERIES]; /* AAAA, A */
};

struct cache_row {
    char name[DNS_NAME_LEN_MAX + 1];
    uint32_t name_len; /* 0 = free */
    int64_t until_us;
    struct dns_addresses addresses;
};

struct dns {
    struct loop *loop; /* NULL = not open */
    struct dns_servers servers;
    const char *conf_path; /* where the servers are from; NULL = from the setting */
    int64_t conf_read_us;
    struct str hosts;
    struct dns_slot slots[DNS_REQUESTS_MAX];
    struct cache_row cache[DNS_CACHE_ROWS];
    char hosts_memory[FILE_BYTES_MAX];
};

static struct dns the_dns;

/* --- what is known already ---------------------------------------------------------------------
 */

static struct str without_last_dot(struct str name) {
    return str_ends(name, STR(".")) ? str_slice(name, 0, name.len - 1) : name;
}

static struct cache_row *cache_find(struct dns *dns, struct str name) {
    for (uint32_t index = 0; index < DNS_CACHE_ROWS; index++) {
        struct cache_row *row = &dns->cache[index];
        if (row->name_len > 0 && str_equal_nocase(str_from(row->name, row->name_len), name)) {
            return row;
        }
    }
    return NULL;
}

/* The row of that name, else a free one, else the one that ends first. */
static struct cache_row *cache_row_for(struct dns *dns, struct str name) {
    struct cache_row *row = cache_find(dns, name);
    for (uint32_t index = 0; index < DNS_CACHE_ROWS && row == NULL; index++) {
        row = dns->cache[index].name_len == 0 ? &dns->cache[index] : NULL;
    }
    if (row == NULL) {
        row = &dns->cache[0];
        for (uint32_t index = 1; index < DNS_CACHE_ROWS; index++) {
            row = dns->cache[index].until_us < row->until_us ? &dns->cache[index] : row;
        }
    }
    return row;
}

static void cache_put(struct dns *dns, struct str name, uint32_t ttl_s,
                      const struct dns_addresses *addresses) {
    struct cache_row *row = cache_row_for(dns, name);
    uint32_t kept_s = ttl_s < CACHE_S_MAX ? ttl_s : CACHE_S_MAX;
    CHECK(name.len < sizeof row->name);
    memcpy(row->name, name.data, name.len);
    row->name_len = name.len;
    row->until_us = loop_now_us(dns->loop) + (int64_t)kept_s * TIME_US_PER_S;
    row->addresses = *addresses;
}

static bool is_localhost(struct str name) {
    return str_equal_nocase(name, STR("localhost")) ||
           (name.len > 10 &&
            str_equal_nocase(str_slice(name, name.len - 10, name.len), STR(".localhost")));
}

static bool known_find(struct dns *dns, struct str name, struct dns_addresses *addresses) {
    addresses->count = 1;
    if (net_address_parse(name, &addresses->rows[0])) {
        return true;
    }
    if (is_localhost(name)) {
        addresses->count = 2;
        return net_address_parse(STR("127.0.0.1"), &addresses->rows[0]) &&
               net_address_parse(STR("::1"), &addresses->rows[1]);
    }
    if (dns_hosts_find(dns->hosts, name, addresses)) {
        return true;
    }
    const struct cache_row *row = cache_find(dns, name);
    if (row == NULL || row->until_us <= loop_now_us(dns->loop)) {
        return false;
    }
    *addresses = row->addresses;
    return true;
}

/* --- the end of a lookup -----------------------------------------------------------------------
 */

/* In turns, so that a broken half of the network costs one attempt at most. */
static void addresses_merge(const struct dns_slot *slot, struct dns_addresses *addresses) {
    addresses->count = 0;
    for (uint32_t index = 0; index < DNS_ADDRESSES_MAX; index++) {
        for (uint32_t query = 0; query < QUERIES; query++) {
            const struct dns_addresses *found = &slot->queries[query].addresses;
            if (index < found->count && addresses->count < DNS_ADDRESSES_MAX) {
                addresses->rows[addresses->count] = found->rows[index];
                addresses->count += 1;
            }
        }
    }
}

static enum err slot_result(const struct dns_slot *slot, const struct dns_addresses *addresses) {
    enum err first = slot->queries[0].result;
    enum err second = slot->queries[1].result;
    if (addresses->count > 0) {
        return ERR_OK;
    }
    if (first == ERR_NOT_FOUND || second == ERR_NOT_FOUND) {
        return ERR_NOT_FOUND;
    }
    return first == ERR_UNAVAILABLE || second == ERR_UNAVAILABLE ? ERR_UNAVAILABLE : ERR_NOT_FOUND;
}

static void slot_finish(struct dns_slot *slot) {
    struct dns_request *request = slot->request;
    struct dns_addresses addresses;
    addresses_merge(slot, &addresses);
    enum err err = slot_result(slot, &addresses);
    bool is_known =
        slot->queries[0].result != ERR_UNAVAILABLE && slot->queries[1].result != ERR_UNAVAILABLE;
    /* Half an answer, the other half being lost, is used but not kept: it may be the half that this
     * machine has no network for. */
    if (err == ERR_OK && is_known) {
        uint32_t first_s = slot->queries[0].ttl_s;
        uint32_t second_s = slot->queries[1].ttl_s;
        cache_put(slot->dns, str_from(slot->name, slot->name_len),
                  first_s < second_s ? first_s : second_s, &addresses);
    }
    slot->request = NULL;
    request->slot = NULL;
    request->on_done(request, err, &addresses);
}

static void query_close(struct query *query) {
    if (query->watch.fd >= 0) {
        loop_watch_remove(query->slot->dns->loop, &query->watch);
        (void)close(query->watch.fd);
        query->watch.fd = -1;
    }
    loop_timer_clear(query->slot->dns->loop, &query->timer);
}

static void query_finish(struct query *query, enum err result) {
    struct dns_slot *slot = query->slot;
    struct query *other = query == &slot->queries[0] ? &slot->queries[1] : &slot->queries[0];
    CHECK(query->state != QUERY_DONE);
    query_close(query);
    query->state = QUERY_DONE;
    query->result = result;
    if (other->state == QUERY_DONE) {
        slot_finish(slot);
        return;
    }
    if (result == ERR_NOT_FOUND || query->addresses.count > 0) {
        int64_t due_us = loop_now_us(slot->dns->loop) + GRACE_US;
        other->is_last = true;
        if (due_us < other->timer.due_us) {
            loop_timer_set(slot->dns->loop, &other->timer, due_us);
        }
    }
}

/* --- an attempt --------------------------------------------------------------------------------
 */

static struct str slot_name(const struct dns_slot *slot) {
    return str_from(slot->name, slot->name_len);
}

/* This attempt is over; the timer begins the next one. */
static void query_retry(struct query *query) {
    CHECK(query->state != QUERY_DONE);
    query_close(query);
    query->state = QUERY_OFF;
    loop_timer_set(query->slot->dns->loop, &query->timer, loop_now_us(query->slot->dns->loop));
}

static bool query_connect(struct query *query, enum socket_kind kind, uint32_t events) {
    struct dns *dns = query->slot->dns;
    int error = 0;
    if (query->watch.fd >= 0) {
        loop_watch_remove(dns->loop, &query->watch);
        (void)close(query->watch.fd);
    }
    query->watch.fd =
        socket_connect(dns->servers.rows[query->attempt % dns->servers.count], kind, &error);
    if (query->watch.fd < 0) {
        return false;
    }
    if (loop_watch_add(dns->loop, &query->watch, events) != ERR_OK) {
        (void)close(query->watch.fd);
        query->watch.fd = -1;
        return false;
    }
    return true;
}

/* With the length before it, for TCP. */
static bool query_send(struct query *query, bool has_length) {
    char memory[2 + DNS_QUERY_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof memory);
    buf_put_be16(&out, 0);
    dns_query_format(query->id, slot_name(query->slot), query->type, &out);
    CHECK(!out.is_full);
    uint32_t query_bytes = out.len - 2;
    memory[0] = (char)(query_bytes >> 8);
    memory[1] = (char)query_bytes;
    struct str bytes = has_length ? buf_str(&out) : str_slice(buf_str(&out), 2, out.len);
    /* A new socket takes so little at once, or is broken. */
    return send(query->watch.fd, bytes.data, bytes.len, MSG_NOSIGNAL) == (ssize_t)bytes.len;
}

static void query_ask(struct query *query) {
    struct dns *dns = query->slot->dns;
    uint8_t id[2];
    CHECK(query->state == QUERY_OFF);
    random_bytes(id, sizeof id);
    query->id = (uint16_t)(id[0] << 8 | id[1]);
    query->stray_count = 0;
    query->addresses.count = 0;
    if (!query_connect(query, SOCKET_DATAGRAM, LOOP_READ) || !query_send(query, false)) {
        query_retry(query);
        return;
    }
    query->state = QUERY_ASKING;
    loop_timer_set(dns->loop, &query->timer, loop_now_us(dns->loop) + ATTEMPT_US);
}

/* The reply does not fit into a datagram: the same server by TCP. */
static void query_ask_again(struct query *query) {
    struct dns *dns = query->slot->dns;
    CHECK(query->state == QUERY_ASKING);
    query->bytes = 0;
    if (!query_connect(query, SOCKET_STREAM, LOOP_WRITE)) {
        query_retry(query);
        return;
    }
    query->state = QUERY_CONNECTING;
    loop_timer_set(dns->loop, &query->timer, loop_now_us(dns->loop) + ATTEMPT_US);
}

static void query_judge(struct query *query, struct str message) {
    enum dns_verdict verdict = dns_reply_parse(message, query->id, slot_name(query->slot),
                                               query->type, &query->addresses, &query->ttl_s);
    bool is_tcp = query->state == QUERY_READING;
    switch (verdict) {
    case DNS_ANSWERED:
        query_finish(query, ERR_OK);
        return;
    case DNS_NO_NAME:
        query_finish(query, ERR_NOT_FOUND);
        return;
    case DNS_FAILED:
        query_retry(query);
        return;
    case DNS_TRUNCATED:
        if (is_tcp) {
            query_retry(query);
        } else {
            query_ask_again(query);
        }
        return;
    case DNS_STRAY:
        query->stray_count += 1;
        if (is_tcp || query->stray_count == STRAYS_MAX) {
            query_retry(query);
        }
        return;
    }
}

static bool is_transient(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static void datagram_read(struct query *query) {
    ssize_t got = recv(query->watch.fd, query->buffer, sizeof query->buffer, 0);
    if (got >= 0) {
        query_judge(query, str_from((const char *)query->buffer, (size_t)got));
    } else if (!is_transient(errno)) {
        query_retry(query); /* nobody listens there */
    }
}

static void stream_read(struct query *query) {
    ssize_t got =
        recv(query->watch.fd, query->buffer + query->bytes, sizeof query->buffer - query->bytes, 0);
    if (got <= 0) {
        if (got == 0 || !is_transient(errno)) {
            query_retry(query);
        }
        return;
    }
    query->bytes += (uint32_t)got;
    uint32_t wanted =
        query->bytes < 2 ? 2 : 2 + (uint32_t)(query->buffer[0] << 8) + query->buffer[1];
    if (wanted > sizeof query->buffer) {
        query_retry(query);
    } else if (query->bytes >= wanted && wanted > 2) {
        query_judge(query, str_from((const char *)query->buffer + 2, wanted - 2));
    }
}

static void stream_connected(struct query *query) {
    if (socket_error(query->watch.fd) != 0 || !query_send(query, true)) {
        query_retry(query);
        return;
    }
    query->state = QUERY_READING;
    loop_watch_change(query->slot->dns->loop, &query->watch, LOOP_READ);
}

static void query_on_ready(struct loop_watch *watch, uint32_t events) {
    struct query *query = (struct query *)(void *)watch;
    (void)events;
    switch (query->state) {
    case QUERY_ASKING:
        datagram_read(query);
        return;
    case QUERY_CONNECTING:
        stream_connected(query);
        return;
    case QUERY_READING:
        stream_read(query);
        return;
    case QUERY_OFF:
    case QUERY_DONE:
        break;
    }
    CHECK(query->state == QUERY_ASKING); /* no descriptor, so no event */
}

static void query_on_due(struct loop_timer *timer) {
    struct query *query = (struct query *)(void *)((char *)timer - offsetof(struct query, timer));
    CHECK(query->state != QUERY_DONE);
    query_close(query);
    query->attempt += 1;
    query->state = QUERY_OFF;
    if (query->is_last || query->attempt >= ROUNDS * query->slot->dns->servers.count) {
        query->addresses.count = 0;
        query_finish(query, ERR_UNAVAILABLE);
    } else {
        query_ask(query);
    }
}

/* --- the interface -----------------------------------------------------------------------------
 */

static struct dns_slot *slot_take(struct dns *dns, struct str name, struct dns_request *request) {
    static const enum dns_type types[QUERIES] = {DNS_AAAA, DNS_A};
    struct dns_slot *slot = NULL;
    for (uint32_t index = 0; index < DNS_REQUESTS_MAX && slot == NULL; index++) {
        slot = dns->slots[index].request == NULL ? &dns->slots[index] : NULL;
    }
    if (slot == NULL) {
        return NULL;
    }
    memset(slot, 0, sizeof *slot);
    slot->dns = dns;
    slot->request = request;
    CHECK(name.len < sizeof slot->name);
    memcpy(slot->name, name.data, name.len);
    slot->name_len = name.len;
    for (uint32_t index = 0; index < QUERIES; index++) {
        struct query *query = &slot->queries[index];
        query->slot = slot;
        query->type = types[index];
        query->ttl_s = UINT32_MAX;
        query->watch = (struct loop_watch){.fd = -1, .on_ready = query_on_ready};
        query->timer.on_due = query_on_due;
    }
    return slot;
}

/* A file that is not there, or too large, is an empty one. */
static struct str file_or_nothing(const char *path, char *memory) {
    struct str contents = STR("");
    return file_read(path, memory, FILE_BYTES_MAX, &contents) == ERR_OK ? contents : STR("");
}

/* Running queries go on with what is at their number then: so there is never less than one. */
static void servers_read(struct dns *dns) {
    static char conf[FILE_BYTES_MAX];
    struct dns_servers found;
    int64_t now_us = loop_now_us(dns->loop);
    if (dns->conf_path == NULL ||
        (dns->servers.count > 0 && now_us - dns->conf_read_us < CONF_AGE_US)) {
        return;
    }
    dns->conf_read_us = now_us;
    dns_servers_parse_conf(file_or_nothing(dns->conf_path, conf), &found);
    if (found.count > 0) {
        dns->servers = found;
    }
}

enum err dns_find(struct dns *dns, struct str name, struct dns_request *request,
                  struct dns_addresses *addresses) {
    CHECK(dns->loop != NULL);
    CHECK(request->slot == NULL);
    name = without_last_dot(name);
    if (known_find(dns, name, addresses)) {
        return ERR_OK;
    }
    addresses->count = 0;
    if (!dns_name_is_good(name)) {
        return ERR_FORMAT;
    }
    servers_read(dns);
    if (dns->servers.count == 0) {
        return ERR_UNAVAILABLE;
    }
    struct dns_slot *slot = slot_take(dns, name, request);
    if (slot == NULL) {
        return ERR_UNAVAILABLE;
    }
    request->slot = slot;
    for (uint32_t index = 0; index < QUERIES; index++) {
        query_ask(&slot->queries[index]);
    }
    return ERR_AGAIN;
}

void dns_cancel(struct dns *dns, struct dns_request *request) {
    struct dns_slot *slot = request->slot;
    if (slot == NULL) {
        return;
    }
    CHECK(slot->dns == dns);
    CHECK(slot->request == request);
    for (uint32_t index = 0; index < QUERIES; index++) {
        query_close(&slot->queries[index]);
    }
    slot->request = NULL;
    request->slot = NULL;
}

enum err dns_open(struct dns **out, struct loop *loop, const struct dns_options *options,
                  const char **problem) {
    struct dns *dns = &the_dns;
    CHECK(dns->loop == NULL);
    if (!dns_servers_parse_list(options->resolvers, &dns->servers)) {
        *problem = "net.resolvers must be up to three addresses with commas between them, each "
                   "perhaps with a port: 192.0.2.1,[2001:db8::1]:53";
        return ERR_FORMAT;
    }
    dns->loop = loop;
    dns->conf_path = dns->servers.count == 0 ? options->resolv_conf_path : NULL;
    servers_read(dns);
    dns->hosts = file_or_nothing(options->hosts_path, dns->hosts_memory);
    *out = dns;
    return ERR_OK;
}

void dns_close(struct dns *dns) {
    CHECK(dns->loop != NULL);
    for (uint32_t index = 0; index < DNS_REQUESTS_MAX; index++) {
        if (dns->slots[index].request != NULL) {
            dns_cancel(dns, dns->slots[index].request);
        }
    }
    memset(dns, 0, sizeof *dns); /* here, and not at each start: that would take all its memory */
}
