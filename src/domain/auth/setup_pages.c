/*
 * Pages for browsers before there is a console. The texts are src/engine/static/.
 */
#include "domain/auth/setup_pages.h"

#include "engine/page.h"

PAGE_ASSET(icon_svg)
PAGE_ASSET(root_html)
PAGE_ASSET(setup_css)
PAGE_ASSET(setup_done_html)
PAGE_ASSET(setup_html)
PAGE_ASSET(setup_js)

static struct page root_page;
static struct page setup_page;
static struct page setup_done_page;
static struct page script;
static struct page style;

void setup_pages_open(const struct settings *settings) {
    static char memory[3][PAGE_BYTES_MAX];
    CHECK(settings != NULL);
    root_page = page_fill(memory[0], settings, PAGE_TEXT(root_html));
    setup_page = page_fill(memory[1], settings, PAGE_TEXT(setup_html));
    setup_done_page = page_fill(memory[2], settings, PAGE_TEXT(setup_done_html));
    script = page_of(PAGE_TEXT(setup_js));
    style = page_of(PAGE_TEXT(setup_css));
}

/* ---- replies ---- */

enum err root_page_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, PAGE_HTML, &root_page);
}

enum err setup_page_read(struct request *request, const struct store_view *view) {
    bool is_done = str_is_none(auth_setup_token()) || user_any_admin(view, request->arena);
    return page_reply(request, PAGE_HTML, is_done ? &setup_done_page : &setup_page);
}

enum err setup_script_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, PAGE_SCRIPT, &script);
}

enum err setup_style_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, PAGE_STYLE, &style);
}

enum err icon_read(struct request *request, const struct store_view *view) {
    (void)view;
    request->raw_type = STR("image/svg+xml");
    request->raw_body = PAGE_TEXT(icon_svg);
    return ERR_OK;
}
