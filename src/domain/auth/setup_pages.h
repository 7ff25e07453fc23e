/* Pages for browsers before there is a console: the root, and the one behind the one-time link. */
#ifndef DOMAIN_AUTH_SETUP_PAGES_H
#define DOMAIN_AUTH_SETUP_PAGES_H

#include "domain/auth/auth.h"

/* Fills in what depends on settings, and compresses; once at start. */
void setup_pages_open(const struct settings *settings);

enum err icon_read(struct request *request, const struct store_view *view);
/* The form, or, when there is an administrator, a page that says so. */
enum err setup_page_read(struct request *request, const struct store_view *view);
enum err setup_script_read(struct request *request, const struct store_view *view);
enum err setup_style_read(struct request *request, const struct store_view *view);

#endif
