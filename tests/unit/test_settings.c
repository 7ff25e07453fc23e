/* Settings: every row at its limits and beyond, the three sources, and what is refused. */
#include "test.h"

#include "engine/settings.h"

static struct settings settings;

static enum err set(const char *name, const char *value, const char **problem) {
    return settings_set(&settings, str_from_c(name), str_from_c(value), "flag", problem);
}

TEST(settings_defaults_are_the_rows) {
    settings_init(&settings);
    for (uint32_t index = 0; index < SETTINGS_COUNT; index += 1) {
        const struct setting_row *row = setting_row(index);
        char shown[SETTING_TEXT_BYTES_MAX + 8];
        EXPECT_EQ_STR(settings.sources[index], "default");
        if (row->kind == SETTING_TEXT || row->kind == SETTING_SECRET) {
            EXPECT_EQ_STR(settings.texts[index], row->value);
        } else if (row->kind == SETTING_BOOL) {
            EXPECT_EQ_STR(settings.numbers[index] ? "true" : "false", row->value);
        } else {
            snprintf(shown, sizeof shown, "%lld", (long long)settings.numbers[index]);
            EXPECT_EQ_STR(shown, row->value);
        }
    }
    EXPECT_EQ_INT(settings_us(&settings, SETTING_HEAD_TIMEOUT_ID), 10 * 1000000);
    EXPECT_EQ_INT(settings_int(&settings, SETTING_PASSWORD_COST_ID), 12);
    EXPECT(settings_bool(&settings, SETTING_METRICS_ID));
    EXPECT(str_equal(settings_text(&settings, SETTING_NAME_ID), STR("Coffer")));
}

TEST(settings_rows_are_distinct_and_documented) {
    for (uint32_t a = 0; a < SETTINGS_COUNT; a += 1) {
        const char *doc = setting_row(a)->doc;
        EXPECT(strlen(doc) > 10);
        EXPECT(doc[strlen(doc) - 1] == '.');
        for (uint32_t b = 0; b < a; b += 1) {
            /* Distinct also as environment variables, where '.' and '-' are both '_'. */
            const char *x = setting_row(a)->name;
            const char *y = setting_row(b)->name;
            bool differs = strlen(x) != strlen(y);
            for (size_t i = 0; !differs && x[i] != '\0'; i += 1) {
                bool is_x_mark = x[i] == '.' || x[i] == '-';
                bool is_y_mark = y[i] == '.' || y[i] == '-';
                differs = is_x_mark != is_y_mark || (!is_x_mark && x[i] != y[i]);
            }
            EXPECT(differs);
        }
    }
}

TEST(settings_numbers_stop_at_their_limits) {
    const char *problem = NULL;
    for (uint32_t index = 0; index < SETTINGS_COUNT; index += 1) {
        const struct setting_row *row = setting_row(index);
        if (row->kind != SETTING_INT && row->kind != SETTING_SECONDS) {
            continue;
        }
        settings_init(&settings);
        const int64_t good[] = {row->min, row->max};
        const int64_t bad[] = {row->min - 1, row->max + 1, INT64_MAX, INT64_MIN};
        char text[32];
        for (size_t i = 0; i < COUNT_OF(good); i += 1) {
            snprintf(text, sizeof text, "%lld", (long long)good[i]);
            EXPECT_EQ_INT(set(row->name, text, &problem), ERR_OK);
            EXPECT_EQ_INT(settings.numbers[index], good[i]);
            EXPECT_EQ_STR(settings.sources[index], "flag");
        }
        for (size_t i = 0; i < COUNT_OF(bad); i += 1) {
            snprintf(text, sizeof text, "%lld", (long long)bad[i]);
            problem = NULL;
            EXPECT_EQ_INT(set(row->name, text, &problem), ERR_FORMAT);
            REQUIRE(problem != NULL);
            EXPECT(strstr(problem, row->name) != NULL);
            EXPECT(strstr(problem, text) != NULL);
            EXPECT_EQ_INT(settings.numbers[index], row->max);
        }
        const char *const odd[] = {"", " 10", "10 ", "+10", "0x10", "10s", "1e3", "1.0", "true"};
        for (size_t i = 0; i < COUNT_OF(odd); i += 1) {
            EXPECT_EQ_INT(set(row->name, odd[i], &problem), ERR_FORMAT);
        }
    }
}

