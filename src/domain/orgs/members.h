/* Members: the rules that keep an organization owned, the writes that keep its count, the rows. */
#ifndef DOMAIN_ORGS_MEMBERS_H
#define DOMAIN_ORGS_MEMBERS_H

#include "domain/orgs/orgs.h"

/* Is there an owner besides this user? */
bool member_has_other_owner(const struct store_view *view, struct id organization_id,
                            struct id user_id, struct arena *arena);
/* ERR_LIMIT when the user belongs to as many organizations as one may. */
enum err member_has_room(const struct store_view *view, struct id user_id, struct arena *arena);

/* A new member; writes the organization's count, too. `invited_by` zero: the founder,
 * or an API key did it. */
void member_put_new(struct store_tx *tx, const struct command *command,
                    struct organization *organization, struct id user_id, enum member_role role,
                    struct id invited_by, struct member *member);
/* Removes a member with everything that the organization holds about them. */
void member_remove(struct store_tx *tx, const struct command *command,
                   struct organization *organization, const struct member *member);

/* The member, with its user, as the data of the reply. */
void member_reply(const struct command *command, const struct member *member,
                  const struct user *user, struct outcome *outcome);

extern const struct schema members_params_schema;
extern const struct schema members_data_schema;
extern const struct schema member_add_schema;
extern const struct schema member_params_schema;
extern const struct schema member_role_schema;
extern const struct schema member_data_schema;
extern const struct command_row member_add_command;
extern const struct command_row member_remove_command;
extern const struct command_row member_role_command;
enum err members_read(struct request *request, const struct store_view *view);

#endif
