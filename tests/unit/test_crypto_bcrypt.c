/*
 * bcrypt against libxcrypt (loaded at run time) on random passwords, salts, costs and lane mixes,
 * and against published hashes.
 */
#include "test.h"

#include <dlfcn.h>

#include "crypto/bcrypt.h"
#include "crypto/bcrypt_pi.h"

static char *(*libcrypt_crypt)(const char *, const char *);

static bool libcrypt_load(void) {
    if (libcrypt_crypt == NULL) {
        void *library = dlopen("libcrypt.so.1", RTLD_NOW | RTLD_LOCAL);
        void *symbol = library == NULL ? NULL : dlsym(library, "crypt");
        memcpy(&libcrypt_crypt, &symbol, sizeof symbol);
    }
    return libcrypt_crypt != NULL;
}

/* A hash from beginning to end on one lane; `text` gets 60 characters and a NUL. */
static void hash_alone(char variant, uint32_t cost, const uint8_t *salt, struct str password,
                       char text[BCRYPT_TEXT_LEN + 1]) {
    static struct bcrypt_lane lane;
    struct bcrypt_text parts = {variant, (uint8_t)cost, {0}, {0}};
    memcpy(parts.salt, salt, sizeof parts.salt);
    bcrypt_lane_start(&lane, variant, cost, salt, password);
    while (!bcrypt_lane_is_done(&lane)) {
        bcrypt_lanes_step(&lane, 1);
    }
    bcrypt_lane_finish(&lane, parts.digest);
    struct buf out = buf_over(text, BCRYPT_TEXT_LEN);
    bcrypt_text_format(&parts, &out);
    EXPECT(!out.is_full);
    text[out.len] = '\0';
}

static void expect_hash(const char *stored, const char *password) {
    struct bcrypt_text parts;
    char text[BCRYPT_TEXT_LEN + 1];
    EXPECT(bcrypt_text_parse(str_from_c(stored), &parts));
    hash_alone(parts.variant, parts.cost, parts.salt, str_from_c(password), text);
    EXPECT_EQ_STR(text, stored);
}

