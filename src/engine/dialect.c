/* The words of dialects. */
#include "engine/dialect.h"

const struct dialect_word *dialect_word(const struct dialect *dialect, enum err err) {
    uint32_t count = dialect == NULL ? 0 : dialect->word_count;
    for (uint32_t i = 0; i < count; i++) {
        if (dialect->words[i].err == err) {
            return &dialect->words[i];
        }
    }
    return NULL;
}

uint16_t dialect_status(const struct dialect *dialect, enum err err) {
    const struct dialect_word *word = dialect_word(dialect, err);
    return word != NULL ? word->status : err_row(err)->status;
}

const char *dialect_message(const struct dialect *dialect, enum err err) {
    const struct dialect_word *word = dialect_word(dialect, err);
    return word != NULL ? word->message : err_row(err)->sentence;
}
