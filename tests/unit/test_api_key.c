/* API keys as text: the form, the checksum, and that every changed character is noticed. */
#include "test.h"

#include <zlib.h>

#include "crypto/api_key.h"

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static struct api_key key_random(void) {
    uint8_t entropy[32];
    test_random_fill(entropy, sizeof entropy);
    return api_key_make("cfk_", entropy);
}

TEST(keys_have_the_form)
{
    for (uint32_t round = 0; round < 2000; round++) {
        struct api_key key = key_random();
        struct str text = api_key_str(&key);
        EXPECT(text.len == API_KEY_LEN);
        EXPECT(str_starts(text, STR("cfk_")));
        for (uint32_t i = 4; i < API_KEY_LEN; i++) {
            EXPECT(strchr(alphabet, key.text[i]) != NULL && key.text[i] != '\0');
        }
        EXPECT(api_key_is_sound(text));
    }
}

/* Against zlib's CRC-32, read back from base 62. */
TEST(the_checksum_is_the_known_one)
{
    for (uint32_t round = 0; round < 200; round++) {
        struct api_key key = key_random();
        uint64_t crc = 0;
        for (uint32_t i = 30; i < API_KEY_LEN; i++) {
            crc = crc * 62 + (uint64_t)(strchr(alphabet, key.text[i]) - alphabet);
        }
        EXPECT(crc == crc32(0, (const unsigned char *)key.text, 30));
    }
}

TEST(every_changed_character_is_noticed)
{
    struct api_key key = key_random();
    for (uint32_t at = 0; at < API_KEY_LEN; at++) {
        char kept = key.text[at];
        for (uint32_t byte = 0; byte < 256; byte++) {
            key.text[at] = (char)byte;
            EXPECT(api_key_is_sound(api_key_str(&key)) == (key.text[at] == kept));
        }
        key.text[at] = kept;
    }
}

TEST(other_texts_are_no_keys)
{
    struct api_key key = key_random();
    struct str text = api_key_str(&key);
    EXPECT(!api_key_is_sound(STR("")));
    EXPECT(!api_key_is_sound(STR_NONE));
    EXPECT(!api_key_is_sound(str_slice(text, 0, API_KEY_LEN - 1)));
    EXPECT(!api_key_is_sound(str_slice(text, 1, API_KEY_LEN)));
    EXPECT(!api_key_is_sound(STR("cfk_00000000000000000000000000000000")));
}

/* Digits come evenly and never twice in the same order. */
TEST(digits_come_evenly)
{
    uint32_t counts[128] = {0};
    enum { KEYS = 4000 };
    for (uint32_t round = 0; round < KEYS; round++) {
        struct api_key key = key_random();
        for (uint32_t i = 4; i < 30; i++) {
            counts[(uint8_t)key.text[i]]++;
        }
    }
    uint32_t expected = KEYS * 26 / 62;
    for (uint32_t i = 0; i < 62; i++) {
        uint32_t count = counts[(uint8_t)alphabet[i]];
        EXPECT(count > expected * 3 / 4 && count < expected * 5 / 4);
    }
}

TEST(the_same_entropy_makes_the_same_key)
{
    const uint8_t entropy[32] = {1, 2, 3};
    struct api_key one = api_key_make("flw_", entropy);
    struct api_key two = api_key_make("flw_", entropy);
    struct api_key other = api_key_make("cfk_", entropy);
    EXPECT(str_equal(api_key_str(&one), api_key_str(&two)));
    EXPECT(memcmp(one.text + 4, other.text + 4, API_KEY_RANDOM_LEN) == 0);
    EXPECT(memcmp(one.text + 30, other.text + 30, API_KEY_CHECK_LEN) != 0);
}
