/*
 * The rules of passkeys: whose answers are meant for this server, and that a challenge is good
 * once. What authenticators say is in test_webauthn.c.
 */
#include "test.h"

#include "base/decode.h"
#include "domain/auth/passkey.h"
#include "support/store_support.h"
#include "support/webauthn_vectors.h"

static const int64_t start_us = INT64_C(1700000000000000);
static const int64_t second_us = 1000000;

static const struct table *const tables[] = {&user_table, &passkey_table, &challenge_table};

static struct store_bench bench;
static struct settings settings;
static struct command command;
static struct outcome outcome;

static void set(const char *name, const char *value) {
    const char *problem = NULL;
    CHECK(settings_set(&settings, str_from_c(name), str_from_c(value), "flag", &problem) == ERR_OK);
}

static void configure(const char *url, const char *rp_id, const char *origins) {
    settings_init(&settings);
    set("public-url", url);
    set("webauthn.rp-id", rp_id);
    set("webauthn.origins", origins);
}

/* ---- the relying party ---- */

TEST(the_relying_party_is_what_the_settings_say)
{
    const struct {
        const char *url, *rp_id, *origins, *id, *origin;
        bool is_local;
    } rows[] = {
        {"https://example.com", "", "", "example.com", "https://example.com", false},
        {"https://example.com:443", "", "", "example.com", "https://example.com", false},
        {"https://example.com:8443", "", "", "example.com", "https://example.com:8443", false},
        {"https://example.com/app", "", "", "example.com", "https://example.com", false},
        {"http://example.com:80", "", "", "example.com", "http://example.com", false},
        {"https://www.example.com", "example.com", "", "example.com", "https://www.example.com",
         false},
        {"https://localhost:8443", "", "", "localhost", "https://localhost:8443", true},
        {"https://127.0.0.1:8443", "", "", "localhost", "https://127.0.0.1:8443", true},
        {"https://[::1]:8443", "", "", "localhost", "https://[::1]:8443", true},
        {"https://localhost:8443", "", "https://localhost:1", "localhost", "https://localhost:1",
         false},
    };
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        const char *problem = NULL;
        configure(rows[i].url, rows[i].rp_id, rows[i].origins);
        struct relying_party party = relying_party_of(&settings);
        EXPECT(str_equal(party.id, str_from_c(rows[i].id)));
        EXPECT(str_equal(party.origins, str_from_c(rows[i].origin)));
        EXPECT(str_equal(party.name, STR("Coffer")));
        EXPECT_EQ_INT(party.is_local, rows[i].is_local);
        EXPECT(relying_party_is_sound(&settings, &problem));
        EXPECT(relying_party_origin(&party, party.origins));
    }
}

TEST(origins_are_compared_whole)
{
    configure("https://example.com", "", "https://a.example.com, https://example.com:8443");
    struct relying_party party = relying_party_of(&settings);
    const char *good[] = {"https://a.example.com", "https://example.com:8443"};
    const char *bad[] = {"",
                         ",",
                         " ",
                         "https://example.com",
                         "https://A.example.com",
                         "https://a.example.com ",
                         "https://a.example.com/",
                         "a.example.com",
                         "http://a.example.com",
                         "https://a.example.com:443",
                         "https://localhost",
                         "https://a.example.com,https://example.com:8443",
                         "null"};
    for (uint32_t i = 0; i < COUNT_OF(good); i++) {
        EXPECT(relying_party_origin(&party, str_from_c(good[i])));
    }
    for (uint32_t i = 0; i < COUNT_OF(bad); i++) {
        EXPECT(!relying_party_origin(&party, str_from_c(bad[i])));
    }
    configure("https://localhost:8443", "", "");
    party = relying_party_of(&settings);
    const char *local[] = {"https://localhost", "https://localhost:1", "http://localhost:65535"};
    const char *foreign[] = {"https://localhost:",
                             "https://localhost:1/",
                             "ftp://localhost",
                             "https://localhost:x",
                             "https://localhost.example.com",
                             "localhost",
                             "https://a.localhost",
                             "https://localhost:1@example.com",
                             "https:",
                             "https://localhost@example.com",
                             "https",
                             ""};
    for (uint32_t i = 0; i < COUNT_OF(local); i++) {
        EXPECT(relying_party_origin(&party, str_from_c(local[i])));
    }
    for (uint32_t i = 0; i < COUNT_OF(foreign); i++) {
        EXPECT(!relying_party_origin(&party, str_from_c(foreign[i])));
    }
}