TEST(settings_texts_stop_at_their_limits) {
    const char *problem = NULL;
    char text[SETTING_TEXT_BYTES_MAX + 8];
    for (uint32_t index = 0; index < SETTINGS_COUNT; index += 1) {
        const struct setting_row *row = setting_row(index);
        if (row->kind != SETTING_TEXT || index == SETTING_LOG_LEVEL_ID ||
            index == SETTING_PUBLIC_URL_ID || index == SETTING_SMTP_SECURITY_ID ||
            index == SETTING_WEBAUTHN_VERIFICATION_ID) {
            continue;
        }
        settings_init(&settings);
        memset(text, 'x', sizeof text);
        text[row->max] = '\0';
        EXPECT_EQ_INT(set(row->name, text, &problem), ERR_OK);
        EXPECT_EQ_UINT(settings_text(&settings, index).len, row->max);
        EXPECT_EQ_STR(settings.texts[index], text);
        text[row->max] = 'x';
        text[row->max + 1] = '\0';
        EXPECT_EQ_INT(set(row->name, text, &problem), ERR_FORMAT);
        EXPECT_EQ_INT(set(row->name, "", &problem), row->min == 0 ? ERR_OK : ERR_FORMAT);
        EXPECT_EQ_INT(set(row->name, "a\nbcd", &problem), ERR_FORMAT);
        EXPECT_EQ_INT(set(row->name, "a\177bcd", &problem), ERR_FORMAT);
        EXPECT_EQ_INT(set(row->name, "abc\xff", &problem), ERR_FORMAT);
    }
    struct str with_nul = str_from("a\0b", 3);
    EXPECT_EQ_INT(settings_set(&settings, STR("name"), with_nul, "flag", &problem), ERR_FORMAT);
}

TEST(settings_text_with_a_form) {
    const char *problem = NULL;
    settings_init(&settings);
    EXPECT_EQ_INT(set("log.level", "debug", &problem), ERR_OK);
    EXPECT_EQ_INT(set("log.level", "loud", &problem), ERR_FORMAT);
    EXPECT_EQ_STR(problem, "log.level must be debug, info, warn or error, not \"loud\".");
    EXPECT_EQ_INT(set("public-url", "https://api.example.org", &problem), ERR_OK);
    EXPECT_EQ_INT(set("public-url", "https://api.example.org/", &problem), ERR_FORMAT);
    EXPECT_EQ_INT(set("public-url", "api.example.org", &problem), ERR_FORMAT);
    EXPECT_EQ_STR(settings.texts[SETTING_PUBLIC_URL_ID], "https://api.example.org");
}

TEST(settings_secrets_are_never_shown) {
    static char text[32 * 1024];
    const char *problem = NULL;
    char long_one[600] = "opensesame";
    settings_init(&settings);
    struct buf out = buf_over(text, sizeof text - 1);
    EXPECT_EQ_INT(set("mail.smtp-password", "opensesame", &problem), ERR_OK);
    EXPECT(str_equal(settings_text(&settings, SETTING_SMTP_PASSWORD_ID), STR("opensesame")));
    settings_print(&settings, &out);
    text[out.len] = '\0';
    EXPECT(strstr(text, "opensesame") == NULL);
    EXPECT(strstr(text, "mail.smtp-password            (secret) ") != NULL);
    memset(long_one + 10, 'x', sizeof long_one - 11);
    EXPECT_EQ_INT(set("mail.smtp-password", long_one, &problem), ERR_FORMAT);
    EXPECT(strstr(problem, "mail.smtp-password") != NULL);
    EXPECT(strstr(problem, "opensesame") == NULL);
}

