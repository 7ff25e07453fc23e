/* The relying party, and whether what a browser and its authenticator say is meant for it: pure.
 * Steps are those of Web Authentication Level 2, 7.1 (registering) and 7.2 (logging in). */
#include "base/decode.h"
#include "domain/auth/passkey.h"

/* ---- the relying party ---- */

/* "https://host:8443/path" -> "https://host:8443", as browsers write it: without a port that goes
 * without saying. */
static struct str url_origin(struct str url) {
    uint32_t host_at = str_starts(url, STR("https://")) ? 8 : 7;
    struct str host = str_slice(url, host_at, url.len);
    struct str origin = str_slice(url, 0, host_at + str_find_byte(host, '/'));
    struct str port = host_at == 8 ? STR(":443") : STR(":80");
    return str_ends(origin, port) ? str_slice(origin, 0, origin.len - port.len) : origin;
}

static struct str origin_host(struct str origin) {
    uint32_t at = str_starts(origin, STR("https://")) ? 8 : 7;
    struct str host = str_slice(origin, at, origin.len);
    if (str_starts(host, STR("["))) {
        return str_slice(host, 1, str_find_byte(host, ']'));
    }
    return str_slice(host, 0, str_find_byte(host, ':'));
}

/* Passkeys belong to names, never to addresses; this machine's has the name localhost. */
static struct str party_host(struct str origin) {
    struct str host = origin_host(origin);
    struct net_address address;
    bool is_loopback = net_address_parse(host, &address) && net_address_is_loopback(address);
    return is_loopback ? STR("localhost") : host;
}

struct relying_party relying_party_of(const struct settings *settings) {
    struct str public_origin = url_origin(settings_text(settings, SETTING_PUBLIC_URL_ID));
    struct relying_party party = {
        .id = settings_text(settings, SETTING_WEBAUTHN_RP_ID_ID),
        .name = settings_text(settings, SETTING_WEBAUTHN_RP_NAME_ID),
        .origins = settings_text(settings, SETTING_WEBAUTHN_ORIGINS_ID),
    };
    if (party.id.len == 0) {
        party.id = party_host(public_origin);
    }
    if (party.name.len == 0) {
        party.name = settings_text(settings, SETTING_NAME_ID);
    }
    if (party.origins.len == 0) {
        party.origins = public_origin;
        party.is_local = str_equal(party_host(public_origin), STR("localhost"));
    }
    return party;
}

static bool is_local_origin(struct str origin) {
    struct str rest = origin;
    uint64_t port = 0;
    struct str scheme = str_split(&rest, ':');
    if (!str_equal(scheme, STR("https")) && !str_equal(scheme, STR("http"))) {
        return false;
    }
    struct str host = str_is_none(rest) ? rest : str_split(&rest, ':');
    return str_equal(host, STR("//localhost")) && (str_is_none(rest) || str_parse_u64(rest, &port));
}

bool relying_party_origin(const struct relying_party *party, struct str origin) {
    struct str rest = party->origins;
    while (!str_is_none(rest)) {
        if (str_equal(str_trim(str_split(&rest, ',')), origin)) {
            return true;
        }
    }
    return party->is_local && is_local_origin(origin);
}

/* Browsers let a page use the host itself and the domains above it as relying party id. */
static bool host_is_below(struct str host, struct str domain) {
    return str_equal(host, domain) || (str_ends(host, domain) && host.len > domain.len &&
                                       host.data[host.len - domain.len - 1] == '.');
}

static bool is_domain(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!is_plain) {
            return false;
        }
    }
    return text.len > 0;
}

bool relying_party_is_sound(const struct settings *settings, const char **problem) {
    struct str explicit_id = settings_text(settings, SETTING_WEBAUTHN_RP_ID_ID);
    struct str rest = settings_text(settings, SETTING_WEBAUTHN_ORIGINS_ID);
    struct relying_party party = relying_party_of(settings);
    if (explicit_id.len > 0 && !is_domain(explicit_id)) {
        *problem = "webauthn.rp-id must be a domain in lower case, without scheme and port";
        return false;
    }
    while (rest.len > 0) {
        struct str origin = str_trim(str_split(&rest, ','));
        bool is_app = str_starts(origin, STR("android:apk-key-hash:"));
        bool is_page = (str_starts(origin, STR("https://")) || is_local_origin(origin)) &&
                       str_equal(url_origin(origin), origin) &&
                       host_is_below(origin_host(origin), party.id);
        if (!is_app && !is_page) {
            *problem = "webauthn.origins must be origins such as https://login.example.com of "
                       "webauthn.rp-id or below it, without a path";
            return false;
        }
    }
    return true;
}

struct str passkey_verification(const struct settings *settings) {
    return settings_text(settings, SETTING_WEBAUTHN_VERIFICATION_ID);
}

/* ---- client data ---- */

static struct str text_member(yyjson_val *root, const char *key) {
    yyjson_val *value = yyjson_obj_get(root, key);
    return yyjson_is_str(value) ? str_from(yyjson_get_str(value), yyjson_get_len(value)) : STR_NONE;
}

/* Other members are ignored: browsers are free to add some (L2, 5.8.1). */
enum err client_data_parse(struct str json, struct arena *arena, struct client_data *client) {
    yyjson_val *root = NULL;
    enum err err = json_parse(json, arena, &root);
    if (err != ERR_OK) {
        return err == ERR_NO_MEMORY ? err : ERR_FORMAT;
    }
    struct str challenge = text_member(root, "challenge");
    client->type = text_member(root, "type");
    client->origin = text_member(root, "origin");
    client->is_cross_origin = yyjson_get_bool(yyjson_obj_get(root, "crossOrigin"));
    if (str_is_none(challenge) || str_is_none(client->type) || str_is_none(client->origin)) {
        return ERR_FORMAT;
    }
    char *memory = arena_take(arena, challenge.len);
    if (memory == NULL) {
        return ERR_NO_MEMORY;
    }
    struct buf out = buf_over(memory, challenge.len);
    client->challenge = STR_NONE;
    if (!decode_base64url(challenge, &out)) {
        return ERR_FORMAT;
    }
    client->challenge = buf_str(&out);
    return ERR_OK;
}

enum err passkey_ceremony_check(const struct settings *settings, const struct client_data *client,
                                const struct webauthn_data *data, enum challenge_purpose purpose) {
    struct relying_party party = relying_party_of(settings);
    struct hash party_hash = hash_of(party.id);
    struct str type = purpose == CHALLENGE_REGISTER ? STR("webauthn.create") : STR("webauthn.get");
    if (!str_equal(client->type, type)) { /* 7.1 step 7, 7.2 step 11 */
        return ERR_PASSKEY_WRONG;
    }
    /* 7.1 steps 9 and 13, 7.2 steps 13 and 15. No page of ours is inside another site's. */
    if (!relying_party_origin(&party, client->origin) || client->is_cross_origin ||
        !str_equal(data->rp_id_hash, hash_bytes(&party_hash))) {
        return ERR_PASSKEY_ORIGIN;
    }
    if (!webauthn_has(data, WEBAUTHN_USER_PRESENT)) { /* 7.1 step 14, 7.2 step 16 */
        return ERR_PASSKEY_WRONG;
    }
    bool is_required = str_equal(passkey_verification(settings), STR("required"));
    if (is_required && !webauthn_has(data, WEBAUTHN_USER_VERIFIED)) { /* 7.1 step 15, 7.2 step 17 */
        return ERR_PASSKEY_UNVERIFIED;
    }
    return ERR_OK;
}
