/* Hashes, MACs, key derivation, seals, tokens, one-time passwords: published vectors and misuse. */
#include "test.h"

#include "base/decode.h"
#include "base/time.h"
#include "crypto/mac.h"
#include "crypto/seal.h"
#include "crypto/token.h"
#include "crypto/totp.h"

static uint8_t unhex_bytes[512];

/* Valid until the next call. */
static struct str unhex(const char *text) {
    struct buf out = buf_over(unhex_bytes, sizeof unhex_bytes);
    if (!decode_hex(str_from_c(text), &out)) {
        test_fail(__FILE__, __LINE__, "not hex: %s", text);
    }
    return buf_str(&out);
}

#define EXPECT_HEX(actual, bytes, hex)                                                             \
    do {                                                                                           \
        struct str expected_bytes = unhex(hex);                                                    \
        EXPECT_EQ_UINT(expected_bytes.len, (bytes));                                               \
        EXPECT_EQ_MEM((actual), expected_bytes.data, (bytes));                                     \
    } while (0)

static struct str bytes_of(uint8_t byte, uint32_t count) {
    static char bytes[256];
    memset(bytes, byte, count);
    return str_from(bytes, count);
}

/* --- secrets ------------------------------------------------------------------------------- */

TEST(wipe_clears_exactly_its_bytes)
{
    char text[8] = "abcdefg";
    crypto_wipe(text + 1, 3);
    EXPECT_EQ_MEM(text, "a\0\0\0efg", 8);
    crypto_wipe(NULL, 0);
}

TEST(equal_sees_every_single_bit)
{
    uint8_t a[33];
    test_random_fill(a, sizeof a);
    for (size_t bit = 0; bit < 8 * sizeof a; bit += 1) {
        uint8_t b[33];
        memcpy(b, a, sizeof a);
        EXPECT(crypto_equal(a, b, sizeof a));
        b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        EXPECT(!crypto_equal(a, b, sizeof a));
    }
    EXPECT(crypto_equal(NULL, NULL, 0));
}

TEST(scalars_are_above_zero_and_below_the_order)
{
    static const uint8_t order[] = {0x05, 0x00, 0xff};
    static const struct {
        uint8_t number[4];
        size_t bytes;
        bool is_scalar;
    } rows[] = {
        {{0}, 0, false},
        {{0, 0, 0}, 3, false},
        {{1}, 1, true},
        {{0, 0, 1}, 3, true},
        {{0x05, 0x00, 0xfe}, 3, true},
        {{0x05, 0x00, 0xff}, 3, false},
        {{0x05, 0x01, 0x00}, 3, false},
        {{0x04, 0xff, 0xff}, 3, true},
        {{0x06, 0x00, 0x00}, 3, false},
        {{0xff, 0xff}, 2, true},
        {{0x00, 0x05, 0x00, 0xfe}, 4, true},
        {{0x01, 0x00, 0x00, 0x01}, 4, false},
    };
    for (size_t index = 0; index < COUNT_OF(rows); index += 1) {
        EXPECT_EQ_INT(crypto_is_scalar(rows[index].number, rows[index].bytes, order, sizeof order),
                      rows[index].is_scalar);
    }
}

/* --- SHA-256 (FIPS 180-4 examples) ---------------------------------------------------------- */

