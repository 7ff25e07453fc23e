/*
 * PBKDF2 and scrypt in slices; see scrypt.h for why they are here.
 *
 * scrypt's memory holds, in this order: V (n blocks), B (p blocks), X and Y (one each); a block is
 * 32 * r words in the little-endian order that RFC 7914 gives them.
 */
#pragma GCC optimize("O3") /* Salsa20/8 decides how long a login of an imported user takes */

#include "crypto/scrypt.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are used as they lie in memory");

enum {
    SALSA_WORDS = 16,
    /* Per slice: HMACs at ~0.4 us, and 128-byte units of BlockMix at ~0.2 us. */
    SLICE_HMACS = 384,
    SLICE_UNITS = 768,
};

/* --- PBKDF2 -------------------------------------------------------------------------------- */

void pbkdf2_start(struct pbkdf2 *state, struct str password, struct str salt, uint32_t iterations,
                  void *out, uint32_t bytes) {
    CHECK(iterations > 0);
    CHECK(bytes > 0);
    memset(state, 0, sizeof *state);
    mac_stream_init(&state->keyed, password);
    state->salted = state->keyed;
    mac_stream_add(&state->salted, salt);
    state->out = out;
    state->bytes_left = bytes;
    state->iterations = iterations;
}

static void pbkdf2_block_begin(struct pbkdf2 *state) {
    state->block += 1;
    uint8_t number[4] = {(uint8_t)(state->block >> 24), (uint8_t)(state->block >> 16),
                         (uint8_t)(state->block >> 8), (uint8_t)state->block};
    struct mac_stream mac = state->salted;
    mac_stream_add(&mac, str_from((const char *)number, sizeof number));
    state->u = mac_stream_finish(&mac);
    state->sum = state->u;
    state->iterations_left = state->iterations - 1;
}

static void pbkdf2_block_iterate(struct pbkdf2 *state) {
    /* mac_stream_finish would wipe the copy each time; the whole state is wiped at the end. */
    struct hash_stream stream = state->keyed.inner;
    hash_stream_add(&stream, hash_bytes(&state->u));
    struct hash inner = hash_stream_value(&stream);
    stream = state->keyed.outer;
    hash_stream_add(&stream, hash_bytes(&inner));
    state->u = hash_stream_value(&stream);
    for (uint32_t index = 0; index < HASH_BYTES; index += 1) {
        state->sum.bytes[index] ^= state->u.bytes[index];
    }
    state->iterations_left -= 1;
}

static void pbkdf2_block_end(struct pbkdf2 *state) {
    uint32_t part = state->bytes_left < HASH_BYTES ? state->bytes_left : HASH_BYTES;
    memcpy(state->out, state->sum.bytes, part);
    state->out += part;
    state->bytes_left -= part;
}

bool pbkdf2_step(struct pbkdf2 *state, uint32_t iterations) {
    CHECK(state->bytes_left > 0);
    CHECK(iterations > 0);
    for (uint32_t done = 0; done < iterations; done += 1) {
        if (state->iterations_left > 0) {
            pbkdf2_block_iterate(state);
        } else {
            pbkdf2_block_begin(state);
        }
        if (state->iterations_left == 0) {
            pbkdf2_block_end(state);
            if (state->bytes_left == 0) {
                crypto_wipe(state, sizeof *state);
                return true;
            }
        }
    }
    return false;
}

/* --- ROMix --------------------------------------------------------------------------------- */

static inline uint32_t rotate(uint32_t value, uint32_t bits) {
    return value << bits | value >> (32 - bits);
}

#define QUARTER(a, b, c, d)                                                                        \
    do {                                                                                           \
        x[b] ^= rotate(x[a] + x[d], 7);                                                            \
        x[c] ^= rotate(x[b] + x[a], 9);                                                            \
        x[d] ^= rotate(x[c] + x[b], 13);                                                           \
        x[a] ^= rotate(x[d] + x[c], 18);                                                           \
    } while (0)

/* RFC 7914, 3: block ^= in, then Salsa20 with 8 rounds. */
static void salsa20_8_xor(uint32_t block[SALSA_WORDS], const uint32_t in[SALSA_WORDS]) {
    uint32_t x[SALSA_WORDS];
    for (uint32_t word = 0; word < SALSA_WORDS; word += 1) {
        block[word] ^= in[word];
        x[word] = block[word];
    }
    for (uint32_t round = 0; round < 8; round += 2) {
        QUARTER(0, 4, 8, 12);
        QUARTER(5, 9, 13, 1);
        QUARTER(10, 14, 2, 6);
        QUARTER(15, 3, 7, 11);
        QUARTER(0, 1, 2, 3);
        QUARTER(5, 6, 7, 4);
        QUARTER(10, 11, 8, 9);
        QUARTER(15, 12, 13, 14);
    }
    for (uint32_t word = 0; word < SALSA_WORDS; word += 1) {
        block[word] += x[word];
    }
}

/* RFC 7914, 4: Y = BlockMix(X). Even results go to the first half of Y, odd ones to the second. */
static void block_mix(const uint32_t *x, uint32_t *y, uint32_t r) {
    uint32_t block[SALSA_WORDS];
    memcpy(block, x + (2 * r - 1) * SALSA_WORDS, sizeof block);
    for (uint32_t index = 0; index < 2 * r; index += 1) {
        salsa20_8_xor(block, x + index * SALSA_WORDS);
        uint32_t place = index / 2 + (index % 2) * r;
        memcpy(y + place * SALSA_WORDS, block, sizeof block);
    }
}

