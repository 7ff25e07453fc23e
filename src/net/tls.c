/*
 * TLS by BearSSL, see tls.h.
 *
 * A server context is 4 KB of settings of which only the random state and the buffers differ
 * between connections: it is made once per certificate (the model) and copied. Everything that the
 * copy points to is constant until the last handshake that uses it is over: that is what `users`
 * counts.
 *
 * BearSSL prefers our own policy class here to its two ready ones, because theirs keep pointers
 * into the context they sit in and cannot be copied.
 */
#include "net/tls.h"

#include "crypto/pem.h"
#include "net/tls_parts.h"
#include "os/clock.h"
#include "os/mem.h"

#include <string.h>

enum {
    GENERATIONS_MAX = 3, /* certificates in use at the same time, by reloads in quick succession */
    SESSION_BYTES = 100, /* of br_ssl_session_cache_lru, as its documentation says */
    ENTROPY_BYTES = 32,
};

struct generation {
    const br_ssl_server_policy_class *vtable; /* first: BearSSL hands us a pointer to it */
    struct pem_identity identity;
    br_ssl_server_context model;
    uint32_t users; /* running handshakes: later the certificate is not needed */
    bool is_current;
};

struct session_cache {
    const br_ssl_session_cache_class *vtable; /* first, as above */
    br_ssl_session_cache_lru lru;
    uint8_t *store;
    uint32_t store_bytes;
    int64_t began_us;
};

struct tls_config {
    struct session_cache sessions;
    struct generation generations[GENERATIONS_MAX];
    struct generation *current;
    uint8_t model_in[TLS_IN_BYTES];
    uint8_t model_out[TLS_OUT_BYTES];
};

_Static_assert(sizeof(struct tls) <= TLS_CONTEXT_BYTES, "the caller's memory holds a connection");
_Static_assert(TLS_IN_BYTES == BR_SSL_BUFSIZE_INPUT, "a full record fits");
_Static_assert(TLS_OUT_BYTES == BR_SSL_BUFSIZE_OUTPUT, "a full record fits");

/* --- the certificate's side of the handshake ---------------------------------------------------
 */

/* Hashes that we sign with: bits by BearSSL's number, RSA in the low byte, ECDSA in the next. */
static unsigned hash_choose(const struct generation *generation, uint32_t client_hashes) {
    bool is_ec = generation->identity.key_kind == PEM_KEY_EC;
    uint32_t hashes = is_ec ? client_hashes >> 8 : client_hashes;
    bool wants_384 = is_ec && generation->identity.ec.curve == BR_EC_secp384r1;
    unsigned first = wants_384 ? br_sha384_ID : br_sha256_ID;
    unsigned second = wants_384 ? br_sha256_ID : br_sha384_ID;
    if ((hashes >> first & 1) != 0) {
        return first;
    }
    return (hashes >> second & 1) != 0 ? second : 0;
}

static int policy_choose(const br_ssl_server_policy_class **policy,
                         const br_ssl_server_context *ssl, br_ssl_server_choices *choices) {
    const struct generation *generation = (const struct generation *)(const void *)policy;
    bool is_ec = generation->identity.key_kind == PEM_KEY_EC;
    unsigned exchange = is_ec ? BR_SSLKEYX_ECDHE_ECDSA : BR_SSLKEYX_ECDHE_RSA;
    unsigned hash = hash_choose(generation, br_ssl_server_get_client_hashes(ssl));
    size_t count = 0;
    const br_suite_translated *suites = br_ssl_server_get_client_suites(ssl, &count);
    if (hash == 0) {
        return 0;
    }
    for (size_t index = 0; index < count; index++) {
        if (suites[index][1] >> 12 == exchange) {
            choices->cipher_suite = suites[index][0];
            choices->algo_id = 0xFF00 + hash;
            choices->chain = generation->identity.chain;
            choices->chain_len = generation->identity.chain_len;
            return 1;
        }
    }
    return 0;
}

/* Key exchanges without ECDHE: we offer none. */
static uint32_t policy_exchange(const br_ssl_server_policy_class **policy, unsigned char *data,
                                size_t *len) {
    (void)policy;
    (void)data;
    (void)len;
    return 0;
}

