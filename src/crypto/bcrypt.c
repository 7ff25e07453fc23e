/*
 * bcrypt (Provos and Mazieres, "A Future-Adaptable Password Scheme", 1999).
 *
 * A hash is: EksBlowfishSetup = one salted expansion, then 2^cost times (expand with the key,
 * expand with the salt); then a text of three blocks encrypted 64 times. One expansion is a chain
 * of 521 Blowfish encryptions, each waiting for the one before, each round waiting for four table
 * lookups: the processor could do several times as much. So the loops here run over 1..BCRYPT_LANES
 * lanes with the lane loop innermost and its count a constant.
 *
 * That only pays when the lanes' halves live in registers, that is at -O3 (at -O2 the gain is
 * lost); this file asks for it itself, so that no build can forget it. Without the second
 * scheduling pass, which here only makes registers spill, a slice takes 8 % less (236 instead of
 * 256 us, measured).
 */
#pragma GCC optimize("O3,no-schedule-insns2")

#include "crypto/bcrypt.h"

#include <string.h>

#include "crypto/bcrypt_pi.h"
#include "crypto/secret.h"

enum {
    P_WORDS = 18,
    S_WORDS = 4 * 256,
    ROUNDS = 16,
    DIGEST_WORDS = 6,
    DIGEST_ENCRYPTIONS = 64,
    SALT_CHARS = 22,
    DIGEST_CHARS = 31,
    PREFIX_CHARS = 7, /* "$2b$12$" */
};

_Static_assert(PREFIX_CHARS + SALT_CHARS + DIGEST_CHARS == BCRYPT_TEXT_LEN, "form of the text");
_Static_assert((1u << BCRYPT_COST_MIN) % BCRYPT_STEP_ITERATIONS == 0, "steps divide every cost");

/* --- Blowfish on several lanes ------------------------------------------------------------- */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Blowfish's F with the round's subkey. A 64-bit x spares the compiler extending every index. */
ALWAYS_INLINE uint32_t round_value(const struct bcrypt_lane *lane, uint64_t x, uint32_t round) {
    uint32_t sum = lane->s[0][x >> 24] + lane->s[1][(x >> 16) & 255];
    return ((sum ^ lane->s[2][(x >> 8) & 255]) + lane->s[3][x & 255]) ^ lane->p[round];
}

/* One block per lane: left and right halves in, encrypted halves out. */
ALWAYS_INLINE void encrypt(const struct bcrypt_lane *lanes, const uint32_t count, uint32_t *left,
                           uint32_t *right) {
    for (uint32_t lane = 0; lane < count; lane += 1) {
        left[lane] ^= lanes[lane].p[0];
    }
#pragma GCC unroll 8
    for (uint32_t round = 1; round <= ROUNDS; round += 2) {
        for (uint32_t lane = 0; lane < count; lane += 1) {
            right[lane] ^= round_value(&lanes[lane], left[lane], round);
        }
        for (uint32_t lane = 0; lane < count; lane += 1) {
            left[lane] ^= round_value(&lanes[lane], right[lane], round + 1);
        }
    }
    for (uint32_t lane = 0; lane < count; lane += 1) {
        uint32_t last = right[lane] ^ lanes[lane].p[ROUNDS + 1];
        right[lane] = left[lane];
        left[lane] = last;
    }
}

/* Replaces P and S by the chain of encryptions of a zero block. */
ALWAYS_INLINE void chain(struct bcrypt_lane *lanes, const uint32_t count) {
    uint32_t left[BCRYPT_LANES] = {0};
    uint32_t right[BCRYPT_LANES] = {0};
    for (uint32_t word = 0; word < P_WORDS; word += 2) {
        encrypt(lanes, count, left, right);
        for (uint32_t lane = 0; lane < count; lane += 1) {
            lanes[lane].p[word] = left[lane];
            lanes[lane].p[word + 1] = right[lane];
        }
    }
    for (uint32_t word = 0; word < S_WORDS; word += 2) {
        encrypt(lanes, count, left, right);
        for (uint32_t lane = 0; lane < count; lane += 1) {
            uint32_t *to = &lanes[lane].s[word / 256][word % 256];
            to[0] = left[lane];
            to[1] = right[lane];
        }
    }
}

ALWAYS_INLINE void iterations_do(struct bcrypt_lane *lanes, const uint32_t count) {
    for (uint32_t step = 0; step < 2 * BCRYPT_STEP_ITERATIONS; step += 1) {
        for (uint32_t lane = 0; lane < count; lane += 1) {
            bool is_key = step % 2 == 0;
            for (uint32_t word = 0; word < P_WORDS; word += 1) {
                lanes[lane].p[word] ^= is_key ? lanes[lane].key[word] : lanes[lane].salt[word % 4];
            }
        }
        chain(lanes, count);
    }
}

