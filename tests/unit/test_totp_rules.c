/*
 * The rules of the second factor: what a code is good for, and that it is so once. Steps come from
 * a fixed secret; the codes themselves are held against RFC 6238 in test_crypto.c.
 */
#include "test.h"

#include "domain/auth/totp.h"

enum { NOW_S = 1700000010 };
static const int64_t now_us = NOW_S * INT64_C(1000000);
static const char secret[] = "12345678901234567890";

static struct totp_factor factor_new(void) {
    struct totp_factor factor = {.secret = STR("12345678901234567890"), .is_verified = true};
    memset(factor.user_id.bytes, 7, sizeof(factor.user_id.bytes));
    return factor;
}

static struct str code_of(int64_t step, char code[TOTP_DIGITS]) {
    totp_code(str_from(secret, sizeof(secret) - 1), step, code);
    return str_from(code, TOTP_DIGITS);
}

static struct backup_codes codes_new(uint8_t seed, struct id user_id) {
    struct command command = {.now_us = now_us};
    memset(command.entropy, seed, sizeof(command.entropy));
    struct backup_codes codes;
    backup_codes_make(&command, user_id, &codes);
    return codes;
}

TEST(a_step_and_its_neighbours_are_good)
{
    int64_t now = totp_step_at(now_us);
    for (int64_t delta = -4; delta <= 4; delta++) {
        struct totp_factor factor = factor_new();
        char memory[TOTP_DIGITS];
        struct str code = code_of(now + delta, memory);
        bool is_near = delta >= -1 && delta <= 1;
        enum totp_answer answer = totp_try(&factor, now_us, code, TOTP_ANY);
        EXPECT_EQ_INT(answer, is_near ? TOTP_ANSWER_APP : TOTP_ANSWER_WRONG);
        EXPECT_EQ_INT(SCHEMA_HAS(&totp_factor_schema, &factor, last_step), is_near);
        EXPECT_EQ_INT(factor.updated_at, is_near ? now_us : 0);
        if (is_near) {
            EXPECT_EQ_INT(factor.last_step, now + delta);
        }
    }
}

TEST(a_step_is_good_once_and_those_before_it_are_over)
{
    int64_t now = totp_step_at(now_us);
    struct totp_factor factor = factor_new();
    char memory[TOTP_DIGITS];
    EXPECT_EQ_INT(totp_try(&factor, now_us, code_of(now, memory), TOTP_APP), TOTP_ANSWER_APP);
    EXPECT_EQ_INT(totp_try(&factor, now_us, code_of(now, memory), TOTP_APP), TOTP_ANSWER_WRONG);
    EXPECT_EQ_INT(totp_try(&factor, now_us, code_of(now - 1, memory), TOTP_APP), TOTP_ANSWER_WRONG);
    EXPECT_EQ_INT(totp_try(&factor, now_us, code_of(now + 1, memory), TOTP_APP), TOTP_ANSWER_APP);
    EXPECT_EQ_INT(factor.last_step, now + 1);
}

TEST(any_order_of_codes_never_accepts_a_step_twice)
{
    struct totp_factor factor = factor_new();
    int64_t time_us = now_us;
    int64_t last = -1;
    for (uint32_t i = 0; i < 2000; i++) {
        time_us += (int64_t)(test_random() % 20) * 1000000;
        int64_t step = totp_step_at(time_us) - 3 + (int64_t)(test_random() % 7);
        char memory[TOTP_DIGITS];
        struct str code = code_of(step, memory);
        bool is_near = step >= totp_step_at(time_us) - 1 && step <= totp_step_at(time_us) + 1;
        enum totp_answer answer = totp_try(&factor, time_us, code, TOTP_ANY);
        EXPECT_EQ_INT(answer == TOTP_ANSWER_APP, is_near && step > last);
        last = answer == TOTP_ANSWER_APP ? step : last;
    }
}

TEST(the_very_first_step_counts_as_used)
{
    struct totp_factor factor = factor_new();
    char memory[TOTP_DIGITS];
    EXPECT_EQ_INT(totp_try(&factor, 0, code_of(0, memory), TOTP_APP), TOTP_ANSWER_APP);
    EXPECT_EQ_INT(totp_try(&factor, 0, code_of(0, memory), TOTP_APP), TOTP_ANSWER_WRONG);
}

