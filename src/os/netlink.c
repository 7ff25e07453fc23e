/* rtnetlink, see netlink.h. Messages are built in one fixed buffer; one socket per request: there
 * are a handful per boot. */
#include "os/netlink.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MESSAGE_BYTES_MAX = 256,
    REPLY_BYTES_MAX = 4096,
    LINK_INDEX_MAX = 64, /* where a first network card may be; the loopback is 1 */
};

struct message {
    struct nlmsghdr head;
    union {
        struct ifaddrmsg address;
        struct rtmsg route;
        uint8_t bytes[MESSAGE_BYTES_MAX];
    } body;
};

static void message_init(struct message *message, uint16_t type, uint16_t flags, uint32_t bytes) {
    memset(message, 0, sizeof *message);
    message->head.nlmsg_type = type;
    message->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    message->head.nlmsg_len = NLMSG_LENGTH(bytes);
}

static void attribute_put(struct message *message, uint16_t type, const void *data,
                          uint32_t bytes) {
    uint32_t at = NLMSG_ALIGN(message->head.nlmsg_len);
    struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(bytes), .rta_type = type};
    CHECK(at + RTA_ALIGN(attribute.rta_len) <= sizeof *message);
    uint8_t *place = (uint8_t *)message + at;
    memcpy(place, &attribute, sizeof attribute);
    memcpy(place + RTA_LENGTH(0), data, bytes);
    message->head.nlmsg_len = at + RTA_ALIGN(attribute.rta_len);
}

/* The kernel's answer as an errno; 0 = done. */
static int answer_read(int fd) {
    union {
        struct nlmsghdr head;
        uint8_t bytes[REPLY_BYTES_MAX];
    } reply;
    ssize_t got = recv(fd, &reply, sizeof reply, 0);
    if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) ||
        reply.head.nlmsg_type != NLMSG_ERROR) {
        return EIO;
    }
    int error = 0;
    memcpy(&error, reply.bytes + NLMSG_HDRLEN, sizeof error);
    return -error;
}

static enum err message_send(const struct message *message) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) {
        return ERR_IO;
    }
    ssize_t sent = send(fd, message, message->head.nlmsg_len, 0);
    int error = sent == (ssize_t)message->head.nlmsg_len ? answer_read(fd) : EIO;
    (void)close(fd);
    return error == 0 ? ERR_OK : error == EEXIST ? ERR_EXISTS : ERR_IO;
}

/* ---- links ---- */

static bool request_do(unsigned long request, struct ifreq *link) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_done = fd >= 0 && ioctl(fd, request, link) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_done;
}

enum err netlink_link_find(struct netlink_link *link) {
    for (uint32_t index = 1; index <= LINK_INDEX_MAX; index++) {
        struct ifreq request;
        memset(&request, 0, sizeof request);
        request.ifr_ifindex = (int)index;
        /* No device, a tunnel's template without an Ethernet address, or the loopback: go on. */
        if (!request_do(SIOCGIFNAME, &request) || !request_do(SIOCGIFHWADDR, &request) ||
            request.ifr_hwaddr.sa_family != 1) {
            continue;
        }
        memset(link, 0, sizeof *link);
        memcpy(link->name, request.ifr_name, sizeof link->name - 1);
        memcpy(link->mac, request.ifr_hwaddr.sa_data, sizeof link->mac);
        link->index = index;
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

enum err netlink_link_up(const char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    CHECK(strlen(name) < sizeof request.ifr_name);
    memcpy(request.ifr_name, name, strlen(name));
    if (!request_do(SIOCGIFFLAGS, &request)) {
        return ERR_IO;
    }
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    return request_do(SIOCSIFFLAGS, &request) ? ERR_OK : ERR_IO;
}

/* ---- addresses and routes ---- */

static uint8_t family_of(const struct netlink_address *address) {
    CHECK(address->bytes == 4 || address->bytes == 16);
    return address->bytes == 4 ? AF_INET : AF_INET6;
}

static enum err address_change(uint16_t type, uint16_t flags, uint32_t link,
                               const struct netlink_address *address) {
    struct message message;
    message_init(&message, type, flags, sizeof(struct ifaddrmsg));
    message.body.address.ifa_family = family_of(address);
    message.body.address.ifa_prefixlen = address->bits;
    message.body.address.ifa_index = link;
    if (address->bytes == 16) {
        /* Nobody else has it: an address given by hand shall work at once. */
        message.body.address.ifa_flags = IFA_F_NODAD;
    }
    attribute_put(&message, IFA_LOCAL, address->data, address->bytes);
    attribute_put(&message, IFA_ADDRESS, address->data, address->bytes);
    return message_send(&message);
}

enum err netlink_address_put(uint32_t link, const struct netlink_address *address) {
    return address_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, link, address);
}

enum err netlink_address_del(uint32_t link, const struct netlink_address *address) {
    return address_change(RTM_DELADDR, 0, link, address);
}

enum err netlink_gateway_put(uint32_t link, const struct netlink_address *gateway) {
    struct message message;
    message_init(&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(struct rtmsg));
    struct rtmsg *route = &message.body.route;
    route->rtm_family = family_of(gateway);
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_scope = RT_SCOPE_UNIVERSE;
    route->rtm_type = RTN_UNICAST;
    route->rtm_flags = RTNH_F_ONLINK;
    attribute_put(&message, RTA_GATEWAY, gateway->data, gateway->bytes);
    attribute_put(&message, RTA_OIF, &link, sizeof link);
    return message_send(&message);
}

/* ---- text ---- */

static bool bits_parse(struct str text, struct netlink_address *address) {
    uint64_t bits = 0;
    if (!str_parse_u64(text, &bits) || bits > address->bytes * 8u) {
        return false;
    }
    address->bits = (uint8_t)bits;
    return true;
}

bool netlink_address_parse(struct str text, bool with_bits, struct netlink_address *address) {
    char memory[INET6_ADDRSTRLEN + 1];
    struct str rest = text;
    struct str host = str_split(&rest, '/');
    memset(address, 0, sizeof *address);
    if (str_is_none(rest) == with_bits || host.len == 0 || host.len >= sizeof memory ||
        str_has_byte(host, '\0')) {
        return false;
    }
    memcpy(memory, host.data, host.len);
    memory[host.len] = '\0';
    if (inet_pton(AF_INET, memory, address->data) == 1) {
        address->bytes = 4;
    } else if (inet_pton(AF_INET6, memory, address->data) == 1) {
        address->bytes = 16;
    } else {
        return false;
    }
    address->bits = (uint8_t)(address->bytes * 8);
    return !with_bits || bits_parse(rest, address);
}

void netlink_address_format(const struct netlink_address *address, struct buf *out) {
    char memory[INET6_ADDRSTRLEN];
    buf_put_c(out, inet_ntop(family_of(address), address->data, memory, sizeof memory));
}
