/* What minute jobs share: a check that has nothing to look at, and forgetting what is old. */
#ifndef ENGINE_JOB_H
#define ENGINE_JOB_H

#include "engine/command.h"

/* ERR_OK: a job decides in apply. */
enum err job_check(const struct store_view *view, const struct command *command,
                   struct outcome *outcome);

/* In apply: removes rows whose time, the first member of the index, is before `before_us`, oldest
 * first, a bounded number at a time. */
enum { JOB_PRUNE_MAX = 256 };
void job_prune(struct store_tx *tx, const struct command *command, const struct table *table,
               uint32_t index, int64_t before_us);

#endif
