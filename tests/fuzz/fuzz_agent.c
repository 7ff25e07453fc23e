/* User-Agent headers: whatever they hold, a name is short, printable, and there or not. */
#include "domain/auth/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char memory[AGENT_NAME_BYTES_MAX];
    struct buf out = buf_over(memory, sizeof memory);
    bool is_named = agent_name(str_from((const char *)data, bytes < 512 ? bytes : 512), &out);
    if (is_named) {
        CHECK(!out.is_full);
        CHECK(out.len > 0);
        for (uint32_t i = 0; i < out.len; i++) {
            CHECK(memory[i] >= ' ' && memory[i] <= '~');
        }
    }
    return 0;
}
