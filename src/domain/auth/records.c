/* The records of this domain: schemas and tables, nothing else. */
#include "domain/auth/auth.h"

const char *const user_status_names[] = {
    "active", "inactive", "suspended", "pending", "compliance_suspended", "deleted", NULL,
};

static const char *const session_status_names[] = {"active", "revoked", NULL};

static const struct field user_fields[] = {
    FIELD(struct user, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED, .doc = "User id."),
    FIELD(struct user, email, FIELD_TEXT, .tag = 2, .flags = FIELD_REQUIRED | FIELD_PERSONAL,
          .max = EMAIL_BYTES_MAX, .doc = "E-mail address, in lower case."),
    FIELD(struct user, email_verified, FIELD_BOOL, .tag = 3, .flags = FIELD_REQUIRED,
          .doc = "Whether the address was confirmed."),
    FIELD(struct user, full_name, FIELD_TEXT, .tag = 4, .flags = FIELD_NULLABLE | FIELD_PERSONAL,
          .max = 255, .doc = "Name for display."),
    FIELD(struct user, first_name, FIELD_TEXT, .tag = 5, .flags = FIELD_NULLABLE | FIELD_PERSONAL,
          .max = 100, .doc = "Given name."),
    FIELD(struct user, last_name, FIELD_TEXT, .tag = 6, .flags = FIELD_NULLABLE | FIELD_PERSONAL,
          .max = 100, .doc = "Family name."),
    FIELD(struct user, phone, FIELD_TEXT, .tag = 7, .flags = FIELD_NULLABLE | FIELD_PERSONAL,
          .max = 20, .doc = "Telephone number."),
    FIELD(struct user, date_of_birth, FIELD_TEXT, .tag = 8, .flags = FIELD_SECRET | FIELD_PERSONAL,
          .max = 10, .doc = "Date of birth."),
    FIELD(struct user, avatar_url, FIELD_TEXT, .tag = 9, .flags = FIELD_NULLABLE | FIELD_PERSONAL,
          .max = 512, .doc = "Picture."),
    FIELD(struct user, status, FIELD_ENUM, .tag = 10, .flags = FIELD_REQUIRED,
          .values = user_status_names, .doc = "Whether the account may be used."),
    FIELD(struct user, role, FIELD_ENUM, .tag = 11, .flags = FIELD_REQUIRED, .values = role_names,
          .doc = "What the user may do."),
    FIELD(struct user, password_hash, FIELD_TEXT, .tag = 12, .flags = FIELD_HIDDEN, .max = 255,
          .doc = "Password hash; absent: no password login."),
    FIELD(struct user, password_changed_at, FIELD_TIME, .tag = 13,
          .flags = FIELD_HIDDEN | FIELD_PERSONAL, .doc = "Last change of the password."),
    FIELD(struct user, terms_accepted_at, FIELD_TIME, .tag = 14,
          .flags = FIELD_HIDDEN | FIELD_PERSONAL, .doc = "When the terms were accepted."),
    FIELD(struct user, last_login_at, FIELD_TIME, .tag = 15, .flags = FIELD_NULLABLE,
          .doc = "Last login."),
    FIELD(struct user, last_login_ip, FIELD_TEXT, .tag = 16,
          .flags = FIELD_NULLABLE | FIELD_PERSONAL, .max = NET_ADDRESS_TEXT_MAX,
          .doc = "Address of the last login."),
    FIELD(struct user, created_at, FIELD_TIME, .tag = 17, .flags = FIELD_REQUIRED,
          .doc = "Registration."),
    FIELD(struct user, updated_at, FIELD_TIME, .tag = 18, .flags = FIELD_REQUIRED,
          .doc = "Last change."),
    FIELD(struct user, deleted_at, FIELD_TIME, .tag = 19, .flags = FIELD_NULLABLE,
          .doc = "Deletion."),
    FIELD(struct user, username, FIELD_TEXT, .tag = 20, .flags = FIELD_NULLABLE | FIELD_PERSONAL,
          .max = 30, .doc = "Name chosen by the user."),
    FIELD(struct user, address, FIELD_TEXT, .tag = 21, .flags = FIELD_SECRET | FIELD_PERSONAL,
          .max = 2000, .doc = "Postal address."),
    FIELD(struct user, privacy_accepted_at, FIELD_TIME, .tag = 22,
          .flags = FIELD_HIDDEN | FIELD_PERSONAL, .doc = "When the privacy policy was accepted."),
    FIELD(struct user, marketing_consent, FIELD_BOOL, .tag = 23,
          .flags = FIELD_HIDDEN | FIELD_PERSONAL, .doc = "Consent to advertising."),
    FIELD(struct user, factors, FIELD_INT, .tag = 24, .flags = FIELD_HIDDEN, .min = 0, .max = 255,
          .doc = "Second factors that are set up, as bits."),
    FIELD(struct user, email_verified_at, FIELD_TIME, .tag = 28, .flags = FIELD_HIDDEN,
          .doc = "When the address was confirmed."),
    FIELD(struct user, must_change_password, FIELD_BOOL, .tag = 37, .flags = FIELD_HIDDEN,
          .doc = "Whether a new password has to be set before anything else."),
    FIELD(struct user, status_reason, FIELD_TEXT, .tag = 38, .flags = FIELD_HIDDEN | FIELD_PERSONAL,
          .max = 255, .doc = "Why an administrator changed the status."),
    FIELD(struct user, erased_at, FIELD_TIME, .tag = 39, .flags = FIELD_HIDDEN,
          .doc = "When everything personal was removed."),
};

