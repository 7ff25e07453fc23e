/* Invitations from the side of those who are invited: what it is about, and accepting it. */
#include "crypto/token.h"
#include "domain/orgs/invitations.h"
#include "domain/orgs/members.h"

struct invitation_token {
    struct schema_set set;
    struct str token;
};

static const struct field invitation_token_fields[] = {
    FIELD(struct invitation_token, token, FIELD_TEXT, .flags = FIELD_REQUIRED | FIELD_SENSITIVE,
          .min = 1, .max = 128, .doc = "What follows # in the link."),
};

const struct schema invitation_token_schema =
    SCHEMA("InvitationToken", struct invitation_token, invitation_token_fields);

/* The token is the right to look: it names the organization. */
static enum err token_find(const struct store_view *view, const struct command *command,
                           struct invitation *invitation, struct organization *organization) {
    const struct invitation_token *body = command->body;
    struct store_scope system = {.kind = STORE_SCOPE_SYSTEM};
    char memory[2 * HASH_BYTES]; /* bytes 00 and 01 take two */
    struct buf key = buf_over(memory, sizeof(memory));
    struct hash hash;
    if (!token_store_key(body->token, &hash)) {
        return ERR_INVITATION_INVALID;
    }
    store_key_put_text(&key, hash_bytes(&hash), true);
    enum err err = store_find(view, system, &invitation_table, INVITATION_INDEX_TOKEN,
                              buf_str(&key), command->arena, invitation);
    if (err == ERR_OK) {
        err = organization_get(view, invitation->organization_id, command->arena, organization);
    }
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_INVITATION_INVALID : err;
    }
    return invitation->expires_at <= command->now_us ? ERR_INVITATION_EXPIRED : ERR_OK;
}

/* ---- what it is about ---- */

struct invitation_shown {
    struct schema_set set;
    struct str organization_name;
    struct str inviter_name;
    struct str email;
    int32_t role;
    int64_t expires_at;
    bool has_account;
};

static const struct field invitation_shown_fields[] = {
    FIELD(struct invitation_shown, organization_name, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "To what."),
    FIELD(struct invitation_shown, inviter_name, FIELD_TEXT, .flags = FIELD_NULLABLE,
          .doc = "Who invites."),
    FIELD(struct invitation_shown, email, FIELD_TEXT, .flags = FIELD_REQUIRED, .doc = "Whom."),
    FIELD(struct invitation_shown, role, FIELD_ENUM, .flags = FIELD_REQUIRED,
          .values = member_role_names, .doc = "As what."),
    FIELD(struct invitation_shown, expires_at, FIELD_TIME, .flags = FIELD_REQUIRED,
          .time_form = TIME_FORM_RFC3339, .doc = "Until when."),
    FIELD(struct invitation_shown, has_account, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether to log in, or to register first with that address."),
};

const struct schema invitation_shown_schema =
    SCHEMA("InvitationShown", struct invitation_shown, invitation_shown_fields);

static enum err show_check(const struct store_view *view, const struct command *command,
                           struct outcome *outcome) {
    (void)outcome;
    struct organization organization;
    struct invitation invitation;
    return token_find(view, command, &invitation, &organization);
}

static void show_apply(struct store_tx *tx, const struct command *command,
                       struct outcome *outcome) {
    const struct store_view *view = store_tx_view(tx);
    struct organization organization;
    struct invitation invitation;
    struct user inviter;
    struct user user;
    enum err err = token_find(view, command, &invitation, &organization);
    CHECK(err == ERR_OK);
    struct invitation_shown shown = {
        .set.present = UINT64_MAX >> (64 - COUNT_OF(invitation_shown_fields)),
        .organization_name = organization.name,
        .email = invitation.email,
        .role = invitation.role,
        .expires_at = invitation.expires_at,
        .has_account = user_find_email(view, invitation.email, command->arena, &user) == ERR_OK,
    };
    if (user_get(view, invitation.invited_by_id, command->arena, &inviter) == ERR_OK) {
        shown.inviter_name = user_display_name(&inviter);
    } else {
        SCHEMA_CLEAR(&invitation_shown_schema, &shown, inviter_name);
    }
    yyjson_mut_val *data = outcome_data(outcome, command);
    json_add_members(outcome->doc, data, &invitation_shown_schema, &shown);
}

/* Reads only; a command because the token is in a body, where no log sees it. */
const struct command_row invitation_show_command = {
    .name = "org.invitation.show",
    .check = show_check,
    .apply = show_apply,
};

/* ---- accepting ---- */

static enum err accept_check(const struct store_view *view, const struct command *command,
                             struct outcome *outcome) {
    struct organization organization;
    struct invitation invitation;
    struct member member;
    struct user user;
    CHECK(command->caller.kind == CALLER_USER);
    enum err err = token_find(view, command, &invitation, &organization);
    if (err == ERR_OK) {
        outcome->organization = organization.id;
        err = user_get(view, command->caller.user_id, command->arena, &user);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (!str_equal(user.email, invitation.email)) {
        return ERR_INVITATION_OTHER;
    }
    err = member_get(view, organization.id, user.id, command->arena, &member);
    if (err != ERR_NOT_FOUND) {
        return err == ERR_OK ? ERR_MEMBER_EXISTS : err;
    }
    if (organization.member_count >= MEMBERS_PER_ORGANIZATION_MAX) {
        return ERR_LIMIT;
    }
    return member_has_room(view, user.id, command->arena);
}

static void accept_apply(struct store_tx *tx, const struct command *command,
                         struct outcome *outcome) {
    struct organization organization;
    struct invitation invitation;
    struct member member;
    struct user user;
    enum err err = token_find(store_tx_view(tx), command, &invitation, &organization);
    CHECK(err == ERR_OK);
    err = user_get(store_tx_view(tx), command->caller.user_id, command->arena, &user);
    CHECK(err == ERR_OK);
    store_del(tx, &invitation_table, id_bytes(&invitation.id));
    member_put_new(tx, command, &organization, user.id, (enum member_role)invitation.role,
                   invitation.invited_by_id, &member);
    if (!user.email_verified) {
        user_mark_verified(&user, command->now_us);
        store_put(tx, &user_table, &user);
    }
    member_reply(command, &member, &user, outcome);
    outcome->message = "You are a member";
}

const struct command_row invitation_accept_command = {
    .name = "org.invitation.accept",
    .action = "org.invitation.accept",
    .resource = "user",
    .check = accept_check,
    .apply = accept_apply,
};