TEST(settings_that_no_browser_would_take_are_unsound)
{
    const struct {
        const char *rp_id, *origins;
        bool is_sound;
    } rows[] = {
        {"", "", true},
        {"example.com", "https://example.com,https://a.example.com:1", true},
        {"example.com", "android:apk-key-hash:abc", true},
        {"localhost", "http://localhost:8080,https://a.localhost", true},
        {"Example.com", "", false},
        {"https://example.com", "", false},
        {"example.com:1", "", false},
        {"example.com", "https://notexample.com", false},
        {"example.com", "http://example.com", false},
        {"example.com", "https://example.com/", false},
        {"example.com", "https://example.com:443", false},
        {"example.com", "example.com", false},
        {"example.com", "https://example.com,", true},
        {"example.com", ",https://example.com", false},
        {"a.example.com", "https://example.com", false},
    };
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        const char *problem = NULL;
        configure("https://www.example.com", rows[i].rp_id, rows[i].origins);
        EXPECT_EQ_INT(relying_party_is_sound(&settings, &problem), rows[i].is_sound);
        EXPECT_EQ_INT(problem == NULL, rows[i].is_sound);
    }
}

/* ---- client data ---- */

static bool start(void) {
    struct store_options options = bench_options();
    options.tables = tables;
    options.table_count = COUNT_OF(tables);
    configure("https://example.com", "", "");
    command = (struct command){.settings = &settings, .now_us = start_us, .arena = &bench.arena};
    return bench_open_with(&bench, NULL, options);
}

TEST(client_data_needs_type_challenge_and_origin)
{
    REQUIRE(start());
    const struct {
        const char *json;
        enum err err;
    } rows[] = {
        {"{\"type\":\"t\",\"challenge\":\"AAEC\",\"origin\":\"o\"}", ERR_OK},
        {"{\"origin\":\"o\",\"more\":{\"x\":[1]},\"challenge\":\"AAEC\",\"type\":\"t\"}", ERR_OK},
        {"{\"type\":\"t\",\"challenge\":\"\",\"origin\":\"\"}", ERR_OK},
        {"{\"type\":\"t\",\"challenge\":\"AAEC\"}", ERR_FORMAT},
        {"{\"type\":\"t\",\"origin\":\"o\"}", ERR_FORMAT},
        {"{\"challenge\":\"AAEC\",\"origin\":\"o\"}", ERR_FORMAT},
        {"{\"type\":1,\"challenge\":\"AAEC\",\"origin\":\"o\"}", ERR_FORMAT},
        {"{\"type\":\"t\",\"challenge\":\"AAE=\",\"origin\":\"o\"}", ERR_FORMAT},
        {"{\"type\":\"t\",\"challenge\":\"A+/C\",\"origin\":\"o\"}", ERR_FORMAT},
        {"{\"type\":\"t\",\"type\":\"t\",\"challenge\":\"AAEC\",\"origin\":\"o\"}", ERR_FORMAT},
        {"[]", ERR_FORMAT},
        {"", ERR_FORMAT},
        {"{", ERR_FORMAT},
    };
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        struct client_data client;
        EXPECT_EQ_INT(client_data_parse(str_from_c(rows[i].json), command.arena, &client),
                      rows[i].err);
    }
    struct client_data client;
    EXPECT_EQ_INT(client_data_parse(str_from_c(rows[0].json), command.arena, &client), ERR_OK);
    EXPECT(str_equal(client.challenge, STR("\0\1\2")));
    EXPECT(!client.is_cross_origin);
    bench_close(&bench);
}

