/* Names out of User-Agent headers, see agent.h. */
#include "domain/auth/agent.h"

/* Browsers call themselves by the names of those that came before them: the first mark that fits
 * counts. */
struct mark {
    const char *mark;
    const char *name;
};

static const struct mark browsers[] = {
    {"Edg/", "Edge"},
    {"EdgA/", "Edge"},
    {"EdgiOS/", "Edge"},
    {"OPR/", "Opera"},
    {"SamsungBrowser/", "Samsung Internet"},
    {"Firefox/", "Firefox"},
    {"FxiOS/", "Firefox"},
    {"CriOS/", "Chrome"},
    {"Chrome/", "Chrome"},
    {"Version/", "Safari"},
};

static const struct mark systems[] = {
    {"iPhone", "iPhone"},   {"iPad", "iPad"},       {"Android", "Android"}, {"CrOS", "ChromeOS"},
    {"Windows", "Windows"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
};

static bool has_text(struct str text, const char *wanted_text) {
    struct str wanted = str_from_c(wanted_text);
    for (uint32_t i = 0; i + wanted.len <= text.len; i++) {
        if (str_starts(str_slice(text, i, text.len), wanted)) {
            return true;
        }
    }
    return false;
}

static const char *mark_find(const struct mark *marks, uint32_t count, struct str text) {
    for (uint32_t i = 0; i < count; i++) {
        if (has_text(text, marks[i].mark)) {
            return marks[i].name;
        }
    }
    return NULL;
}

/* "curl/8.5.0" calls itself curl: the first word before its version. */
static bool product_name(struct str text, struct buf *out) {
    struct str word = str_split(&text, ' ');
    struct str name = str_split(&word, '/');
    if (name.len == 0 || name.len > AGENT_NAME_BYTES_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < name.len; i++) {
        if (name.data[i] <= ' ' || name.data[i] > '~') {
            return false;
        }
    }
    buf_put_str(out, name);
    return !out->is_full;
}

bool agent_name(struct str user_agent, struct buf *out) {
    if (str_is_none(user_agent) || !str_starts(user_agent, STR("Mozilla/"))) {
        return !str_is_none(user_agent) && product_name(user_agent, out);
    }
    const char *browser = mark_find(browsers, COUNT_OF(browsers), user_agent);
    const char *system = mark_find(systems, COUNT_OF(systems), user_agent);
    if (browser == NULL && system == NULL) {
        return false;
    }
    buf_put_c(out, browser != NULL ? browser : "Browser");
    if (system != NULL) {
        buf_put_c(out, " on ");
        buf_put_c(out, system);
    }
    return !out->is_full;
}
