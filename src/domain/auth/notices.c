/* Notices by mail, and the devices that logins come from. See notices.h. */
#include "domain/auth/notices.h"

#include "base/time.h"
#include "domain/mail/mail.h"

#include <string.h>

enum { NOTICE_LIFE_DAYS = 2 };

static const struct field device_fields[] = {
    FIELD(struct device, key, FIELD_BYTES, .tag = 1, .flags = FIELD_REQUIRED, .max = 32,
          .doc = "SHA-256 over user, program and network."),
    FIELD(struct device, user_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED, .doc = "Whose."),
    FIELD(struct device, seen_at, FIELD_TIME, .tag = 3, .flags = FIELD_REQUIRED,
          .doc = "Last login from there, to the day."),
};

const struct schema device_schema = SCHEMA("Device", struct device, device_fields);

static const struct table_index device_indexes[] = {
    [DEVICE_INDEX_USER] = {.name = "user",
                           .offsets = {offsetof(struct device, user_id),
                                       offsetof(struct device, seen_at)},
                           .offset_count = 2},
    [DEVICE_INDEX_SEEN] = {.name = "seen",
                           .offsets = {offsetof(struct device, seen_at)},
                           .offset_count = 1},
};

const struct table device_table = {
    .name = "devices",
    .id = 44,
    .version = 1,
    .schema = &device_schema,
    .key_offset = offsetof(struct device, key),
    .scope_offset = offsetof(struct device, user_id),
    .indexes = device_indexes,
    .index_count = COUNT_OF(device_indexes),
    .person = {.kind = PERSON_DATA, .of = "users", .index = DEVICE_INDEX_USER},
    .doc = "Programs and networks from which people have logged in.",
};

/* ---- the mails ---- */

static struct str peer_text(const struct command *command) {
    char *memory = arena_take(command->arena, NET_ADDRESS_TEXT_MAX);
    if (memory == NULL) {
        return STR_NONE;
    }
    struct buf out = buf_over(memory, NET_ADDRESS_TEXT_MAX);
    net_address_format(command->peer, &out);
    return buf_str(&out);
}

static void notice_put(struct store_tx *tx, const struct command *command, const struct user *user,
                       const char *label, struct mail *mail) {
    if (!user->email_verified) {
        return;
    }
    mail->to = user->email;
    MAIL_SET(mail, name, user_display_name(user));
    MAIL_SET(mail, time, mail_time_text(command->arena, command->now_us));
    MAIL_SET(mail, address, peer_text(command));
    mail_put(tx, command, label, mail, NOTICE_LIFE_DAYS * TIME_US_PER_DAY);
}

void notice_password_changed(struct store_tx *tx, const struct command *command,
                             const struct user *user) {
    struct mail mail = {.template = MAIL_PASSWORD_CHANGED};
    notice_put(tx, command, user, "mail password", &mail);
}

void notice_locked_out(struct store_tx *tx, const struct command *command,
                       const struct user *user) {
    struct mail mail = {.template = MAIL_LOCKED_OUT};
    int64_t lock_us = settings_us(command->settings, SETTING_LOCKOUT_SECONDS_ID);
    MAIL_SET(&mail, life, mail_life_text(command->arena, lock_us));
    notice_put(tx, command, user, "mail lock", &mail);
}

/* ---- devices ---- */

static struct hash device_key(const struct command *command, struct id user_id) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    bool is_ipv4 = memcmp(command->peer.bytes, mapped, sizeof(mapped)) == 0;
    struct hash_stream stream;
    hash_stream_init(&stream);
    hash_stream_add_field(&stream, id_bytes(&user_id));
    hash_stream_add_field(&stream, command->user_agent);
    hash_stream_add_field(&stream, str_from((const char *)command->peer.bytes, is_ipv4 ? 15 : 6));
    return hash_stream_value(&stream);
}

/* How many the user has, and the longest unseen of them. */
static uint32_t devices_count(const struct store_view *view, const struct command *command,
                              struct id user_id, struct device *oldest) {
    struct store_scope owner = {.kind = STORE_SCOPE_OWNER, .owner = user_id};
    char memory[ID_BYTES];
    struct buf prefix = buf_over(memory, sizeof(memory));
    struct store_scan scan;
    struct device device;
    uint32_t count = 0;
    store_key_put_id(&prefix, user_id);
    enum err err = store_scan_open(&scan, view, owner, &device_table, DEVICE_INDEX_USER,
                                   buf_str(&prefix), STR_NONE, false);
    while (err == ERR_OK && count < DEVICES_PER_USER_MAX) {
        err = store_scan_next(&scan, command->arena, count == 0 ? oldest : &device);
        count += err == ERR_OK;
    }
    store_scan_close(&scan);
    return count;
}

static void device_put(struct store_tx *tx, struct id user_id, struct str key, int64_t day_us) {
    struct device device = {
        .set.present = UINT64_MAX >> (64 - COUNT_OF(device_fields)),
        .key = key,
        .user_id = user_id,
        .seen_at = day_us,
    };
    store_put(tx, &device_table, &device);
}

void notice_login(struct store_tx *tx, const struct command *command, const struct user *user) {
    struct store_scope owner = {.kind = STORE_SCOPE_OWNER, .owner = user->id};
    struct hash hash = device_key(command, user->id);
    struct str key = hash_bytes(&hash);
    int64_t day_us = command->now_us - command->now_us % TIME_US_PER_DAY;
    struct device device;
    enum err err = store_get(store_tx_view(tx), owner, &device_table, key, command->arena, &device);
    if (err == ERR_OK) {
        if (device.seen_at != day_us) {
            device_put(tx, user->id, key, day_us);
        }
        return;
    }
    uint32_t count = devices_count(store_tx_view(tx), command, user->id, &device);
    if (count == DEVICES_PER_USER_MAX) {
        store_del(tx, &device_table, device.key);
    }
    device_put(tx, user->id, key, day_us);
    if (count > 0) {
        struct mail mail = {.template = MAIL_NEW_DEVICE};
        MAIL_SET(&mail, device,
                 str_is_none(command->user_agent) ? STR("unknown") : command->user_agent);
        notice_put(tx, command, user, "mail device", &mail);
    }
}
