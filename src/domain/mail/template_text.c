/* The language of mail templates, see template_text.h. */
#include "domain/mail/template_text.h"

/* Goes to the next "{{" of *rest and returns what is before it. False: there is none, all of it was
 * returned. */
static bool plain_take(struct str *rest, struct str *plain) {
    for (uint32_t i = 0; i + 1 < rest->len; i++) {
        if (rest->data[i] == '{' && rest->data[i + 1] == '{') {
            *plain = str_slice(*rest, 0, i);
            *rest = str_slice(*rest, i, rest->len);
            return true;
        }
    }
    *plain = *rest;
    *rest = str_slice(*rest, rest->len, rest->len);
    return false;
}

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || c == '_';
}

/* *rest begins with "{{": takes the placeholder. False when it is none. */
static bool name_take(struct str *rest, struct str *name) {
    CHECK(rest->len >= 2);
    uint32_t end = 2;
    while (end < rest->len && is_name_byte(rest->data[end])) {
        end++;
    }
    bool is_closed =
        end > 2 && end + 1 < rest->len && rest->data[end] == '}' && rest->data[end + 1] == '}';
    if (!is_closed) {
        return false;
    }
    *name = str_slice(*rest, 2, end);
    *rest = str_slice(*rest, end + 2, rest->len);
    return true;
}

bool template_name_is_known(struct str names, struct str name) {
    while (!str_is_none(names)) {
        if (str_equal(str_split(&names, ' '), name)) {
            return true;
        }
    }
    return false;
}

enum err template_text_check(struct str text, struct str names, struct str *where) {
    struct str rest = text;
    struct str plain;
    struct str name;
    uint32_t count = 0;
    while (plain_take(&rest, &plain)) {
        *where = str_slice(rest, 0, 16);
        if (!name_take(&rest, &name)) {
            return ERR_FORMAT;
        }
        *where = name;
        if (!template_name_is_known(names, name)) {
            return ERR_NOT_FOUND;
        }
        count++;
        if (count > TEMPLATE_PLACEHOLDERS_MAX) {
            return ERR_FULL;
        }
    }
    *where = STR_NONE;
    return ERR_OK;
}

static void put_html(struct buf *out, struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'') {
            buf_printf(out, "&#%d;", c);
        } else {
            buf_put_byte(out, (uint8_t)c);
        }
    }
}

static void put_line(struct buf *out, struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        buf_put_byte(out, c < 0x20 || c == 0x7f ? ' ' : c);
    }
}

static void put_as(struct buf *out, struct str text, enum template_form form) {
    switch (form) {
    case TEMPLATE_PLAIN:
        buf_put_str(out, text);
        break;
    case TEMPLATE_LINE:
        put_line(out, text);
        break;
    case TEMPLATE_HTML:
        put_html(out, text);
        break;
    }
}

static struct str value_of(const struct template_value *values, uint32_t count, struct str name) {
    for (uint32_t i = 0; i < count; i++) {
        if (str_equal(values[i].name, name)) {
            return values[i].value;
        }
    }
    return STR_NONE;
}

void template_text_fill(struct str text, const struct template_value *values, uint32_t count,
                        enum template_form form, struct buf *out) {
    struct str rest = text;
    struct str plain;
    struct str name;
    bool has_more = true;
    while (has_more) {
        has_more = plain_take(&rest, &plain);
        /* Of the template itself only a header's line ends could do harm. */
        put_as(out, plain, form == TEMPLATE_LINE ? TEMPLATE_LINE : TEMPLATE_PLAIN);
        if (has_more && name_take(&rest, &name)) {
            put_as(out, value_of(values, count, name), form);
        } else if (has_more) {
            put_as(out, str_slice(rest, 0, 2), TEMPLATE_PLAIN); /* was not checked: text */
            rest = str_slice(rest, 2, rest.len);
        }
    }
}
