/*
 * Password jobs and their pool; states in password.h.
 *
 * A slice is one of: BCRYPT_STEP_ITERATIONS of all running bcrypt lanes; PBKDF2_SLICE HMACs; one
 * scrypt step; clearing a piece of scrypt's memory. When bcrypt and an imported form both have
 * work, they take turns.
 */
#include "crypto/password.h"

#include <string.h>

#include "base/decode.h"
#include "crypto/secret.h"

_Static_assert((int)PASSWORD_BYTES_MAX == (int)BCRYPT_PASSWORD_BYTES_MAX, "nothing is ever cut");

enum password_form { FORM_NONE, FORM_BCRYPT, FORM_PBKDF2, FORM_SCRYPT };

enum {
    PBKDF2_SLICE = 448,          /* HMACs of ~0.4 us */
    DISCARD_PIECE = 1024 * 1024, /* giving back or clearing 256 pages takes 30-100 us */
    PBKDF2_DIGEST_BYTES = 32,
    SCRYPT_DIGEST_BYTES = 64,
};

/* --- stored forms -------------------------------------------------------------------------- */

static bool number_take(struct str text, uint32_t max, uint32_t *value) {
    uint64_t number = 0;
    if (!str_parse_u64(text, &number) || number == 0 || number > max) {
        return false;
    }
    *value = (uint32_t)number;
    return true;
}

static bool salt_is_plain(struct str salt) {
    for (uint32_t index = 0; index < salt.len; index += 1) {
        if (salt.data[index] <= ' ' || salt.data[index] > '~') {
            return false;
        }
    }
    return salt.len > 0;
}

/* METHOD$SALT$HEX: the salt's place and the digest. */
static bool werkzeug_tail_parse(struct password_job *job, struct str hash, struct str *method,
                                uint32_t digest_bytes) {
    struct str salt = hash;
    *method = str_split(&salt, '$');
    struct str hex = salt;
    salt = str_split(&hex, '$');
    struct buf digest = buf_over(job->digest, digest_bytes);
    if (str_is_none(hex) || !salt_is_plain(salt) || hex.len != 2 * digest_bytes ||
        !decode_hex(hex, &digest)) {
        return false;
    }
    job->salt_from = (uint8_t)(salt.data - hash.data);
    job->salt_len = (uint8_t)salt.len;
    return true;
}

static bool pbkdf2_form_parse(struct password_job *job, struct str hash) {
    struct str method;
    if (!werkzeug_tail_parse(job, hash, &method, PBKDF2_DIGEST_BYTES)) {
        return false;
    }
    struct str prefix = STR("pbkdf2:sha256:");
    return str_starts(method, prefix) &&
           number_take(str_slice(method, prefix.len, method.len), PASSWORD_PBKDF2_ITERATIONS_MAX,
                       &job->pbkdf2_iterations);
}

static bool scrypt_form_parse(struct password_job *job, struct str hash) {
    struct str method;
    if (!werkzeug_tail_parse(job, hash, &method, SCRYPT_DIGEST_BYTES)) {
        return false;
    }
    struct str rest = method;
    struct str name = str_split(&rest, ':');
    struct str n = str_split(&rest, ':');
    struct str r = str_split(&rest, ':');
    return str_equal(name, STR("scrypt")) && number_take(n, SCRYPT_N_MAX, &job->scrypt.n) &&
           number_take(r, SCRYPT_R_MAX, &job->scrypt.r) &&
           number_take(rest, SCRYPT_RP_MAX, &job->scrypt.p) && scrypt_params_fit(&job->scrypt);
}

/* Sets the job's form and its parameters. */
static bool form_parse(struct password_job *job, struct str hash) {
    if (hash.len > PASSWORD_HASH_BYTES_MAX) {
        return false;
    }
    if (bcrypt_text_parse(hash, &job->bcrypt)) {
        job->form = FORM_BCRYPT;
        return job->bcrypt.cost <= PASSWORD_COST_MAX;
    }
    if (pbkdf2_form_parse(job, hash)) {
        job->form = FORM_PBKDF2;
        return true;
    }
    job->form = FORM_SCRYPT;
    return scrypt_form_parse(job, hash);
}

enum err password_hash_check(struct str hash) {
    struct password_job job;
    memset(&job, 0, sizeof job);
    bool is_known = form_parse(&job, hash);
    crypto_wipe(&job, sizeof job);
    return is_known ? ERR_OK : ERR_FORMAT;
}

