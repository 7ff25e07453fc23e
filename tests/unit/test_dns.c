/* DNS without a network: messages, resolv.conf, hosts. */
#include "test.h"

#include "net/dns_files.h"

enum { ID = 0x1234 };

static char memory[1024];
static struct buf message;
static struct dns_addresses addresses;
static uint32_t ttl_s;

/* Labels with dots between them, ending in the root; "@12" at the end is a pointer to byte 12. */
static void put_name(const char *text) {
    struct str rest = str_from_c(text);
    while (!str_is_none(rest) && rest.len > 0) {
        struct str label = str_split(&rest, '.');
        uint64_t target = 0;
        if (str_starts(label, STR("@")) && str_parse_u64(str_slice(label, 1, label.len), &target)) {
            buf_put_be16(&message, (uint16_t)(0xC000 | target));
            return;
        }
        buf_put_byte(&message, (uint8_t)label.len);
        buf_put_str(&message, label);
    }
    buf_put_byte(&message, 0);
}

static void begin(uint16_t id, uint16_t flags, uint16_t answers, const char *name,
                  enum dns_type type) {
    message = buf_over(memory, sizeof memory);
    buf_put_be16(&message, id);
    buf_put_be16(&message, flags);
    buf_put_be16(&message, 1);
    buf_put_be16(&message, answers);
    buf_put_be32(&message, 0);
    put_name(name);
    buf_put_be16(&message, (uint16_t)type);
    buf_put_be16(&message, 1);
}

static void put_record_head(const char *owner, uint16_t type, uint32_t ttl) {
    put_name(owner);
    buf_put_be16(&message, type);
    buf_put_be16(&message, 1);
    buf_put_be32(&message, ttl);
}

static void put_ipv4(const char *owner, uint32_t ttl, uint32_t address) {
    put_record_head(owner, 1, ttl);
    buf_put_be16(&message, 4);
    buf_put_be32(&message, address);
}

static void put_alias(const char *owner, uint32_t ttl, const char *target) {
    put_record_head(owner, 5, ttl);
    uint32_t at = message.len;
    buf_put_be16(&message, 0);
    put_name(target);
    memory[at + 1] = (char)(message.len - at - 2);
}

static enum dns_verdict parse(const char *name, enum dns_type type) {
    /* An exact copy on the heap: reading past the end is seen. */
    char *copy = malloc(message.len);
    memcpy(copy, memory, message.len);
    addresses.count = 0;
    enum dns_verdict verdict = dns_reply_parse(str_from(copy, message.len), ID, str_from_c(name),
                                               type, &addresses, &ttl_s);
    free(copy);
    return verdict;
}

static const char *address_text(uint32_t index) {
    static char text[NET_ADDRESS_TEXT_MAX];
    struct buf out = buf_over(text, sizeof text - 1);
    net_address_format(addresses.rows[index], &out);
    text[out.len] = '\0';
    return text;
}

TEST(dns_query_is_what_rfc_1035_says)
{
    static const uint8_t expected[] = {0x12, 0x34, 1,   0,   0, 1,   0,   0, 0, 0,  0, 0, 4,
                                       'm',  'a',  'i', 'l', 2, 'e', 'x', 0, 0, 28, 0, 1};
    char out_memory[DNS_QUERY_BYTES_MAX];
    struct buf out = buf_over(out_memory, sizeof out_memory);
    dns_query_format(ID, STR("Mail.EX."), DNS_AAAA, &out);
    REQUIRE(out.len == sizeof expected);
    EXPECT_EQ_MEM(out.data, expected, sizeof expected);
}

TEST(dns_names_that_may_be_asked_for)
{
    static const char *const good[] = {"a",
                                       "mail.example.com",
                                       "mail.example.com.",
                                       "_smtp._tcp.example.com",
                                       "xn--bcher-kva.example",
                                       "1and1.com"};
    static const char *const bad[] = {"",
                                      ".",
                                      "a..b",
                                      ".a",
                                      "192.0.2.1",
                                      "::1",
                                      "a b",
                                      "a/b",
                                      "b\xc3\xbc"
                                      "cher.example",
                                      "a:25"};
    char text[300];
    for (uint32_t row = 0; row < COUNT_OF(good); row++) {
        EXPECT(dns_name_is_good(str_from_c(good[row])));
    }
    for (uint32_t row = 0; row < COUNT_OF(bad); row++) {
        EXPECT(!dns_name_is_good(str_from_c(bad[row])));
    }
    memset(text, 'a', sizeof text);
    EXPECT(dns_name_is_good(str_from(text, 63)));
    EXPECT(!dns_name_is_good(str_from(text, 64)));
    for (uint32_t index = 50; index < sizeof text; index += 51) {
        text[index] = '.';
    }
    EXPECT(dns_name_is_good(str_from(text, 253)));
    EXPECT(!dns_name_is_good(str_from(text, 254)));
    char out_memory[DNS_QUERY_BYTES_MAX];
    struct buf out = buf_over(out_memory, sizeof out_memory);
    dns_query_format(ID, str_from(text, 253), DNS_A, &out);
    EXPECT_EQ_UINT(out.len, DNS_QUERY_BYTES_MAX);
    EXPECT(!out.is_full);
}