/* Openwall's test vectors for crypt_blowfish; they are in the public domain. */
TEST(published_hashes)
{
    expect_hash("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U");
    expect_hash("$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*");
    expect_hash("$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U");
    expect_hash("$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", "");
    expect_hash("$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
                "0123456789abcdefghijklmnopqrstuvwxyz"
                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    /* Bytes above 127, and the guard against the old sign-extension bug in $2a$. */
    expect_hash("$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "\xff\xff\xa3");
    expect_hash("$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq", "\xa3");
    expect_hash("$2a$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq", "\xa3");
    expect_hash("$2a$05$/OK.fbVrR/bpIqNJ5ianF.nRht2l/HRhr6zmCp9vYUvvsqynflf9e", "\xff\xa3"
                                                                                "345");
}

/* The tables are the fraction of pi: the sum of Bailey, Borwein and Plouffe gives any of its hex
 * digits without the ones before. */
static double bbp_sum(uint32_t digit, uint32_t offset) {
    double sum = 0;
    for (uint32_t k = 0; k <= digit; k += 1) {
        uint64_t modulus = 8 * (uint64_t)k + offset;
        uint64_t power = 1 % modulus;
        uint64_t base = 16 % modulus;
        for (uint32_t exponent = digit - k; exponent > 0; exponent /= 2) {
            power = exponent % 2 == 1 ? power * base % modulus : power;
            base = base * base % modulus;
        }
        sum += (double)power / (double)modulus;
        sum -= (double)(uint64_t)sum;
    }
    double scale = 1.0 / 16;
    for (uint32_t k = digit + 1; k < digit + 12; k += 1) {
        sum += scale / (8.0 * k + offset);
        scale /= 16;
    }
    return sum;
}

static uint32_t pi_word(uint32_t word) {
    double x = 4 * bbp_sum(8 * word, 1) - 2 * bbp_sum(8 * word, 4) - bbp_sum(8 * word, 5) -
               bbp_sum(8 * word, 6);
    x -= (double)(int64_t)x;
    x = x < 0 ? x + 1 : x;
    return (uint32_t)(x * 4294967296.0);
}

TEST(tables_are_pi)
{
    for (uint32_t word = 0; word < 18 + 1024; word += 1 + (uint32_t)test_random_below(40)) {
        uint32_t at = word < 18 ? 0 : word - 18;
        uint32_t stored = word < 18 ? bcrypt_pi_p[word] : bcrypt_pi_s[at / 256][at % 256];
        EXPECT_EQ_UINT(pi_word(word), stored);
    }
}

static uint32_t random_password(char password[BCRYPT_PASSWORD_BYTES_MAX + 1]) {
    uint32_t len = (uint32_t)test_random_below(BCRYPT_PASSWORD_BYTES_MAX + 1);
    uint64_t alphabet = test_random_below(3);
    for (uint32_t index = 0; index < len; index += 1) {
        /* All bytes; or few of them, so that collisions under the old bug are frequent. */
        static const char few[] = "\xff\xa3\x80\x7f"
                                  "3a";
        password[index] = alphabet == 0 ? (char)(1 + test_random_below(255))
                                        : few[test_random_below(alphabet == 1 ? 3 : 6)];
    }
    password[len] = '\0';
    return len;
}

TEST(same_as_libxcrypt_on_random_inputs)
{
    REQUIRE(libcrypt_load());
    for (uint32_t round = 0; round < 600; round += 1) {
        char password[BCRYPT_PASSWORD_BYTES_MAX + 1];
        char text[BCRYPT_TEXT_LEN + 1];
        uint8_t salt[BCRYPT_SALT_BYTES];
        uint32_t len = round < 73 ? 0 : random_password(password);
        if (round < 73) { /* every length once */
            len = round;
            memset(password, 'x', len);
            password[len] = '\0';
        }
        test_random_fill(salt, sizeof salt);
        uint32_t cost = round % 50 == 0 ? 6 : 4 + round % 50 / 49;
        hash_alone("aby"[round % 3], cost, salt, str_from(password, len), text);
        EXPECT_EQ_STR(libcrypt_crypt(password, text), text);
    }
}

/* Passwords that hash alike with and without the old sign-extension bug: only there does $2a$
 * differ from $2b$. Words of four bytes in which the bug changes nothing, ending with the zero
 * byte. */
TEST(same_as_libxcrypt_where_the_old_bug_is_guarded)
{
    static const char words[][5] = {"\xff\xa3"
                                    "34",
                                    "\xff\xff\xff\xa3", "3456",
                                    "\xa3"
                                    "345",
                                    "\xff\xff\x80"
                                    "a"};
    uint32_t guarded = 0;
    REQUIRE(libcrypt_load());
    for (uint32_t round = 0; round < 200; round += 1) {
        char password[BCRYPT_PASSWORD_BYTES_MAX + 1] = {0};
        uint32_t count = (uint32_t)test_random_below(19);
        for (uint32_t word = 0; word < count; word += 1) {
            memcpy(password + 4 * word, words[test_random_below(COUNT_OF(words))], 4);
        }
        if (count < 18) {
            memcpy(password + 4 * count, "345", 3);
        }
        uint8_t salt[BCRYPT_SALT_BYTES];
        char text_a[BCRYPT_TEXT_LEN + 1];
        char text_b[BCRYPT_TEXT_LEN + 1];
        test_random_fill(salt, sizeof salt);
        hash_alone('a', 4, salt, str_from_c(password), text_a);
        hash_alone('b', 4, salt, str_from_c(password), text_b);
        EXPECT_EQ_STR(libcrypt_crypt(password, text_a), text_a);
        EXPECT_EQ_STR(libcrypt_crypt(password, text_b), text_b);
        guarded += strcmp(text_a + 7, text_b + 7) != 0;
    }
    EXPECT(guarded > 20);
}

/* Lanes that begin at different times, have different costs, and move when one ends. */
TEST(same_as_libxcrypt_on_mixed_lanes)
{
    REQUIRE(libcrypt_load());
    static struct bcrypt_lane lanes[BCRYPT_LANES];
    static struct {
        char password[BCRYPT_PASSWORD_BYTES_MAX + 1];
        struct bcrypt_text parts;
    } jobs[BCRYPT_LANES];
    uint32_t count = 0;
    uint32_t started = 0;
    uint32_t finished = 0;
    while (finished < 60) {
        if (count < BCRYPT_LANES && started < 60 && test_random_below(4) == 0) {
            uint32_t len = random_password(jobs[count].password);
            struct bcrypt_text *parts = &jobs[count].parts;
            parts->variant = "aby"[test_random_below(3)];
            parts->cost = (uint8_t)(4 + test_random_below(3));
            test_random_fill(parts->salt, sizeof parts->salt);
            bcrypt_lane_start(&lanes[count], parts->variant, parts->cost, parts->salt,
                              str_from(jobs[count].password, len));
            count += 1;
            started += 1;
        }
        if (count == 0) {
            continue;
        }
        bcrypt_lanes_step(lanes, count);
        for (uint32_t lane = count; lane > 0; lane -= 1) {
            if (!bcrypt_lane_is_done(&lanes[lane - 1])) {
                continue;
            }
            char text[BCRYPT_TEXT_LEN + 1];
            struct buf out = buf_over(text, BCRYPT_TEXT_LEN);
            bcrypt_lane_finish(&lanes[lane - 1], jobs[lane - 1].parts.digest);
            bcrypt_text_format(&jobs[lane - 1].parts, &out);
            text[out.len] = '\0';
            EXPECT_EQ_STR(libcrypt_crypt(jobs[lane - 1].password, text), text);
            count -= 1;
            lanes[lane - 1] = lanes[count];
            jobs[lane - 1] = jobs[count];
            finished += 1;
        }
    }
}

TEST(a_finished_lane_holds_nothing)
{
    static struct bcrypt_lane lane;
    uint8_t salt[BCRYPT_SALT_BYTES] = {0};
    uint8_t digest[BCRYPT_DIGEST_BYTES];
    bcrypt_lane_start(&lane, 'b', 4, salt, STR("secret"));
    while (!bcrypt_lane_is_done(&lane)) {
        bcrypt_lanes_step(&lane, 1);
    }
    bcrypt_lane_finish(&lane, digest);
    const uint8_t *bytes = (const uint8_t *)&lane;
    for (size_t index = 0; index < sizeof lane; index += 1) {
        EXPECT_EQ_UINT(bytes[index], 0);
    }
}

TEST(text_is_parsed_strictly)
{
    static const char good[] = "$2b$12$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    static const char *const bad[] = {
        "",
        "$2b$12$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBu",   /* short */
        "$2b$12$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBuii", /* long */
        "$2x$12$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",  /* the buggy variant */
        "$1b$12$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        "$2b$03$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        "$2b$32$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        "$2b$ 4$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        "$2b$-4$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        "$2b$12.abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        "$2b$12$abcdefghijklmnopqrstuv5s2v8.iXieOjg/.AySBTTZIIVFJeBui", /* stray salt bits */
        "$2b$12$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBuj", /* stray digest bits */
        "$2b$12$abcdefghijk+mnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui", /* foreign character */
    };
    struct bcrypt_text parts;
    REQUIRE(bcrypt_text_parse(str_from_c(good), &parts));
    EXPECT_EQ_INT(parts.variant, 'b');
    EXPECT_EQ_INT(parts.cost, 12);
    char text[BCRYPT_TEXT_LEN + 1] = {0};
    struct buf out = buf_over(text, BCRYPT_TEXT_LEN);
    bcrypt_text_format(&parts, &out);
    EXPECT_EQ_STR(text, good);
    for (size_t index = 0; index < COUNT_OF(bad); index += 1) {
        if (bcrypt_text_parse(str_from_c(bad[index]), &parts)) {
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[index]);
        }
    }
    char with_nul[BCRYPT_TEXT_LEN];
    memcpy(with_nul, good, sizeof with_nul);
    with_nul[30] = '\0';
    EXPECT(!bcrypt_text_parse(str_from(with_nul, sizeof with_nul), &parts));
}

TEST(misuse_stops_the_process)
{
    static struct bcrypt_lane lane;
    static const char long_password[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789012";
    uint8_t salt[BCRYPT_SALT_BYTES] = {0};
    uint8_t digest[BCRYPT_DIGEST_BYTES];
    EXPECT_EQ_UINT(sizeof long_password - 1, 73);
    EXPECT_DIES(bcrypt_lane_start(&lane, 'b', 4, salt, str_from(long_password, 73)));
    EXPECT_DIES(bcrypt_lane_start(&lane, 'b', 4, salt, str_from("a\0b", 3)));
    EXPECT_DIES(bcrypt_lane_start(&lane, 'x', 4, salt, STR("a")));
    EXPECT_DIES(bcrypt_lane_start(&lane, 'b', 3, salt, STR("a")));
    bcrypt_lane_start(&lane, 'b', 4, salt, str_from(long_password, 72));
    EXPECT_DIES(bcrypt_lane_finish(&lane, digest));
    EXPECT_DIES(bcrypt_lanes_step(&lane, 0));
    EXPECT_DIES(bcrypt_lanes_step(&lane, BCRYPT_LANES + 1));
}