TEST(sha256_of_the_standard_examples)
{
    struct hash hash = hash_of(STR("abc"));
    EXPECT_HEX(hash.bytes, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash = hash_of(STR_NONE);
    EXPECT_HEX(hash.bytes, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash = hash_of(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"));
    EXPECT_HEX(hash.bytes, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(sha256_in_pieces_is_the_same_and_copies_go_on_by_themselves)
{
    char data[1000];
    test_random_fill(data, sizeof data);
    struct hash_stream stream;
    hash_stream_init(&stream);
    uint32_t at = 0;
    while (at < sizeof data) {
        uint32_t part = (uint32_t)test_random_below(sizeof data - at + 1);
        hash_stream_add(&stream, str_from(data + at, part));
        at += part;
        EXPECT(hash_equal(hash_stream_value(&stream), hash_of(str_from(data, at))));
    }
    struct hash_stream copy = stream;
    hash_stream_add(&copy, STR("more"));
    EXPECT(hash_equal(hash_stream_value(&stream), hash_of(str_from(data, sizeof data))));
    EXPECT(!hash_equal(hash_stream_value(&copy), hash_stream_value(&stream)));
}

TEST(fields_do_not_run_into_each_other)
{
    struct hash_stream a;
    struct hash_stream b;
    hash_stream_init(&a);
    hash_stream_init(&b);
    hash_stream_add_field(&a, STR("ab"));
    hash_stream_add_field(&a, STR("c"));
    hash_stream_add_field(&b, STR("a"));
    hash_stream_add_field(&b, STR("bc"));
    EXPECT(!hash_equal(hash_stream_value(&a), hash_stream_value(&b)));
    /* The length is 8 bytes, big-endian. */
    struct hash_stream c;
    hash_stream_init(&c);
    hash_stream_add(&c, str_from("\0\0\0\0\0\0\0\2ab\0\0\0\0\0\0\0\1c", 19));
    EXPECT(hash_equal(hash_stream_value(&a), hash_stream_value(&c)));
}

/* --- HMAC (RFC 4231) and HKDF (RFC 5869, appendix A) ---------------------------------------- */

TEST(hmac_of_rfc_4231)
{
    struct hash mac = mac_of(bytes_of(0x0b, 20), STR("Hi There"));
    EXPECT_HEX(mac.bytes, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    mac = mac_of(STR("Jefe"), STR("what do ya want for nothing?"));
    EXPECT_HEX(mac.bytes, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    mac =
        mac_of(bytes_of(0xaa, 131), STR("Test Using Larger Than Block-Size Key - Hash Key First"));
    EXPECT_HEX(mac.bytes, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(hkdf_of_rfc_5869)
{
    uint8_t out[82];
    char salt[13];
    for (uint8_t byte = 0; byte < sizeof salt; byte += 1) {
        salt[byte] = (char)byte;
    }
    kdf_derive(bytes_of(0x0b, 22), str_from(salt, sizeof salt),
               STR("\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9"), out, 42);
    EXPECT_HEX(out, 42,
               "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
               "34007208d5b887185865");
    kdf_derive(bytes_of(0x0b, 22), STR_NONE, STR_NONE, out, 42);
    EXPECT_HEX(out, 42,
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
               "9d201395faa4b61a96c8");
}

TEST(keys_of_different_purposes_differ)
{
    struct secret_key master = {{1, 2, 3}};
    struct secret_key a = kdf_key(&master, STR("a"));
    struct secret_key b = kdf_key(&master, STR("b"));
    struct secret_key again = kdf_key(&master, STR("a"));
    EXPECT(!crypto_equal(&a, &b, sizeof a));
    EXPECT(crypto_equal(&a, &again, sizeof a));
}

/* --- seals --------------------------------------------------------------------------------- */

static struct seal_key seal_key_random(void) {
    struct secret_key secret;
    struct seal_key key;
    test_random_fill(secret.bytes, sizeof secret.bytes);
    seal_key_open(&key, &secret);
    return key;
}

TEST(what_is_sealed_opens_again_at_every_length)
{
    struct seal_key key = seal_key_random();
    char entropy[32];
    static char plain[3000];
    static char sealed_bytes[3000 + SEAL_OVERHEAD_BYTES];
    static char opened_bytes[3000];
    test_random_fill(plain, sizeof plain);
    for (uint32_t len = 0; len <= sizeof plain; len += 1 + len / 40) {
        test_random_fill(entropy, sizeof entropy);
        struct buf sealed = buf_over(sealed_bytes, sizeof sealed_bytes);
        struct buf opened = buf_over(opened_bytes, sizeof opened_bytes);
        EXPECT_EQ_INT(seal_put(&key, STR("users.totp"), str_from(entropy, 16 + len % 17),
                               str_from(plain, len), &sealed),
                      ERR_OK);
        EXPECT_EQ_UINT(sealed.len, len + SEAL_OVERHEAD_BYTES);
        EXPECT_EQ_INT(seal_open(&key, STR("users.totp"), buf_str(&sealed), &opened), ERR_OK);
        EXPECT_EQ_UINT(opened.len, len);
        EXPECT_EQ_MEM(opened.data, plain, len);
    }
}

TEST(every_changed_bit_of_a_seal_is_seen)
{
    struct seal_key key = seal_key_random();
    char bytes[20 + SEAL_OVERHEAD_BYTES];
    char out_bytes[64] = "keep";
    struct buf sealed = buf_over(bytes, sizeof bytes);
    EXPECT_EQ_INT(
        seal_put(&key, STR("p"), STR("0123456789abcdef"), STR("twenty bytes of text"), &sealed),
        ERR_OK);
    for (uint32_t bit = 0; bit < 8 * sealed.len; bit += 1) {
        struct buf out = buf_over(out_bytes, sizeof out_bytes);
        buf_put_c(&out, "keep");
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_EQ_INT(seal_open(&key, STR("p"), buf_str(&sealed), &out), ERR_CRYPTO);
        EXPECT_EQ_UINT(out.len, 4);
        EXPECT(memcmp(out_bytes, "keep\0\0\0\0", 8) == 0);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
    }
    for (uint32_t len = 0; len < sealed.len; len += 1) {
        struct buf out = buf_over(out_bytes, sizeof out_bytes);
        EXPECT_EQ_INT(seal_open(&key, STR("p"), str_from(bytes, len), &out), ERR_CRYPTO);
    }
}

TEST(a_seal_opens_only_for_its_purpose_and_key)
{
    struct seal_key key = seal_key_random();
    struct seal_key other = seal_key_random();
    char bytes[100];
    char out_bytes[100];
    struct buf sealed = buf_over(bytes, sizeof bytes);
    struct buf out = buf_over(out_bytes, sizeof out_bytes);
    EXPECT_EQ_INT(seal_put(&key, STR("p1"), STR("0123456789abcdef"), STR("text"), &sealed), ERR_OK);
    EXPECT_EQ_INT(seal_open(&key, STR("p2"), buf_str(&sealed), &out), ERR_CRYPTO);
    EXPECT_EQ_INT(seal_open(&key, STR("p"), buf_str(&sealed), &out), ERR_CRYPTO);
    EXPECT_EQ_INT(seal_open(&other, STR("p1"), buf_str(&sealed), &out), ERR_CRYPTO);
    EXPECT_EQ_INT(seal_open(&key, STR("p1"), buf_str(&sealed), &out), ERR_OK);
}

TEST(nonces_differ_by_entropy_purpose_and_text)
{
    struct seal_key key = seal_key_random();
    static const struct {
        const char *purpose, *entropy, *text;
    } inputs[] = {{"p", "0123456789abcdef", "text"},
                  {"p", "0123456789abcdeF", "text"},
                  {"q", "0123456789abcdef", "text"},
                  {"p", "0123456789abcdef", "tExt"},
                  {"p", "0123456789abcdeft", "ext"}};
    char sealed_bytes[COUNT_OF(inputs)][64];
    for (size_t index = 0; index < COUNT_OF(inputs); index += 1) {
        struct buf sealed = buf_over(sealed_bytes[index], sizeof sealed_bytes[index]);
        EXPECT_EQ_INT(seal_put(&key, str_from_c(inputs[index].purpose),
                               str_from_c(inputs[index].entropy), str_from_c(inputs[index].text),
                               &sealed),
                      ERR_OK);
        for (size_t before = 0; before < index; before += 1) {
            EXPECT(memcmp(sealed_bytes[index] + 1, sealed_bytes[before] + 1, 12) != 0);
        }
    }
}

TEST(a_seal_that_does_not_fit_writes_nothing)
{
    struct seal_key key = seal_key_random();
    char bytes[64] = {0};
    struct buf out = buf_over(bytes, 4 + SEAL_OVERHEAD_BYTES - 1);
    EXPECT_EQ_INT(seal_put(&key, STR("p"), STR("0123456789abcdef"), STR("text"), &out), ERR_FULL);
    EXPECT_EQ_UINT(out.len, 0);
    EXPECT(out.is_full);
    EXPECT_EQ_INT(bytes[0], 0);
}

/* Computed with another implementation (Python's cryptography) from the description in seal.h. */
TEST(the_sealed_form_does_not_change_between_versions)
{
    struct secret_key secret;
    struct seal_key key;
    char bytes[64];
    memset(secret.bytes, 7, sizeof secret.bytes);
    seal_key_open(&key, &secret);
    struct buf out = buf_over(bytes, sizeof bytes);
    EXPECT_EQ_INT(seal_put(&key, STR("users.totp"), STR("0123456789abcdef"), STR("secret"), &out),
                  ERR_OK);
    EXPECT_HEX(bytes, 35,
               "015eda53348eb1bf68ed9fe09410a9c63aebac5f"
               "3af6f348a90d94132136ddee673480");
}

/* --- tokens -------------------------------------------------------------------------------- */

TEST(tokens_are_43_characters_known_by_their_hash)
{
    uint8_t entropy[TOKEN_ENTROPY_BYTES];
    test_random_fill(entropy, sizeof entropy);
    struct token token = token_from_entropy(entropy);
    struct hash key;
    EXPECT_EQ_UINT(token_str(&token).len, 43);
    EXPECT(token_store_key(token_str(&token), &key));
    EXPECT(hash_equal(key, hash_of(token_str(&token))));
    char back_bytes[TOKEN_ENTROPY_BYTES];
    struct buf back = buf_over(back_bytes, sizeof back_bytes);
    EXPECT(decode_base64url(token_str(&token), &back));
    EXPECT_EQ_MEM(back_bytes, entropy, sizeof entropy);
}

TEST(what_is_no_token_is_refused)
{
    struct hash key;
    EXPECT(token_store_key(STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), &key));
    EXPECT(!token_store_key(STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"), &key)); /* bits */
    EXPECT(!token_store_key(STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+"), &key));
    EXPECT(!token_store_key(STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), &key));
    EXPECT(!token_store_key(STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), &key));
    EXPECT(!token_store_key(STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), &key));
    EXPECT(!token_store_key(STR(""), &key));
    EXPECT(!token_store_key(STR_NONE, &key));
}

/* --- one-time passwords (RFC 6238, appendix B, cut to 6 digits) ------------------------------ */

TEST(totp_of_rfc_6238)
{
    static const struct {
        int64_t seconds;
        const char *code;
    } rows[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
    struct str secret = STR("12345678901234567890");
    for (size_t index = 0; index < COUNT_OF(rows); index += 1) {
        char code[TOTP_DIGITS];
        totp_code(secret, totp_step_at(rows[index].seconds * TIME_US_PER_S), code);
        EXPECT_EQ_MEM(code, rows[index].code, TOTP_DIGITS);
    }
}

TEST(totp_window_and_single_use)
{
    struct str secret = STR("12345678901234567890");
    int64_t now_us = INT64_C(1234567890) * TIME_US_PER_S;
    int64_t now = totp_step_at(now_us);
    for (int64_t offset = -3; offset <= 3; offset += 1) {
        char code[TOTP_DIGITS];
        int64_t step = -1;
        totp_code(secret, now + offset, code);
        bool is_within = offset >= -1 && offset <= 1;
        EXPECT_EQ_INT(totp_check(secret, now_us, 1, -1, str_from(code, 6), &step), is_within);
        EXPECT_EQ_INT(step, is_within ? now + offset : -1);
        /* Used up, and everything before it with it. */
        EXPECT(!totp_check(secret, now_us, 1, now + 1, str_from(code, 6), &step));
        EXPECT_EQ_INT(totp_check(secret, now_us, 1, now - 1, str_from(code, 6), &step),
                      is_within && offset >= 0);
    }
    int64_t step = -1;
    EXPECT(!totp_check(secret, now_us, 1, -1, STR("00592"), &step));
    EXPECT(!totp_check(secret, now_us, 1, -1, STR("0059240"), &step));
    EXPECT(!totp_check(secret, now_us, 1, -1, STR("+05924"), &step));
    EXPECT(!totp_check(STR_NONE, now_us, 1, -1, STR("005924"), &step));
    EXPECT_EQ_INT(step, -1);
    EXPECT(totp_check(secret, now_us, 1, -1, STR("005924"), &step));
}

TEST(totp_at_the_beginning_of_time)
{
    struct str secret = STR("12345678901234567890");
    char code[TOTP_DIGITS];
    int64_t step = -1;
    totp_code(secret, 0, code);
    EXPECT(totp_check(secret, -5, 4, -1, str_from(code, 6), &step));
    EXPECT_EQ_INT(step, 0);
}

/* --- base32 (RFC 4648, section 10, without padding) ------------------------------------------ */

TEST(base32_of_rfc_4648)
{
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "MY"},
                                          {"fo", "MZXQ"},
                                          {"foo", "MZXW6"},
                                          {"foob", "MZXW6YQ"},
                                          {"fooba", "MZXW6YTB"},
                                          {"foobar", "MZXW6YTBOI"}};
    for (size_t index = 0; index < COUNT_OF(rows); index += 1) {
        char text[32] = {0};
        char bytes[32] = {0};
        struct buf text_out = buf_over(text, sizeof text);
        struct buf bytes_out = buf_over(bytes, sizeof bytes);
        base32_format(str_from_c(rows[index][0]), &text_out);
        EXPECT_EQ_STR(text, rows[index][1]);
        EXPECT(base32_parse(buf_str(&text_out), &bytes_out));
        EXPECT_EQ_STR(bytes, rows[index][0]);
    }
}

TEST(base32_is_strict)
{
    static const char *const bad[] = {"A",      "AAA",       "AAAAAA",   "M",  "MZX",
                                      "MZXW6Y", "MZ",        "MY======", "M1", "M0",
                                      "M8",     "MZXW 6YTB", "MZXW6-YQ"};
    char bytes[32];
    for (size_t index = 0; index < COUNT_OF(bad); index += 1) {
        struct buf out = buf_over(bytes, sizeof bytes);
        if (base32_parse(str_from_c(bad[index]), &out)) {
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[index]);
        }
    }
    struct buf out = buf_over(bytes, sizeof bytes);
    EXPECT(base32_parse(STR("mzxw6ytboi"), &out));
    struct buf small = buf_over(bytes, 5);
    EXPECT(!base32_parse(STR("MZXW6YTBOI"), &small));
}

TEST(misuse_stops_the_process)
{
    char bytes[64];
    struct buf out = buf_over(bytes, sizeof bytes);
    struct seal_key closed = {{0}, NULL, {{0}}};
    struct seal_key key = seal_key_random();
    EXPECT_DIES(seal_put(&closed, STR("p"), STR("0123456789abcdef"), STR("text"), &out));
    EXPECT_DIES(seal_put(&key, STR("p"), STR("0123456789abcde"), STR("text"), &out));
    EXPECT_DIES(kdf_derive(STR(""), STR_NONE, STR("p"), bytes, 1));
    EXPECT_DIES(kdf_derive(STR("k"), STR_NONE, STR("p"), bytes, 0));
}
