/*
 * Passwords per second and core: ours, four interleaved, against libxcrypt one by one, on the same
 * passwords; both results are compared. Output: "ours X libxcrypt Y slice_us_p99 Z mismatches N".
 */
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/bcrypt.h"

enum { COST = 12, ROUNDS = 3, SLICES_MAX = 1 << 16 };

static double slice_us[SLICES_MAX];
static int slice_count;

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* BCRYPT_LANES hashes side by side; returns their duration. */
static double run_ours(char passwords[][32], char texts[][BCRYPT_TEXT_LEN + 1]) {
    static struct bcrypt_lane lanes[BCRYPT_LANES];
    struct bcrypt_text parts[BCRYPT_LANES];
    double began = now_us();
    for (int i = 0; i < BCRYPT_LANES; i++) {
        parts[i] = (struct bcrypt_text){.variant = 'b', .cost = COST};
        memset(parts[i].salt, 17 * i + 3, sizeof(parts[i].salt));
        bcrypt_lane_start(&lanes[i], 'b', COST, parts[i].salt, str_from_c(passwords[i]));
    }
    while (!bcrypt_lane_is_done(&lanes[0])) {
        double slice = now_us();
        bcrypt_lanes_step(lanes, BCRYPT_LANES);
        if (slice_count < SLICES_MAX) {
            slice_us[slice_count++] = now_us() - slice;
        }
    }
    double took = now_us() - began;
    for (int i = 0; i < BCRYPT_LANES; i++) {
        bcrypt_lane_finish(&lanes[i], parts[i].digest);
        struct buf out = buf_over(texts[i], BCRYPT_TEXT_LEN);
        bcrypt_text_format(&parts[i], &out);
        texts[i][BCRYPT_TEXT_LEN] = 0;
    }
    return took;
}

int main(void) {
    char passwords[BCRYPT_LANES][32];
    char texts[BCRYPT_LANES][BCRYPT_TEXT_LEN + 1];
    double ours_us = 0;
    double theirs_us = 0;
    int mismatches = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BCRYPT_LANES; i++) {
            snprintf(passwords[i], sizeof(passwords[i]), "Password-%d-%d", round, i);
        }
        ours_us += run_ours(passwords, texts);
        double began = now_us();
        for (int i = 0; i < BCRYPT_LANES; i++) {
            const char *theirs = crypt(passwords[i], texts[i]);
            mismatches += theirs == NULL || strcmp(theirs, texts[i]) != 0;
        }
        theirs_us += now_us() - began;
    }
    qsort(slice_us, (size_t)slice_count, sizeof(slice_us[0]), compare);
    double hashes = ROUNDS * BCRYPT_LANES;
    printf("ours %.2f libxcrypt %.2f slice_us_p99 %.0f mismatches %d\n", hashes / ours_us * 1e6,
           hashes / theirs_us * 1e6, slice_us[slice_count * 99 / 100], mismatches);
    return mismatches == 0 ? 0 : 1;
}