TEST(a_ceremony_is_for_this_server_and_this_purpose)
{
    struct hash rp = hash_of(STR("example.com"));
    struct hash other = hash_of(STR("example.org"));
    const struct client_data client = {.type = STR("webauthn.get"),
                                       .origin = STR("https://example.com")};
    const struct webauthn_data data = {.rp_id_hash = hash_bytes(&rp),
                                       .flags = WEBAUTHN_USER_PRESENT};
    configure("https://example.com", "", "");
    struct client_data bent_client = client;
    struct webauthn_data bent = data;
    EXPECT_EQ_INT(passkey_ceremony_check(&settings, &client, &data, CHALLENGE_LOGIN), ERR_OK);
    EXPECT_EQ_INT(passkey_ceremony_check(&settings, &client, &data, CHALLENGE_REGISTER),
                  ERR_PASSKEY_WRONG);
    bent_client.type = STR("webauthn.create");
    EXPECT_EQ_INT(passkey_ceremony_check(&settings, &bent_client, &data, CHALLENGE_REGISTER),
                  ERR_OK);
    bent_client = client;
    bent_client.is_cross_origin = true;
    EXPECT_EQ_INT(passkey_ceremony_check(&settings, &bent_client, &data, CHALLENGE_LOGIN),
                  ERR_PASSKEY_ORIGIN);
    bent_client = client;
    bent_client.origin = STR("https://example.org");
    EXPECT_EQ_INT(passkey_ceremony_check(&settings, &bent_client, &data, CHALLENGE_LOGIN),
                  ERR_PASSKEY_ORIGIN);
    bent.rp_id_hash = hash_bytes(&other);
    EXPECT_EQ_INT(passkey_ceremony_check(&settings, &client, &bent, CHALLENGE_LOGIN),
                  ERR_PASSKEY_ORIGIN);
    bent = data;
    bent.flags = WEBAUTHN_USER_VERIFIED;
    EXPECT_EQ_INT(passkey_ceremony_check(&settings, &client, &bent, CHALLENGE_LOGIN),
                  ERR_PASSKEY_WRONG);
    set("webauthn.user-verification", "required");
    EXPECT_EQ_INT(passkey_ceremony_check(&settings, &client, &data, CHALLENGE_LOGIN),
                  ERR_PASSKEY_UNVERIFIED);
    bent.flags = WEBAUTHN_USER_PRESENT | WEBAUTHN_USER_VERIFIED;
    EXPECT_EQ_INT(passkey_ceremony_check(&settings, &client, &bent, CHALLENGE_LOGIN), ERR_OK);
}

/* What browsers recorded passes as it is. */
TEST(recorded_client_data_is_for_its_server)
{
    REQUIRE(start());
    for (uint32_t i = 0; i < COUNT_OF(webauthn_vectors); i++) {
        const struct webauthn_vector *vector = &webauthn_vectors[i];
        const char *clients[] = {
            [CHALLENGE_REGISTER] = vector->client_create, [CHALLENGE_LOGIN] = vector->client_get};
        char memory[2][2048];
        struct buf bytes = buf_over(memory[0], sizeof(memory[0]));
        struct webauthn_data data;
        configure(vector->origin, vector->rp_id, "");
        REQUIRE(decode_hex(str_from_c(vector->data), &bytes));
        REQUIRE(webauthn_data_parse(buf_str(&bytes), &data));
        for (uint32_t k = 0; k < COUNT_OF(clients); k++) {
            struct buf json = buf_over(memory[1], sizeof(memory[1]));
            struct client_data client;
            enum challenge_purpose purpose = (enum challenge_purpose)k;
            REQUIRE(decode_hex(str_from_c(clients[k]), &json));
            EXPECT_EQ_INT(client_data_parse(buf_str(&json), command.arena, &client), ERR_OK);
            EXPECT_EQ_INT(client.challenge.len, CHALLENGE_BYTES);
            EXPECT_EQ_INT(passkey_ceremony_check(&settings, &client, &data, purpose), ERR_OK);
        }
    }
    bench_close(&bench);
}

