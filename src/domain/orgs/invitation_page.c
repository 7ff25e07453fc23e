/* The page behind the link of an invitation, for servers without a console. */
#include "domain/orgs/invitations.h"
#include "engine/page.h"

PAGE_ASSET(accept_invitation_html)
PAGE_ASSET(invitation_js)

static struct page page;
static struct page script;

void invitation_page_open(const struct settings *settings) {
    static char memory[PAGE_BYTES_MAX];
    page = page_fill(memory, settings, PAGE_TEXT(accept_invitation_html));
    script = page_of(PAGE_TEXT(invitation_js));
}

enum err invitation_page_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, PAGE_HTML, &page);
}

enum err invitation_script_read(struct request *request, const struct store_view *view) {
    (void)view;
    return page_reply(request, PAGE_SCRIPT, &script);
}