static size_t policy_sign(const br_ssl_server_policy_class **policy, unsigned algorithm,
                          unsigned char *data, size_t hash_bytes, size_t room) {
    const struct generation *generation = (const struct generation *)(const void *)policy;
    const struct pem_identity *identity = &generation->identity;
    bool is_384 = (algorithm & 0xFF) == br_sha384_ID;
    uint8_t hash[64];
    CHECK(hash_bytes <= sizeof hash);
    memcpy(hash, data, hash_bytes);
    if (identity->key_kind == PEM_KEY_EC) {
        if (room < 139) { /* the longest signature, P-521 */
            return 0;
        }
        return br_ecdsa_sign_asn1_get_default()(br_ec_get_default(),
                                                is_384 ? &br_sha384_vtable : &br_sha256_vtable,
                                                hash, &identity->ec, data);
    }
    size_t bytes = (identity->rsa.n_bitlen + 7) / 8;
    const unsigned char *oid = is_384 ? BR_HASH_OID_SHA384 : BR_HASH_OID_SHA256;
    if (room < bytes ||
        br_rsa_pkcs1_sign_get_default()(oid, hash, hash_bytes, &identity->rsa, data) == 0) {
        return 0;
    }
    return bytes;
}

static const br_ssl_server_policy_class policy_class = {
    sizeof(struct generation),
    policy_choose,
    policy_exchange,
    policy_sign,
};

/* --- sessions ----------------------------------------------------------------------------------
 */

static void sessions_forget(struct session_cache *cache, int64_t now_us) {
    if (cache->store_bytes > 0) {
        memset(cache->store, 0, cache->store_bytes);
    }
    br_ssl_session_cache_lru_init(&cache->lru, cache->store, cache->store_bytes);
    cache->began_us = now_us;
}

static void sessions_save(const br_ssl_session_cache_class **ctx, br_ssl_server_context *ssl,
                          const br_ssl_session_parameters *params) {
    struct session_cache *cache = (struct session_cache *)(void *)ctx;
    cache->lru.vtable->save(&cache->lru.vtable, ssl, params);
}

static int sessions_load(const br_ssl_session_cache_class **ctx, br_ssl_server_context *ssl,
                         br_ssl_session_parameters *params) {
    struct session_cache *cache = (struct session_cache *)(void *)ctx;
    int is_found = cache->lru.vtable->load(&cache->lru.vtable, ssl, params);
    ((struct tls *)(void *)ssl)->is_resumed = is_found != 0;
    return is_found;
}

static const br_ssl_session_cache_class sessions_class = {
    sizeof(struct session_cache),
    sessions_save,
    sessions_load,
};

/* --- the model ---------------------------------------------------------------------------------
 */

/* The order is the server's preference. AES first where the processor does it: ten times the speed
 * of ChaCha20 there, and a tenth of it elsewhere, with tables that leak through the cache. */
static void suites_set(br_ssl_engine_context *engine, bool is_ec, bool has_aes) {
    static const uint16_t ec_aes[] = {
        BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    };
    static const uint16_t ec_chacha[] = {
        BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    };
    static const uint16_t rsa_aes[] = {
        BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    };
    static const uint16_t rsa_chacha[] = {
        BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    };
    const uint16_t *suites =
        is_ec ? (has_aes ? ec_aes : ec_chacha) : (has_aes ? rsa_aes : rsa_chacha);
    br_ssl_engine_set_suites(engine, suites, COUNT_OF(ec_aes));
}

