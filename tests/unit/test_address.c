/* Addresses, listen URLs, trusted proxies: net/address.c. */
#include "test.h"

#include "net/address.h"

static const char *formatted(struct net_address address) {
    static char text[NET_ADDRESS_TEXT_MAX];
    struct buf out = buf_over(text, sizeof text - 1);
    net_address_format(address, &out);
    EXPECT(!out.is_full);
    text[out.len] = 0;
    return text;
}

TEST(address_text_in_canonical_form)
{
    static const char *const rows[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"::1", "::1"},
        {"2001:DB8::a", "2001:db8::a"},
        {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"1:0:0:2::", "1:0:0:2::"},
        {"fe80::", "fe80::"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::ffff:c000:201", "192.0.2.1"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
    };
    for (uint32_t row = 0; row < COUNT_OF(rows); row++) {
        struct net_address address;
        EXPECT(net_address_parse(str_from_c(rows[row][0]), &address));
        EXPECT_EQ_STR(formatted(address), rows[row][1]);
    }
}

TEST(address_refuses_what_readers_could_read_differently)
{
    static const char *const rows[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.04",
        "1.2.3.",
        ".1.2.3",
        "1.2.3.4 ",
        "0x1.2.3.4",
        "+1.2.3.4",
        "1.2.3.4.",
        ":",
        ":::",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "12345::",
        "g::",
        "::1%eth",
        "[::1]",
        "1:2:3:4:5:6:7:8:9",
        "::1.2.3",
        "1.2.3.4::",
        "1::2:",
        ":1::2",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3.4:5",
        "1:2:3:4:5:6:7:8::",
    };
    for (uint32_t row = 0; row < COUNT_OF(rows); row++) {
        struct net_address address;
        if (net_address_parse(str_from_c(rows[row]), &address)) {
            test_fail(__FILE__, __LINE__, "took \"%s\"", rows[row]);
        }
    }
}

TEST(address_round_trips)
{
    for (uint32_t round = 0; round < 20000; round++) {
        struct net_address address;
        struct net_address again;
        test_random_fill(address.bytes, sizeof address.bytes);
        /* Zeros in random places, so that every shape of "::" comes up. */
        uint64_t zeros = test_random();
        for (uint32_t index = 0; index < 16; index++) {
            address.bytes[index] &= (zeros >> (index / 2) & 1) != 0 ? 0 : 0xFF;
        }
        EXPECT(net_address_parse(str_from_c(formatted(address)), &again));
        EXPECT_EQ_MEM(again.bytes, address.bytes, 16);
    }
}

TEST(address_knows_loopback_and_subscribers)
{
    struct net_address address;
    EXPECT(net_address_parse(STR("127.9.9.9"), &address));
    EXPECT(net_address_is_loopback(address));
    EXPECT(net_address_parse(STR("::1"), &address));
    EXPECT(net_address_is_loopback(address));
    EXPECT(net_address_parse(STR("128.0.0.1"), &address));
    EXPECT(!net_address_is_loopback(address));
    EXPECT_EQ_STR(formatted(net_address_subscriber(address)), "128.0.0.1");
    EXPECT(net_address_parse(STR("2001:db8:1:2:3:4:5:6"), &address));
    EXPECT_EQ_STR(formatted(net_address_subscriber(address)), "2001:db8:1:2::");
}

TEST(listen_urls)
{
    struct listen_url url;
    EXPECT(listen_url_parse(STR("https://0.0.0.0:8443"), &url));
    EXPECT(url.is_tls);
    EXPECT_EQ_UINT(url.port, 8443);
    EXPECT_EQ_UINT(url.address_count, 1);
    EXPECT_EQ_STR(formatted(url.addresses[0]), "0.0.0.0");
    EXPECT(listen_url_parse(STR("http://localhost:80/"), &url));
    EXPECT(!url.is_tls);
    EXPECT_EQ_UINT(url.address_count, 2);
    EXPECT_EQ_STR(formatted(url.addresses[0]), "127.0.0.1");
    EXPECT_EQ_STR(formatted(url.addresses[1]), "::1");
    EXPECT(listen_url_parse(STR("https://[2001:db8::1]:65535"), &url));
    EXPECT_EQ_STR(formatted(url.addresses[0]), "2001:db8::1");
    static const char *const bad[] = {
        "",
        "https://",
        "0.0.0.0:80",
        "ftp://0.0.0.0:80",
        "http://0.0.0.0",
        "http://0.0.0.0:",
        "http://0.0.0.0:65536",
        "http://0.0.0.0:-1",
        "http://:80",
        "http://example.org:80",
        "http://::1:80",
        "http://[::1:80",
        "http://[1.2.3.4]:80",
        "http://0.0.0.0:80/x",
        "http://user@0.0.0.0:80",
    };
    for (uint32_t row = 0; row < COUNT_OF(bad); row++) {
        if (listen_url_parse(str_from_c(bad[row]), &url)) {
            test_fail(__FILE__, __LINE__, "took \"%s\"", bad[row]);
        }
    }
}