TEST(dns_reply_with_addresses)
{
    begin(ID, 0x8180, 2, "mail.example", DNS_A);
    put_ipv4("@12", 300, 0xC0000201);
    put_ipv4("mail.@17", 60, 0xC0000202);
    EXPECT_EQ_INT(parse("MAIL.example", DNS_A), DNS_ANSWERED);
    REQUIRE(addresses.count == 2);
    EXPECT_EQ_STR(address_text(0), "192.0.2.1");
    EXPECT_EQ_STR(address_text(1), "192.0.2.2");
    EXPECT_EQ_UINT(ttl_s, 60);

    begin(ID, 0x8180, 1, "mail.example", DNS_AAAA);
    put_record_head("@12", 28, 5);
    buf_put_be16(&message, 16);
    buf_put_be64(&message, 0x20010db800000000);
    buf_put_be64(&message, 7);
    EXPECT_EQ_INT(parse("mail.example.", DNS_AAAA), DNS_ANSWERED);
    REQUIRE(addresses.count == 1);
    EXPECT_EQ_STR(address_text(0), "2001:db8::7");
}

TEST(dns_reply_follows_aliases_in_any_order)
{
    begin(ID, 0x8180, 3, "mail.example", DNS_A);
    put_ipv4("c.example", 50, 0xC0000203);
    put_alias("b.example", 40, "c.example");
    put_alias("@12", 30, "b.@17");
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_ANSWERED);
    REQUIRE(addresses.count == 1);
    EXPECT_EQ_STR(address_text(0), "192.0.2.3");
    EXPECT_EQ_UINT(ttl_s, 30);
    /* An alias of something without an address of this type. */
    begin(ID, 0x8180, 1, "mail.example", DNS_AAAA);
    put_alias("@12", 30, "b.example");
    EXPECT_EQ_INT(parse("mail.example", DNS_AAAA), DNS_ANSWERED);
    EXPECT_EQ_UINT(addresses.count, 0);
    /* In a circle. */
    begin(ID, 0x8180, 2, "mail.example", DNS_A);
    put_alias("mail.example", 30, "b.example");
    put_alias("b.example", 30, "mail.example");
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_FAILED);
}

TEST(dns_reply_believes_only_what_was_asked_for)
{
    /* Somebody else's address beside ours, and one of another class or length. */
    begin(ID, 0x8180, 3, "mail.example", DNS_A);
    put_ipv4("bank.example", 300, 0xC6336401);
    put_record_head("@12", 1, 300);
    buf_put_be16(&message, 3);
    buf_put(&message, "abc", 3);
    put_ipv4("@12", 300, 0xC0000201);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_ANSWERED);
    REQUIRE(addresses.count == 1);
    EXPECT_EQ_STR(address_text(0), "192.0.2.1");

    begin(ID + 1, 0x8180, 1, "mail.example", DNS_A);
    put_ipv4("@12", 300, 0xC6336401);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_STRAY);
    begin(ID, 0x0180, 1, "mail.example", DNS_A);
    put_ipv4("@12", 300, 0xC6336401);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_STRAY);
    begin(ID, 0x8180, 1, "mail.examplf", DNS_A);
    put_ipv4("@12", 300, 0xC6336401);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_STRAY);
    begin(ID, 0x8180, 1, "mail.example", DNS_AAAA);
    put_ipv4("@12", 300, 0xC6336401);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_STRAY);
    EXPECT_EQ_UINT(addresses.count, 0);
}

TEST(dns_reply_codes)
{
    begin(ID, 0x8183, 0, "mail.example", DNS_A);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_NO_NAME);
    begin(ID, 0x8180, 0, "mail.example", DNS_A);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_ANSWERED);
    begin(ID, 0x8182, 0, "mail.example", DNS_A);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_FAILED);
    begin(ID, 0x8185, 0, "mail.example", DNS_A);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_FAILED);
    begin(ID, 0x8380, 1, "mail.example", DNS_A);
    put_ipv4("@12", 300, 0xC0000201);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_TRUNCATED);
    EXPECT_EQ_UINT(addresses.count, 0);
}