static void model_make(struct tls_config *config, struct generation *generation) {
    static const char *protocols[] = {"http/1.1"};
    br_ssl_server_context *model = &generation->model;
    br_ssl_engine_context *engine = &model->eng;
    bool has_aes = br_aes_x86ni_ctr_get_vtable() != NULL || br_aes_pwr8_ctr_get_vtable() != NULL;
    br_ssl_server_zero(model);
    br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
    suites_set(engine, generation->identity.key_kind == PEM_KEY_EC, has_aes);
    br_ssl_engine_set_ec(engine, br_ec_get_default());
    br_ssl_engine_set_hash(engine, br_sha256_ID, &br_sha256_vtable);
    br_ssl_engine_set_hash(engine, br_sha384_ID, &br_sha384_vtable);
    br_ssl_engine_set_prf_sha256(engine, &br_tls12_sha256_prf);
    br_ssl_engine_set_prf_sha384(engine, &br_tls12_sha384_prf);
    br_ssl_engine_set_default_aes_gcm(engine);
    br_ssl_engine_set_default_chapol(engine);
    br_ssl_engine_set_protocol_names(engine, protocols, COUNT_OF(protocols));
    br_ssl_engine_add_flags(engine, BR_OPT_ENFORCE_SERVER_PREFERENCES | BR_OPT_NO_RENEGOTIATION |
                                        BR_OPT_FAIL_ON_ALPN_MISMATCH);
    generation->vtable = &policy_class;
    br_ssl_server_set_policy(model, &generation->vtable);
    if (config->sessions.store_bytes > 0) {
        br_ssl_server_set_cache(model, &config->sessions.vtable);
    }
    /* Resetting it once seeds its generator from the system; the copies add entropy of their own.
     */
    uint8_t entropy[ENTROPY_BYTES];
    random_bytes(entropy, sizeof entropy);
    br_ssl_engine_inject_entropy(engine, entropy, sizeof entropy);
    br_ssl_engine_set_buffers_bidi(engine, config->model_in, TLS_IN_BYTES, config->model_out,
                                   TLS_OUT_BYTES);
    int is_ready = br_ssl_server_reset(model);
    CHECK(is_ready == 1);
}

static enum err generation_load(struct tls_config *config, const struct server_tls_files *files,
                                const char **problem) {
    struct generation *fresh = NULL;
    for (uint32_t index = 0; index < GENERATIONS_MAX; index++) {
        if (!config->generations[index].is_current && config->generations[index].users == 0) {
            fresh = &config->generations[index];
        }
    }
    if (fresh == NULL) {
        *problem = "handshakes with an earlier certificate are still running; try again shortly";
        return ERR_UNAVAILABLE;
    }
    enum err err =
        pem_identity_parse(&fresh->identity, files->certificate_pem, files->key_pem, problem);
    if (err != ERR_OK) {
        return err;
    }
    model_make(config, fresh);
    if (config->current != NULL) {
        config->current->is_current = false;
    }
    fresh->is_current = true;
    config->current = fresh;
    return ERR_OK;
}

enum err tls_config_open(struct tls_config **out, const struct server_tls_files *files,
                         uint32_t sessions_max, const char **problem) {
    struct tls_config *config = mem_reserve(sizeof *config);
    if (config == NULL) {
        *problem = "no memory for the TLS configuration";
        return ERR_IO;
    }
    struct session_cache *cache = &config->sessions;
    cache->vtable = &sessions_class;
    if (sessions_max > 0 && sessions_max < UINT32_MAX / SESSION_BYTES) {
        cache->store_bytes = sessions_max * SESSION_BYTES;
        cache->store = mem_reserve(cache->store_bytes);
        if (cache->store == NULL) {
            mem_release(config, sizeof *config);
            *problem = "no memory for the TLS sessions";
            return ERR_IO;
        }
        br_ssl_session_cache_lru_init(&cache->lru, cache->store, cache->store_bytes);
    }
    enum err err = generation_load(config, files, problem);
    if (err != ERR_OK) {
        tls_config_close(config);
        return err;
    }
    *out = config;
    return ERR_OK;
}

enum err tls_config_reload(struct tls_config *config, const struct server_tls_files *files,
                           const char **problem) {
    enum err err = generation_load(config, files, problem);
    if (err == ERR_OK && config->sessions.store_bytes > 0) {
        sessions_forget(&config->sessions, config->sessions.began_us);
    }
    return err;
}

void tls_config_close(struct tls_config *config) {
    if (config->sessions.store != NULL) {
        memset(config->sessions.store, 0, config->sessions.store_bytes);
        mem_release(config->sessions.store, config->sessions.store_bytes);
    }
    for (uint32_t index = 0; index < GENERATIONS_MAX; index++) {
        pem_identity_reset(&config->generations[index].identity);
    }
    mem_release(config, sizeof *config);
}

/* --- a connection ------------------------------------------------------------------------------
 */

