/* resolv.conf and hosts, see dns_files.h. */
#include "net/dns_files.h"

/* Takes the next word off the line; empty at its end. */
static struct str word_take(struct str *line) {
    uint32_t from = 0;
    while (from < line->len && (line->data[from] == ' ' || line->data[from] == '\t')) {
        from++;
    }
    uint32_t to = from;
    while (to < line->len && line->data[to] != ' ' && line->data[to] != '\t') {
        to++;
    }
    struct str word = str_slice(*line, from, to);
    *line = str_slice(*line, to, line->len);
    return word;
}

/* The next line without its comment and its end. */
static struct str line_take(struct str *rest) {
    struct str line = str_split(rest, '\n');
    line = str_slice(line, 0, str_find_byte(line, '#'));
    line = str_slice(line, 0, str_find_byte(line, ';'));
    return str_ends(line, STR("\r")) ? str_slice(line, 0, line.len - 1) : line;
}

void dns_servers_parse_conf(struct str text, struct dns_servers *servers) {
    servers->count = 0;
    while (!str_is_none(text) && servers->count < DNS_SERVERS_MAX) {
        struct str line = line_take(&text);
        struct net_endpoint server = {.port = DNS_PORT};
        if (str_equal(word_take(&line), STR("nameserver")) &&
            net_address_parse(word_take(&line), &server.address)) {
            servers->rows[servers->count] = server;
            servers->count += 1;
        }
    }
}

bool dns_servers_parse_list(struct str text, struct dns_servers *servers) {
    servers->count = 0;
    while (!str_is_none(text) && str_trim(text).len > 0) {
        struct net_endpoint server;
        if (servers->count == DNS_SERVERS_MAX ||
            !net_endpoint_parse(str_trim(str_split(&text, ',')), DNS_PORT, &server)) {
            return false;
        }
        servers->rows[servers->count] = server;
        servers->count += 1;
    }
    return true;
}

static bool line_names(struct str line, struct str name) {
    for (;;) {
        struct str word = word_take(&line);
        if (word.len == 0) {
            return false;
        }
        if (str_equal_nocase(word, name)) {
            return true;
        }
    }
}

bool dns_hosts_find(struct str text, struct str name, struct dns_addresses *addresses) {
    addresses->count = 0;
    if (str_ends(name, STR("."))) {
        name = str_slice(name, 0, name.len - 1);
    }
    while (!str_is_none(text) && addresses->count < DNS_ADDRESSES_MAX) {
        struct str line = line_take(&text);
        struct net_address address;
        if (net_address_parse(word_take(&line), &address) && line_names(line, name)) {
            addresses->rows[addresses->count] = address;
            addresses->count += 1;
        }
    }
    return addresses->count > 0;
}
