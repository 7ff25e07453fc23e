/* Settings from outside a machine: kernel command line, NoCloud lines, PEM blocks. */
#include "test.h"

#include "os/init_config.h"

static struct init_config config;

static const char *value_of(const char *name) {
    static char text[4096];
    struct str value = init_config_get(&config, name);
    if (str_is_none(value)) {
        return NULL;
    }
    (void)snprintf(text, sizeof text, "%.*s", STR_ARG(value));
    return text;
}

static enum err cmdline(const char *text) {
    init_config_init(&config);
    return init_config_parse_cmdline(&config, str_from_c(text));
}

static enum err lines(const char *text) {
    init_config_init(&config);
    return init_config_parse_lines(&config, str_from_c(text));
}

TEST(init_cmdline_takes_only_our_words)
{
    EXPECT_EQ_INT(cmdline("console=ttyS0 quiet coffer.ip=10.0.0.2/24,10.0.0.1 ro xcoffer.a=1 "
                          "coffer=2 -- coffer.disk=vdb\n"),
                  ERR_OK);
    EXPECT_EQ_UINT(config.count, 2);
    EXPECT_EQ_STR(value_of("ip"), "10.0.0.2/24,10.0.0.1");
    EXPECT_EQ_STR(value_of("disk"), "vdb");
    EXPECT_EQ_STR(config.values[0].source, INIT_SOURCE_CMDLINE);
    EXPECT_EQ_INT(cmdline(""), ERR_OK);
    EXPECT_EQ_UINT(config.count, 0);
}

TEST(init_cmdline_quotes_as_the_kernel_does)
{
    EXPECT_EQ_INT(cmdline("coffer.name=\"My box\" \"coffer.environment=one two\" coffer.user= "
                          "coffer.http.head_timeout=5 coffer.smtp.from=\"a=b\""),
                  ERR_OK);
    EXPECT_EQ_STR(value_of("name"), "My box");
    EXPECT_EQ_STR(value_of("environment"), "one two");
    EXPECT_EQ_STR(value_of("user"), "");
    EXPECT_EQ_STR(value_of("http.head-timeout"), "5");
    EXPECT_EQ_STR(value_of("smtp.from"), "a=b");
    EXPECT_EQ_INT(cmdline("coffer.name=\"never closed coffer.user=x"), ERR_OK);
    EXPECT_EQ_STR(value_of("name"), "never closed coffer.user=x");
}

TEST(init_cmdline_the_last_one_wins)
{
    EXPECT_EQ_INT(cmdline("coffer.name=a coffer.name=b"), ERR_OK);
    EXPECT_EQ_STR(value_of("name"), "b");
}

TEST(init_cmdline_problems_do_not_show_values)
{
    EXPECT_EQ_INT(cmdline("coffer.seal-key"), ERR_FORMAT);
    EXPECT_EQ_STR(config.problem, "kernel command line: coffer.seal-key needs a value");
    EXPECT_EQ_INT(cmdline("coffer.=secret"), ERR_FORMAT);
    EXPECT(strstr(config.problem, "secret") == NULL);
    EXPECT_EQ_INT(cmdline("coffer.UPPER=secret"), ERR_FORMAT);
    EXPECT(strstr(config.problem, "secret") == NULL);
}

TEST(init_lines_take_names_comments_and_windows_ends)
{
    EXPECT_EQ_INT(lines("#coffer\r\n\r\n  name =  Two words \r\n# x\nip=dhcp\nuser="), ERR_OK);
    EXPECT_EQ_UINT(config.count, 3);
    EXPECT_EQ_STR(value_of("name"), "Two words");
    EXPECT_EQ_STR(value_of("ip"), "dhcp");
    EXPECT_EQ_STR(value_of("user"), "");
    EXPECT_EQ_INT(lines("name = a\nsecret text\n"), ERR_FORMAT);
    EXPECT_EQ_STR(config.problem, "cidata line 2 is not `name = value`");
    EXPECT_EQ_INT(lines("Name = a"), ERR_FORMAT);
    EXPECT_EQ_INT(lines("= a"), ERR_FORMAT);
}

#define CERTIFICATE(text) "-----BEGIN CERTIFICATE-----\n" text "\n-----END CERTIFICATE-----\n"
#define KEY(kind) "-----BEGIN " kind "PRIVATE KEY-----\nkkkk\n-----END " kind "PRIVATE KEY-----\n"