const struct schema user_schema = SCHEMA("User", struct user, user_fields);

static const struct table_index user_indexes[] = {
    [USER_INDEX_EMAIL] = {.name = "email",
                          .offsets = {offsetof(struct user, email)},
                          .offset_count = 1,
                          .is_unique = true},
    [USER_INDEX_ROLE] = {.name = "role",
                         .offsets = {offsetof(struct user, role),
                                     offsetof(struct user, created_at)},
                         .offset_count = 2},
    [USER_INDEX_USERNAME] = {.name = "username",
                             .offsets = {offsetof(struct user, username)},
                             .offset_count = 1,
                             .is_unique = true},
    [USER_INDEX_NAME] = {.name = "name",
                         .offsets = {offsetof(struct user, full_name)},
                         .offset_count = 1,
                         .is_folded = true},
    [USER_INDEX_CREATED] = {.name = "created",
                            .offsets = {offsetof(struct user, created_at)},
                            .offset_count = 1},
    [USER_INDEX_STATUS] = {.name = "status",
                           .offsets = {offsetof(struct user, status),
                                       offsetof(struct user, created_at)},
                           .offset_count = 2},
};

const struct table user_table = {
    .name = "users",
    .id = 10,
    .version = 1,
    .schema = &user_schema,
    .key_offset = offsetof(struct user, id),
    .scope_offset = offsetof(struct user, id),
    .indexes = user_indexes,
    .index_count = COUNT_OF(user_indexes),
    .person = {.kind = PERSON_SELF},
    .doc = "People who can log in.",
};

static const struct field session_fields[] = {
    FIELD(struct session, id, FIELD_ID, .tag = 1, .flags = FIELD_REQUIRED, .doc = "Session id."),
    FIELD(struct session, user_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED, .doc = "Owner."),
    FIELD(struct session, status, FIELD_ENUM, .tag = 3, .flags = FIELD_REQUIRED,
          .values = session_status_names, .doc = "Whether it was revoked."),
    FIELD(struct session, token_hash, FIELD_BYTES, .tag = 4, .flags = FIELD_REQUIRED | FIELD_HIDDEN,
          .max = 32, .doc = "SHA-256 of the token."),
    FIELD(struct session, ip_address, FIELD_TEXT, .tag = 5,
          .flags = FIELD_NULLABLE | FIELD_PERSONAL, .max = NET_ADDRESS_TEXT_MAX,
          .doc = "Address at login."),
    FIELD(struct session, user_agent, FIELD_TEXT, .tag = 6,
          .flags = FIELD_NULLABLE | FIELD_PERSONAL, .max = USER_AGENT_LEN_MAX,
          .doc = "Program at login."),
    FIELD(struct session, expires_at, FIELD_TIME, .tag = 7, .flags = FIELD_REQUIRED,
          .doc = "End of the session."),
    FIELD(struct session, last_activity_at, FIELD_TIME, .tag = 8, .flags = FIELD_REQUIRED,
          .doc = "Last use, to the minute."),
    FIELD(struct session, revoked_at, FIELD_TIME, .tag = 9, .flags = FIELD_NULLABLE,
          .doc = "Revocation."),
    FIELD(struct session, revoked_reason, FIELD_TEXT, .tag = 10, .flags = FIELD_NULLABLE, .max = 64,
          .doc = "Why it was revoked."),
    FIELD(struct session, is_compliance_only, FIELD_BOOL, .tag = 11, .flags = FIELD_REQUIRED,
          .doc = "Limited to enrolling a second factor."),
    FIELD(struct session, created_at, FIELD_TIME, .tag = 12, .flags = FIELD_REQUIRED,
          .doc = "Login."),
    FIELD(struct session, updated_at, FIELD_TIME, .tag = 13, .flags = FIELD_REQUIRED,
          .doc = "Last change."),
    FIELD(struct session, device_name, FIELD_TEXT, .tag = 14,
          .flags = FIELD_NULLABLE | FIELD_PERSONAL, .max = DEVICE_NAME_MAX,
          .doc = "Name that its owner gave it."),
};

const struct schema session_schema = SCHEMA("Session", struct session, session_fields);

