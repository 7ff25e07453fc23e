/* Authenticator data and attestation objects, see webauthn.h. */
#include "crypto/webauthn.h"

#include "crypto/cbor.h"

enum {
    /* L2, 6.1: rpIdHash, flags, signCount */
    FLAGS_AT = 32,
    COUNT_AT = 33,
    HEAD_BYTES = 37,
    /* L2, 6.5.1: aaguid, credentialIdLength */
    ATTESTED_HEAD_BYTES = WEBAUTHN_AAGUID_BYTES + 2,
};

static uint32_t number_at(struct str bytes, uint32_t at, uint32_t count) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < count; i++) {
        value = value << 8 | (uint8_t)bytes.data[at + i];
    }
    return value;
}

bool webauthn_has(const struct webauthn_data *data, enum webauthn_flag flag) {
    return (data->flags & flag) != 0;
}

static bool attested_take(struct str *rest, struct webauthn_data *data) {
    if (rest->len < ATTESTED_HEAD_BYTES) {
        return false;
    }
    uint32_t id_bytes = number_at(*rest, WEBAUTHN_AAGUID_BYTES, 2);
    data->aaguid = str_slice(*rest, 0, WEBAUTHN_AAGUID_BYTES);
    *rest = str_slice(*rest, ATTESTED_HEAD_BYTES, rest->len);
    if (id_bytes == 0 || id_bytes > WEBAUTHN_ID_BYTES_MAX || rest->len < id_bytes) {
        return false;
    }
    data->credential_id = str_slice(*rest, 0, id_bytes);
    *rest = str_slice(*rest, id_bytes, rest->len);
    return cbor_skip(rest, &data->public_key);
}

static bool extensions_skip(struct str *rest) {
    struct str map = *rest;
    struct cbor_item item;
    return cbor_next_kind(&map, CBOR_MAP, &item) && cbor_skip(rest, NULL);
}

bool webauthn_data_parse(struct str bytes, struct webauthn_data *data) {
    *data = (struct webauthn_data){.rp_id_hash = STR_NONE};
    if (bytes.len < HEAD_BYTES) {
        return false;
    }
    data->rp_id_hash = str_slice(bytes, 0, FLAGS_AT);
    data->flags = (uint8_t)bytes.data[FLAGS_AT];
    data->sign_count = number_at(bytes, COUNT_AT, 4);
    struct str rest = str_slice(bytes, HEAD_BYTES, bytes.len);
    if (webauthn_has(data, WEBAUTHN_BACKED_UP) && !webauthn_has(data, WEBAUTHN_BACKUP_ELIGIBLE)) {
        return false; /* L3, 6.1.3: there is no such thing */
    }
    if (webauthn_has(data, WEBAUTHN_ATTESTED) && !attested_take(&rest, data)) {
        return false;
    }
    if (webauthn_has(data, WEBAUTHN_EXTENDED) && !extensions_skip(&rest)) {
        return false;
    }
    return rest.len == 0;
}

/* One of the three members (L2, 6.5.4); false when it is another one or there already. */
static bool member_take(struct str *rest, struct webauthn_attestation *attestation) {
    struct cbor_item key;
    struct cbor_item value;
    if (!cbor_next_kind(rest, CBOR_TEXT, &key)) {
        return false;
    }
    if (str_equal(key.text, STR("attStmt")) && str_is_none(attestation->statement)) {
        struct str map = *rest;
        return cbor_next_kind(&map, CBOR_MAP, &value) && cbor_skip(rest, &attestation->statement);
    }
    if (str_equal(key.text, STR("fmt")) && str_is_none(attestation->format)) {
        bool is_text = cbor_next_kind(rest, CBOR_TEXT, &value);
        attestation->format = is_text ? value.text : STR_NONE;
        return is_text;
    }
    if (str_equal(key.text, STR("authData")) && str_is_none(attestation->data_bytes)) {
        bool is_bytes = cbor_next_kind(rest, CBOR_BYTES, &value);
        attestation->data_bytes = is_bytes ? value.text : STR_NONE;
        return is_bytes;
    }
    return false;
}

bool webauthn_attestation_parse(struct str bytes, struct webauthn_attestation *attestation) {
    enum { MEMBERS = 3 };
    struct str rest = bytes;
    struct cbor_item map;
    *attestation = (struct webauthn_attestation){.format = STR_NONE};
    if (!cbor_next_kind(&rest, CBOR_MAP, &map) || map.value != MEMBERS) {
        return false;
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (!member_take(&rest, attestation)) {
            return false;
        }
    }
    bool is_none = str_equal(attestation->format, STR("none"));
    if (rest.len > 0 || attestation->format.len == 0 ||
        attestation->format.len > WEBAUTHN_FORMAT_LEN_MAX ||
        (is_none && attestation->statement.len != 1)) {
        return false; /* L2, 8.7: the statement of "none" is the empty map, one byte */
    }
    return webauthn_data_parse(attestation->data_bytes, &attestation->data) &&
           webauthn_has(&attestation->data, WEBAUTHN_ATTESTED);
}

struct hash webauthn_signed_hash(struct str data_bytes, struct str client_data) {
    struct hash client_hash = hash_of(client_data);
    struct hash_stream stream;
    hash_stream_init(&stream);
    hash_stream_add(&stream, data_bytes);
    hash_stream_add(&stream, hash_bytes(&client_hash));
    return hash_stream_value(&stream);
}

bool webauthn_counter_holds(uint32_t stored, uint32_t shown) {
    return shown > stored || (shown == 0 && stored == 0);
}