TEST(init_lines_collect_pem_blocks)
{
    EXPECT_EQ_INT(lines("name = a\n" CERTIFICATE("leaf") "\n" CERTIFICATE("root") KEY("EC ")),
                  ERR_OK);
    EXPECT_EQ_STR(value_of("tls.certificate"), CERTIFICATE("leaf") "\n" CERTIFICATE("root"));
    EXPECT_EQ_STR(value_of("tls.key"), KEY("EC "));
    EXPECT_EQ_INT(lines(KEY("") CERTIFICATE("leaf") CERTIFICATE("root") "name = b"), ERR_OK);
    EXPECT_EQ_STR(value_of("tls.certificate"), CERTIFICATE("leaf") CERTIFICATE("root"));
    EXPECT_EQ_STR(value_of("tls.key"), KEY(""));
    EXPECT_EQ_STR(value_of("name"), "b");
}

TEST(init_lines_never_put_a_key_between_certificates)
{
    EXPECT_EQ_INT(lines(CERTIFICATE("leaf") KEY("") CERTIFICATE("root")), ERR_FORMAT);
    EXPECT_EQ_INT(lines(CERTIFICATE("leaf") "seal-key = 00\n" CERTIFICATE("root")), ERR_FORMAT);
    EXPECT_EQ_STR(config.problem, "cidata line 5: certificates must follow each other");
}

TEST(init_lines_refuse_open_and_strange_blocks)
{
    EXPECT_EQ_INT(lines("-----BEGIN CERTIFICATE-----\nabc\n"), ERR_FORMAT);
    EXPECT_EQ_INT(lines("-----BEGIN PRIVATE KEY-----"), ERR_FORMAT);
    EXPECT_EQ_INT(lines("-----BEGIN CERTIFICATE-----\n" KEY("")), ERR_FORMAT);
    EXPECT_EQ_INT(lines("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n"), ERR_FORMAT);
}

TEST(init_user_data_is_ours_only_when_it_says_so)
{
    EXPECT(init_config_is_user_data(STR("#coffer\nname = a\n")));
    EXPECT(init_config_is_user_data(STR("#coffer \r\n")));
    EXPECT(init_config_is_user_data(STR("#coffer")));
    EXPECT(!init_config_is_user_data(STR("#cloud-config\nusers: []\n")));
    EXPECT(!init_config_is_user_data(STR("#coffers\n")));
    EXPECT(!init_config_is_user_data(STR("")));
}

TEST(init_meta_data_gives_the_host_name)
{
    init_config_init(&config);
    EXPECT_EQ_INT(init_config_parse_meta_data(
                      &config, STR("instance-id: i-1\r\nlocal-hostname: \"box\"\r\nx\n:\n")),
                  ERR_OK);
    EXPECT_EQ_UINT(config.count, 1);
    EXPECT_EQ_STR(value_of("hostname"), "box");
}

TEST(init_config_has_room_for_so_much_and_no_more)
{
    static char long_value[INIT_VALUE_BYTES_MAX + 1];
    memset(long_value, 'v', sizeof long_value);
    init_config_init(&config);
    for (uint32_t index = 0; index < INIT_VALUES_MAX; index++) {
        EXPECT_EQ_INT(init_config_put(&config, STR("a"), STR("b"), "test"), ERR_OK);
    }
    EXPECT_EQ_INT(init_config_put(&config, STR("a"), STR("b"), "test"), ERR_FULL);
    init_config_init(&config);
    struct str value = str_from(long_value, INIT_VALUE_BYTES_MAX);
    for (uint32_t index = 0; index < 3; index++) {
        EXPECT_EQ_INT(init_config_put(&config, STR("a"), value, "test"), ERR_OK);
    }
    /* Four times 64 KiB and the names: one byte too many. */
    EXPECT_EQ_INT(init_config_put(&config, STR("a"), value, "test"), ERR_FULL);
    init_config_init(&config);
    value = str_from(long_value, sizeof long_value);
    EXPECT_EQ_INT(init_config_put(&config, STR("a"), value, "test"), ERR_FULL);
}

TEST(init_config_knows_the_machines_names)
{
    static const char *const names[] = {"ip", "disk", "format", "hostname", "listen", "seal-key"};
    for (uint32_t index = 0; index < COUNT_OF(names); index++) {
        EXPECT(init_config_is_machine(str_from_c(names[index])));
    }
    EXPECT(!init_config_is_machine(STR("name")));
    EXPECT(!init_config_is_machine(STR("")));
}