static uint32_t block_words(const struct scrypt *state) {
    return 2 * SALSA_WORDS * state->params.r;
}

/* X becomes BlockMix(X). */
static void x_advance(struct scrypt *state) {
    block_mix(state->x, state->y, state->params.r);
    uint32_t *old = state->x;
    state->x = state->y;
    state->y = old;
}

static void fill_one(struct scrypt *state) {
    uint32_t words = block_words(state);
    memcpy(state->v + (size_t)state->index * words, state->x, words * sizeof *state->x);
    x_advance(state);
}

static void mix_one(struct scrypt *state) {
    uint32_t words = block_words(state);
    /* Integerify: n is a power of two of at most 32 bits, so the low word is enough. */
    uint32_t j = state->x[words - SALSA_WORDS] & (state->params.n - 1);
    const uint32_t *v = state->v + (size_t)j * words;
    for (uint32_t word = 0; word < words; word += 1) {
        state->x[word] ^= v[word];
    }
    x_advance(state);
}

static void lane_begin(struct scrypt *state) {
    uint32_t words = block_words(state);
    memcpy(state->x, state->b + (size_t)state->lane * words, words * sizeof *state->x);
    state->index = 0;
    state->phase = SCRYPT_FILL;
}

static void lane_end(struct scrypt *state) {
    uint32_t words = block_words(state);
    memcpy(state->b + (size_t)state->lane * words, state->x, words * sizeof *state->x);
    state->lane += 1;
    if (state->lane < state->params.p) {
        lane_begin(state);
    } else {
        state->phase = SCRYPT_SHRINK;
    }
}

/* --- the whole ----------------------------------------------------------------------------- */

bool scrypt_params_fit(const struct scrypt_params *params) {
    bool is_power = params->n >= 2 && (params->n & (params->n - 1)) == 0;
    return is_power && params->n <= SCRYPT_N_MAX && params->r >= 1 && params->r <= SCRYPT_R_MAX &&
           params->p >= 1 && params->p <= SCRYPT_RP_MAX / params->r &&
           (uint64_t)params->n * params->r <= SCRYPT_MEMORY_BYTES_MAX / 128;
}

size_t scrypt_memory_bytes(const struct scrypt_params *params) {
    CHECK(scrypt_params_fit(params));
    return (size_t)128 * params->r * (params->n + params->p + 2);
}

void scrypt_start(struct scrypt *state, const struct scrypt_params *params, struct str password,
                  struct str salt, void *memory, void *out, uint32_t out_bytes) {
    CHECK(scrypt_params_fit(params));
    CHECK((uintptr_t)memory % 64 == 0);
    CHECK(out_bytes > 0 && out_bytes <= 64);
    memset(state, 0, sizeof *state);
    state->params = *params;
    size_t words = block_words(state);
    state->v = memory;
    state->b = state->v + words * params->n;
    state->x = state->b + words * params->p;
    state->y = state->x + words;
    state->out = out;
    state->out_bytes = out_bytes;
    mac_stream_init(&state->keyed, password);
    pbkdf2_start(&state->pbkdf2, password, salt, 1, state->b, 128 * params->r * params->p);
    state->phase = SCRYPT_EXPAND;
}

/* PBKDF2 of the password with B as salt and one iteration. */
static void shrink(struct scrypt *state) {
    struct pbkdf2 *pbkdf2 = &state->pbkdf2;
    memset(pbkdf2, 0, sizeof *pbkdf2);
    pbkdf2->keyed = state->keyed;
    pbkdf2->salted = state->keyed;
    uint32_t bytes = 128 * state->params.r * state->params.p;
    mac_stream_add(&pbkdf2->salted, str_from((const char *)state->b, bytes));
    pbkdf2->out = state->out;
    pbkdf2->bytes_left = state->out_bytes;
    pbkdf2->iterations = 1;
    bool is_done = pbkdf2_step(pbkdf2, 2);
    CHECK(is_done);
    scrypt_reset(state);
    state->phase = SCRYPT_DONE;
}

static void romix_step(struct scrypt *state) {
    uint32_t count = SLICE_UNITS / state->params.r;
    enum scrypt_phase phase = state->phase;
    for (uint32_t done = 0; done < count && state->index < state->params.n; done += 1) {
        if (phase == SCRYPT_FILL) {
            fill_one(state);
        } else {
            mix_one(state);
        }
        state->index += 1;
    }
    if (state->index < state->params.n) {
        return;
    }
    if (phase == SCRYPT_FILL) {
        state->index = 0;
        state->phase = SCRYPT_MIX;
    } else {
        lane_end(state);
    }
}

bool scrypt_step(struct scrypt *state) {
    switch (state->phase) {
    case SCRYPT_EXPAND:
        if (pbkdf2_step(&state->pbkdf2, SLICE_HMACS)) {
            lane_begin(state);
        }
        return false;
    case SCRYPT_FILL:
    case SCRYPT_MIX:
        romix_step(state);
        return false;
    case SCRYPT_SHRINK:
        shrink(state);
        return true;
    case SCRYPT_DONE:
        break;
    }
    CHECK(state->phase != SCRYPT_DONE); /* stepping on after the end */
    return true;
}

void scrypt_reset(struct scrypt *state) {
    crypto_wipe(state, sizeof *state);
}
