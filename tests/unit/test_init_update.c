/* A version on trial: when PID 1 asks, believes and gives up. */
#include "test.h"

#include "base/time.h"
#include "os/init_parts.h"

#define S TIME_US_PER_S

/* Runs a trial with one answer per check until it decides; returns after how many seconds. */
static int64_t trial_run(bool (*is_well)(int64_t second), enum trial_step *last) {
    struct init_trial trial = {.is_on = false};
    init_trial_start(&trial, 1000 * S);
    for (int64_t second = 0;; second++) {
        *last = init_trial_step(&trial, (1000 + second) * S);
        if (*last == TRIAL_CHECK) {
            init_trial_note(&trial, is_well(second), (1000 + second) * S);
        } else if (*last != TRIAL_WAIT || second > 1000) {
            return second;
        }
    }
}

static bool is_always(int64_t second) {
    (void)second;
    return true;
}

static bool is_never(int64_t second) {
    (void)second;
    return false;
}

static bool is_later(int64_t second) {
    return second > 40;
}

static bool is_broken_once(int64_t second) {
    return second < 30 || second > 35;
}

static bool is_flapping(int64_t second) {
    return second % 50 > 10;
}

TEST(trial_stays_after_a_minute_of_health)
{
    enum trial_step last;
    EXPECT_EQ_INT(trial_run(is_always, &last), 61);
    EXPECT_EQ_INT(last, TRIAL_CONFIRM);
    EXPECT_EQ_INT(trial_run(is_later, &last), 101);
    EXPECT_EQ_INT(last, TRIAL_CONFIRM);
}

TEST(trial_minute_starts_anew_after_a_failure)
{
    enum trial_step last;
    EXPECT_EQ_INT(trial_run(is_broken_once, &last), 96);
    EXPECT_EQ_INT(last, TRIAL_CONFIRM);
}

TEST(trial_gives_up_after_five_minutes)
{
    enum trial_step last;
    EXPECT_EQ_INT(trial_run(is_never, &last), 301);
    EXPECT_EQ_INT(last, TRIAL_GIVE_UP);
    EXPECT_EQ_INT(trial_run(is_flapping, &last), 301);
    EXPECT_EQ_INT(last, TRIAL_GIVE_UP);
}

TEST(trial_that_is_not_on_does_nothing)
{
    struct init_trial trial = {.is_on = false};
    EXPECT_EQ_INT(init_trial_step(&trial, INT64_MAX), TRIAL_WAIT);
}