TEST(settings_booleans_have_two_words) {
    const char *problem = NULL;
    settings_init(&settings);
    EXPECT_EQ_INT(set("sandbox", "false", &problem), ERR_OK);
    EXPECT(!settings_bool(&settings, SETTING_SANDBOX_ID));
    EXPECT_EQ_INT(set("sandbox", "true", &problem), ERR_OK);
    EXPECT(settings_bool(&settings, SETTING_SANDBOX_ID));
    const char *const odd[] = {"", "1", "yes", "True", "true "};
    for (size_t i = 0; i < COUNT_OF(odd); i += 1) {
        EXPECT_EQ_INT(set("sandbox", odd[i], &problem), ERR_FORMAT);
    }
    EXPECT_EQ_STR(problem, "sandbox must be true or false, not \"true \".");
}

TEST(settings_unknown_names_are_named) {
    const char *problem = NULL;
    settings_init(&settings);
    EXPECT_EQ_INT(set("http.head_timeout", "5", &problem), ERR_FORMAT);
    EXPECT_EQ_STR(problem,
                  "There is no setting \"http.head_timeout\"; `coffer settings` lists them.");
    char name[3000];
    memset(name, '\n', sizeof name);
    EXPECT_EQ_INT(settings_set(&settings, str_from(name, sizeof name), STR("1"), "flag", &problem),
                  ERR_FORMAT);
    EXPECT(strlen(problem) < 200);
    EXPECT(strchr(problem, '\n') == NULL);
}

TEST(settings_file_is_read) {
    const char *problem = NULL;
    settings_init(&settings);
    struct str text = STR("# comment\n\n  http.connections = 500 \nname=My = Coffer\r\n"
                          "\t# another\nuser =\nsandbox=false");
    EXPECT_EQ_INT(settings_parse_file(&settings, text, &problem), ERR_OK);
    EXPECT_EQ_INT(settings_int(&settings, SETTING_CONNECTIONS_ID), 500);
    EXPECT_EQ_STR(settings.texts[SETTING_NAME_ID], "My = Coffer");
    EXPECT_EQ_STR(settings.texts[SETTING_USER_ID], "");
    EXPECT(!settings_bool(&settings, SETTING_SANDBOX_ID));
    EXPECT_EQ_STR(settings.sources[SETTING_CONNECTIONS_ID], "coffer.conf");
    EXPECT_EQ_STR(settings.sources[SETTING_LOG_LEVEL_ID], "default");
    EXPECT_EQ_INT(settings_parse_file(&settings, STR_NONE, &problem), ERR_OK);
    EXPECT_EQ_INT(settings_parse_file(&settings, STR(""), &problem), ERR_OK);
}

TEST(settings_file_faults_name_their_line) {
    const char *problem = NULL;
    settings_init(&settings);
    EXPECT_EQ_INT(settings_parse_file(&settings, STR("\n\nrate.login = 0\n"), &problem),
                  ERR_FORMAT);
    EXPECT_EQ_STR(problem, "coffer.conf line 3: rate.login must be a number from 1 to 1000000, "
                           "not \"0\".");
    EXPECT_EQ_INT(settings_parse_file(&settings, STR("name Coffer\n"), &problem), ERR_FORMAT);
    EXPECT(strstr(problem, "coffer.conf line 1: ") == problem);
    EXPECT_EQ_INT(settings_parse_file(&settings, STR("= 5\n"), &problem), ERR_FORMAT);
    EXPECT_EQ_INT(settings_parse_file(&settings, STR("rate.login=3\nrate.login=4"), &problem),
                  ERR_FORMAT);
    EXPECT(strstr(problem, "coffer.conf line 2: ") == problem);
}