static void iterations_do_1(struct bcrypt_lane *lanes) {
    iterations_do(lanes, 1);
}

static void iterations_do_2(struct bcrypt_lane *lanes) {
    iterations_do(lanes, 2);
}

static void iterations_do_3(struct bcrypt_lane *lanes) {
    iterations_do(lanes, 3);
}

static void iterations_do_4(struct bcrypt_lane *lanes) {
    iterations_do(lanes, 4);
}

void bcrypt_lanes_step(struct bcrypt_lane *lanes, uint32_t count) {
    static void (*const by_count[BCRYPT_LANES])(struct bcrypt_lane *) = {
        iterations_do_1, iterations_do_2, iterations_do_3, iterations_do_4};
    CHECK(count >= 1);
    CHECK(count <= BCRYPT_LANES);
    for (uint32_t lane = 0; lane < count; lane += 1) {
        CHECK(lanes[lane].iterations_left >= BCRYPT_STEP_ITERATIONS);
        lanes[lane].iterations_left -= BCRYPT_STEP_ITERATIONS;
    }
    by_count[count - 1](lanes);
}

/* --- one hash ------------------------------------------------------------------------------ */

/* The password with its ending zero, repeated over 72 bytes; one of 72 bytes has no room for it. */
static void key_load(struct bcrypt_lane *lane, struct str password) {
    uint32_t at = 0;
    for (uint32_t word = 0; word < P_WORDS; word += 1) {
        uint32_t value = 0;
        for (uint32_t byte = 0; byte < 4; byte += 1) {
            value = value << 8 | (at < password.len ? (uint8_t)password.data[at] : 0);
            at = at < password.len ? at + 1 : 0;
        }
        lane->key[word] = value;
    }
}

/*
 * crypt_blowfish had a bug that sign-extended bytes above 127 ($2x$). Some passwords collide under
 * it with simpler ones, so its successor flips a bit of P[0] for exactly those in $2a$ hashes, of
 * which nobody knows which code made them. Returns the bit to flip. Our hashes must be the same.
 */
static uint32_t old_bug_guard(struct str password) {
    uint32_t at = 0;
    uint32_t sign = 0;
    uint32_t difference = 0;
    for (uint32_t word = 0; word < P_WORDS; word += 1) {
        uint32_t correct = 0;
        uint32_t extended = 0;
        for (uint32_t byte = 0; byte < 4; byte += 1) {
            uint32_t value = at < password.len ? (uint8_t)password.data[at] : 0;
            correct = correct << 8 | value;
            extended = extended << 8 | (value > 127 ? value | 0xffffff00u : value);
            sign |= byte > 0 ? extended & 0x80 : 0;
            at = at < password.len ? at + 1 : 0;
        }
        difference |= correct ^ extended;
    }
    difference |= difference >> 16;
    return (difference & 0xffff) == 0 ? (sign << 9) & 0x10000 : 0;
}

/* ExpandKey(salt, key): as the chain, but each block is the salt's next half xor the last one. */
static void expand_salted(struct bcrypt_lane *lane) {
    uint32_t left = 0;
    uint32_t right = 0;
    for (uint32_t word = 0; word < P_WORDS + S_WORDS; word += 2) {
        left ^= lane->salt[word % 4];
        right ^= lane->salt[word % 4 + 1];
        encrypt(lane, 1, &left, &right);
        uint32_t at = word - P_WORDS; /* used when word is behind P */
        uint32_t *to = word < P_WORDS ? &lane->p[word] : &lane->s[at / 256][at % 256];
        to[0] = left;
        to[1] = right;
    }
}

