/* Addresses, see address.h. */
#include "net/address.h"

#include <string.h>

static const uint8_t ipv4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

struct net_address net_address_from_ipv4(const uint8_t bytes[4]) {
    struct net_address address;
    memcpy(address.bytes, ipv4_prefix, sizeof ipv4_prefix);
    memcpy(address.bytes + 12, bytes, 4);
    return address;
}

bool net_address_is_ipv4(struct net_address address) {
    return memcmp(address.bytes, ipv4_prefix, sizeof ipv4_prefix) == 0;
}

bool net_address_equal(struct net_address a, struct net_address b) {
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

bool net_address_is_loopback(struct net_address address) {
    static const struct net_address ipv6 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    if (net_address_is_ipv4(address)) {
        return address.bytes[12] == 127;
    }
    return net_address_equal(address, ipv6);
}

struct net_address net_address_subscriber(struct net_address address) {
    if (!net_address_is_ipv4(address)) {
        memset(address.bytes + 8, 0, 8);
    }
    return address;
}

/* --- text --------------------------------------------------------------------------------------
 */

static void format_ipv4(const uint8_t *bytes, struct buf *out) {
    for (uint32_t index = 0; index < 4; index++) {
        if (index > 0) {
            buf_put_byte(out, '.');
        }
        buf_put_u64(out, bytes[index]);
    }
}

static uint32_t group_at(struct net_address address, uint32_t index) {
    return (uint32_t)address.bytes[2 * index] << 8 | address.bytes[2 * index + 1];
}

/* The longest run of at least two zero groups, the first of equals (RFC 5952, 4.2). */
static void longest_zeros(struct net_address address, uint32_t *start, uint32_t *length) {
    *start = 8;
    *length = 0;
    uint32_t run = 0;
    for (uint32_t index = 0; index < 8; index++) {
        run = group_at(address, index) == 0 ? run + 1 : 0;
        if (run > *length && run > 1) {
            *length = run;
            *start = index + 1 - run;
        }
    }
}

void net_address_format(struct net_address address, struct buf *out) {
    if (net_address_is_ipv4(address)) {
        format_ipv4(address.bytes + 12, out);
        return;
    }
    uint32_t start;
    uint32_t length;
    longest_zeros(address, &start, &length);
    for (uint32_t index = 0; index < 8;) {
        if (index == start) {
            buf_put_c(out, "::");
            index += length;
            continue;
        }
        if (index > 0 && index != start + length) {
            buf_put_byte(out, ':');
        }
        buf_printf(out, "%x", group_at(address, index));
        index++;
    }
}

/* No leading zeros: some readers take them for octal, and two readers must not differ. */
static bool parse_ipv4(struct str text, uint8_t bytes[4]) {
    struct str rest = text;
    for (uint32_t index = 0; index < 4; index++) {
        struct str part = str_split(&rest, '.');
        uint64_t value = 0;
        bool has_more = !str_is_none(rest);
        if (part.len > 3 || !str_parse_u64(part, &value) || value > 255 ||
            (part.len > 1 && part.data[0] == '0') || has_more != (index < 3)) {
            return false;
        }
        bytes[index] = (uint8_t)value;
    }
    return true;
}

static bool parse_group(struct str text, uint8_t bytes[2]) {
    uint32_t value = 0;
    if (text.len < 1 || text.len > 4) {
        return false;
    }
    for (uint32_t index = 0; index < text.len; index++) {
        char c = text.data[index];
        uint32_t digit = 16;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (uint32_t)((c | 0x20) - 'a') + 10;
        }
        if (digit > 15) {
            return false;
        }
        value = value * 16 + digit;
    }
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
    return true;
}

/* Groups with colons between them, at the end of an address perhaps an IPv4; *count bytes. Empty
 * text is none. */
static bool parse_groups(struct str text, bool is_end, uint8_t bytes[16], uint32_t *count) {
    struct str rest = text;
    *count = 0;
    while (!str_is_none(rest) && text.len > 0) {
        struct str part = str_split(&rest, ':');
        bool is_ipv4 = str_has_byte(part, '.');
        bool may_be_ipv4 = is_end && str_is_none(rest);
        if (*count + (is_ipv4 ? 4 : 2) > 16 || (is_ipv4 && !may_be_ipv4)) {
            return false;
        }
        if (is_ipv4 ? !parse_ipv4(part, bytes + *count) : !parse_group(part, bytes + *count)) {
            return false;
        }
        *count += is_ipv4 ? 4 : 2;
    }
    return true;
}

static uint32_t find_double_colon(struct str text) {
    for (uint32_t index = 0; index + 1 < text.len; index++) {
        if (text.data[index] == ':' && text.data[index + 1] == ':') {
            return index;
        }
    }
    return text.len;
}