static bool list_has(const struct net_list *list, const char *text) {
    struct net_address address;
    EXPECT(net_address_parse(str_from_c(text), &address));
    return net_list_has(list, address);
}

TEST(network_lists)
{
    struct net_list list;
    EXPECT(net_list_parse(STR(" 10.0.0.0/8 ,192.0.2.7, 2001:db8::/33,172.16.0.0/12"), &list));
    EXPECT_EQ_UINT(list.count, 4);
    EXPECT(list_has(&list, "10.255.1.2"));
    EXPECT(!list_has(&list, "11.0.0.0"));
    EXPECT(list_has(&list, "192.0.2.7"));
    EXPECT(!list_has(&list, "192.0.2.6"));
    EXPECT(list_has(&list, "172.31.255.255"));
    EXPECT(!list_has(&list, "172.32.0.0"));
    EXPECT(list_has(&list, "2001:db8:7fff::1"));
    EXPECT(!list_has(&list, "2001:db8:8000::1"));
    EXPECT(net_list_parse(STR(""), &list));
    EXPECT_EQ_UINT(list.count, 0);
    EXPECT(net_list_parse(STR("0.0.0.0/0"), &list));
    EXPECT(list_has(&list, "203.0.113.9"));
    EXPECT(!list_has(&list, "2001:db8::1"));
    EXPECT(!net_list_parse(STR("10.0.0.0/33"), &list));
    EXPECT(!net_list_parse(STR("10.0.0.0/"), &list));
    EXPECT(!net_list_parse(STR("10.0.0.0,,"), &list));
    EXPECT(!net_list_parse(STR("::/129"), &list));
    EXPECT(!net_list_parse(STR("proxy"), &list));
}

static const char *client_of(const char *peer, const char *first, const char *second) {
    struct net_list trusted;
    struct net_address address;
    static struct http_head head;
    memset(&head, 0, sizeof head);
    EXPECT(net_list_parse(STR("10.0.0.0/8,2001:db8::/32"), &trusted));
    EXPECT(net_address_parse(str_from_c(peer), &address));
    head.headers[0] = (struct http_header){STR("Accept"), STR("7.7.7.7")};
    head.header_count = 1;
    for (uint32_t index = 0; index < 2; index++) {
        const char *value = index == 0 ? first : second;
        if (value != NULL) {
            head.headers[head.header_count++] =
                (struct http_header){STR("x-forwarded-for"), str_from_c(value)};
        }
    }
    return formatted(forwarded_client(&trusted, address, &head));
}

TEST(forwarded_headers_count_only_from_trusted_proxies)
{
    EXPECT_EQ_STR(client_of("9.9.9.9", "1.1.1.1", NULL), "9.9.9.9");
    EXPECT_EQ_STR(client_of("10.0.0.1", NULL, NULL), "10.0.0.1");
    EXPECT_EQ_STR(client_of("10.0.0.1", "1.1.1.1", NULL), "1.1.1.1");
    /* The rightmost that is not ours: what is left of it is the client's own claim. */
    EXPECT_EQ_STR(client_of("10.0.0.1", "6.6.6.6, 1.1.1.1", NULL), "1.1.1.1");
    EXPECT_EQ_STR(client_of("10.0.0.1", "6.6.6.6, 1.1.1.1,10.0.0.2", NULL), "1.1.1.1");
    EXPECT_EQ_STR(client_of("10.0.0.1", "6.6.6.6", "1.1.1.1"), "1.1.1.1");
    EXPECT_EQ_STR(client_of("10.0.0.1", "1.1.1.1", "10.0.0.2"), "1.1.1.1");
    EXPECT_EQ_STR(client_of("10.0.0.1", "10.0.0.3", "10.0.0.2"), "10.0.0.3");
    EXPECT_EQ_STR(client_of("2001:db8::5", "2a00::1", NULL), "2a00::1");
    EXPECT_EQ_STR(client_of("10.0.0.1", "[2a00::1]:443", NULL), "2a00::1");
    EXPECT_EQ_STR(client_of("10.0.0.1", "1.1.1.1:443", NULL), "1.1.1.1");
    /* Nonsense ends the walk at the last address that was good. */
    EXPECT_EQ_STR(client_of("10.0.0.1", "unknown", NULL), "10.0.0.1");
    EXPECT_EQ_STR(client_of("10.0.0.1", "1.1.1.1, nonsense, 10.0.0.2", NULL), "10.0.0.2");
    EXPECT_EQ_STR(client_of("10.0.0.1", "1.1.1.1,", NULL), "10.0.0.1");
    EXPECT_EQ_STR(client_of("10.0.0.1", "", NULL), "10.0.0.1");
}
