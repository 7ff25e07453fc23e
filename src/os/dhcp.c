/* DHCP, see dhcp.h. Options: RFC 2132; classless routes (RFC 3442) only for their default route. */
#include "os/dhcp.h"

#include "base/num.h"
#include "base/time.h"

#include <string.h>

enum {
    OP_REQUEST = 1,
    OP_REPLY = 2,
    HEAD_BYTES = 236,
    COOKIE_BYTES = 4,
    AT_TRANSACTION = 4,
    AT_YOUR_ADDRESS = 16,
    AT_HARDWARE = 28,
    /* Relays drop shorter ones (RFC 1542, 2.1). */
    SENT_BYTES_MIN = 300,

    OPTION_PAD = 0,
    OPTION_MASK = 1,
    OPTION_ROUTER = 3,
    OPTION_RESOLVER = 6,
    OPTION_HOSTNAME = 12,
    OPTION_ADDRESS = 50,
    OPTION_TIME = 51,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_WANTED = 55,
    OPTION_SIZE_MAX = 57,
    OPTION_RENEW = 58,
    OPTION_REBIND = 59,
    OPTION_ROUTES = 121,
    OPTION_END = 255,

    TYPE_DISCOVER = 1,
    TYPE_OFFER = 2,
    TYPE_REQUEST = 3,
    TYPE_ACK = 5,
    TYPE_NAK = 6,

    /* A virtual network answers within milliseconds; RFC 2131's 4 s would be a slow boot. */
    RETRY_FIRST_S = 1,
    RETRY_MAX_S = 64,
    REQUESTS_MAX = 4,
    /* RFC 2131, 4.4.5: not more often than once a minute. */
    RENEW_RETRY_MIN_S = 60,
    /* Shorter leases would be nothing but renewing. */
    LEASE_MIN_S = 10,
    LEASE_FOREVER = -1,
};
#define LEASE_FOREVER_US INT64_MAX

static const uint8_t cookie[COOKIE_BYTES] = {99, 130, 83, 99};

/* ---- sending ---- */

static void option_put(struct buf *out, uint8_t option, const void *data, uint8_t bytes) {
    buf_put_byte(out, option);
    buf_put_byte(out, bytes);
    buf_put(out, data, bytes);
}

static void option_put_address(struct buf *out, uint8_t option, uint32_t address) {
    buf_put_byte(out, option);
    buf_put_byte(out, 4);
    buf_put_be32(out, address);
}

static void head_put(const struct dhcp *dhcp, struct buf *out, uint32_t own_address,
                     int64_t now_us) {
    static const uint8_t zero[HEAD_BYTES] = {0};
    int64_t seconds = (now_us - dhcp->started_us) / TIME_US_PER_S;
    buf_put_byte(out, OP_REQUEST);
    buf_put_byte(out, 1); /* Ethernet */
    buf_put_byte(out, sizeof dhcp->mac);
    buf_put_byte(out, 0);
    buf_put_be32(out, dhcp->transaction);
    buf_put_be16(out, seconds > UINT16_MAX ? UINT16_MAX : (uint16_t)seconds);
    buf_put_be16(out, own_address == 0 ? 0x8000 : 0); /* broadcast the answer */
    buf_put_be32(out, own_address);
    buf_put(out, zero, AT_HARDWARE - AT_YOUR_ADDRESS);
    buf_put(out, dhcp->mac, sizeof dhcp->mac);
    buf_put(out, zero, HEAD_BYTES - AT_HARDWARE - sizeof dhcp->mac);
    buf_put(out, cookie, sizeof cookie);
}

