/* Invitations: the table, and the commands of those who invite. See invitations.h. */
#include "domain/orgs/invitations.h"

#include "base/time.h"
#include "crypto/token.h"
#include "domain/mail/mail.h"
#include "domain/orgs/org_api.h"
#include "engine/job.h"

static const struct field invitation_fields[] = {
    FIELD(struct invitation, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED,
          .doc = "Invitation id."),
    FIELD(struct invitation, organization_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED,
          .doc = "To what."),
    FIELD(struct invitation, email, FIELD_TEXT, .tag = 3, .flags = FIELD_REQUIRED | FIELD_PERSONAL,
          .max = EMAIL_BYTES_MAX, .doc = "Whom."),
    FIELD(struct invitation, role, FIELD_ENUM, .tag = 4, .flags = FIELD_REQUIRED,
          .values = member_role_names, .doc = "As what."),
    FIELD(struct invitation, token_hash, FIELD_BYTES, .tag = 5,
          .flags = FIELD_REQUIRED | FIELD_HIDDEN, .max = 32, .doc = "SHA-256 of the token."),
    FIELD(struct invitation, invited_by_id, FIELD_ID, .tag = 6, .flags = FIELD_NULLABLE,
          .doc = "Who invites; null when an API key does."),
    FIELD(struct invitation, expires_at, FIELD_TIME, .tag = 7, .flags = FIELD_REQUIRED,
          .doc = "Until when it can be accepted."),
    FIELD(struct invitation, created_at, FIELD_TIME, .tag = 8, .flags = FIELD_REQUIRED,
          .doc = "When it was sent."),
};

const struct schema invitation_schema = SCHEMA("Invitation", struct invitation, invitation_fields);

static const struct table_index invitation_indexes[] = {
    [INVITATION_INDEX_PAIR] = {.name = "pair",
                               .offsets = {offsetof(struct invitation, organization_id),
                                           offsetof(struct invitation, email)},
                               .offset_count = 2,
                               .is_unique = true},
    [INVITATION_INDEX_TOKEN] = {.name = "token",
                                .offsets = {offsetof(struct invitation, token_hash)},
                                .offset_count = 1,
                                .is_unique = true},
    [INVITATION_INDEX_EXPIRES] = {.name = "expires",
                                  .offsets = {offsetof(struct invitation, expires_at)},
                                  .offset_count = 1},
    [INVITATION_INDEX_EMAIL] = {.name = "email",
                                .offsets = {offsetof(struct invitation, email)},
                                .offset_count = 1},
};

const struct table invitation_table = {
    .name = "invitations",
    .id = 36,
    .version = 1,
    .schema = &invitation_schema,
    .key_offset = offsetof(struct invitation, id),
    .scope_offset = offsetof(struct invitation, organization_id),
    .indexes = invitation_indexes,
    .index_count = COUNT_OF(invitation_indexes),
    .person = {.kind = PERSON_DATA,
               .of = "users",
               .index = INVITATION_INDEX_EMAIL,
               .by = {"email"}},
    .doc = "Invitations that wait for an answer.",
};

/* ---- lookups ---- */

/* The one to this address, pending or expired. */
static enum err invitation_find(const struct store_view *view, struct id organization_id,
                                struct str email, struct arena *arena,
                                struct invitation *invitation) {
    char memory[STORE_KEY_BYTES_MAX];
    struct buf key = buf_over(memory, sizeof(memory));
    store_key_put_id(&key, organization_id);
    store_key_put_text(&key, email, true);
    if (key.is_full) {
        return ERR_NOT_FOUND; /* longer than any that is stored */
    }
    return store_find(view, organization_scope(organization_id), &invitation_table,
                      INVITATION_INDEX_PAIR, buf_str(&key), arena, invitation);
}

static enum err invitations_open(struct store_scan *scan, const struct store_view *view,
                                 struct id organization_id, struct buf *prefix) {
    store_key_put_id(prefix, organization_id);
    return store_scan_open(scan, view, organization_scope(organization_id), &invitation_table,
                           INVITATION_INDEX_PAIR, buf_str(prefix), STR_NONE, false);
}

static enum err invitations_have_room(const struct store_view *view, struct id organization_id,
                                      struct arena *arena) {
    char memory[ID_BYTES];
    struct buf prefix = buf_over(memory, sizeof(memory));
    struct invitation invitation;
    struct store_scan scan;
    struct arena one;
    uint32_t count = 0;
    arena_init(&one, arena->pool, ARENA_BLOCK_BYTES);
    enum err err = invitations_open(&scan, view, organization_id, &prefix);
    while (err == ERR_OK && count < INVITATIONS_PER_ORGANIZATION_MAX) {
        err = store_scan_next(&scan, &one, &invitation);
        count += err == ERR_OK;
        arena_reset(&one);
    }
    store_scan_close(&scan);
    if (err == ERR_END) {
        return ERR_OK;
    }
    return err == ERR_OK ? ERR_LIMIT : err;
}

/* ---- inviting ---- */

struct invitation_body {
    struct schema_set set;
    struct str email;
    int32_t role;
    int64_t expires_in;
};

