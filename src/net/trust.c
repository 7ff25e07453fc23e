/* The trust store, see trust.h. */
#include "net/trust.h"

#include <string.h>

#include "crypto/pem.h"
#include "os/files.h"
#include "os/mem.h"

enum {
    SETS_MAX = 2,                 /* the current one, and one that old handshakes still use */
    CERTIFICATE_BYTES_MAX = 8192, /* roots have 0.5 to 2 KB */
};

struct trust {
    bool is_open;
    char path[FILE_PATH_BYTES_MAX];
    struct trust_set *sets[SETS_MAX];
    struct trust_set *current; /* NULL = not loaded */
};

static struct trust the_trust;

/* --- one certificate ---------------------------------------------------------------------------
 */

static void name_append(void *ctx, const void *data, size_t bytes) {
    buf_put(ctx, data, bytes);
}

/* Copies a part of a key behind the other bytes of the set. */
static unsigned char *part_keep(struct buf *bytes, const unsigned char *part, size_t part_bytes) {
    unsigned char *place = (unsigned char *)bytes->data + bytes->len;
    buf_put(bytes, part, part_bytes);
    return place;
}

static bool key_keep(struct buf *bytes, const br_x509_pkey *from, br_x509_pkey *to) {
    *to = *from;
    if (from->key_type == BR_KEYTYPE_RSA) {
        const br_rsa_public_key *rsa = &from->key.rsa;
        to->key.rsa.n = part_keep(bytes, rsa->n, rsa->nlen);
        to->key.rsa.e = part_keep(bytes, rsa->e, rsa->elen);
        return rsa->nlen * 8 >= PEM_RSA_BITS_MIN;
    }
    to->key.ec.q = part_keep(bytes, from->key.ec.q, from->key.ec.qlen);
    return from->key_type == BR_KEYTYPE_EC;
}

/* ERR_FORMAT: not one that we can use; ERR_FULL: the set has no room. */
static enum err anchor_add(struct trust_set *set, struct str der) {
    br_x509_decoder_context decoder;
    struct buf bytes = buf_over(set->bytes + set->len, sizeof set->bytes - set->len);
    br_x509_trust_anchor anchor = {.flags = 0};
    br_x509_decoder_init(&decoder, name_append, &bytes);
    br_x509_decoder_push(&decoder, der.data, der.len);
    const br_x509_pkey *key = br_x509_decoder_get_pkey(&decoder);
    if (key == NULL) {
        return ERR_FORMAT;
    }
    anchor.dn.data = (unsigned char *)bytes.data;
    anchor.dn.len = bytes.len;
    if (br_x509_decoder_isCA(&decoder)) {
        anchor.flags |= BR_X509_TA_CA;
    }
    if (!key_keep(&bytes, key, &anchor.pkey)) {
        return ERR_FORMAT;
    }
    if (bytes.is_full || set->count == TRUST_ANCHORS_MAX) {
        return ERR_FULL;
    }
    set->anchors[set->count] = anchor;
    set->count += 1;
    set->len += bytes.len;
    return ERR_OK;
}

/* --- the bundle --------------------------------------------------------------------------------
 */

static bool is_certificate(const struct pem_label *label) {
    return strcmp(label->text, "CERTIFICATE") == 0 || strcmp(label->text, "X509 CERTIFICATE") == 0;
}

enum err trust_set_parse(struct trust_set *set, struct str text, const char **problem) {
    char der[CERTIFICATE_BYTES_MAX];
    for (;;) {
        struct buf out = buf_over(der, sizeof der);
        struct pem_label label;
        enum err err = pem_next(&text, &label, &out);
        if (err == ERR_END) {
            break;
        }
        if (err == ERR_OK && is_certificate(&label)) {
            err = anchor_add(set, buf_str(&out));
            if (err == ERR_FULL) {
                *problem = "the trust store holds more than 512 certificates";
                return ERR_FULL;
            }
            set->left_out_count += err != ERR_OK ? 1 : 0;
        } else if (err == ERR_FORMAT) {
            *problem = "the trust store is not valid PEM";
            return ERR_FORMAT;
        }
    }
    if (set->count == 0) {
        *problem = "the trust store holds no certificate that can be used";
        return ERR_FORMAT;
    }
    return ERR_OK;
}

