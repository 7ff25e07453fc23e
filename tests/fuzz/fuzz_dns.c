/*
 * Replies of a malicious name server, and files of a careless administrator. The input is a reply
 * to a query for mail.example (its id is made right), or with a first byte of 'h' or 'r' a hosts or
 * resolv.conf file. Whatever comes: bounded answers, none from a message that was not understood.
 */
#include "net/dns_files.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES_MAX = 65535, ID = 0x1234, TTL_S_MAX = 0x7FFFFFFF };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void reply_try(const uint8_t *data, size_t size, enum dns_type type) {
    uint8_t *message = malloc(size + 1);
    struct dns_addresses addresses = {.count = 0};
    uint32_t ttl_s = 0;
    require(message != NULL);
    memcpy(message, data, size);
    if (size >= 2) {
        message[0] = ID >> 8;
        message[1] = ID & 0xFF;
    }
    enum dns_verdict verdict = dns_reply_parse(str_from((const char *)message, size), ID,
                                               STR("mail.example"), type, &addresses, &ttl_s);
    require(addresses.count <= DNS_ADDRESSES_MAX);
    require(verdict == DNS_ANSWERED || addresses.count == 0);
    require(addresses.count == 0 || ttl_s <= TTL_S_MAX);
    for (uint32_t index = 0; index < addresses.count; index++) {
        require(type == DNS_AAAA || net_address_is_ipv4(addresses.rows[index]));
    }
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dns_servers servers;
    struct dns_addresses addresses;
    size = size < MESSAGE_BYTES_MAX ? size : MESSAGE_BYTES_MAX;
    struct str text = str_from((const char *)data + (size > 0), size - (size > 0));
    if (size > 0 && data[0] == 'h') {
        bool is_there = dns_hosts_find(text, STR("mail.example"), &addresses);
        require(is_there == (addresses.count > 0));
        require(addresses.count <= DNS_ADDRESSES_MAX);
        return 0;
    }
    if (size > 0 && data[0] == 'r') {
        dns_servers_parse_conf(text, &servers);
        require(servers.count <= DNS_SERVERS_MAX);
        (void)dns_servers_parse_list(text, &servers);
        require(servers.count <= DNS_SERVERS_MAX);
        return 0;
    }
    if (dns_name_is_good(text)) {
        char memory[DNS_QUERY_BYTES_MAX];
        struct buf out = buf_over(memory, sizeof memory);
        dns_query_format(ID, text, DNS_A, &out);
        require(!out.is_full);
    }
    reply_try(data, size, DNS_A);
    reply_try(data, size, DNS_AAAA);
    return 0;
}