TEST(settings_environment_is_read) {
    const char *problem = NULL;
    settings_init(&settings);
    const char *const good[] = {"PATH=/bin",
                                "COFFER=/x/coffer",
                                "COFFEE_HTTP=1",
                                "COFFER_HTTP_HEAD_TIMEOUT=5",
                                "COFFER_HTTP_CONNECTIONS_PER_ADDRESS=7",
                                "COFFER_NAME=a=b",
                                NULL};
    EXPECT_EQ_INT(settings_parse_environment(&settings, good, &problem), ERR_OK);
    EXPECT_EQ_INT(settings_us(&settings, SETTING_HEAD_TIMEOUT_ID), 5000000);
    EXPECT_EQ_INT(settings_int(&settings, SETTING_CONNECTIONS_PER_ADDRESS_ID), 7);
    EXPECT_EQ_STR(settings.texts[SETTING_NAME_ID], "a=b");
    EXPECT_EQ_STR(settings.sources[SETTING_NAME_ID], "environment");

    const char *const bad[] = {"COFFER_HTTP_HEAD_TIMEOUTS=5",
                               "COFFER_http_head_timeout=5",
                               "COFFER_=5",
                               "COFFER_SANDBOX=no",
                               "COFFER_KEY=00ff",
                               "COFFER_RATE_LOGIN",
                               "COFFER_HTTP.HEAD-TIMEOUT=5"};
    for (size_t index = 0; index < COUNT_OF(bad); index += 1) {
        const char *const environment[] = {bad[index], NULL};
        problem = NULL;
        EXPECT_EQ_INT(settings_parse_environment(&settings, environment, &problem), ERR_FORMAT);
        EXPECT(problem != NULL);
    }
}

TEST(settings_every_row_has_its_variable) {
    for (uint32_t index = 0; index < SETTINGS_COUNT; index += 1) {
        const struct setting_row *row = setting_row(index);
        const char *problem = NULL;
        char variable[256] = "COFFER_";
        size_t len = strlen(variable);
        for (const char *from = row->name; *from != '\0'; from += 1) {
            bool is_mark = *from == '.' || *from == '-';
            variable[len++] = is_mark ? '_' : (char)(*from >= 'a' ? *from - 'a' + 'A' : *from);
        }
        snprintf(variable + len, sizeof variable - len, "=%s", row->value);
        const char *const environment[] = {variable, NULL};
        settings_init(&settings);
        EXPECT_EQ_INT(settings_parse_environment(&settings, environment, &problem), ERR_OK);
        EXPECT_EQ_STR(settings.sources[index], "environment");
    }
}

/* Random lines: never a crash, and what is accepted is within its limits. */
TEST(settings_file_of_random_lines) {
    static const char alphabet[] = "abkprst.-= \t\r\n#0159\"\xc3\xa4";
    for (int round = 0; round < 2000; round += 1) {
        char text[300];
        size_t len = 0;
        const char *problem = NULL;
        settings_init(&settings);
        for (uint64_t lines = test_random_below(4); lines > 0; lines -= 1) {
            const char *name = setting_row((enum setting)test_random_below(SETTINGS_COUNT))->name;
            len += (size_t)snprintf(text + len, sizeof text - len, "%s=", name);
            for (uint64_t bytes = test_random_below(12); bytes > 0; bytes -= 1) {
                text[len++] = alphabet[test_random_below(sizeof alphabet)];
            }
            text[len++] = '\n';
        }
        (void)settings_parse_file(&settings, str_from(text, len), &problem);
        for (uint32_t index = 0; index < SETTINGS_COUNT; index += 1) {
            const struct setting_row *row = setting_row(index);
            int64_t size = row->kind == SETTING_TEXT ? (int64_t)strlen(settings.texts[index])
                                                     : settings.numbers[index];
            EXPECT(size >= row->min && size <= row->max);
        }
    }
}

TEST(settings_print_one_line_each) {
    static char text[32 * 1024];
    settings_init(&settings);
    const char *problem = NULL;
    EXPECT_EQ_INT(set("rate.login", "77", &problem), ERR_OK);
    struct buf out = buf_over(text, sizeof text - 1);
    settings_print(&settings, &out);
    EXPECT(!out.is_full);
    text[out.len] = '\0';
    uint32_t lines = 0;
    for (uint32_t index = 0; index < out.len; index += 1) {
        lines += text[index] == '\n';
    }
    EXPECT_EQ_UINT(lines, SETTINGS_COUNT);
    EXPECT(strstr(text, "rate.login                    77                        flag        "
                        "Logins per minute.\n") != NULL);
    EXPECT(strstr(text, "user                          \"\" ") != NULL);
    struct buf small = buf_over(text, 100);
    settings_print(&settings, &small);
    EXPECT(small.is_full);
}
