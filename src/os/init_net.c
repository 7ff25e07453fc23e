/* The network of the machine, see init_parts.h. The first network card only; IPv6 comes from the
 * routers' announcements, by the kernel. */
#include "os/init_parts.h"

#include "base/time.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AREA "net"
#define RESOLVERS_PATH "/etc/resolv.conf"

enum {
    /* Longer than a switch's port needs to open, shorter than somebody's patience. */
    DHCP_BOOT_S = 10,
    DATAGRAMS_PER_STEP = 16,
};

/* ---- what is set ---- */

static const char *address_text(const struct netlink_address *address) {
    static char text[64];
    struct buf out = buf_over(text, sizeof text - 1);
    netlink_address_format(address, &out);
    text[out.len] = '\0';
    return text;
}

static void resolvers_write(const struct netlink_address *resolvers, uint32_t count) {
    char memory[256];
    struct buf out = buf_over(memory, sizeof memory);
    for (uint32_t index = 0; index < count; index++) {
        buf_put_c(&out, "nameserver ");
        netlink_address_format(&resolvers[index], &out);
        buf_put_byte(&out, '\n');
    }
    /* In place: the server's cage knows this file, not one that replaces it. */
    int fd = open(RESOLVERS_PATH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, memory, out.len) != (ssize_t)out.len) {
        log_warn(AREA, RESOLVERS_PATH " cannot be written");
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void address_set(struct init_net *net, const struct netlink_address *address,
                        const struct netlink_address *gateway) {
    net->address = *address;
    if (netlink_address_put(net->link.index, address) != ERR_OK) {
        log_error(AREA, "%s: the address %s is refused", net->link.name, address_text(address));
        net->address.bytes = 0;
        return;
    }
    log_info(AREA, "%s has %s/%u", net->link.name, address_text(address), address->bits);
    if (gateway->bytes != 0 && netlink_gateway_put(net->link.index, gateway) != ERR_OK) {
        log_error(AREA, "%s: the gateway %s is refused", net->link.name, address_text(gateway));
    }
}

/* ---- DHCP ---- */

static struct netlink_address address_of(uint32_t host_order, uint8_t bits) {
    struct netlink_address address = {.bytes = host_order == 0 ? 0 : 4, .bits = bits};
    uint32_t wire = htonl(host_order);
    memcpy(address.data, &wire, sizeof wire);
    return address;
}

static void lease_set(struct init_net *net) {
    const struct dhcp_lease *lease = &net->dhcp.lease;
    struct netlink_address address = address_of(lease->address, lease->bits);
    struct netlink_address gateway = address_of(lease->router, 32);
    struct netlink_address resolvers[DHCP_RESOLVERS_MAX];
    uint32_t count = 0;
    while (count < DHCP_RESOLVERS_MAX && lease->resolvers[count] != 0) {
        resolvers[count] = address_of(lease->resolvers[count], 32);
        count += 1;
    }
    bool is_same = net->address.bytes == 4 && net->address.bits == address.bits &&
                   memcmp(net->address.data, address.data, 4) == 0;
    if (is_same) {
        return; /* a renewal; the kernel's address has no end of its own */
    }
    address_set(net, &address, &gateway);
    if (count > 0) {
        resolvers_write(resolvers, count);
    }
}

static void lease_remove(struct init_net *net) {
    log_warn(AREA, "%s: the DHCP lease is over", net->link.name);
    if (net->address.bytes != 0) {
        (void)netlink_address_del(net->link.index, &net->address);
    }
    net->address.bytes = 0;
}

static void packet_send(const struct init_net *net, uint32_t address) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(DHCP_PORT_SERVER)};
    to.sin_addr.s_addr = htonl(address);
    ssize_t sent = sendto(net->fd, net->dhcp.packet, net->dhcp.packet_bytes, 0,
                          (const struct sockaddr *)&to, sizeof to);
    if (sent < 0) {
        log_line(LOG_DEBUG, AREA, "DHCP packet not sent: %s", strerror(errno));
    }
}

static void deed_do(struct init_net *net, enum dhcp_deed deed) {
    switch (deed) {
    case DHCP_NOTHING:
        return;
    case DHCP_BROADCAST:
        packet_send(net, INADDR_BROADCAST);
        return;
    case DHCP_UNICAST:
        packet_send(net, net->dhcp.lease.server);
        return;
    case DHCP_CONFIGURE:
        lease_set(net);
        return;
    case DHCP_REMOVE:
        lease_remove(net);
        return;
    }
}

static bool socket_open(struct init_net *net) {
    int yes = 1;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(DHCP_PORT_CLIENT)};
    net->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_open =
        net->fd >= 0 &&
        setsockopt(net->fd, SOL_SOCKET, SO_BINDTODEVICE, net->link.name, IFNAMSIZ) == 0 &&
        setsockopt(net->fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes) == 0 &&
        setsockopt(net->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(net->fd, (const struct sockaddr *)&any, sizeof any) == 0;
    if (!is_open) {
        log_error(AREA, "no socket for DHCP: %s", strerror(errno));
        if (net->fd >= 0) {
            (void)close(net->fd);
        }
        net->fd = -1;
    }
    return is_open;
}