static bool parse_ipv6(struct str text, struct net_address *address) {
    uint8_t front[16];
    uint8_t back[16];
    uint32_t front_bytes = 0;
    uint32_t back_bytes = 0;
    uint32_t gap = find_double_colon(text);
    memset(address, 0, sizeof *address);
    if (!parse_groups(str_slice(text, 0, gap), gap == text.len, front, &front_bytes)) {
        return false;
    }
    if (gap == text.len) {
        memcpy(address->bytes, front, front_bytes);
        return front_bytes == 16;
    }
    struct str behind = str_slice(text, gap + 2, text.len);
    if (!parse_groups(behind, true, back, &back_bytes) || front_bytes + back_bytes > 14) {
        return false;
    }
    memcpy(address->bytes, front, front_bytes);
    memcpy(address->bytes + 16 - back_bytes, back, back_bytes);
    return true;
}

bool net_address_parse(struct str text, struct net_address *address) {
    uint8_t ipv4[4];
    if (text.len < 2 || text.len >= NET_ADDRESS_TEXT_MAX) {
        return false;
    }
    if (parse_ipv4(text, ipv4)) {
        *address = net_address_from_ipv4(ipv4);
        return true;
    }
    struct net_address parsed;
    if (!str_has_byte(text, ':') || !parse_ipv6(text, &parsed)) {
        return false;
    }
    *address = parsed;
    return true;
}

/* --- with a port -------------------------------------------------------------------------------
 */

