/* Mail templates and the writer of mails: any bytes as template, as value, as header. */
#include "domain/mail/message.h"
#include "domain/mail/template_text.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char filled[512 * 1024];
static char written[2 * 1024 * 1024];

static uint32_t count_of(struct str text, char byte) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        count += text.data[i] == byte;
    }
    return count;
}

static bool has_braces(struct str text) {
    for (uint32_t i = 1; i < text.len; i++) {
        if (text.data[i - 1] == '{' && text.data[i] == '{') {
            return true;
        }
    }
    return false;
}

static void fill(struct str text, struct str value) {
    struct str where;
    struct template_value values[] = {{STR("name"), value}};
    bool is_good = template_text_check(text, STR("service name"), &where) == ERR_OK;
    CHECK(is_good || where.len <= text.len);
    struct buf out = buf_over(filled, sizeof(filled));
    template_text_fill(text, values, is_good ? 1 : 0, TEMPLATE_HTML, &out);
    /* A value brings no markup. */
    CHECK(count_of(buf_str(&out), '<') <= count_of(text, '<'));
    out = buf_over(filled, sizeof(filled));
    template_text_fill(text, values, 0, TEMPLATE_LINE, &out);
    CHECK(!str_has_byte(buf_str(&out), '\n') && !str_has_byte(buf_str(&out), '\r'));
    CHECK(!is_good || !has_braces(buf_str(&out)));
}

/* Short lines of ASCII but for addresses, which may be UTF-8; eight headers. */
static void write_mail(struct str text) {
    struct message message = {.id = {{1}},
                              .from = str_slice(text, 0, 254),
                              .from_name = text,
                              .to = str_slice(text, 0, 254),
                              .subject = text,
                              .text = text,
                              .html = text};
    struct buf out = buf_over(written, sizeof(written));
    message_write(&message, &out);
    CHECK(!out.is_full);
    struct str rest = buf_str(&out);
    uint32_t headers = 0;
    bool is_header = true;
    while (rest.len > 0) {
        struct str line = str_split(&rest, '\n');
        CHECK(str_ends(line, STR("\r")));
        CHECK(line.len <= 998 && count_of(line, '\r') == 1);
        is_header = is_header && line.len > 1;
        headers += is_header && line.data[0] != ' ';
    }
    CHECK(headers == 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct str text = str_from((const char *)data, bytes < 4096 ? bytes : 4096);
    uint32_t half = text.len / 2;
    fill(text, text);
    fill(str_slice(text, 0, half), str_slice(text, half, text.len));
    write_mail(text);
    return 0;
}
