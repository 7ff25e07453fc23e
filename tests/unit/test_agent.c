/* Names of programs: the browsers that call themselves by each other's names, and what is none. */
#include "test.h"

#include "domain/auth/agent.h"

static struct str name_of(const char *agent) {
    static char memory[AGENT_NAME_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof(memory));
    return agent_name(str_from_c(agent), &out) ? buf_str(&out) : STR_NONE;
}

#define EXPECT_NAME(agent, name) EXPECT(str_equal(name_of(agent), STR(name)))

TEST(agent_names_browsers_and_systems)
{
    EXPECT_NAME("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
                "Firefox on Windows");
    EXPECT_NAME("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/131.0.0.0 Safari/537.36",
                "Chrome on Linux");
    EXPECT_NAME("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
                "Edge on Windows");
    EXPECT_NAME("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
                "Gecko) Version/18.1 Safari/605.1.15",
                "Safari on macOS");
    EXPECT_NAME("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) "
                "SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android");
    EXPECT_NAME("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
                "(KHTML, like Gecko) CriOS/131.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone");
    EXPECT_NAME("Mozilla/5.0 (Macintosh; unknown)", "Browser on macOS");
}

TEST(agent_names_other_programs_as_they_do)
{
    EXPECT_NAME("curl/8.5.0", "curl");
    EXPECT_NAME("okhttp/4.12.0 (Android 14)", "okhttp");
    EXPECT_NAME("python-requests", "python-requests");
}

TEST(agent_says_nothing_when_there_is_nothing)
{
    EXPECT(str_is_none(name_of("")));
    EXPECT(str_is_none(name_of("Mozilla/5.0")));
    EXPECT(str_is_none(name_of("/1.0")));
    EXPECT(str_is_none(name_of(" curl/8")));
    EXPECT(str_is_none(name_of("k\xc3\xa4se/1")));
    EXPECT(str_is_none(
        name_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
    char memory[AGENT_NAME_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof(memory));
    EXPECT(!agent_name(STR_NONE, &out));
}
