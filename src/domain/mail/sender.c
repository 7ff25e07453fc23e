/*
 * Sending mails, see sender.h. The SMTP client keeps the connections, the outbox the order and the
 * tries. With mail.folder each becomes a file ID.eml there, written beside
 * and renamed, so that whoever looks finds whole mails; not synced, for the loop does not wait for
 * a disk, and the folder is for development. A mail sent twice is the same file twice.
 */
#include "domain/mail/sender.h"

#include "domain/mail/templates.h"
#include "net/smtp.h"
#include "os/files.h"

_Static_assert((uint32_t)MAIL_MESSAGE_BYTES_MAX <= (uint32_t)SMTP_MESSAGE_BYTES_MAX,
               "every mail can be sent");

static struct smtp_client *the_client;

void mail_server_set(struct smtp_client *client) {
    the_client = client;
}

static bool sender_is_ready(const struct settings *settings) {
    return the_client != NULL || settings_text(settings, SETTING_MAIL_FOLDER_ID).len > 0;
}

static uint32_t sender_room(void) {
    return the_client != NULL ? smtp_room(the_client) : OUTBOX_FLIGHTS_MAX;
}

static void send_to_folder(struct outbox_delivery *delivery, struct str folder,
                           struct str message) {
    char path[FILE_PATH_BYTES_MAX];
    struct buf out = buf_over(path, sizeof(path));
    buf_put_str(&out, folder);
    buf_put_byte(&out, '/');
    id_format(delivery->row.id, &out);
    buf_put_c(&out, ".eml");
    buf_put_byte(&out, '\0');
    CHECK(!out.is_full); /* the setting's limit leaves room */
    if (file_put_unsynced(path, message, 0600) == ERR_OK) {
        outbox_finish(delivery, OUTBOX_DELIVERED, STR_NONE);
    } else {
        outbox_finish(delivery, OUTBOX_RETRY, STR("The folder mail.folder cannot be written."));
    }
}

static void on_done(void *ctx, uint64_t handle, enum smtp_outcome outcome, const char *detail) {
    static const enum outbox_result results[] = {
        [SMTP_DELIVERED] = OUTBOX_DELIVERED,
        [SMTP_RETRY_LATER] = OUTBOX_RETRY,
        [SMTP_REFUSED] = OUTBOX_REFUSED,
    };
    (void)handle;
    outbox_finish(ctx, results[outcome], str_from_c(detail));
}

static void send_to_server(struct outbox_delivery *delivery, struct str message) {
    struct smtp_message smtp = {
        .sender = settings_text(engine_settings(delivery->engine), SETTING_MAIL_FROM_ID),
        .recipient = delivery->row.recipient,
        .bytes = message,
    };
    enum err err = smtp_send(the_client, &smtp, 0, on_done, delivery);
    if (err == ERR_FULL) {
        outbox_finish(delivery, OUTBOX_RETRY, STR("All connections to the mail server are busy."));
    } else if (err != ERR_OK) {
        outbox_finish(delivery, OUTBOX_REFUSED,
                      STR("This address, or mail.from, is none that mail servers take."));
    }
}

/* The payload is ours: what cannot be read was written by another version. */
static enum err mail_read(struct outbox_delivery *delivery, struct mail *mail) {
    struct schema_faults *faults = ARENA_NEW(delivery->arena, struct schema_faults);
    if (faults == NULL) {
        return ERR_NO_MEMORY;
    }
    return schema_decode(&mail_schema, delivery->row.payload, delivery->arena, mail, faults);
}

static enum err mail_make(struct outbox_delivery *delivery, struct str *message) {
    const struct settings *settings = engine_settings(delivery->engine);
    const struct store_view *view = store_snapshot(engine_store(delivery->engine));
    struct mail_template_record own;
    struct mail mail;
    bool is_own = false;
    enum err err = mail_read(delivery, &mail);
    if (err == ERR_OK && SCHEMA_HAS(&mail_schema, &mail, organization_id)) {
        err = mail_template_find(view, mail.organization_id, (enum mail_template)mail.template,
                                 delivery->arena, &own);
        is_own = err == ERR_OK;
        err = err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    if (err != ERR_OK) {
        return err;
    }
    return mail_render(settings, &delivery->row, &mail, is_own ? &own : NULL, delivery->arena,
                       message);
}

static void sender_send(struct outbox_delivery *delivery) {
    const struct settings *settings = engine_settings(delivery->engine);
    struct str message;
    enum err err = mail_make(delivery, &message);
    if (err != ERR_OK) {
        outbox_finish(delivery, err == ERR_NO_MEMORY ? OUTBOX_RETRY : OUTBOX_REFUSED,
                      str_from_c(err_row(err)->sentence));
        return;
    }
    struct str folder = settings_text(settings, SETTING_MAIL_FOLDER_ID);
    if (folder.len > 0) {
        send_to_folder(delivery, folder, message);
    } else {
        send_to_server(delivery, message);
    }
}

const struct outbox_sender mail_sender = {
    .is_ready = sender_is_ready,
    .room = sender_room,
    .send = sender_send,
};
