/* Mails into the outbox, and the words in them. */
#include "base/time.h"
#include "domain/mail/mail.h"

enum { WORDS_BYTES_MAX = 64, LINK_BYTES_MAX = 400 };

/* A name or a user agent can be longer than what a mail has room for. */
static void values_cut(struct mail *mail) {
    for (uint32_t i = 0; i < mail_schema.field_count; i++) {
        const struct field *field = &mail_schema.fields[i];
        if (field->type != FIELD_TEXT) {
            continue;
        }
        struct str *text = (void *)((char *)mail + field->offset);
        uint32_t most = (uint32_t)schema_field_max(field); /* of bytes: a stricter limit */
        if (text->len > most) {
            uint32_t len = most;
            while (len > 0 && ((unsigned char)text->data[len] & 0xc0) == 0x80) {
                len--; /* between characters */
            }
            *text = str_slice(*text, 0, len);
        }
    }
}

void mail_put(struct store_tx *tx, const struct command *command, const char *label,
              struct mail *mail, int64_t life_us) {
    struct str payload;
    CHECK(mail->to.len > 0);
    if (mail->to.len > EMAIL_BYTES_MAX) {
        return; /* an address in letters of several bytes each: no mail server takes it */
    }
    SCHEMA_SET(&mail_schema, mail, template);
    SCHEMA_SET(&mail_schema, mail, to);
    values_cut(mail);
    yyjson_mut_doc *doc = json_doc(command->arena);
    yyjson_mut_val *root = json_object(doc);
    json_add_members(doc, root, &mail_schema, mail);
    if (json_write(doc, root, command->arena, &payload) != ERR_OK) {
        return; /* the command's memory is for its whole work: this is its last resort */
    }
    struct outbox_letter letter = {
        .kind = OUTBOX_MAIL,
        .label = label,
        .about = str_from_c(mail_template_names[mail->template]),
        .recipient = mail->to,
        .payload = payload,
        .life_us = life_us,
    };
    outbox_put(tx, command, &letter);
}

struct str mail_link(const struct command *command, const char *path, struct str token) {
    char *memory = arena_take(command->arena, LINK_BYTES_MAX);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf out = buf_over(memory, LINK_BYTES_MAX);
    buf_put_str(&out, settings_text(command->settings, SETTING_PUBLIC_URL_ID));
    buf_put_c(&out, path);
    buf_put_byte(&out, '#');
    buf_put_str(&out, token);
    CHECK(!out.is_full); /* public-url has at most 255 bytes */
    return buf_str(&out);
}

static struct str count_text(struct arena *arena, int64_t count, const char *unit) {
    char *memory = arena_take(arena, WORDS_BYTES_MAX);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf out = buf_over(memory, WORDS_BYTES_MAX);
    buf_put_i64(&out, count);
    buf_put_byte(&out, ' ');
    buf_put_c(&out, unit);
    buf_put_c(&out, count == 1 ? "" : "s");
    return buf_str(&out);
}

struct str mail_life_text(struct arena *arena, int64_t life_us) {
    if (life_us >= 2 * TIME_US_PER_DAY && life_us % TIME_US_PER_DAY == 0) {
        return count_text(arena, life_us / TIME_US_PER_DAY, "day");
    }
    if (life_us >= TIME_US_PER_HOUR && life_us % TIME_US_PER_HOUR == 0) {
        return count_text(arena, life_us / TIME_US_PER_HOUR, "hour");
    }
    if (life_us >= TIME_US_PER_MIN) {
        return count_text(arena, life_us / TIME_US_PER_MIN, "minute");
    }
    return count_text(arena, life_us / TIME_US_PER_S, "second");
}

struct str mail_time_text(struct arena *arena, int64_t time_us) {
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct time_fields fields;
    char *memory = arena_take(arena, WORDS_BYTES_MAX);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf out = buf_over(memory, WORDS_BYTES_MAX);
    time_split(time_us, &fields);
    buf_printf(&out, "%d %s %d, %02d:%02d UTC", fields.day, months[fields.month - 1], fields.year,
               fields.hour, fields.minute);
    return buf_str(&out);
}