void bcrypt_lane_start(struct bcrypt_lane *lane, char variant, uint32_t cost,
                       const uint8_t salt[BCRYPT_SALT_BYTES], struct str password) {
    CHECK(variant == 'a' || variant == 'b' || variant == 'y');
    CHECK(cost >= BCRYPT_COST_MIN);
    CHECK(cost <= BCRYPT_COST_MAX);
    CHECK(password.len <= BCRYPT_PASSWORD_BYTES_MAX);
    CHECK(!str_has_byte(password, 0));
    for (uint32_t word = 0; word < COUNT_OF(lane->salt); word += 1) {
        const uint8_t *from = salt + 4 * word;
        lane->salt[word] =
            (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
    }
    key_load(lane, password);
    _Static_assert(sizeof lane->s == sizeof bcrypt_pi_s, "same tables");
    memcpy(lane->s, bcrypt_pi_s, sizeof lane->s);
    for (uint32_t word = 0; word < P_WORDS; word += 1) {
        lane->p[word] = bcrypt_pi_p[word] ^ lane->key[word];
    }
    lane->p[0] ^= variant == 'a' ? old_bug_guard(password) : 0;
    lane->iterations_left = UINT64_C(1) << cost;
    expand_salted(lane);
}

bool bcrypt_lane_is_done(const struct bcrypt_lane *lane) {
    return lane->iterations_left == 0;
}

void bcrypt_lane_finish(struct bcrypt_lane *lane, uint8_t digest[BCRYPT_DIGEST_BYTES]) {
    static const uint32_t magic[DIGEST_WORDS] = {/* "OrpheanBeholderScryDoubt" */
                                                 0x4f727068, 0x65616e42, 0x65686f6c,
                                                 0x64657253, 0x63727944, 0x6f756274};
    CHECK(bcrypt_lane_is_done(lane));
    for (uint32_t word = 0; word < DIGEST_WORDS; word += 2) {
        uint32_t left = magic[word];
        uint32_t right = magic[word + 1];
        for (uint32_t count = 0; count < DIGEST_ENCRYPTIONS; count += 1) {
            encrypt(lane, 1, &left, &right);
        }
        for (uint32_t byte = 0; byte < 8 && 4 * word + byte < BCRYPT_DIGEST_BYTES; byte += 1) {
            uint32_t half = byte < 4 ? left : right;
            digest[4 * word + byte] = (uint8_t)(half >> (24 - 8 * (byte % 4)));
        }
    }
    crypto_wipe(lane, sizeof *lane);
}

/* --- text ---------------------------------------------------------------------------------- */

static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* bcrypt's own base64: 6 bits per character, high bits first. False: a foreign character, or bits
 * behind the last byte that are not zero. */
static bool radix64_parse(const char *text, uint32_t chars, uint8_t *out, uint32_t bytes) {
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    uint32_t done = 0;
    for (uint32_t index = 0; index < chars; index += 1) {
        const char *found = text[index] == '\0' ? NULL : strchr(alphabet, text[index]);
        if (found == NULL) {
            return false;
        }
        bits = bits << 6 | (uint32_t)(found - alphabet);
        bit_count += 6;
        if (bit_count >= 8 && done < bytes) {
            bit_count -= 8;
            out[done] = (uint8_t)(bits >> bit_count);
            done += 1;
        }
    }
    return done == bytes && (bits & ((1u << bit_count) - 1)) == 0;
}

static void radix64_format(const uint8_t *bytes, uint32_t count, struct buf *out) {
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    for (uint32_t index = 0; index < count; index += 1) {
        bits = bits << 8 | bytes[index];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            buf_put_byte(out, (uint8_t)alphabet[(bits >> bit_count) & 63]);
        }
    }
    if (bit_count > 0) {
        buf_put_byte(out, (uint8_t)alphabet[(bits << (6 - bit_count)) & 63]);
    }
}

bool bcrypt_text_parse(struct str text, struct bcrypt_text *parts) {
    if (text.len != BCRYPT_TEXT_LEN || !str_starts(text, STR("$2")) || text.data[3] != '$' ||
        text.data[6] != '$') {
        return false;
    }
    char variant = text.data[2];
    uint64_t cost = 0;
    if ((variant != 'a' && variant != 'b' && variant != 'y') ||
        !str_parse_u64(str_slice(text, 4, 6), &cost) || cost < BCRYPT_COST_MIN ||
        cost > BCRYPT_COST_MAX) {
        return false;
    }
    parts->variant = variant;
    parts->cost = (uint8_t)cost;
    const char *salt = text.data + PREFIX_CHARS;
    return radix64_parse(salt, SALT_CHARS, parts->salt, BCRYPT_SALT_BYTES) &&
           radix64_parse(salt + SALT_CHARS, DIGEST_CHARS, parts->digest, BCRYPT_DIGEST_BYTES);
}

void bcrypt_text_format(const struct bcrypt_text *parts, struct buf *out) {
    CHECK(parts->cost >= BCRYPT_COST_MIN);
    CHECK(parts->cost <= BCRYPT_COST_MAX);
    buf_put_str(out, STR("$2"));
    buf_put_byte(out, (uint8_t)parts->variant);
    buf_put_byte(out, '$');
    buf_put_u64_padded(out, parts->cost, 2);
    buf_put_byte(out, '$');
    radix64_format(parts->salt, BCRYPT_SALT_BYTES, out);
    radix64_format(parts->digest, BCRYPT_DIGEST_BYTES, out);
}