bool password_hash_is_current(struct str hash, uint32_t cost) {
    struct bcrypt_text parts;
    return bcrypt_text_parse(hash, &parts) && parts.variant == 'b' && parts.cost == cost;
}

bool password_is_usable(struct str password) {
    return password.len > 0 && password.len <= PASSWORD_BYTES_MAX && !str_has_byte(password, 0);
}

/* --- jobs ---------------------------------------------------------------------------------- */

static enum err job_begin(struct password_job *job, enum password_job_kind kind,
                          struct str password) {
    CHECK(job->state == PASSWORD_JOB_IDLE);
    password_job_reset(job);
    if (!password_is_usable(password)) {
        return ERR_VALIDATION;
    }
    job->kind = kind;
    job->result = ERR_AGAIN;
    job->password_len = (uint8_t)password.len;
    memcpy(job->password, password.data, password.len);
    return ERR_OK;
}

enum err password_job_verify(struct password_job *job, struct str password, struct str hash) {
    enum err err = job_begin(job, PASSWORD_VERIFY, password);
    if (err != ERR_OK) {
        return err;
    }
    if (!form_parse(job, hash)) {
        password_job_reset(job);
        return ERR_CORRUPT;
    }
    job->hash_len = (uint8_t)hash.len;
    memcpy(job->hash, hash.data, hash.len);
    return ERR_OK;
}

enum err password_job_dummy(struct password_job *job, struct str password, uint32_t cost) {
    static const uint8_t salt[BCRYPT_SALT_BYTES] = {0x63, 0x6f, 0x66, 0x66, 0x65, 0x72};
    enum err err = password_job_hash(job, password, cost, salt);
    job->kind = PASSWORD_VERIFY;
    job->is_dummy = err == ERR_OK;
    return err;
}

enum err password_job_hash(struct password_job *job, struct str password, uint32_t cost,
                           const uint8_t salt[BCRYPT_SALT_BYTES]) {
    CHECK(cost >= BCRYPT_COST_MIN);
    CHECK(cost <= PASSWORD_COST_MAX);
    enum err err = job_begin(job, PASSWORD_HASH, password);
    if (err != ERR_OK) {
        return err;
    }
    job->form = FORM_BCRYPT;
    job->bcrypt.variant = 'b';
    job->bcrypt.cost = (uint8_t)cost;
    memcpy(job->bcrypt.salt, salt, BCRYPT_SALT_BYTES);
    return ERR_OK;
}

enum err password_job_result(const struct password_job *job) {
    CHECK(job->state != PASSWORD_JOB_IDLE);
    return job->state == PASSWORD_JOB_DONE ? job->result : ERR_AGAIN;
}

struct str password_job_text(const struct password_job *job) {
    CHECK(job->state == PASSWORD_JOB_DONE);
    CHECK(job->kind == PASSWORD_HASH);
    return str_from(job->hash, job->hash_len);
}

void password_job_reset(struct password_job *job) {
    CHECK(job->state == PASSWORD_JOB_IDLE || job->state == PASSWORD_JOB_DONE);
    void *owner = job->owner;
    crypto_wipe(job, sizeof *job);
    job->owner = owner;
}

static struct str job_password(const struct password_job *job) {
    return str_from(job->password, job->password_len);
}

static struct str job_salt(const struct password_job *job) {
    return str_from(job->hash + job->salt_from, job->salt_len);
}

/* --- lists --------------------------------------------------------------------------------- */

static void list_push(struct password_list *list, struct password_job *job) {
    job->next = NULL;
    if (list->last == NULL) {
        list->first = job;
    } else {
        list->last->next = job;
    }
    list->last = job;
}

static bool list_remove(struct password_list *list, struct password_job *job) {
    struct password_job *before = NULL;
    for (struct password_job *at = list->first; at != NULL; at = at->next) {
        if (at == job) {
            *(before == NULL ? &list->first : &before->next) = job->next;
            list->last = list->last == job ? before : list->last;
            job->next = NULL;
            return true;
        }
        before = at;
    }
    return false;
}

static struct password_job *list_pop(struct password_list *list) {
    struct password_job *job = list->first;
    if (job != NULL) {
        bool is_removed = list_remove(list, job);
        CHECK(is_removed);
    }
    return job;
}

/* --- the pool ------------------------------------------------------------------------------ */

void password_pool_init(struct password_pool *pool, struct password_memory memory) {
    CHECK(memory.memory == NULL ||
          memory.bytes >= (size_t)SCRYPT_MEMORY_BYTES_MAX + SCRYPT_OVERHEAD_BYTES);
    memset(pool, 0, sizeof *pool);
    pool->memory = memory;
}