static const struct field invitation_body_fields[] = {
    FIELD(struct invitation_body, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 254,
          .format = FORMAT_EMAIL, .doc = "E-mail address, of an account or not."),
    FIELD(struct invitation_body, role, FIELD_ENUM, .flags = FIELD_REQUIRED,
          .values = member_role_names, .doc = "As what; owners can only be invited by owners."),
    FIELD(struct invitation_body, expires_in, FIELD_INT, .min = 1,
          .max = INVITATION_DAYS_MAX * INT64_C(86400),
          .doc = "For how many seconds it can be accepted; seven days when not given."),
};

const struct schema invitation_body_schema =
    SCHEMA("InvitationBody", struct invitation_body, invitation_body_fields);

struct invitation_data {
    struct schema_set set;
    struct invitation invitation;
};

static const struct field invitation_data_fields[] = {
    FIELD(struct invitation_data, invitation, FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .of = &invitation_schema, .doc = "The invitation."),
};

const struct schema invitation_data_schema =
    SCHEMA("InvitationData", struct invitation_data, invitation_data_fields);

/* An address that is no member's yet, and was not written to this minute. */
static enum err address_check(const struct store_view *view, const struct command *command,
                              struct id organization_id, struct outcome *outcome) {
    const struct invitation_body *body = command->body;
    struct invitation old;
    struct member member;
    struct user user;
    enum err err = user_find_email(view, body->email, command->arena, &user);
    if (err == ERR_OK) {
        err = member_get(view, organization_id, user.id, command->arena, &member);
    }
    if (err != ERR_NOT_FOUND) {
        return err == ERR_OK ? ERR_MEMBER_EXISTS : err;
    }
    err = invitation_find(view, organization_id, body->email, command->arena, &old);
    if (err == ERR_NOT_FOUND) {
        return invitations_have_room(view, organization_id, command->arena);
    }
    int64_t next_us = old.created_at + INVITATION_PAUSE_S * TIME_US_PER_S;
    if (err == ERR_OK && next_us > command->now_us) {
        outcome->retry_after_s = (uint32_t)((next_us - command->now_us) / TIME_US_PER_S + 1);
        return ERR_RATE_LIMITED;
    }
    return err;
}

static enum err create_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    const struct organization_params *params = command->params;
    const struct invitation_body *body = command->body;
    struct organization_access access;
    outcome->organization = params->organization_id;
    enum err err =
        organization_enter(view, command, params->organization_id, MEMBER_ADMIN, &access);
    if (err != ERR_OK) {
        return err;
    }
    if (body->role == MEMBER_OWNER && access.role != MEMBER_OWNER) {
        return ERR_FORBIDDEN;
    }
    if (body->email.len > EMAIL_BYTES_MAX) {
        return ERR_VALIDATION;
    }
    return address_check(view, command, params->organization_id, outcome);
}

static void invitation_mail(struct store_tx *tx, const struct command *command,
                            const struct organization *organization,
                            const struct invitation *invitation, struct str token) {
    struct mail mail = {.template = MAIL_INVITATION, .to = invitation->email};
    struct user inviter;
    enum err err = user_get(store_tx_view(tx), invitation->invited_by_id, command->arena, &inviter);
    int64_t life_us = invitation->expires_at - command->now_us;
    MAIL_SET(&mail, organization_id, organization->id);
    MAIL_SET(&mail, organization, organization->name);
    MAIL_SET(&mail, inviter, err == ERR_OK ? user_display_name(&inviter) : organization->name);
    MAIL_SET(&mail, role, str_from_c(member_role_names[invitation->role]));
    MAIL_SET(&mail, life, mail_life_text(command->arena, life_us));
    MAIL_SET(&mail, link, mail_link(command, "/accept-invitation", token));
    mail_put(tx, command, "mail invitation", &mail, life_us);
}

static struct invitation invitation_new(const struct command *command, struct str token_hash) {
    const struct organization_params *params = command->params;
    const struct invitation_body *body = command->body;
    bool has_life = SCHEMA_HAS(&invitation_body_schema, body, expires_in);
    int64_t life_us =
        has_life ? body->expires_in * TIME_US_PER_S : INVITATION_DAYS_DEFAULT * TIME_US_PER_DAY;
    struct invitation invitation = {
        .set.present = UINT64_MAX >> (64 - COUNT_OF(invitation_fields)),
        .id = command_id(command, "invitation"),
        .organization_id = params->organization_id,
        .email = body->email,
        .role = body->role,
        .token_hash = token_hash,
        .invited_by_id = command->caller.user_id,
        .expires_at = command->now_us + life_us,
        .created_at = command->now_us,
    };
    if (command->caller.kind != CALLER_USER) {
        SCHEMA_CLEAR(&invitation_schema, &invitation, invited_by_id);
    }
    return invitation;
}

