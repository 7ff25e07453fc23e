/*
 * Passwords: checking one against a stored hash of any supported form, and making new bcrypt
 * hashes, as jobs of a pool that advances in slices of at most ~200 us.
 *
 * Stored forms:
 *   $2a$ $2b$ $2y$ COST $ ...            bcrypt
 *   pbkdf2:sha256:ITERATIONS$SALT$HEX    werkzeug; the salt is its ASCII text; 32 bytes
 *   scrypt:N:r:p$SALT$HEX                werkzeug; 64 bytes
 *
 * A job:   IDLE --password_pool_start--> WAITING --> RUNNING --> DONE
 *   WAITING -> RUNNING and RUNNING -> DONE happen in password_pool_step;
 *   password_pool_cancel takes any of them back to IDLE, password_job_reset DONE to IDLE.
 *
 * BCRYPT_LANES bcrypt jobs run at once, and beside them one of the imported forms. Nothing waits
 * for a full set of lanes: a lane is filled whenever it is free. The job's memory belongs to the
 * caller and must not move between start and the end; the password in it is wiped at the end.
 */
#ifndef CRYPTO_PASSWORD_H
#define CRYPTO_PASSWORD_H

#include "base/err.h"
#include "base/limits.h"
#include "crypto/bcrypt.h"
#include "crypto/scrypt.h"

enum {
    PASSWORD_HASH_BYTES_MAX = 255, /* the longest real one, werkzeug scrypt, has 162 */
    PASSWORD_COST_DEFAULT = 12,
    PASSWORD_COST_MAX = 16,                   /* 2.6 s alone; more would only be an attack on us */
    PASSWORD_PBKDF2_ITERATIONS_MAX = 4000000, /* four times werkzeug's default of 2024 */
    PASSWORD_WAITING_MAX = 64,                /* at 20 per second the last one waits 3 s */
};

enum password_job_kind { PASSWORD_VERIFY, PASSWORD_HASH };
enum password_job_state {
    PASSWORD_JOB_IDLE,
    PASSWORD_JOB_WAITING,
    PASSWORD_JOB_RUNNING,
    PASSWORD_JOB_DONE
};

struct password_job {
    enum password_job_kind kind;
    enum password_job_state state;
    enum err result;
    struct password_job *next; /* in one of the pool's lists */
    void *owner;               /* the caller's; untouched here */
    uint8_t form;              /* which stored form */
    uint8_t password_len;
    uint8_t hash_len;
    uint8_t salt_from; /* werkzeug forms: the salt's place in `hash` */
    uint8_t salt_len;
    bool is_dummy;
    char password[PASSWORD_BYTES_MAX];
    char hash[PASSWORD_HASH_BYTES_MAX]; /* stored form to check, or the new hash */
    struct bcrypt_text bcrypt;
    struct scrypt_params scrypt;
    uint32_t pbkdf2_iterations;
    uint8_t digest[64]; /* what the stored werkzeug form says */
};

/* Can hashes of this form be verified here? ERR_OK, or ERR_FORMAT: malformed, unknown, or costlier
 * than our limits. For imports. */
enum err password_hash_check(struct str hash);
/* Is it exactly what password_job_hash would make now ($2b$ at this cost)? If not, make a new one
 * at the next login. */
bool password_hash_is_current(struct str hash, uint32_t cost);
/* 1..PASSWORD_BYTES_MAX bytes, none of them zero? */
bool password_is_usable(struct str password);

/*
 * Each prepares an IDLE (or zeroed) job; all inputs are copied.
 * ERR_VALIDATION: the password is empty, longer than PASSWORD_BYTES_MAX or holds a zero byte (it is
 * never cut). ERR_CORRUPT: the stored hash does not pass password_hash_check.
 */
enum err password_job_verify(struct password_job *job, struct str password, struct str hash);
/* For an account that does not exist: takes as long as a real check at that cost, never matches. */
enum err password_job_dummy(struct password_job *job, struct str password, uint32_t cost);
/* A new $2b$ hash; `salt` is fresh entropy; cost BCRYPT_COST_MIN..PASSWORD_COST_MAX, CHECKed. */
enum err password_job_hash(struct password_job *job, struct str password, uint32_t cost,
                           const uint8_t salt[BCRYPT_SALT_BYTES]);

/* ERR_AGAIN until DONE. Then ERR_OK = the password fits (or the hash is made), ERR_CRYPTO = it does
 * not fit. */
enum err password_job_result(const struct password_job *job);
/* The new hash of a finished PASSWORD_HASH job, borrowed from the job. */
struct str password_job_text(const struct password_job *job);
/* Wipes and makes IDLE. Not for jobs that are in a pool. */
void password_job_reset(struct password_job *job);

struct password_list {
    struct password_job *first;
    struct password_job *last;
};

/* What scrypt works in: reserved once, at least SCRYPT_MEMORY_BYTES_MAX + SCRYPT_OVERHEAD_BYTES,
 * page-aligned. NULL memory = scrypt hashes are answered ERR_UNAVAILABLE. `discard`
 * (os/mem.h's mem_discard, or NULL) is called piece by piece after each use. */
struct password_memory {
    void *memory;
    size_t bytes;
    void (*discard)(void *memory, size_t bytes);
};

struct password_pool {
    struct bcrypt_lane lanes[BCRYPT_LANES]; /* the first lane_count are running */
    struct password_job *lane_jobs[BCRYPT_LANES];
    uint32_t lane_count;
    struct password_job *kdf_job; /* the one imported form that is running, or NULL */
    struct pbkdf2 pbkdf2;
    struct scrypt scrypt;
    uint8_t kdf_out[64];
    struct password_memory memory;
    size_t discard_from; /* working memory below discard_to still to be given back */
    size_t discard_to;
    bool is_kdf_turn;
    struct password_list waiting_bcrypt;
    struct password_list waiting_kdf;
    struct password_list done;
    uint32_t waiting_count;
    uint64_t finished_count; /* since start; for metrics */
};

void password_pool_init(struct password_pool *pool, struct password_memory memory);

/* ERR_UNAVAILABLE: PASSWORD_WAITING_MAX jobs wait already, or there is no memory for scrypt. The
 * job is then still IDLE. Otherwise the pool holds the job until it is taken back or cancelled. */
enum err password_pool_start(struct password_pool *pool, struct password_job *job);

/* One slice, at most ~200 us. False when there was nothing to do. */
bool password_pool_step(struct password_pool *pool);
bool password_pool_has_work(const struct password_pool *pool);

/* A finished job, oldest first, no longer in the pool; NULL when there is none. */
struct password_job *password_pool_take_done(struct password_pool *pool);

/* Takes a job out in any state (deadline, client gone), wipes it and makes it IDLE. */
void password_pool_cancel(struct password_pool *pool, struct password_job *job);

#endif