enum err password_pool_start(struct password_pool *pool, struct password_job *job) {
    CHECK(job->state == PASSWORD_JOB_IDLE);
    CHECK(job->form != FORM_NONE);
    if (pool->waiting_count == PASSWORD_WAITING_MAX ||
        (job->form == FORM_SCRYPT && pool->memory.memory == NULL)) {
        return ERR_UNAVAILABLE;
    }
    job->state = PASSWORD_JOB_WAITING;
    list_push(job->form == FORM_BCRYPT ? &pool->waiting_bcrypt : &pool->waiting_kdf, job);
    pool->waiting_count += 1;
    return ERR_OK;
}

static struct password_job *waiting_pop(struct password_pool *pool, struct password_list *list) {
    struct password_job *job = list_pop(list);
    if (job != NULL) {
        CHECK(job->state == PASSWORD_JOB_WAITING);
        CHECK(pool->waiting_count > 0);
        pool->waiting_count -= 1;
        job->state = PASSWORD_JOB_RUNNING;
    }
    return job;
}

static void job_finish(struct password_pool *pool, struct password_job *job, enum err result) {
    CHECK(job->state == PASSWORD_JOB_RUNNING);
    job->state = PASSWORD_JOB_DONE;
    job->result = result;
    crypto_wipe(job->password, sizeof job->password);
    job->password_len = 0;
    pool->finished_count += 1;
    list_push(&pool->done, job);
}

/* At most one lane is filled per slice: starting takes a tenth of a slice. */
static void lane_fill(struct password_pool *pool) {
    if (pool->lane_count == BCRYPT_LANES) {
        return;
    }
    struct password_job *job = waiting_pop(pool, &pool->waiting_bcrypt);
    if (job == NULL) {
        return;
    }
    bcrypt_lane_start(&pool->lanes[pool->lane_count], job->bcrypt.variant, job->bcrypt.cost,
                      job->bcrypt.salt, job_password(job));
    pool->lane_jobs[pool->lane_count] = job;
    pool->lane_count += 1;
}

/* The last lane moves into the hole, so that the running ones stay neighbours. */
static void lane_free(struct password_pool *pool, uint32_t lane) {
    CHECK(lane < pool->lane_count);
    uint32_t last = pool->lane_count - 1;
    pool->lanes[lane] = pool->lanes[last];
    pool->lane_jobs[lane] = pool->lane_jobs[last];
    crypto_wipe(&pool->lanes[last], sizeof pool->lanes[last]);
    pool->lane_jobs[last] = NULL;
    pool->lane_count = last;
}

static void lane_finish(struct password_pool *pool, uint32_t lane) {
    struct password_job *job = pool->lane_jobs[lane];
    uint8_t digest[BCRYPT_DIGEST_BYTES];
    bcrypt_lane_finish(&pool->lanes[lane], digest);
    lane_free(pool, lane);
    enum err result = ERR_OK;
    if (job->kind == PASSWORD_HASH) {
        memcpy(job->bcrypt.digest, digest, sizeof digest);
        struct buf text = buf_over(job->hash, sizeof job->hash);
        bcrypt_text_format(&job->bcrypt, &text);
        CHECK(text.len == BCRYPT_TEXT_LEN);
        job->hash_len = BCRYPT_TEXT_LEN;
    } else {
        bool fits = crypto_equal(digest, job->bcrypt.digest, sizeof digest);
        result = fits && !job->is_dummy ? ERR_OK : ERR_CRYPTO;
    }
    crypto_wipe(digest, sizeof digest);
    job_finish(pool, job, result);
}

static void bcrypt_slice(struct password_pool *pool) {
    lane_fill(pool);
    CHECK(pool->lane_count > 0);
    bcrypt_lanes_step(pool->lanes, pool->lane_count);
    for (uint32_t lane = pool->lane_count; lane > 0; lane -= 1) {
        if (bcrypt_lane_is_done(&pool->lanes[lane - 1])) {
            lane_finish(pool, lane - 1);
        }
    }
}

static void kdf_fill(struct password_pool *pool) {
    struct password_job *job = waiting_pop(pool, &pool->waiting_kdf);
    CHECK(job != NULL);
    pool->kdf_job = job;
    if (job->form == FORM_PBKDF2) {
        pbkdf2_start(&pool->pbkdf2, job_password(job), job_salt(job), job->pbkdf2_iterations,
                     pool->kdf_out, PBKDF2_DIGEST_BYTES);
    } else {
        CHECK(scrypt_memory_bytes(&job->scrypt) <= pool->memory.bytes);
        scrypt_start(&pool->scrypt, &job->scrypt, job_password(job), job_salt(job),
                     pool->memory.memory, pool->kdf_out, SCRYPT_DIGEST_BYTES);
    }
}

