/* Pages for browsers, see page.h. */
#include "engine/page.h"

#include "engine/compress.h"

/* Safe in content and in quoted attributes. */
static void put_escaped(struct buf *out, struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'') {
            buf_printf(out, "&#%d;", c);
        } else {
            buf_put_byte(out, (uint8_t)c);
        }
    }
}

/* The value of a setting; false when there is none of that name. */
static bool put_setting(struct buf *out, const struct settings *settings, struct str name) {
    for (uint32_t i = 0; i < SETTINGS_COUNT; i++) {
        const struct setting_row *row = setting_row((enum setting)i);
        if (!str_equal(name, str_from_c(row->name))) {
            continue;
        }
        if (row->kind == SETTING_TEXT) {
            put_escaped(out, settings_text(settings, (enum setting)i));
        } else {
            buf_put_i64(out, settings_int(settings, (enum setting)i));
        }
        return true;
    }
    return false;
}

struct page page_of(struct str text) {
    return (struct page){.text = text};
}

struct page page_fill(char *memory, const struct settings *settings, struct str text) {
    struct buf out = buf_over(memory, PAGE_BYTES_MAX);
    while (!str_is_none(text)) {
        buf_put_str(&out, str_split(&text, '@'));
        if (!str_is_none(text)) {
            bool is_known = put_setting(&out, settings, str_split(&text, '@'));
            CHECK(is_known); /* the texts are ours */
        }
    }
    CHECK(!out.is_full);
    return page_of(buf_str(&out));
}

enum err page_reply(struct request *request, struct str type, struct page *page) {
    if (str_is_none(page->text)) {
        return ERR_UNAVAILABLE;
    }
    if (!page->is_compressed) {
        page->gzip = compress_gzip(page->text);
        page->is_compressed = true;
    }
    request->raw_type = type;
    request->raw_body = page->text;
    request->raw_gzip = page->gzip;
    return ERR_OK;
}
