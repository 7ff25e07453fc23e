/*
 * A password against a stored hash, for whoever logs people in; see auth.h.
 *
 *   step 0: start the check (a dummy one when there is nothing to compare with: the same time)
 *   step 1: it is done; an old or imported hash that fitted is made anew
 *   step 2: the new hash is there
 */
#include "domain/auth/auth.h"

static enum err check_start(struct request *request, struct str password,
                            struct password_check *check) {
    bool is_usable = password_is_usable(password);
    check->is_known = is_usable && !str_is_none(check->hash) &&
                      password_job_verify(&request->job, password, check->hash) == ERR_OK;
    if (!check->is_known) {
        uint32_t cost = (uint32_t)settings_int(request_settings(request), SETTING_PASSWORD_COST_ID);
        enum err err = password_job_dummy(&request->job, is_usable ? password : STR("x"), cost);
        CHECK(err == ERR_OK);
    }
    request->step = 1;
    return request_park_password(request);
}

static enum err check_finish(struct request *request, struct str password,
                             struct password_check *check) {
    uint32_t cost = (uint32_t)settings_int(request_settings(request), SETTING_PASSWORD_COST_ID);
    check->is_match = check->is_known && password_job_result(&request->job) == ERR_OK;
    if (!check->is_match || password_hash_is_current(check->hash, cost)) {
        return ERR_OK;
    }
    request->step = 2;
    return password_hash_start(request, password);
}

enum err password_check_step(struct request *request, struct str password,
                             struct password_check *check) {
    switch (request->step) {
    case 0:
        return check_start(request, password, check);
    case 1:
        return check_finish(request, password, check);
    default:
        check->new_hash = password_hash_finish(request);
        return str_is_none(check->new_hash) ? ERR_NO_MEMORY : ERR_OK;
    }
}

enum err password_hash_start(struct request *request, struct str password) {
    uint32_t cost = (uint32_t)settings_int(request_settings(request), SETTING_PASSWORD_COST_ID);
    uint8_t salt[32];
    command_entropy(&request->command, "password salt", salt);
    if (request->job.state == PASSWORD_JOB_DONE) {
        password_job_reset(&request->job); /* an old password was checked with it */
    }
    enum err err = password_job_hash(&request->job, password, cost, salt);
    return err == ERR_OK ? request_park_password(request) : err;
}

struct str password_hash_finish(struct request *request) {
    return arena_copy(request->arena, password_job_text(&request->job));
}