static enum err set_load(struct trust_set *set, const char *path, const char **problem) {
    struct str text;
    char *memory = mem_reserve(PEM_TEXT_BYTES_MAX);
    if (memory == NULL) {
        *problem = "no memory for the trust store";
        return ERR_NO_MEMORY;
    }
    enum err err = file_read(path, memory, PEM_TEXT_BYTES_MAX, &text);
    if (err == ERR_OK) {
        err = trust_set_parse(set, text, problem);
    } else {
        *problem = err == ERR_FULL ? "the trust store is larger than 1 MiB"
                                   : "the trust store cannot be read";
    }
    mem_release(memory, PEM_TEXT_BYTES_MAX);
    return err;
}

/* --- the interface -----------------------------------------------------------------------------
 */

static bool path_keep(struct trust *trust, struct str path) {
    if (path.len >= sizeof trust->path) {
        return false;
    }
    memcpy(trust->path, path.data, path.len);
    trust->path[path.len] = '\0';
    return true;
}

enum err trust_open(struct trust **out, struct str path, const char **problem) {
    /* Debian, Alpine and the container image; Red Hat; SUSE; BSD and others. */
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    };
    struct trust *trust = &the_trust;
    CHECK(!trust->is_open);
    memset(trust, 0, sizeof *trust);
    for (uint32_t index = 0; index < COUNT_OF(places) && path.len == 0; index++) {
        path = file_exists(places[index]) ? str_from_c(places[index]) : path;
    }
    if (path.len == 0 || !path_keep(trust, path)) {
        *problem = "this machine has no trust store in the usual places (install ca-certificates), "
                   "and net.trust-store names none";
        return ERR_NOT_FOUND;
    }
    trust->is_open = true;
    *out = trust;
    return ERR_OK;
}

static void set_drop(struct trust *trust, uint32_t index) {
    mem_release(trust->sets[index], sizeof(struct trust_set));
    trust->sets[index] = NULL;
}

void trust_close(struct trust *trust) {
    CHECK(trust->is_open);
    for (uint32_t index = 0; index < SETS_MAX; index++) {
        CHECK(trust->sets[index] == NULL || trust->sets[index]->users == 0);
        set_drop(trust, index);
    }
    trust->is_open = false;
}

const char *trust_path(const struct trust *trust) {
    return trust->path;
}

/* A place for a new set: empty, or held by one that nobody uses any more. */
static uint32_t place_find(const struct trust *trust) {
    for (uint32_t index = 0; index < SETS_MAX; index++) {
        const struct trust_set *set = trust->sets[index];
        if (set == NULL || (set != trust->current && set->users == 0)) {
            return index;
        }
    }
    return SETS_MAX;
}

enum err trust_load(struct trust *trust, const char **problem) {
    CHECK(trust->is_open);
    uint32_t place = place_find(trust);
    if (place == SETS_MAX) {
        *problem = "connections with an earlier trust store are still beginning; try again shortly";
        return ERR_UNAVAILABLE;
    }
    set_drop(trust, place);
    struct trust_set *set = mem_reserve(sizeof *set);
    if (set == NULL) {
        *problem = "no memory for the trust store";
        return ERR_NO_MEMORY;
    }
    enum err err = set_load(set, trust->path, problem);
    if (err != ERR_OK) {
        mem_release(set, sizeof *set);
        return err;
    }
    trust->sets[place] = set;
    trust->current = set;
    return ERR_OK;
}

struct trust_set *trust_take(struct trust *trust, const char **problem) {
    if (trust->current == NULL && trust_load(trust, problem) != ERR_OK) {
        return NULL;
    }
    trust->current->users += 1;
    return trust->current;
}

void trust_put(struct trust *trust, struct trust_set *set) {
    CHECK(trust->is_open);
    CHECK(set->users > 0);
    set->users -= 1;
}