static void packet_make(struct dhcp *dhcp, uint8_t type, int64_t now_us) {
    static const uint8_t wanted[] = {OPTION_MASK,  OPTION_ROUTER, OPTION_RESOLVER, OPTION_TIME,
                                     OPTION_RENEW, OPTION_REBIND, OPTION_ROUTES};
    static const uint8_t size_max[] = {DHCP_PACKET_BYTES_MAX >> 8, DHCP_PACKET_BYTES_MAX & 0xff};
    bool has_address = dhcp->state == DHCP_RENEWING || dhcp->state == DHCP_REBINDING;
    struct buf out = buf_over(dhcp->packet, sizeof dhcp->packet);
    head_put(dhcp, &out, has_address ? dhcp->lease.address : 0, now_us);
    option_put(&out, OPTION_TYPE, &type, 1);
    if (dhcp->state == DHCP_REQUESTING) {
        option_put_address(&out, OPTION_ADDRESS, dhcp->lease.address);
        option_put_address(&out, OPTION_SERVER, dhcp->lease.server);
    }
    option_put(&out, OPTION_WANTED, wanted, sizeof wanted);
    option_put(&out, OPTION_SIZE_MAX, size_max, sizeof size_max);
    if (dhcp->hostname[0] != '\0') {
        option_put(&out, OPTION_HOSTNAME, dhcp->hostname, (uint8_t)strlen(dhcp->hostname));
    }
    buf_put_byte(&out, OPTION_END);
    while (out.len < SENT_BYTES_MIN) {
        buf_put_byte(&out, OPTION_PAD);
    }
    CHECK(!out.is_full);
    dhcp->packet_bytes = out.len;
}

/* ---- states ---- */

static void selecting_start(struct dhcp *dhcp, int64_t now_us) {
    dhcp->state = DHCP_SELECTING;
    dhcp->attempt = 0;
    dhcp->transaction += 0x9e3779b9u; /* late answers to the last round are no answers to this */
    dhcp->started_us = now_us;
    dhcp->due_us = now_us;
    memset(&dhcp->lease, 0, sizeof dhcp->lease);
}

void dhcp_init(struct dhcp *dhcp, const uint8_t mac[6], uint32_t entropy, int64_t now_us) {
    memset(dhcp, 0, sizeof *dhcp);
    memcpy(dhcp->mac, mac, sizeof dhcp->mac);
    dhcp->transaction = entropy;
    selecting_start(dhcp, now_us);
}

static int64_t retry_us(uint32_t attempt) {
    int64_t seconds = attempt < 6 ? (int64_t)RETRY_FIRST_S << attempt : RETRY_MAX_S;
    return seconds * TIME_US_PER_S;
}

/* Half of what is left until `limit_us`, at least a minute, but not past it. */
static int64_t renew_due_us(int64_t now_us, int64_t limit_us) {
    int64_t wait_us = (limit_us - now_us) / 2;
    int64_t due_us =
        now_us + (int64_t)num_max_u64((uint64_t)wait_us, RENEW_RETRY_MIN_S * TIME_US_PER_S);
    return due_us < limit_us ? due_us : limit_us;
}

static enum dhcp_deed discover(struct dhcp *dhcp, int64_t now_us) {
    packet_make(dhcp, TYPE_DISCOVER, now_us);
    dhcp->due_us = now_us + retry_us(dhcp->attempt);
    dhcp->attempt += dhcp->attempt < UINT32_MAX ? 1 : 0;
    return DHCP_BROADCAST;
}

static enum dhcp_deed request(struct dhcp *dhcp, int64_t now_us) {
    if (dhcp->attempt == REQUESTS_MAX) {
        selecting_start(dhcp, now_us);
        return discover(dhcp, now_us);
    }
    packet_make(dhcp, TYPE_REQUEST, now_us);
    dhcp->asked_us = dhcp->attempt == 0 ? now_us : dhcp->asked_us;
    dhcp->due_us = now_us + retry_us(dhcp->attempt);
    dhcp->attempt += 1;
    return DHCP_BROADCAST;
}

static enum dhcp_deed renew(struct dhcp *dhcp, int64_t now_us) {
    const struct dhcp_lease *lease = &dhcp->lease;
    if (now_us >= lease->end_us) {
        selecting_start(dhcp, now_us);
        return DHCP_REMOVE;
    }
    enum dhcp_state state = now_us >= lease->rebind_us ? DHCP_REBINDING : DHCP_RENEWING;
    if (dhcp->state != state) {
        dhcp->state = state;
        dhcp->started_us = now_us;
    }
    dhcp->asked_us = now_us;
    packet_make(dhcp, TYPE_REQUEST, now_us);
    dhcp->due_us = renew_due_us(now_us, state == DHCP_RENEWING ? lease->rebind_us : lease->end_us);
    return state == DHCP_RENEWING ? DHCP_UNICAST : DHCP_BROADCAST;
}