static void create_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct organization_params *params = command->params;
    const struct store_view *view = store_tx_view(tx);
    struct organization organization;
    struct invitation old;
    uint8_t entropy[TOKEN_ENTROPY_BYTES];
    struct hash hash;
    command_entropy(command, "invitation token", entropy);
    struct token token = token_from_entropy(entropy);
    bool is_token = token_store_key(token_str(&token), &hash);
    CHECK(is_token);
    enum err err = organization_get(view, params->organization_id, command->arena, &organization);
    CHECK(err == ERR_OK);
    struct invitation invitation = invitation_new(command, hash_bytes(&hash));
    if (invitation_find(view, organization.id, invitation.email, command->arena, &old) == ERR_OK) {
        store_del(tx, &invitation_table, id_bytes(&old.id));
    }
    store_put(tx, &invitation_table, &invitation);
    invitation_mail(tx, command, &organization, &invitation, token_str(&token));
    outcome->resource = invitation.id;
    yyjson_mut_val *data = outcome_data(outcome, command);
    yyjson_mut_val *value = json_add_object(outcome->doc, data, "invitation");
    json_add_members(outcome->doc, value, &invitation_schema, &invitation);
    outcome->message = "The invitation is sent";
    crypto_wipe(entropy, sizeof(entropy));
    crypto_wipe(&token, sizeof(token));
}

const struct command_row invitation_create_command = {
    .name = "org.invitation.create",
    .action = "org.invitation.create",
    .resource = "invitation",
    .check = create_check,
    .apply = create_apply,
};

/* ---- the list ---- */

struct invitations_data {
    struct schema_set set;
    struct schema_list invitations;
    int64_t count;
};

static const struct field invitations_data_fields[] = {
    FIELD(struct invitations_data, invitations, FIELD_LIST, .flags = FIELD_REQUIRED,
          .of = &invitation_schema, .doc = "By address; expired ones stay for a month."),
    FIELD(struct invitations_data, count, FIELD_INT, .flags = FIELD_REQUIRED, .doc = "In all."),
};

const struct schema invitations_data_schema =
    SCHEMA("InvitationsData", struct invitations_data, invitations_data_fields);

enum err invitations_read(struct request *request, const struct store_view *view) {
    const struct organization_params *params = request->command.params;
    struct organization_access access;
    char memory[ID_BYTES];
    struct buf prefix = buf_over(memory, sizeof(memory));
    struct store_scan scan;
    int64_t count = 0;
    enum err err =
        organization_enter(view, &request->command, params->organization_id, MEMBER_ADMIN, &access);
    if (err != ERR_OK) {
        return err;
    }
    yyjson_mut_val *data = outcome_data(&request->outcome, &request->command);
    yyjson_mut_doc *doc = request->outcome.doc;
    yyjson_mut_val *list = json_add_array(doc, data, "invitations");
    err = invitations_open(&scan, view, params->organization_id, &prefix);
    while (err == ERR_OK) {
        struct invitation invitation;
        err = store_scan_next(&scan, request->arena, &invitation);
        if (err == ERR_OK) {
            yyjson_mut_val *value = json_object(doc);
            json_add_members(doc, value, &invitation_schema, &invitation);
            json_append_val(doc, list, value);
            count++;
        }
    }
    store_scan_close(&scan);
    json_add_int(doc, data, "count", count);
    return err == ERR_END ? ERR_OK : err;
}

/* ---- revoking ---- */

struct invitation_params {
    struct schema_set set;
    struct id organization_id;
    struct id invitation_id;
};

static const struct field invitation_params_fields[] = {
    FIELD(struct invitation_params, organization_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Organization id."),
    FIELD(struct invitation_params, invitation_id, FIELD_ID, .flags = FIELD_REQUIRED,
          .doc = "Invitation id."),
};

const struct schema invitation_params_schema =
    SCHEMA("InvitationParams", struct invitation_params, invitation_params_fields);

static enum err revoke_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    const struct invitation_params *params = command->params;
    struct organization_access access;
    struct invitation invitation;
    outcome->organization = params->organization_id;
    outcome->resource = params->invitation_id;
    enum err err =
        organization_enter(view, command, params->organization_id, MEMBER_ADMIN, &access);
    if (err == ERR_OK) {
        err = store_get(view, organization_scope(params->organization_id), &invitation_table,
                        id_bytes(&params->invitation_id), command->arena, &invitation);
    }
    if (err == ERR_OK && invitation.role == MEMBER_OWNER && access.role != MEMBER_OWNER) {
        err = ERR_FORBIDDEN;
    }
    return err;
}

static void revoke_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    const struct invitation_params *params = command->params;
    store_del(tx, &invitation_table, id_bytes(&params->invitation_id));
    outcome->message = "The invitation is revoked";
}

const struct command_row invitation_revoke_command = {
    .name = "org.invitation.revoke",
    .action = "org.invitation.revoke",
    .resource = "invitation",
    .frees_room = true,
    .check = revoke_check,
    .apply = revoke_apply,
};

/* ---- forgetting ---- */

static void prune_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    (void)outcome;
    job_prune(tx, command, &invitation_table, INVITATION_INDEX_EXPIRES,
              command->now_us - INVITATION_DAYS_MAX * TIME_US_PER_DAY);
}

const struct command_row invitations_prune_command = {
    .name = "orgs.invitations.prune",
    .frees_room = true,
    .check = job_check,
    .apply = prune_apply,
};