/* Takes the running imported form off; what scrypt wrote has to be cleared. */
static void kdf_free(struct password_pool *pool) {
    if (pool->kdf_job->form == FORM_SCRYPT) {
        pool->discard_from = 0;
        pool->discard_to = scrypt_memory_bytes(&pool->kdf_job->scrypt);
    }
    crypto_wipe(&pool->pbkdf2, sizeof pool->pbkdf2);
    scrypt_reset(&pool->scrypt);
    crypto_wipe(pool->kdf_out, sizeof pool->kdf_out);
    pool->kdf_job = NULL;
}

static void discard_slice(struct password_pool *pool) {
    size_t left = pool->discard_to - pool->discard_from;
    size_t piece = left < DISCARD_PIECE ? left : DISCARD_PIECE;
    char *memory = (char *)pool->memory.memory + pool->discard_from;
    if (pool->memory.discard != NULL) {
        pool->memory.discard(memory, piece);
    } else {
        crypto_wipe(memory, piece);
    }
    pool->discard_from += piece;
}

static void kdf_slice(struct password_pool *pool) {
    if (pool->discard_from < pool->discard_to) {
        discard_slice(pool);
        return;
    }
    if (pool->kdf_job == NULL) {
        kdf_fill(pool);
    }
    struct password_job *job = pool->kdf_job;
    bool is_pbkdf2 = job->form == FORM_PBKDF2;
    bool is_done =
        is_pbkdf2 ? pbkdf2_step(&pool->pbkdf2, PBKDF2_SLICE) : scrypt_step(&pool->scrypt);
    if (is_done) {
        uint32_t bytes = is_pbkdf2 ? PBKDF2_DIGEST_BYTES : SCRYPT_DIGEST_BYTES;
        bool fits = crypto_equal(pool->kdf_out, job->digest, bytes);
        kdf_free(pool);
        job_finish(pool, job, fits ? ERR_OK : ERR_CRYPTO);
    }
}

static bool has_bcrypt_work(const struct password_pool *pool) {
    return pool->lane_count > 0 || pool->waiting_bcrypt.first != NULL;
}

static bool has_kdf_work(const struct password_pool *pool) {
    return pool->kdf_job != NULL || pool->waiting_kdf.first != NULL ||
           pool->discard_from < pool->discard_to;
}

bool password_pool_has_work(const struct password_pool *pool) {
    return has_bcrypt_work(pool) || has_kdf_work(pool);
}

bool password_pool_step(struct password_pool *pool) {
    if (!password_pool_has_work(pool)) {
        return false;
    }
    if (has_kdf_work(pool) && (pool->is_kdf_turn || !has_bcrypt_work(pool))) {
        kdf_slice(pool);
        pool->is_kdf_turn = false;
    } else {
        bcrypt_slice(pool);
        pool->is_kdf_turn = true;
    }
    return true;
}

struct password_job *password_pool_take_done(struct password_pool *pool) {
    return list_pop(&pool->done);
}

static void running_cancel(struct password_pool *pool, struct password_job *job) {
    if (pool->kdf_job == job) {
        kdf_free(pool);
        return;
    }
    uint32_t lane = 0;
    while (lane < pool->lane_count && pool->lane_jobs[lane] != job) {
        lane += 1;
    }
    CHECK(lane < pool->lane_count); /* a running job is on a lane of this pool */
    lane_free(pool, lane);
}

void password_pool_cancel(struct password_pool *pool, struct password_job *job) {
    switch (job->state) {
    case PASSWORD_JOB_IDLE:
        break;
    case PASSWORD_JOB_WAITING: {
        bool is_removed =
            list_remove(job->form == FORM_BCRYPT ? &pool->waiting_bcrypt : &pool->waiting_kdf, job);
        CHECK(is_removed);
        pool->waiting_count -= 1;
        break;
    }
    case PASSWORD_JOB_RUNNING:
        running_cancel(pool, job);
        break;
    case PASSWORD_JOB_DONE:
        (void)list_remove(&pool->done, job); /* perhaps it was taken already */
        break;
    }
    job->state = PASSWORD_JOB_IDLE;
    password_job_reset(job);
}
