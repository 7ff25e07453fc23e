/* Time-based one-time passwords: RFC 6238 with SHA-1, 6 digits, 30 seconds; base32 (RFC 4648). */
#ifndef CRYPTO_TOTP_H
#define CRYPTO_TOTP_H

#include "base/buf.h"

enum {
    TOTP_SECRET_BYTES = 20, /* RFC 4226, R6: 160 bits recommended */
    TOTP_SECRET_BYTES_MAX = 64,
    TOTP_DIGITS = 6,
    TOTP_STEP_S = 30,
    TOTP_WINDOW_MAX = 4,
};

int64_t totp_step_at(int64_t time_us); /* floor(seconds / 30); negative times give 0 */

/* The code of a step, with leading zeros. */
void totp_code(struct str secret, int64_t step, char code[TOTP_DIGITS]);

/* Does `code` belong to a step in now-window..now+window that is later than `last_step` (the step
 * of the last accepted code, -1 = none yet)? Then *step is that step: store it, so that a code
 * works once. All steps of the window are compared whatever the result. */
bool totp_check(struct str secret, int64_t time_us, uint32_t window, int64_t last_step,
                struct str code, int64_t *step);

void base32_format(struct str bytes, struct buf *out); /* upper case, no padding */
/* Either case, no padding, no blanks, no stray bits. Appends; false on bad input or full `out`. */
bool base32_parse(struct str text, struct buf *out);

#endif
