/* What command rows share: documents of outcomes, randomness with a label. */
#include "engine/command.h"

#include <string.h>

#include "crypto/mac.h"

static yyjson_mut_val *outcome_object(struct outcome *outcome, const struct command *command,
                                      yyjson_mut_val **slot) {
    if (outcome->doc == NULL) {
        outcome->doc = json_doc(command->arena);
    }
    if (*slot == NULL) {
        *slot = yyjson_mut_obj(outcome->doc);
    }
    return *slot;
}

yyjson_mut_val *outcome_data(struct outcome *outcome, const struct command *command) {
    return outcome_object(outcome, command, &outcome->data);
}

yyjson_mut_val *outcome_details(struct outcome *outcome, const struct command *command) {
    return outcome_object(outcome, command, &outcome->details);
}

void command_entropy(const struct command *command, const char *label, uint8_t out[32]) {
    struct str key = str_from((const char *)command->entropy, sizeof(command->entropy));
    struct hash value = mac_of(key, str_from_c(label));
    memcpy(out, value.bytes, sizeof(value.bytes));
    crypto_wipe(&value, sizeof(value));
}

struct id command_id(const struct command *command, const char *label) {
    uint8_t entropy[32];
    command_entropy(command, label, entropy);
    return id_from_entropy(entropy);
}