static bool parse_port(struct str text, uint16_t *port) {
    uint64_t value = 0;
    if (text.len > 5 || !str_parse_u64(text, &value) || value > 65535) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

bool net_endpoint_parse(struct str text, uint16_t port_default, struct net_endpoint *endpoint) {
    struct str host = text;
    struct str port = STR_NONE;
    if (str_starts(text, STR("["))) {
        uint32_t close = str_find_byte(text, ']');
        struct str behind = str_slice(text, close + 1, text.len);
        host = str_slice(text, 1, close);
        if (close == text.len || (behind.len > 0 && behind.data[0] != ':')) {
            return false;
        }
        port = behind.len > 0 ? str_slice(behind, 1, behind.len) : STR_NONE;
    } else if (str_has_byte(text, '.') && str_find_byte(text, ':') > str_find_byte(text, '.')) {
        host = str_split(&text, ':');
        port = text;
    }
    endpoint->port = port_default;
    return net_address_parse(host, &endpoint->address) &&
           (str_is_none(port) || parse_port(port, &endpoint->port));
}

void net_endpoint_format(struct net_endpoint endpoint, struct buf *out) {
    bool is_ipv4 = net_address_is_ipv4(endpoint.address);
    buf_put_c(out, is_ipv4 ? "" : "[");
    net_address_format(endpoint.address, out);
    buf_put_c(out, is_ipv4 ? ":" : "]:");
    buf_put_u64(out, endpoint.port);
}

/* --- listen URLs -------------------------------------------------------------------------------
 */

static bool parse_host(struct str host, struct listen_url *url) {
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    if (str_equal_nocase(host, STR("localhost"))) {
        url->address_count = 2;
        url->addresses[0] = net_address_from_ipv4(loopback);
        return net_address_parse(STR("::1"), &url->addresses[1]);
    }
    url->address_count = 1;
    if (str_starts(host, STR("[")) && str_ends(host, STR("]"))) {
        host = str_slice(host, 1, host.len - 1);
        return str_has_byte(host, ':') && net_address_parse(host, &url->addresses[0]);
    }
    return !str_has_byte(host, ':') && net_address_parse(host, &url->addresses[0]);
}

bool listen_url_parse(struct str text, struct listen_url *url) {
    memset(url, 0, sizeof *url);
    uint32_t host_start;
    if (str_starts(text, STR("https://"))) {
        url->is_tls = true;
        host_start = 8;
    } else if (str_starts(text, STR("http://"))) {
        host_start = 7;
    } else {
        return false;
    }
    struct str rest = str_slice(text, host_start, text.len);
    if (str_ends(rest, STR("/"))) {
        rest = str_slice(rest, 0, rest.len - 1);
    }
    uint32_t colon = rest.len;
    while (colon > 0 && rest.data[colon - 1] != ':') {
        colon--;
    }
    if (colon < 2 || !parse_port(str_slice(rest, colon, rest.len), &url->port)) {
        return false;
    }
    return parse_host(str_slice(rest, 0, colon - 1), url);
}

/* --- trusted proxies ---------------------------------------------------------------------------
 */

static bool parse_network(struct str text, struct net_address *address, uint8_t *bits) {
    struct str rest = text;
    struct str host = str_split(&rest, '/');
    if (!net_address_parse(host, address)) {
        return false;
    }
    uint64_t most = net_address_is_ipv4(*address) && !str_has_byte(host, ':') ? 32 : 128;
    uint64_t value = most;
    if (!str_is_none(rest) && (!str_parse_u64(rest, &value) || value > most)) {
        return false;
    }
    *bits = (uint8_t)(value + 128 - most);
    return true;
}

bool net_list_parse(struct str text, struct net_list *list) {
    memset(list, 0, sizeof *list);
    struct str rest = text;
    while (!str_is_none(rest) && str_trim(rest).len > 0) {
        struct str part = str_trim(str_split(&rest, ','));
        if (list->count == NET_LIST_MAX ||
            !parse_network(part, &list->rows[list->count].address, &list->rows[list->count].bits)) {
            return false;
        }
        list->count++;
    }
    return true;
}

static bool has_prefix(struct net_address address, struct net_address prefix, uint32_t bits) {
    uint32_t bytes = bits / 8;
    uint32_t more = bits % 8;
    if (memcmp(address.bytes, prefix.bytes, bytes) != 0) {
        return false;
    }
    return more == 0 || (address.bytes[bytes] ^ prefix.bytes[bytes]) >> (8 - more) == 0;
}

#define IPV4(a, b, c, d)                                                                           \
    {                                                                                              \
        { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, a, b, c, d }                                   \
    }
#define IPV6(a, b, c, d)                                                                           \
    {                                                                                              \
        { a, b, c, d }                                                                             \
    }

/* IANA's registries of special-purpose addresses (RFC 6890). Of IPv6 only 2000::/3 is given out at
 * all, and of that these are not. */
bool net_address_is_public(struct net_address address) {
    static const struct {
        struct net_address prefix;
        uint8_t bits;
    } special[] = {
        {IPV4(0, 0, 0, 0), 96 + 8},      {IPV4(10, 0, 0, 0), 96 + 8},
        {IPV4(100, 64, 0, 0), 96 + 10},  {IPV4(127, 0, 0, 0), 96 + 8},
        {IPV4(169, 254, 0, 0), 96 + 16}, {IPV4(172, 16, 0, 0), 96 + 12},
        {IPV4(192, 0, 0, 0), 96 + 24},   {IPV4(192, 0, 2, 0), 96 + 24},
        {IPV4(192, 88, 99, 0), 96 + 24}, {IPV4(192, 168, 0, 0), 96 + 16},
        {IPV4(198, 18, 0, 0), 96 + 15},  {IPV4(198, 51, 100, 0), 96 + 24},
        {IPV4(203, 0, 113, 0), 96 + 24}, {IPV4(224, 0, 0, 0), 96 + 3},
        {IPV6(0x20, 0x01, 0, 0), 23},    {IPV6(0x20, 0x01, 0x0D, 0xB8), 32},
        {IPV6(0x20, 0x02, 0, 0), 16}, /* 6to4 */
        {IPV6(0x3F, 0xFF, 0, 0), 20},
    };
    bool is_given_out = net_address_is_ipv4(address) || address.bytes[0] >> 5 == 1;
    for (uint32_t index = 0; index < COUNT_OF(special) && is_given_out; index++) {
        is_given_out = !has_prefix(address, special[index].prefix, special[index].bits);
    }
    return is_given_out;
}

bool net_list_has(const struct net_list *list, struct net_address address) {
    for (uint32_t index = 0; index < list->count; index++) {
        if (has_prefix(address, list->rows[index].address, list->rows[index].bits)) {
            return true;
        }
    }
    return false;
}

/* An entry is an address, perhaps with a port: 1.2.3.4, 1.2.3.4:5, ::1, [::1], [::1]:5 */
static bool parse_entry(struct str text, struct net_address *address) {
    if (str_starts(text, STR("["))) {
        uint32_t close = str_find_byte(text, ']');
        return close < text.len && net_address_parse(str_slice(text, 1, close), address);
    }
    if (str_has_byte(text, '.')) {
        uint32_t colon = str_find_byte(text, ':');
        struct str host = str_slice(text, 0, colon);
        if (str_has_byte(host, '.')) {
            return net_address_parse(host, address);
        }
    }
    return net_address_parse(text, address);
}

/* Takes the part behind the last comma off the end of *list. */
static struct str split_last(struct str *list) {
    uint32_t start = list->len;
    while (start > 0 && list->data[start - 1] != ',') {
        start--;
    }
    struct str last = str_slice(*list, start, list->len);
    *list = start == 0 ? STR_NONE : str_slice(*list, 0, start - 1);
    return str_trim(last);
}

struct net_address forwarded_client(const struct net_list *trusted, struct net_address peer,
                                    const struct http_head *head) {
    struct net_address client = peer;
    if (trusted->count == 0 || !net_list_has(trusted, peer)) {
        return client;
    }
    for (uint32_t index = head->header_count; index > 0; index--) {
        const struct http_header *header = &head->headers[index - 1];
        struct str list = header->value;
        if (!str_equal_nocase(header->name, STR("X-Forwarded-For"))) {
            continue;
        }
        while (!str_is_none(list)) {
            struct net_address hop;
            if (!parse_entry(split_last(&list), &hop)) {
                return client;
            }
            client = hop;
            if (!net_list_has(trusted, hop)) {
                return client;
            }
        }
    }
    return client;
}

bool forwarded_is_tls(const struct net_list *trusted, struct net_address peer,
                      const struct http_head *head, bool is_tls) {
    struct str proto = http_header(head, STR("X-Forwarded-Proto"));
    if (str_is_none(proto) || !net_list_has(trusted, peer)) {
        return is_tls;
    }
    return str_equal_nocase(split_last(&proto), STR("https"));
}