enum dhcp_deed dhcp_step(struct dhcp *dhcp, int64_t now_us) {
    if (now_us < dhcp->due_us) {
        return DHCP_NOTHING;
    }
    switch (dhcp->state) {
    case DHCP_SELECTING:
        return discover(dhcp, now_us);
    case DHCP_REQUESTING:
        return request(dhcp, now_us);
    case DHCP_BOUND:
    case DHCP_RENEWING:
    case DHCP_REBINDING:
        return renew(dhcp, now_us);
    }
    return DHCP_NOTHING;
}

/* ---- receiving ---- */

struct answer {
    uint8_t type;
    struct dhcp_lease lease;
    uint32_t mask;
    int64_t lease_s, renew_s, rebind_s; /* 0 = not told */
};

static uint32_t get32(const char *at) {
    const uint8_t *bytes = (const uint8_t *)at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* RFC 3442: width, significant bytes of the network, router. Only 0.0.0.0/0 is of interest. */
static void routes_take(struct str rest, struct answer *answer) {
    while (rest.len >= 5) {
        uint8_t bits = (uint8_t)rest.data[0];
        uint32_t network_bytes = (bits + 7u) / 8;
        if (bits > 32 || rest.len < 1 + network_bytes + 4) {
            return;
        }
        if (bits == 0) {
            answer->lease.router = get32(rest.data + 1);
        }
        rest = str_slice(rest, 1 + network_bytes + 4, rest.len);
    }
}

static int64_t seconds_of(uint32_t wire) {
    return wire == UINT32_MAX ? LEASE_FOREVER : (int64_t)wire;
}

static void option_take_number(uint8_t option, struct str data, struct answer *answer) {
    uint32_t number = get32(data.data);
    if (option == OPTION_MASK) {
        answer->mask = number;
    } else if (option == OPTION_ROUTER && answer->lease.router == 0) {
        answer->lease.router = number;
    } else if (option == OPTION_TIME) {
        answer->lease_s = seconds_of(number);
    } else if (option == OPTION_RENEW) {
        answer->renew_s = seconds_of(number);
    } else if (option == OPTION_REBIND) {
        answer->rebind_s = seconds_of(number);
    } else if (option == OPTION_SERVER) {
        answer->lease.server = number;
    } else if (option == OPTION_RESOLVER) {
        for (uint32_t index = 0; index < DHCP_RESOLVERS_MAX && index * 4 + 4 <= data.len; index++) {
            answer->lease.resolvers[index] = get32(data.data + (size_t)index * 4);
        }
    }
}

/* False when an option reaches beyond the packet. */
static bool options_take(struct str rest, struct answer *answer) {
    struct str routes = STR("");
    while (rest.len > 0 && (uint8_t)rest.data[0] != OPTION_END) {
        uint8_t option = (uint8_t)rest.data[0];
        if (option == OPTION_PAD) {
            rest = str_slice(rest, 1, rest.len);
            continue;
        }
        if (rest.len < 2 || rest.len < 2u + (uint8_t)rest.data[1]) {
            return false;
        }
        struct str data = str_slice(rest, 2, 2u + (uint8_t)rest.data[1]);
        rest = str_slice(rest, 2 + data.len, rest.len);
        if (option == OPTION_TYPE && data.len == 1) {
            answer->type = (uint8_t)data.data[0];
        } else if (option == OPTION_ROUTES) {
            routes = data;
        } else if (data.len >= 4) {
            option_take_number(option, data, answer);
        }
    }
    routes_take(routes, answer); /* when there, it stands above the router option */
    return true;
}

/* False for masks with holes. */
static bool mask_to_bits(uint32_t mask, uint8_t *bits) {
    uint32_t count = 0;
    while (count < 32 && (mask & (UINT32_C(0x80000000) >> count)) != 0) {
        count += 1;
    }
    *bits = (uint8_t)count;
    return mask == (count == 0 ? 0 : UINT32_MAX << (32 - count));
}

static bool is_host_address(uint32_t address) {
    uint32_t first = address >> 24;
    return first != 0 && first != 127 && first < 224;
}

static bool answer_parse(const struct dhcp *dhcp, struct str datagram, struct answer *answer) {
    memset(answer, 0, sizeof *answer);
    if (datagram.len < HEAD_BYTES + COOKIE_BYTES || datagram.data[0] != OP_REPLY ||
        get32(datagram.data + AT_TRANSACTION) != dhcp->transaction ||
        memcmp(datagram.data + AT_HARDWARE, dhcp->mac, sizeof dhcp->mac) != 0 ||
        memcmp(datagram.data + HEAD_BYTES, cookie, sizeof cookie) != 0) {
        return false;
    }
    answer->lease.address = get32(datagram.data + AT_YOUR_ADDRESS);
    struct str options = str_slice(datagram, HEAD_BYTES + COOKIE_BYTES, datagram.len);
    if (!options_take(options, answer)) {
        return false;
    }
    if (answer->type == TYPE_NAK) {
        return true;
    }
    bool has_mask = answer->mask != 0;
    /* Without a mask: the network is only the host itself, and its router. */
    answer->lease.bits = 32;
    return is_host_address(answer->lease.address) && answer->lease_s != 0 &&
           (!has_mask || mask_to_bits(answer->mask, &answer->lease.bits));
}

static int64_t later(int64_t from_us, int64_t seconds) {
    return seconds == LEASE_FOREVER ? LEASE_FOREVER_US : from_us + seconds * TIME_US_PER_S;
}

/* RFC 2131, 4.4.5: half and seven eighths, unless the server says otherwise and makes sense. */
static void lease_times_set(struct dhcp_lease *lease, const struct answer *answer,
                            int64_t asked_us) {
    int64_t lease_s = answer->lease_s;
    if (lease_s == LEASE_FOREVER) {
        lease->renew_us = lease->rebind_us = lease->end_us = LEASE_FOREVER_US;
        return;
    }
    lease_s = lease_s < LEASE_MIN_S ? LEASE_MIN_S : lease_s;
    bool is_told =
        answer->renew_s > 0 && answer->renew_s < answer->rebind_s && answer->rebind_s < lease_s;
    lease->renew_us = later(asked_us, is_told ? answer->renew_s : lease_s / 2);
    lease->rebind_us = later(asked_us, is_told ? answer->rebind_s : lease_s * 7 / 8);
    lease->end_us = later(asked_us, lease_s);
}

static enum dhcp_deed offer_take(struct dhcp *dhcp, const struct answer *answer, int64_t now_us) {
    if (answer->type != TYPE_OFFER || answer->lease.server == 0) {
        return DHCP_NOTHING;
    }
    dhcp->lease = answer->lease;
    dhcp->state = DHCP_REQUESTING;
    dhcp->attempt = 0;
    dhcp->due_us = now_us;
    return DHCP_NOTHING; /* the caller steps: it is due */
}

static enum dhcp_deed acknowledgement_take(struct dhcp *dhcp, const struct answer *answer,
                                           int64_t now_us) {
    if (answer->type == TYPE_NAK) {
        bool had_address = dhcp->state != DHCP_REQUESTING;
        selecting_start(dhcp, now_us);
        return had_address ? DHCP_REMOVE : DHCP_NOTHING;
    }
    /* Only the address that was asked for: all three states name one. */
    if (answer->type != TYPE_ACK || answer->lease.address != dhcp->lease.address) {
        return DHCP_NOTHING;
    }
    uint32_t server = answer->lease.server != 0 ? answer->lease.server : dhcp->lease.server;
    dhcp->lease = answer->lease;
    dhcp->lease.server = server;
    lease_times_set(&dhcp->lease, answer, dhcp->asked_us);
    dhcp->state = DHCP_BOUND;
    dhcp->due_us = dhcp->lease.renew_us;
    return DHCP_CONFIGURE;
}

enum dhcp_deed dhcp_take(struct dhcp *dhcp, struct str datagram, int64_t now_us) {
    struct answer answer;
    if (!answer_parse(dhcp, datagram, &answer)) {
        return DHCP_NOTHING;
    }
    switch (dhcp->state) {
    case DHCP_SELECTING:
        return offer_take(dhcp, &answer, now_us);
    case DHCP_REQUESTING:
    case DHCP_RENEWING:
    case DHCP_REBINDING:
        return acknowledgement_take(dhcp, &answer, now_us);
    case DHCP_BOUND:
        return DHCP_NOTHING;
    }
    return DHCP_NOTHING;
}
