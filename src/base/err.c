/* The rows of ERR_TABLE, by enum err. */
#include "base/err.h"

static const struct err_row rows[] = {
#define ERR_ROW(name, type, reason, status, sentence) {#name, type, reason, sentence, status},
    ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};
_Static_assert(COUNT_OF(rows) == ERR_COUNT, "one row per error");

const struct err_row *err_row(enum err err) {
    CHECK((int)err >= 0);
    CHECK(err < ERR_COUNT);
    return &rows[err];
}