TEST(dns_reply_of_bad_form_ends)
{
    /* A pointer to itself, forwards, into the head. */
    static const char *const owners[] = {"@30", "@500", "@11", "@32"};
    for (uint32_t row = 0; row < COUNT_OF(owners); row++) {
        begin(ID, 0x8180, 1, "mail.example", DNS_A);
        EXPECT_EQ_UINT(message.len, 30);
        put_ipv4(owners[row], 300, 0xC0000201);
        EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_FAILED);
    }
    /* Fewer records than announced, and every prefix of a good message. */
    begin(ID, 0x8180, 2, "mail.example", DNS_A);
    put_ipv4("@12", 300, 0xC0000201);
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_FAILED);
    EXPECT_EQ_UINT(addresses.count, 0);
    begin(ID, 0x8180, 1, "mail.example", DNS_A);
    put_ipv4("@12", 300, 0xC0000201);
    for (uint32_t whole = message.len; message.len > 0;) {
        message.len -= 1;
        EXPECT(parse("mail.example", DNS_A) == (message.len < 30 ? DNS_STRAY : DNS_FAILED));
        EXPECT(whole > message.len);
    }
    /* A label longer than 63: its length byte begins a form that does not exist. */
    begin(ID, 0x8180, 1, "mail.example", DNS_A);
    buf_put_byte(&message, 0x40);
    for (uint32_t count = 0; count < 80; count++) {
        buf_put_byte(&message, 'a');
    }
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_FAILED);
}

TEST(dns_reply_with_more_than_there_is_room_for)
{
    begin(ID, 0x8180, 20, "mail.example", DNS_A);
    for (uint32_t count = 0; count < 20; count++) {
        put_ipv4("@12", 300, 0xC0000200 + count);
    }
    EXPECT_EQ_INT(parse("mail.example", DNS_A), DNS_ANSWERED);
    EXPECT_EQ_UINT(addresses.count, DNS_ADDRESSES_MAX);
}

TEST(dns_servers_of_resolv_conf)
{
    struct dns_servers servers;
    dns_servers_parse_conf(STR("# made by hand\nsearch example.com\r\nnameserver 192.0.2.53 # one\n"
                               "nameserver\nnameserver fe80::1%eth0\n options rotate\n"
                               "\tnameserver\t2001:db8::53\nnameserver 192.0.2.54\n"
                               "nameserver 192.0.2.55"),
                           &servers);
    REQUIRE(servers.count == 3);
    EXPECT_EQ_UINT(servers.rows[0].port, 53);
    addresses.rows[0] = servers.rows[1].address;
    EXPECT_EQ_STR(address_text(0), "2001:db8::53");
    addresses.rows[0] = servers.rows[2].address;
    EXPECT_EQ_STR(address_text(0), "192.0.2.54");
    dns_servers_parse_conf(STR(""), &servers);
    EXPECT_EQ_UINT(servers.count, 0);
}

TEST(dns_servers_of_the_setting)
{
    struct dns_servers servers;
    EXPECT(dns_servers_parse_list(STR("192.0.2.53:5353, 2001:db8::53 ,[::1]:54"), &servers));
    REQUIRE(servers.count == 3);
    EXPECT_EQ_UINT(servers.rows[0].port, 5353);
    EXPECT_EQ_UINT(servers.rows[1].port, 53);
    EXPECT_EQ_UINT(servers.rows[2].port, 54);
    EXPECT(dns_servers_parse_list(STR(""), &servers));
    EXPECT_EQ_UINT(servers.count, 0);
    EXPECT(!dns_servers_parse_list(STR("dns.example"), &servers));
    EXPECT(!dns_servers_parse_list(STR("192.0.2.1:65536"), &servers));
    EXPECT(!dns_servers_parse_list(STR("192.0.2.1:"), &servers));
    EXPECT(!dns_servers_parse_list(STR("[::1]54"), &servers));
    EXPECT(!dns_servers_parse_list(STR("[::1"), &servers));
    EXPECT(!dns_servers_parse_list(STR("1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4"), &servers));
    EXPECT(!dns_servers_parse_list(STR("1.1.1.1,,1.1.1.2"), &servers));
}

TEST(dns_hosts_lines)
{
    struct str text = STR("127.0.0.1 localhost\n"
                          "192.0.2.1\tmail mail.example # 192.0.2.9 other.example\n"
                          "# 192.0.2.7 mail.example\n"
                          "nonsense mail.example\n"
                          "2001:db8::1 MAIL.example\r\n"
                          "192.0.2.3 mail.example.org");
    EXPECT(dns_hosts_find(text, STR("mail.example."), &addresses));
    REQUIRE(addresses.count == 2);
    EXPECT_EQ_STR(address_text(0), "192.0.2.1");
    EXPECT_EQ_STR(address_text(1), "2001:db8::1");
    EXPECT(dns_hosts_find(text, STR("mail"), &addresses));
    EXPECT_EQ_UINT(addresses.count, 1);
    EXPECT(!dns_hosts_find(text, STR("other.example"), &addresses));
    EXPECT(!dns_hosts_find(text, STR("example"), &addresses));
    EXPECT(!dns_hosts_find(STR(""), STR("mail"), &addresses));
}
