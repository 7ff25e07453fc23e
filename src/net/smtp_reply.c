/* SMTP replies, see smtp_reply.h. */
#include "net/smtp_reply.h"

#include <string.h>

enum { CODE_LEN = 3 };

/* --- lines -------------------------------------------------------------------------------------
 */

enum err smtp_lines_take(struct smtp_lines *lines, struct str bytes, uint32_t *taken,
                         struct str *line) {
    uint32_t end = str_find_byte(bytes, '\n');
    bool has_end = end < bytes.len;
    *taken = has_end ? end + 1 : bytes.len;
    if (*taken > sizeof lines->memory - lines->len) {
        return ERR_FULL;
    }
    if (*taken > 0) {
        memcpy(lines->memory + lines->len, bytes.data, *taken);
        lines->len += *taken;
    }
    if (!has_end) {
        return ERR_AGAIN;
    }
    *line = str_from(lines->memory, lines->len - 1);
    if (str_ends(*line, STR("\r"))) {
        *line = str_slice(*line, 0, line->len - 1);
    }
    lines->len = 0;
    return ERR_OK;
}

/* --- replies -----------------------------------------------------------------------------------
 */

static bool is_digit(char byte, char first, char last) {
    return byte >= first && byte <= last;
}

/* RFC 5321, 4.2: the first digit is 2 to 5; of the second, 0 to 5 have a meaning, but servers in
 * the wild use others too. */
static bool code_parse(struct str line, uint16_t *code) {
    if (line.len < CODE_LEN || !is_digit(line.data[0], '2', '5') ||
        !is_digit(line.data[1], '0', '9') || !is_digit(line.data[2], '0', '9')) {
        return false;
    }
    *code =
        (uint16_t)((line.data[0] - '0') * 100 + (line.data[1] - '0') * 10 + (line.data[2] - '0'));
    return line.len == CODE_LEN || line.data[CODE_LEN] == ' ' || line.data[CODE_LEN] == '-';
}

struct str smtp_line_text(struct str line) {
    return str_trim(str_slice(line, CODE_LEN + 1, line.len));
}

/* Lines behind each other, as far as there is room. */
static void text_keep(struct smtp_reply *reply, struct str text) {
    struct buf out = buf_over(reply->text, sizeof reply->text);
    out.len = reply->text_len;
    if (reply->text_len > 0) {
        buf_put_byte(&out, ' ');
    }
    for (uint32_t index = 0; index < text.len; index++) {
        char byte = text.data[index];
        buf_put_byte(&out, (uint8_t)(byte >= ' ' && byte <= '~' ? byte : '?'));
    }
    reply->text_len = out.len;
}

enum err smtp_reply_take(struct smtp_reply *reply, struct str line) {
    uint16_t code = 0;
    if (reply->is_complete) {
        memset(reply, 0, sizeof *reply);
    }
    if (!code_parse(line, &code) || (reply->line_count > 0 && code != reply->code) ||
        reply->line_count == SMTP_REPLY_LINES_MAX) {
        return ERR_FORMAT;
    }
    reply->code = code;
    reply->line_count += 1;
    reply->is_complete = line.len == CODE_LEN || line.data[CODE_LEN] == ' ';
    text_keep(reply, smtp_line_text(line));
    return reply->is_complete ? ERR_OK : ERR_AGAIN;
}

/* --- abilities ---------------------------------------------------------------------------------
 */

static void mechanisms_take(struct smtp_abilities *abilities, struct str rest) {
    while (!str_is_none(rest)) {
        struct str word = str_split(&rest, ' ');
        abilities->has_auth_plain |= str_equal_nocase(word, STR("PLAIN"));
        abilities->has_auth_login |= str_equal_nocase(word, STR("LOGIN"));
    }
}

void smtp_abilities_take(struct smtp_abilities *abilities, struct str text) {
    struct str rest = text;
    struct str word = str_split(&rest, ' ');
    if (str_equal_nocase(word, STR("STARTTLS"))) {
        abilities->has_starttls = true;
    } else if (str_equal_nocase(word, STR("8BITMIME"))) {
        abilities->has_8bitmime = true;
    } else if (str_equal_nocase(word, STR("SMTPUTF8"))) {
        abilities->has_smtputf8 = true;
    } else if (str_equal_nocase(word, STR("SIZE"))) {
        uint64_t bytes = 0;
        abilities->has_size = true;
        abilities->size_max = str_parse_u64(str_trim(rest), &bytes) ? bytes : 0;
    } else if (str_equal_nocase(word, STR("AUTH"))) {
        mechanisms_take(abilities, rest);
    }
}