/* ---- challenges ---- */

struct taking {
    uint8_t bytes[CHALLENGE_BYTES];
    enum challenge_purpose purpose;
    enum err err;
    struct id user_id;
};

static uint32_t open_challenge(struct store_tx *tx, void *ctx) {
    struct taking *taking = ctx;
    struct challenge draft = {.purpose = CHALLENGE_LOGIN, .user_id = id_from_number(7)};
    store_tx_command(tx, command.entropy);
    outcome = (struct outcome){.err = ERR_OK};
    SCHEMA_SET(&challenge_schema, &draft, user_id);
    challenge_open(tx, &command, draft, &outcome);
    yyjson_mut_val *text = yyjson_mut_obj_get(outcome.data, "challenge");
    struct buf out = buf_over(taking->bytes, sizeof(taking->bytes));
    CHECK(decode_base64url(str_from(yyjson_mut_get_str(text), yyjson_mut_get_len(text)), &out));
    CHECK(out.len == CHALLENGE_BYTES);
    return 1;
}

static void make(struct taking *taking) {
    command.entropy[0]++;
    bench_batch(&bench, open_challenge, taking);
}

static uint32_t take_challenge(struct store_tx *tx, void *ctx) {
    struct taking *taking = ctx;
    struct challenge challenge;
    store_tx_command(tx, command.entropy);
    taking->err = challenge_take(tx, &command, str_from((char *)taking->bytes, CHALLENGE_BYTES),
                                 taking->purpose, &challenge);
    taking->user_id = taking->err == ERR_OK ? challenge.user_id : (struct id){{0}};
    return 1;
}

static enum err take(struct taking *taking, enum challenge_purpose purpose) {
    taking->purpose = purpose;
    bench_batch(&bench, take_challenge, taking);
    return taking->err;
}

static uint64_t rows(void) {
    uint64_t count = store_count(store_snapshot(bench.store), &challenge_table);
    store_tick_end(bench.store);
    return count;
}

TEST(a_challenge_is_taken_once)
{
    REQUIRE(start());
    struct taking taking;
    struct taking other;
    make(&taking);
    make(&other);
    EXPECT(memcmp(taking.bytes, other.bytes, CHALLENGE_BYTES) != 0);
    EXPECT_EQ_INT(rows(), 2);
    EXPECT_EQ_INT(take(&taking, CHALLENGE_LOGIN), ERR_OK);
    EXPECT(id_equal(taking.user_id, id_from_number(7)));
    EXPECT_EQ_INT(take(&taking, CHALLENGE_LOGIN), ERR_CHALLENGE);
    /* For something else it is no good, and gone all the same. */
    EXPECT_EQ_INT(take(&other, CHALLENGE_REGISTER), ERR_CHALLENGE);
    EXPECT_EQ_INT(take(&other, CHALLENGE_LOGIN), ERR_CHALLENGE);
    EXPECT_EQ_INT(rows(), 0);
    bench_close(&bench);
}

TEST(challenges_end_and_do_not_pile_up)
{
    REQUIRE(start());
    struct taking taking;
    make(&taking);
    command.now_us = start_us + 300 * second_us;
    EXPECT_EQ_INT(take(&taking, CHALLENGE_LOGIN), ERR_CHALLENGE);
    command.now_us = start_us;
    make(&taking);
    command.now_us = start_us + 300 * second_us - 1;
    EXPECT_EQ_INT(take(&taking, CHALLENGE_LOGIN), ERR_OK);
    for (uint32_t i = 0; i < 200; i++) { /* one each two seconds lives among 150 others */
        command.now_us += 2 * second_us;
        make(&taking);
    }
    EXPECT(rows() <= 151);
    EXPECT(rows() >= 149);
    bench_close(&bench);
}
