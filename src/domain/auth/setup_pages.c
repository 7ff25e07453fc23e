/*
 * Pages for browsers before there is a console. The texts are src/engine/static/, put into the
 * program by the build; in the HTML ones `@NAME@` stands for the setting of that name, so that no
 * page says another password rule than the server has.
 */
#include "domain/auth/setup_pages.h"

#include "engine/compress.h"

#define ASSET(name)                                                                                \
    extern const char asset_##name[];                                                              \
    extern const char asset_##name##_end[];
ASSET(icon_svg)
ASSET(root_html)
ASSET(setup_css)
ASSET(setup_done_html)
ASSET(setup_html)
ASSET(setup_js)
#undef ASSET

#define ASSET_TEXT(name) str_from(asset_##name, (size_t)(asset_##name##_end - asset_##name))

static struct page root_page;
static struct page setup_page;
static struct page setup_done_page;
static struct page script;
static struct page style;

/* ---- filling in ---- */

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
    return (struct page){.text = buf_str(&out), .gzip = compress_gzip(buf_str(&out))};
}

void setup_pages_open(const struct settings *settings) {
    static char memory[3][PAGE_BYTES_MAX];
    CHECK(settings != NULL);
    root_page = page_fill(memory[0], settings, ASSET_TEXT(root_html));
    setup_page = page_fill(memory[1], settings, ASSET_TEXT(setup_html));
    setup_done_page = page_fill(memory[2], settings, ASSET_TEXT(setup_done_html));
    script.text = ASSET_TEXT(setup_js);
    script.gzip = compress_gzip(script.text);
    style.text = ASSET_TEXT(setup_css);
    style.gzip = compress_gzip(style.text);
}

/* ---- replies ---- */

enum err page_reply(struct request *request, struct str type, const struct page *page) {
    CHECK(!str_is_none(page->text));
    request->raw_type = type;
    request->raw_body = page->text;
    request->raw_gzip = page->gzip;
    return ERR_OK;
}

enum err root_page_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, STR("text/html; charset=utf-8"), &root_page);
}

enum err setup_page_read(struct request *request, const struct store_view *view) {
    bool is_done = str_is_none(auth_setup_token()) || user_any_admin(view, request->arena);
    return page_reply(request, STR("text/html; charset=utf-8"),
                      is_done ? &setup_done_page : &setup_page);
}

enum err setup_script_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, STR("text/javascript; charset=utf-8"), &script);
}

enum err setup_style_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, STR("text/css; charset=utf-8"), &style);
}

enum err icon_read(struct request *request, const struct store_view *view) {
    (void)view;
    request->raw_type = STR("image/svg+xml");
    request->raw_body = ASSET_TEXT(icon_svg);
    return ERR_OK;
}
