/*
 * What an authenticator sends: the input is tried as attestation object, as authenticator data and
 * as key. What is accepted lies inside the input and is what its flags say; a key that is accepted
 * verifies nothing that is made up.
 */
#include "crypto/webauthn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static bool is_inside(struct str part, struct str whole) {
    return part.data >= whole.data && part.data + part.len <= whole.data + whole.len;
}

static void key_try(struct str bytes) {
    struct cose_key key;
    struct hash hash = hash_of(bytes);
    if (!cose_key_parse(bytes, &key)) {
        return;
    }
    CHECK(key.algorithm == COSE_ES256 || key.algorithm == COSE_RS256);
    CHECK(key.algorithm == COSE_ES256 || is_inside(key.modulus, bytes));
    CHECK(!cose_key_verify(&key, hash, bytes));
}

static void data_check(const struct webauthn_data *data, struct str bytes) {
    CHECK(is_inside(data->rp_id_hash, bytes));
    CHECK(data->rp_id_hash.len == HASH_BYTES);
    CHECK(!webauthn_has(data, WEBAUTHN_BACKED_UP) || webauthn_has(data, WEBAUTHN_BACKUP_ELIGIBLE));
    bool is_attested = webauthn_has(data, WEBAUTHN_ATTESTED);
    CHECK(is_attested == !str_is_none(data->credential_id));
    if (is_attested) {
        CHECK(is_inside(data->credential_id, bytes));
        CHECK(data->credential_id.len >= 1);
        CHECK(data->credential_id.len <= WEBAUTHN_ID_BYTES_MAX);
        CHECK(data->aaguid.len == WEBAUTHN_AAGUID_BYTES);
        CHECK(is_inside(data->public_key, bytes));
        key_try(data->public_key);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct str text = str_from((const char *)data, bytes);
    struct webauthn_attestation attestation;
    struct webauthn_data parsed;
    key_try(text);
    if (webauthn_data_parse(text, &parsed)) {
        data_check(&parsed, text);
    }
    if (webauthn_attestation_parse(text, &attestation)) {
        CHECK(is_inside(attestation.data_bytes, text));
        CHECK(is_inside(attestation.statement, text));
        CHECK(attestation.format.len <= WEBAUTHN_FORMAT_LEN_MAX);
        data_check(&attestation.data, attestation.data_bytes);
    }
    return 0;
}