static const struct table_index session_indexes[] = {
    [SESSION_INDEX_TOKEN] = {.name = "token",
                             .offsets = {offsetof(struct session, token_hash)},
                             .offset_count = 1,
                             .is_unique = true},
    /* Of one user the active ones first to last. */
    [SESSION_INDEX_USER] = {.name = "user",
                            .offsets = {offsetof(struct session, user_id),
                                        offsetof(struct session, status),
                                        offsetof(struct session, created_at)},
                            .offset_count = 3},
    [SESSION_INDEX_EXPIRES] = {.name = "expires",
                               .offsets = {offsetof(struct session, expires_at)},
                               .offset_count = 1},
};

const struct table session_table = {
    .name = "sessions",
    .id = 11,
    .version = 1,
    .schema = &session_schema,
    .key_offset = offsetof(struct session, id),
    .scope_offset = offsetof(struct session, user_id),
    .indexes = session_indexes,
    .index_count = COUNT_OF(session_indexes),
    .person = {.kind = PERSON_DATA, .of = "users", .index = SESSION_INDEX_USER},
    .doc = "Logins that are, or were, in use.",
};

static const struct field refresh_token_fields[] = {
    FIELD(struct refresh_token, token_hash, FIELD_BYTES, .tag = 1, .flags = FIELD_REQUIRED,
          .max = 32, .doc = "SHA-256 of the token."),
    FIELD(struct refresh_token, session_id, FIELD_ID, .tag = 2, .flags = FIELD_REQUIRED,
          .doc = "Its session."),
    FIELD(struct refresh_token, expires_at, FIELD_TIME, .tag = 3, .flags = FIELD_REQUIRED,
          .doc = "End of its life."),
    FIELD(struct refresh_token, used_at, FIELD_TIME, .tag = 4, .doc = "When it was exchanged."),
};

const struct schema refresh_token_schema =
    SCHEMA("RefreshToken", struct refresh_token, refresh_token_fields);

static const struct table_index refresh_token_indexes[] = {
    [REFRESH_INDEX_SESSION] = {.name = "session",
                               .offsets = {offsetof(struct refresh_token, session_id)},
                               .offset_count = 1},
    [REFRESH_INDEX_EXPIRES] = {.name = "expires",
                               .offsets = {offsetof(struct refresh_token, expires_at)},
                               .offset_count = 1},
};

const struct table refresh_token_table = {
    .name = "refresh_tokens",
    .id = 12,
    .version = 1,
    .schema = &refresh_token_schema,
    .key_offset = offsetof(struct refresh_token, token_hash),
    .indexes = refresh_token_indexes,
    .index_count = COUNT_OF(refresh_token_indexes),
    .person = {.kind = PERSON_MARKS, .of = "sessions", .index = REFRESH_INDEX_SESSION},
    .doc = "Refresh tokens, used ones too, until they expire.",
};

static const struct field login_failures_fields[] = {
    FIELD(struct login_failures, key, FIELD_BYTES, .tag = 1, .flags = FIELD_REQUIRED, .max = 32,
          .doc = "Hash of the account, or of account and address."),
    FIELD(struct login_failures, count, FIELD_INT, .tag = 2, .flags = FIELD_REQUIRED,
          .max = 1000000, .doc = "Failures in a row."),
    FIELD(struct login_failures, expires_at, FIELD_TIME, .tag = 3, .flags = FIELD_REQUIRED,
          .doc = "When it is forgotten."),
    FIELD(struct login_failures, locked_until, FIELD_TIME, .tag = 4, .doc = "End of the lock."),
};

const struct schema login_failures_schema =
    SCHEMA("LoginFailures", struct login_failures, login_failures_fields);

static const struct table_index login_failures_indexes[] = {
    [FAILURES_INDEX_EXPIRES] = {.name = "expires",
                                .offsets = {offsetof(struct login_failures, expires_at)},
                                .offset_count = 1},
};

const struct table login_failures_table = {
    .name = "login_failures",
    .id = 13,
    .version = 1,
    .schema = &login_failures_schema,
    .key_offset = offsetof(struct login_failures, key),
    .indexes = login_failures_indexes,
    .index_count = COUNT_OF(login_failures_indexes),
    .person = {.kind = PERSON_NOBODY},
    .doc = "Failed logins that still count, for known and unknown accounts alike.",
};

static const struct field signing_key_fields[] = {
    FIELD(struct signing_key, kid, FIELD_TEXT, .tag = 1, .flags = FIELD_REQUIRED, .max = 64,
          .doc = "Key id: RFC 7638 thumbprint."),
    FIELD(struct signing_key, scalar, FIELD_BYTES, .tag = 2, .flags = FIELD_SECRET, .max = 32,
          .doc = "Private key."),
    FIELD(struct signing_key, created_at, FIELD_TIME, .tag = 3, .flags = FIELD_REQUIRED,
          .doc = "When it was made."),
};

const struct schema signing_key_schema =
    SCHEMA("SigningKey", struct signing_key, signing_key_fields);

const struct table signing_key_table = {
    .name = "signing_keys",
    .id = 14,
    .version = 1,
    .schema = &signing_key_schema,
    .key_offset = offsetof(struct signing_key, kid),
    .person = {.kind = PERSON_NOBODY},
    .doc = "Keys that sign access tokens.",
};