static void datagrams_take(struct init_net *net) {
    char memory[DHCP_PACKET_BYTES_MAX];
    for (uint32_t count = 0; count < DATAGRAMS_PER_STEP; count++) {
        ssize_t got = recv(net->fd, memory, sizeof memory, 0);
        if (got < 0) {
            return;
        }
        struct str datagram = str_from(memory, (size_t)got);
        deed_do(net, dhcp_take(&net->dhcp, datagram, clock_monotonic_us()));
    }
}

int64_t init_net_due_us(const struct init_net *net) {
    return net->fd < 0 ? INT64_MAX : net->dhcp.due_us;
}

void init_net_step(struct init_net *net) {
    if (net->fd < 0) {
        return;
    }
    datagrams_take(net);
    deed_do(net, dhcp_step(&net->dhcp, clock_monotonic_us()));
}

static void dhcp_wait(struct init_net *net) {
    int64_t deadline_us = clock_monotonic_us() + DHCP_BOOT_S * TIME_US_PER_S;
    int64_t now_us = clock_monotonic_us();
    while (net->address.bytes == 0 && now_us < deadline_us) {
        init_net_step(net);
        now_us = clock_monotonic_us();
        int64_t due_us = net->dhcp.due_us < deadline_us ? net->dhcp.due_us : deadline_us;
        int64_t wait_ms = due_us <= now_us ? 0 : (due_us - now_us) / TIME_US_PER_MS + 1;
        struct pollfd ready = {.fd = net->fd, .events = POLLIN};
        if (net->address.bytes == 0) {
            (void)poll(&ready, 1, (int)wait_ms);
        }
    }
    if (net->address.bytes == 0) {
        log_error(AREA,
                  "%s: no DHCP server has answered in %d s; going on without an address, and "
                  "asking further (a fixed one: coffer.ip=ADDRESS/BITS,GATEWAY)",
                  net->link.name, DHCP_BOOT_S);
    }
}

static void dhcp_start(struct init_net *net, struct str hostname) {
    uint32_t entropy;
    random_bytes(&entropy, sizeof entropy);
    dhcp_init(&net->dhcp, net->link.mac, entropy, clock_monotonic_us());
    if (hostname.len <= DHCP_HOSTNAME_BYTES_MAX && !str_is_none(hostname)) {
        memcpy(net->dhcp.hostname, hostname.data, hostname.len);
    }
    if (socket_open(net)) {
        dhcp_wait(net);
    }
}

/* ---- fixed ---- */

static void fixed_set(struct init_net *net, struct str text) {
    struct netlink_address address;
    struct netlink_address gateway = {.bytes = 0};
    struct netlink_address resolver = {.bytes = 0};
    struct str rest = text;
    struct str part = str_split(&rest, ',');
    bool is_good = netlink_address_parse(part, true, &address);
    if (is_good && !str_is_none(rest)) {
        part = str_split(&rest, ',');
        is_good = part.len == 0 || netlink_address_parse(part, false, &gateway);
    }
    if (is_good && !str_is_none(rest)) {
        is_good = netlink_address_parse(rest, false, &resolver);
    }
    if (!is_good) {
        log_error(AREA, "coffer.ip is dhcp, none, or ADDRESS/BITS[,GATEWAY[,RESOLVER]]");
        return;
    }
    address_set(net, &address, &gateway);
    if (resolver.bytes != 0) {
        resolvers_write(&resolver, 1);
    }
}

void init_net_start(struct init_net *net, const struct init_config *config) {
    struct str wanted = init_config_get(config, "ip");
    memset(net, 0, sizeof *net);
    net->fd = -1;
    if (netlink_link_up("lo") != ERR_OK) {
        log_error(AREA, "the loopback does not come up");
    }
    resolvers_write(NULL, 0); /* the lease may come after the server's start */
    if (str_equal(wanted, STR("none"))) {
        return;
    }
    if (netlink_link_find(&net->link) != ERR_OK) {
        log_error(AREA, "this machine has no network card");
        return;
    }
    if (netlink_link_up(net->link.name) != ERR_OK) {
        log_error(AREA, "%s does not come up", net->link.name);
        return;
    }
    if (str_is_none(wanted) || str_equal(wanted, STR("dhcp"))) {
        dhcp_start(net, init_config_get(config, "hostname"));
    } else {
        fixed_set(net, wanted);
    }
}

/* ---- the state of it ---- */

/* A line of if_inet6: address, device's number, prefix length, scope, flags, name. Routers'
 * prefixes and fixed addresses have scope 00, link-local ones 20, the loopback 10. */
static bool is_global_line(struct str line) {
    enum { SCOPE_FIELD = 3 };
    for (uint32_t field = 0; field < SCOPE_FIELD; field++) {
        (void)str_split(&line, ' ');
    }
    return str_equal(str_split(&line, ' '), STR("00"));
}

static bool has_global_ipv6(void) {
    static char memory[8 * 1024];
    struct str rest;
    if (file_read("/proc/net/if_inet6", memory, sizeof memory, &rest) != ERR_OK) {
        return false;
    }
    while (!str_is_none(rest)) {
        if (is_global_line(str_split(&rest, '\n'))) {
            return true;
        }
    }
    return false;
}

bool init_net_is_reachable(const struct init_net *net, const struct init_config *config) {
    bool is_wanted = !str_equal(init_config_get(config, "ip"), STR("none"));
    return !is_wanted || net->address.bytes != 0 || has_global_ipv6();
}