struct tls *tls_start(void *context, void *in, void *out, struct tls_config *config,
                      int64_t now_us) {
    struct tls *tls = context;
    CHECK((uintptr_t)context % _Alignof(struct tls) == 0);
    struct session_cache *cache = &config->sessions;
    if (cache->store_bytes > 0 &&
        now_us - cache->began_us > (int64_t)TLS_SESSION_LIFETIME_S * 1000000) {
        sessions_forget(cache, now_us);
    }
    memcpy(&tls->ssl.server, &config->current->model, sizeof tls->ssl.server);
    tls->generation = config->current;
    tls->generation->users += 1;
    tls->is_resumed = false;
    uint8_t entropy[ENTROPY_BYTES];
    random_bytes(entropy, sizeof entropy);
    br_ssl_engine_inject_entropy(&tls->ssl.eng, entropy, sizeof entropy);
    memset(entropy, 0, sizeof entropy);
    br_ssl_engine_set_buffers_bidi(&tls->ssl.eng, in, TLS_IN_BYTES, out, TLS_OUT_BYTES);
    int is_ready = br_ssl_server_reset(&tls->ssl.server);
    CHECK(is_ready == 1);
    return tls;
}

void tls_handshake_finish(struct tls *tls) {
    CHECK(tls->generation != NULL);
    CHECK(tls->generation->users > 0);
    tls->generation->users -= 1;
    tls->generation = NULL;
}

void tls_finish(struct tls *tls) {
    if (tls->generation != NULL) {
        tls_handshake_finish(tls);
    }
    memset(tls, 0, sizeof *tls);
    __asm__ volatile("" : : "r"(tls) : "memory"); /* the wipe is not dead code */
}

static uint8_t *port(unsigned char *place, size_t bytes, uint32_t *count) {
    *count = place == NULL ? 0 : (uint32_t)bytes;
    return place;
}

uint8_t *tls_record_in(const struct tls *tls, uint32_t *room) {
    size_t bytes = 0;
    unsigned char *place = br_ssl_engine_recvrec_buf(&tls->ssl.eng, &bytes);
    return port(place, bytes, room);
}

void tls_record_in_ack(struct tls *tls, uint32_t bytes) {
    br_ssl_engine_recvrec_ack(&tls->ssl.eng, bytes);
}

const uint8_t *tls_record_out(const struct tls *tls, uint32_t *count) {
    size_t bytes = 0;
    unsigned char *place = br_ssl_engine_sendrec_buf(&tls->ssl.eng, &bytes);
    return port(place, bytes, count);
}

void tls_record_out_ack(struct tls *tls, uint32_t bytes) {
    br_ssl_engine_sendrec_ack(&tls->ssl.eng, bytes);
}

const uint8_t *tls_plain_in(const struct tls *tls, uint32_t *count) {
    size_t bytes = 0;
    unsigned char *place = br_ssl_engine_recvapp_buf(&tls->ssl.eng, &bytes);
    return port(place, bytes, count);
}

void tls_plain_in_ack(struct tls *tls, uint32_t bytes) {
    br_ssl_engine_recvapp_ack(&tls->ssl.eng, bytes);
}

uint8_t *tls_plain_out(const struct tls *tls, uint32_t *room) {
    size_t bytes = 0;
    unsigned char *place = br_ssl_engine_sendapp_buf(&tls->ssl.eng, &bytes);
    return port(place, bytes, room);
}

void tls_plain_out_ack(struct tls *tls, uint32_t bytes) {
    br_ssl_engine_sendapp_ack(&tls->ssl.eng, bytes);
}

void tls_plain_flush(struct tls *tls) {
    br_ssl_engine_flush(&tls->ssl.eng, 0);
}

void tls_close(struct tls *tls) {
    br_ssl_engine_close(&tls->ssl.eng);
}

bool tls_is_open(const struct tls *tls) {
    unsigned state = br_ssl_engine_current_state(&tls->ssl.eng);
    return (state & (BR_SSL_SENDAPP | BR_SSL_RECVAPP)) != 0;
}

bool tls_is_closed(const struct tls *tls) {
    return br_ssl_engine_current_state(&tls->ssl.eng) == BR_SSL_CLOSED;
}

bool tls_is_resumed(const struct tls *tls) {
    return tls->is_resumed;
}

bool tls_is_quiet(const struct tls *tls) {
    uint32_t bytes = 0;
    const uint8_t *in = tls_record_in(tls, &bytes);
    bool is_between_records = in != NULL && in == tls->ssl.eng.ibuf;
    return is_between_records && tls_record_out(tls, &bytes) == NULL && tls_is_open(tls);
}