TEST(backup_codes_are_64_random_bits_in_upper_case)
{
    struct id user_id = factor_new().user_id;
    struct backup_codes codes = codes_new(1, user_id);
    for (uint32_t i = 0; i < BACKUP_CODES; i++) {
        for (uint32_t k = 0; k < BACKUP_CODE_LEN; k++) {
            char c = codes.texts[i][k];
            EXPECT((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'));
        }
        for (uint32_t k = 0; k < i; k++) {
            EXPECT(memcmp(codes.texts[i], codes.texts[k], BACKUP_CODE_LEN) != 0);
        }
    }
    struct backup_codes same = codes_new(1, user_id);
    struct backup_codes other = codes_new(2, user_id);
    EXPECT(memcmp(&codes, &same, sizeof(codes)) == 0);
    EXPECT(memcmp(codes.texts, other.texts, sizeof(codes.texts)) != 0);
}

TEST(each_backup_code_is_good_once)
{
    struct totp_factor factor = factor_new();
    struct backup_codes codes = codes_new(3, factor.user_id);
    backup_codes_set(&factor, &codes);
    for (uint32_t i = 0; i < BACKUP_CODES; i++) {
        struct str code = str_from(codes.texts[i], BACKUP_CODE_LEN);
        EXPECT_EQ_INT(backup_codes_left(&factor), BACKUP_CODES - i);
        EXPECT_EQ_INT(totp_try(&factor, now_us, code, TOTP_ANY), TOTP_ANSWER_BACKUP);
        EXPECT_EQ_INT(totp_try(&factor, now_us, code, TOTP_BACKUP), TOTP_ANSWER_WRONG);
    }
    EXPECT_EQ_INT(backup_codes_left(&factor), 0);
    EXPECT(!SCHEMA_HAS(&totp_factor_schema, &factor, last_step));
    struct backup_codes fresh = codes_new(4, factor.user_id);
    backup_codes_set(&factor, &fresh);
    EXPECT_EQ_INT(backup_codes_left(&factor), BACKUP_CODES);
    EXPECT_EQ_INT(totp_try(&factor, now_us, str_from(codes.texts[0], BACKUP_CODE_LEN), TOTP_ANY),
                  TOTP_ANSWER_WRONG);
    EXPECT_EQ_INT(totp_try(&factor, now_us, str_from(fresh.texts[0], BACKUP_CODE_LEN), TOTP_ANY),
                  TOTP_ANSWER_BACKUP);
}

TEST(backup_codes_belong_to_their_user)
{
    struct totp_factor factor = factor_new();
    struct id other_id = {{9}};
    struct backup_codes codes = codes_new(5, factor.user_id);
    struct backup_codes others = codes_new(5, other_id);
    EXPECT(memcmp(codes.texts, others.texts, sizeof(codes.texts)) == 0);
    EXPECT(memcmp(codes.hashes, others.hashes, sizeof(codes.hashes)) != 0);
    backup_codes_set(&factor, &others);
    EXPECT_EQ_INT(totp_try(&factor, now_us, str_from(codes.texts[0], BACKUP_CODE_LEN), TOTP_ANY),
                  TOTP_ANSWER_WRONG);
}

TEST(kinds_of_codes_do_not_stand_in_for_each_other)
{
    struct totp_factor factor = factor_new();
    struct backup_codes codes = codes_new(6, factor.user_id);
    backup_codes_set(&factor, &codes);
    char memory[TOTP_DIGITS];
    struct str app = code_of(totp_step_at(now_us), memory);
    struct str backup = str_from(codes.texts[0], BACKUP_CODE_LEN);
    EXPECT_EQ_INT(totp_try(&factor, now_us, app, TOTP_BACKUP), TOTP_ANSWER_WRONG);
    EXPECT_EQ_INT(totp_try(&factor, now_us, backup, TOTP_APP), TOTP_ANSWER_WRONG);
    EXPECT_EQ_INT(backup_codes_left(&factor), BACKUP_CODES);
    EXPECT_EQ_INT(totp_try(&factor, now_us, app, TOTP_APP), TOTP_ANSWER_APP);
    EXPECT_EQ_INT(totp_try(&factor, now_us, backup, TOTP_BACKUP), TOTP_ANSWER_BACKUP);
}

TEST(other_texts_are_wrong)
{
    struct totp_factor factor = factor_new();
    struct backup_codes codes = codes_new(7, factor.user_id);
    const struct str texts[] = {STR(""),
                                STR("1"),
                                STR("12345"),
                                STR("1234567"),
                                STR("0000000000000000"),
                                STR("000000000000000"),
                                STR("00000000000000000"),
                                STR_NONE};
    for (uint32_t is_set = 0; is_set < 2; is_set++) {
        for (uint32_t i = 0; i < COUNT_OF(texts); i++) {
            EXPECT_EQ_INT(totp_try(&factor, now_us, texts[i], TOTP_ANY), TOTP_ANSWER_WRONG);
        }
        backup_codes_set(&factor, &codes);
    }
    EXPECT_EQ_INT(factor.updated_at, 0);
}
