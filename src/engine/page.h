/*
 * Pages for browsers: texts of src/engine/static/, put into the program by the build. In the HTML
 * ones `@NAME@` stands for the setting of that name, so that no page says another password rule
 * than the server has. Filled once at start; compressed when the first reader comes, as most starts
 * see none, and a start that waits for it is a boot that waits for it.
 */
#ifndef ENGINE_PAGE_H
#define ENGINE_PAGE_H

#include "engine/request.h"

/* PAGE_ASSET(name_ext) declares src/engine/static/name.ext; PAGE_TEXT is its text. */
#define PAGE_ASSET(name)                                                                           \
    extern const char asset_##name[];                                                              \
    extern const char asset_##name##_end[];
#define PAGE_TEXT(name) str_from(asset_##name, (size_t)(asset_##name##_end - asset_##name))

enum { PAGE_BYTES_MAX = 8 * 1024 };

/* A text that lives as long as the process. */
struct page {
    struct str text; /* STR_NONE: there was no memory for it */
    struct str gzip; /* STR_NONE: not shorter */
    bool is_compressed;
};
struct page page_of(struct str text);
/* With every `@NAME@` replaced, in `memory` (PAGE_BYTES_MAX bytes, as long as the process). */
struct page page_fill(char *memory, const struct settings *settings, struct str text);

/* From a FORM_RAW endpoint's read. */
enum err page_reply(struct request *request, struct str type, struct page *page);
#define PAGE_HTML STR("text/html; charset=utf-8")
#define PAGE_SCRIPT STR("text/javascript; charset=utf-8")
#define PAGE_STYLE STR("text/css; charset=utf-8")

#endif
