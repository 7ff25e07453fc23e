/*
 * Password jobs: all stored forms against hashes made elsewhere (Python's hashlib in werkzeug's
 * text forms, the RFCs, libxcrypt), refusals, and the pool against a naive model.
 */
#include "test.h"

#include <sys/mman.h>

#include "base/decode.h"
#include "crypto/password.h"
#include "crypto/secret.h"

static char *scrypt_memory;
static const size_t scrypt_memory_size = SCRYPT_MEMORY_BYTES_MAX + SCRYPT_OVERHEAD_BYTES;
static size_t discarded;

static void discard(void *memory, size_t bytes) {
    EXPECT((char *)memory == scrypt_memory + discarded);
    EXPECT(bytes <= 1024 * 1024);
    EXPECT_EQ_INT(madvise(memory, bytes, MADV_DONTNEED), 0);
    discarded += bytes;
}

static struct password_pool pool;

static void pool_begin(void) {
    if (scrypt_memory == NULL) {
        scrypt_memory = mmap(NULL, scrypt_memory_size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    discarded = 0;
    password_pool_init(&pool, (struct password_memory){scrypt_memory, scrypt_memory_size, discard});
}

/* Until nothing is left to do; the number of slices. */
static uint32_t pool_run(void) {
    uint32_t slices = 0;
    while (password_pool_step(&pool)) {
        slices += 1;
    }
    EXPECT(!password_pool_has_work(&pool));
    return slices;
}

static enum err verify(const char *password, const char *hash) {
    static struct password_job job;
    memset(&job, 0, sizeof job);
    enum err err = password_job_verify(&job, str_from_c(password), str_from_c(hash));
    if (err != ERR_OK) {
        return err;
    }
    EXPECT_EQ_INT(password_pool_start(&pool, &job), ERR_OK);
    EXPECT_EQ_INT(password_job_result(&job), ERR_AGAIN);
    pool_run();
    EXPECT(password_pool_take_done(&pool) == &job);
    EXPECT(password_pool_take_done(&pool) == NULL);
    for (size_t index = 0; index < sizeof job.password; index += 1) {
        EXPECT_EQ_INT(job.password[index], 0);
    }
    return password_job_result(&job);
}

/* --- primitives ---------------------------------------------------------------------------- */

static void expect_hex(const uint8_t *actual, uint32_t bytes, const char *hex) {
    uint8_t expected[128];
    struct buf out = buf_over(expected, sizeof expected);
    EXPECT(decode_hex(str_from_c(hex), &out));
    EXPECT_EQ_UINT(out.len, bytes);
    EXPECT_EQ_MEM(actual, expected, bytes);
}

/* RFC 7914, 11 */
TEST(pbkdf2_of_rfc_7914)
{
    struct pbkdf2 state;
    uint8_t out[64];
    pbkdf2_start(&state, STR("passwd"), STR("salt"), 1, out, sizeof out);
    while (!pbkdf2_step(&state, 1)) {
    }
    expect_hex(out, 64,
               "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
               "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
    pbkdf2_start(&state, STR("Password"), STR("NaCl"), 80000, out, sizeof out);
    while (!pbkdf2_step(&state, 997)) {
    }
    expect_hex(out, 64,
               "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
               "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
}

static void expect_scrypt(const char *password, const char *salt, struct scrypt_params params,
                          const char *hex) {
    static struct scrypt state;
    uint8_t out[64];
    pool_begin();
    scrypt_start(&state, &params, str_from_c(password), str_from_c(salt), scrypt_memory, out,
                 sizeof out);
    while (!scrypt_step(&state)) {
    }
    expect_hex(out, 64, hex);
    EXPECT_EQ_MEM(&state.keyed, &(struct mac_stream){0}, sizeof state.keyed);
}

/* RFC 7914, 12; the fourth needs 1 GiB, which is over our limit. */
TEST(scrypt_of_rfc_7914)
{
    expect_scrypt("", "", (struct scrypt_params){16, 1, 1},
                  "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                  "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
    expect_scrypt("password", "NaCl", (struct scrypt_params){1024, 8, 16},
                  "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                  "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
    expect_scrypt("pleaseletmein", "SodiumChloride", (struct scrypt_params){16384, 8, 1},
                  "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                  "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
}

/* --- stored forms -------------------------------------------------------------------------- */

/* Made with hashlib.pbkdf2_hmac and hashlib.scrypt. */
static const char *const imported[][2] = {
    {"correct horse", "pbkdf2:sha256:1000$aB3dE6gH$"
                      "256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcb6"},
    {"pw\xc3\xa9", "pbkdf2:sha256:2601$Zr0p9sLk2mQwXyTv$"
                   "8e62f3342385acf4e124228b977e092e4c25b818467c78497c74b145e31b5cb4"},
    {"correct horse", "scrypt:32768:8:1$aB3dE6gH12345678$"
                      "4fd5884325b24c8b2375e585b49e0dd35d4d956812aa0ea459fbc70731674e79"
                      "64655b77d0372eca5d1282c4b65c221d7f8f5533d4ab539e7df14b7872a0b006"},
    {"x", "scrypt:2:1:1$s$"
          "b9e635b84d3925fa9e64ec33604d58d66130dc471d5ec3350e78c79189907179"
          "021c9a50772a95366f9274b1c311ecd26257a6a35a013f2288f0b830e999b9d0"},
    {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
     "scrypt:1024:3:5$saltSALT$"
     "6e5db4592d6a47c4873f379ecbeb7ed55c6befd76964bb26c309d32a4addf93a"
     "faf70187a21e640f4ee74c7e3898841d11f5d80f3831daca2c73a3b8107a645a"},
    {"big r", "scrypt:64:32:4$salt$"
              "8a4bebefd77b02fb1237155ebaf1b5fd17893ce8c1af183be8479d814f9ad922"
              "6e218aea70992858c708df7cc6ad4de43bff555b5019f7ef28c2f14f094b75b9"},
    {"many", "scrypt:16:1:128$salt$"
             "7d1297fe14a10f50a6be3f80ed52e105b5edb4433a86b32608a459722b846bdb"
             "9fa0144bd0286dbddaacbcfe8649aa7c39c3bd3402c6002f85f191d91263c180"},
    {"limit", "scrypt:65536:8:1$salt$"
              "5eecb61a0bd5e501bcc15692dac8348f9bc59af68bbc18160dce223a2a6fc062"
              "69476e66bc8609aedadf9c3eff2055890c7a3481c262dd5d62e08814f5c49f6e"},
    {"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
    {"\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"},
};

TEST(imported_hashes_fit_their_passwords_only)
{
    pool_begin();
    for (size_t index = 0; index < COUNT_OF(imported); index += 1) {
        const char *password = imported[index][0];
        const char *hash = imported[index][1];
        char wrong[PASSWORD_BYTES_MAX + 1];
        snprintf(wrong, sizeof wrong, "%s", password);
        wrong[strlen(wrong) - 1] ^= 1;
        discarded = 0;
        EXPECT_EQ_INT(password_hash_check(str_from_c(hash)), ERR_OK);
        EXPECT_EQ_INT(verify(password, hash), ERR_OK);
        discarded = 0;
        EXPECT_EQ_INT(verify(wrong, hash), ERR_CRYPTO);
        EXPECT(!password_hash_is_current(str_from_c(hash), 12));
    }
}

TEST(unknown_malformed_and_too_costly_forms_are_refused)
{
    static const char *const bad[] = {
        "",
        "plain",
        "$1$abc$def",
        "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
        "$2b$17$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", /* over our cost */
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
        /* pbkdf2: no iterations, zero, too many, other hash, short, not hex, no salt */
        "pbkdf2:sha256$a$256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcb6",
        "pbkdf2:sha256:$a$256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcb6",
        "pbkdf2:sha256:0$a$256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcb6",
        "pbkdf2:sha256:4000001$a$256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcb6",
        "pbkdf2:sha256:99999999999999999999$a$"
        "256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcb6",
        "pbkdf2:sha256:-1$a$256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcb6",
        "pbkdf2:sha512:1000$a$256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcb6",
        "pbkdf2:sha256:1000$a$256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fc",
        "pbkdf2:sha256:1000$a$256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcbg",
        "pbkdf2:sha256:1000$$256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcb6",
        "pbkdf2:sha256:1000$256d4c65d170bd3cf210407316b5e98898a9bec06eec8b67afb46ecbf624fcb6",
    /* scrypt with n not a power of two, one, too much memory, r or p out of range */
#define DIGEST64                                                                                   \
    "$salt$8a4bebefd77b02fb1237155ebaf1b5fd17893ce8c1af183be8479d814f9ad922"                       \
    "6e218aea70992858c708df7cc6ad4de43bff555b5019f7ef28c2f14f094b75b9"
        "scrypt:100:8:1" DIGEST64,
        "scrypt:1:8:1" DIGEST64,
        "scrypt:131072:8:1" DIGEST64,
        "scrypt:1048576:1:1" DIGEST64,
        "scrypt:16:33:1" DIGEST64,
        "scrypt:16:0:1" DIGEST64,
        "scrypt:16:1:0" DIGEST64,
        "scrypt:16:8:17" DIGEST64,
        "scrypt:16:8" DIGEST64,
        "scrypt:16:8:1:1" DIGEST64,
        "scrypt:16:8:1$salt$00",
    };
    pool_begin();
    for (size_t index = 0; index < COUNT_OF(bad); index += 1) {
        if (password_hash_check(str_from_c(bad[index])) != ERR_FORMAT ||
            verify("x", bad[index]) != ERR_CORRUPT) {
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[index]);
        }
    }
    static char endless[PASSWORD_HASH_BYTES_MAX + 2];
    memset(endless, '$', sizeof endless);
    EXPECT_EQ_INT(password_hash_check(str_from(endless, sizeof endless)), ERR_FORMAT);
    EXPECT_EQ_INT(password_hash_check(str_from(endless, 255)), ERR_FORMAT);
}

TEST(passwords_are_never_cut)
{
    static struct password_job job;
    static const uint8_t salt[BCRYPT_SALT_BYTES] = {0};
    char password[PASSWORD_BYTES_MAX + 1];
    memset(password, 'x', sizeof password);
    EXPECT_EQ_INT(password_job_hash(&job, str_from(password, 73), 4, salt), ERR_VALIDATION);
    EXPECT_EQ_INT(password_job_hash(&job, STR(""), 4, salt), ERR_VALIDATION);
    EXPECT_EQ_INT(password_job_hash(&job, str_from("a\0b", 3), 4, salt), ERR_VALIDATION);
    EXPECT_EQ_INT(password_job_dummy(&job, str_from(password, 73), 4), ERR_VALIDATION);
    EXPECT_EQ_INT(password_job_verify(&job, str_from(password, 73), str_from_c(imported[0][1])),
                  ERR_VALIDATION);
    EXPECT_EQ_INT(job.state, PASSWORD_JOB_IDLE);
    EXPECT_EQ_INT(password_job_hash(&job, str_from(password, 72), 4, salt), ERR_OK);
}

TEST(a_new_hash_fits_its_password)
{
    static struct password_job job;
    uint8_t salt[BCRYPT_SALT_BYTES];
    char password[PASSWORD_BYTES_MAX];
    pool_begin();
    for (uint32_t len = 1; len <= PASSWORD_BYTES_MAX; len += 1) {
        char text[BCRYPT_TEXT_LEN + 1] = {0};
        char password_c[PASSWORD_BYTES_MAX + 1] = {0};
        for (uint32_t index = 0; index < len; index += 1) {
            password[index] = (char)(1 + test_random_below(255));
        }
        memcpy(password_c, password, len);
        test_random_fill(salt, sizeof salt);
        memset(&job, 0, sizeof job);
        REQUIRE(password_job_hash(&job, str_from(password, len), 4, salt) == ERR_OK);
        REQUIRE(password_pool_start(&pool, &job) == ERR_OK);
        pool_run();
        EXPECT(password_pool_take_done(&pool) == &job);
        EXPECT_EQ_INT(password_job_result(&job), ERR_OK);
        EXPECT(password_hash_is_current(password_job_text(&job), 4));
        EXPECT(!password_hash_is_current(password_job_text(&job), 5));
        memcpy(text, password_job_text(&job).data, BCRYPT_TEXT_LEN);
        EXPECT_EQ_INT(verify(password_c, text), ERR_OK);
        password_c[test_random_below(len)] ^= 1;
        if (strlen(password_c) == len) {
            EXPECT_EQ_INT(verify(password_c, text), ERR_CRYPTO);
        }
    }
}

TEST(a_dummy_never_fits_and_takes_as_long)
{
    static struct password_job job;
    pool_begin();
    memset(&job, 0, sizeof job);
    REQUIRE(password_job_dummy(&job, STR("U*U"), 5) == ERR_OK);
    REQUIRE(password_pool_start(&pool, &job) == ERR_OK);
    uint32_t slices = pool_run();
    EXPECT_EQ_INT(password_job_result(&job), ERR_CRYPTO);
    EXPECT(password_pool_take_done(&pool) == &job);
    password_job_reset(&job);
    REQUIRE(password_job_verify(&job, STR("U*U"), str_from_c(imported[8][1])) == ERR_OK);
    REQUIRE(password_pool_start(&pool, &job) == ERR_OK);
    EXPECT_EQ_UINT(pool_run(), slices);
    EXPECT_EQ_UINT(slices, 32 / BCRYPT_STEP_ITERATIONS);
    EXPECT_EQ_INT(password_job_result(&job), ERR_OK);
}

/* --- the pool ------------------------------------------------------------------------------ */

TEST(scrypt_without_memory_is_unavailable)
{
    static struct password_job job;
    password_pool_init(&pool, (struct password_memory){NULL, 0, NULL});
    memset(&job, 0, sizeof job);
    REQUIRE(password_job_verify(&job, STR("x"), str_from_c(imported[3][1])) == ERR_OK);
    EXPECT_EQ_INT(password_pool_start(&pool, &job), ERR_UNAVAILABLE);
    EXPECT_EQ_INT(job.state, PASSWORD_JOB_IDLE);
    EXPECT(!password_pool_step(&pool));
}

TEST(scrypt_memory_is_cleared_afterwards)
{
    for (uint32_t round = 0; round < 2; round += 1) {
        pool_begin();
        pool.memory.discard = round == 0 ? discard : NULL;
        EXPECT_EQ_INT(verify("correct horse", imported[2][1]), ERR_OK);
        size_t used = (size_t)128 * 8 * (32768 + 3);
        EXPECT(round == 1 || discarded == used);
        size_t dirty = 0;
        for (size_t at = 0; at < used; at += 64) {
            dirty += scrypt_memory[at] != 0;
        }
        EXPECT_EQ_UINT(dirty, 0);
    }
}

TEST(the_queue_is_bounded)
{
    static struct password_job jobs[PASSWORD_WAITING_MAX + BCRYPT_LANES + 1];
    pool_begin();
    memset(jobs, 0, sizeof jobs);
    for (size_t index = 0; index < COUNT_OF(jobs); index += 1) {
        REQUIRE(password_job_dummy(&jobs[index], STR("x"), 4) == ERR_OK);
    }
    for (size_t index = 0; index < PASSWORD_WAITING_MAX; index += 1) {
        EXPECT_EQ_INT(password_pool_start(&pool, &jobs[index]), ERR_OK);
    }
    struct password_job *last = &jobs[PASSWORD_WAITING_MAX];
    EXPECT_EQ_INT(password_pool_start(&pool, last), ERR_UNAVAILABLE);
    EXPECT_EQ_INT(last->state, PASSWORD_JOB_IDLE);
    EXPECT(password_pool_step(&pool)); /* one moves on to a lane */
    EXPECT_EQ_INT(password_pool_start(&pool, last), ERR_OK);
    pool_run();
    for (size_t index = 0; index <= PASSWORD_WAITING_MAX; index += 1) {
        EXPECT(password_pool_take_done(&pool) == &jobs[index]); /* first come, first served */
        EXPECT_EQ_INT(password_job_result(&jobs[index]), ERR_CRYPTO);
    }
    EXPECT(password_pool_take_done(&pool) == NULL);
    EXPECT_EQ_UINT(pool.finished_count, PASSWORD_WAITING_MAX + 1);
}

/* Random starts, cancels and takes of all kinds; the model knows each job's result. */
enum { MODEL_JOBS = 24 };

struct model_job {
    struct password_job job;
    enum err expected;
    bool is_in_pool;
};
static struct model_job model[MODEL_JOBS];

static void model_start(struct model_job *entry) {
    static const uint8_t salt[BCRYPT_SALT_BYTES] = {9};
    static const uint8_t cheap[] = {0, 3, 5, 6, 8, 9}; /* of the imported hashes */
    uint64_t kind = test_random_below(8);
    enum err err = ERR_OK;
    if (kind == 0) {
        err = password_job_dummy(&entry->job, STR("U*U"), 4 + (uint32_t)test_random_below(3));
        entry->expected = ERR_CRYPTO;
    } else if (kind <= 2) {
        err = password_job_hash(&entry->job, STR("new"), 4 + (uint32_t)test_random_below(3), salt);
        entry->expected = ERR_OK;
    } else {
        const char *const *row = imported[cheap[test_random_below(sizeof cheap)]];
        bool is_right = test_random_below(2) == 0;
        err = password_job_verify(&entry->job, is_right ? str_from_c(row[0]) : STR("wrong"),
                                  str_from_c(row[1]));
        entry->expected = is_right ? ERR_OK : ERR_CRYPTO;
    }
    EXPECT_EQ_INT(err, ERR_OK);
    EXPECT_EQ_INT(password_pool_start(&pool, &entry->job), ERR_OK);
    entry->is_in_pool = true;
}

static void model_take(void) {
    struct password_job *job = password_pool_take_done(&pool);
    if (job == NULL) {
        return;
    }
    struct model_job *entry = (struct model_job *)(void *)job;
    EXPECT(entry->is_in_pool);
    EXPECT_EQ_INT(password_job_result(job), entry->expected);
    if (job->kind == PASSWORD_HASH) {
        EXPECT(bcrypt_text_parse(password_job_text(job), &(struct bcrypt_text){0}));
    }
    entry->is_in_pool = false;
    password_job_reset(job);
}

static uint32_t model_count(enum password_job_state state) {
    uint32_t count = 0;
    for (uint32_t index = 0; index < MODEL_JOBS; index += 1) {
        count += model[index].job.state == state;
    }
    return count;
}

TEST(pool_against_a_model)
{
    pool_begin();
    pool.memory.discard = NULL;
    memset(model, 0, sizeof model);
    uint64_t finished = 0;
    for (uint32_t step = 0; step < 6000; step += 1) {
        struct model_job *entry = &model[test_random_below(MODEL_JOBS)];
        uint64_t action = test_random_below(16);
        if (action <= 2 && !entry->is_in_pool) {
            model_start(entry);
        } else if (action == 3 && test_random_below(4) == 0) {
            password_pool_cancel(&pool, &entry->job);
            EXPECT_EQ_INT(entry->job.state, PASSWORD_JOB_IDLE);
            entry->is_in_pool = false;
        } else if (action == 4) {
            model_take();
        } else {
            (void)password_pool_step(&pool);
        }
        EXPECT_EQ_UINT(pool.waiting_count, model_count(PASSWORD_JOB_WAITING));
        EXPECT_EQ_UINT(pool.lane_count + (pool.kdf_job != NULL), model_count(PASSWORD_JOB_RUNNING));
        finished = pool.finished_count;
    }
    pool_run();
    EXPECT_EQ_UINT(model_count(PASSWORD_JOB_RUNNING) + model_count(PASSWORD_JOB_WAITING), 0);
    while (model_count(PASSWORD_JOB_DONE) > 0) {
        model_take();
    }
    EXPECT(finished > 50);
}

TEST(misuse_stops_the_process)
{
    static struct password_job job;
    static const uint8_t salt[BCRYPT_SALT_BYTES] = {0};
    pool_begin();
    memset(&job, 0, sizeof job);
    EXPECT_DIES(password_pool_start(&pool, &job)); /* nothing prepared */
    EXPECT_DIES(password_job_hash(&job, STR("x"), PASSWORD_COST_MAX + 1, salt));
    EXPECT_DIES(password_job_hash(&job, STR("x"), BCRYPT_COST_MIN - 1, salt));
    REQUIRE(password_job_hash(&job, STR("x"), 4, salt) == ERR_OK);
    REQUIRE(password_pool_start(&pool, &job) == ERR_OK);
    EXPECT_DIES(password_pool_start(&pool, &job));
    EXPECT_DIES(password_job_reset(&job));
    EXPECT_DIES(password_job_text(&job));
    password_pool_cancel(&pool, &job);
    EXPECT(!password_pool_has_work(&pool));
}
