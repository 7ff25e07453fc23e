/* Addresses, listen URLs, proxy lists and X-Forwarded-For values: any bytes. */
#include "net/address.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct str text = str_from((const char *)data, bytes < 8192 ? bytes : 8192);
    struct net_address address;
    if (net_address_parse(text, &address)) {
        char again[NET_ADDRESS_TEXT_MAX];
        struct buf out = buf_over(again, sizeof again);
        struct net_address parsed;
        net_address_format(address, &out);
        CHECK(!out.is_full);
        CHECK(net_address_parse(buf_str(&out), &parsed));
        CHECK(memcmp(&parsed, &address, sizeof parsed) == 0);
    }
    struct listen_url url;
    if (listen_url_parse(text, &url)) {
        CHECK(url.address_count == 1 || url.address_count == 2);
    }
    struct net_list list;
    if (net_list_parse(text, &list)) {
        CHECK(list.count <= NET_LIST_MAX);
    }
    static struct http_head head;
    struct net_address peer = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 1}};
    CHECK(net_list_parse(STR("10.0.0.0/8"), &list));
    head.header_count = 1;
    head.headers[0] = (struct http_header){STR("X-Forwarded-For"), text};
    struct net_address client = forwarded_client(&list, peer, &head);
    CHECK(net_address_is_ipv4(client) || !net_list_has(&list, client));
    return 0;
}
