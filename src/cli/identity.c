/* Certificate and key: read from where the settings say, or made once and kept in the folder. */
#include "cli/identity.h"

#include <stdio.h>
#include <string.h>

#include "crypto/cert.h"
#include "os/clock.h"
#include "os/log.h"

static void paths_find(const struct cli_options *options, struct cli_identity *identity) {
    struct str certificate = settings_text(options->settings, SETTING_TLS_CERTIFICATE_ID);
    struct str key = settings_text(options->settings, SETTING_TLS_KEY_ID);
    identity->is_given = certificate.len > 0;
    if (identity->is_given) {
        snprintf(identity->certificate_path, FILE_PATH_BYTES_MAX, "%.*s", STR_ARG(certificate));
        snprintf(identity->key_path, FILE_PATH_BYTES_MAX, "%.*s",
                 STR_ARG(key.len ? key : certificate));
    } else {
        snprintf(identity->certificate_path, FILE_PATH_BYTES_MAX, "%s/certificate.pem",
                 options->folder);
        snprintf(identity->key_path, FILE_PATH_BYTES_MAX, "%s/certificate-key.pem",
                 options->folder);
    }
}

/* The host of an URL, without port and brackets. */
static struct str url_host(struct str url) {
    struct str rest = url;
    while (!str_is_none(rest) && !str_starts(rest, STR("//"))) {
        rest = rest.len > 0 ? str_slice(rest, 1, rest.len) : STR_NONE;
    }
    if (str_is_none(rest)) {
        return STR_NONE;
    }
    rest = str_slice(rest, 2, rest.len);
    struct str host = str_split(&rest, '/');
    return str_has_byte(host, '[') ? STR_NONE : str_slice(host, 0, str_find_byte(host, ':'));
}

static bool identity_make(const struct cli_options *options, struct cli_identity *identity) {
    static const uint8_t loopback6[16] = {[15] = 1};
    uint8_t entropy[CERT_ENTROPY_BYTES];
    struct hash fingerprint;
    struct net_address address;
    struct cert_request request = {
        .names = {STR("localhost")}, .name_count = 1, .now_us = clock_wall_us()};
    request.addresses[0] = (struct cert_address){{127, 0, 0, 1}, 4};
    memcpy(request.addresses[1].bytes, loopback6, sizeof(loopback6));
    request.addresses[1].len = sizeof(loopback6);
    request.address_count = 2;
    struct str host = url_host(settings_text(options->settings, SETTING_PUBLIC_URL_ID));
    if (host.len > 0 && !str_equal(host, STR("localhost")) && !net_address_parse(host, &address)) {
        request.names[request.name_count++] = host;
    }
    struct buf certificate = buf_over(identity->certificate, sizeof(identity->certificate));
    struct buf key = buf_over(identity->key, sizeof(identity->key));
    random_bytes(entropy, sizeof(entropy));
    enum err err = cert_make(&request, entropy, &certificate, &key, &fingerprint);
    if (err == ERR_OK) {
        err = file_write(identity->key_path, buf_str(&key), 0600);
    }
    if (err == ERR_OK) {
        err = file_write(identity->certificate_path, buf_str(&certificate), 0644);
    }
    crypto_wipe(entropy, sizeof(entropy));
    if (err != ERR_OK) {
        cli_fail("%s: the self-signed certificate cannot be made: %s", identity->certificate_path,
                 err_row(err)->sentence);
        return false;
    }
    log_info("tls", "made a self-signed certificate, %s", identity->certificate_path);
    return true;
}

static bool pem_read(const char *path, char *memory, struct str *text) {
    enum err err = file_read(path, memory, IDENTITY_PEM_BYTES_MAX, text);
    if (err != ERR_OK) {
        cli_fail("%s: %s", path, err_row(err)->sentence);
    }
    return err == ERR_OK;
}

static void fingerprint_format(struct cli_identity *identity, struct str certificate) {
    struct hash hash;
    struct buf out = buf_over(identity->fingerprint, sizeof(identity->fingerprint) - 1);
    identity->fingerprint[0] = 0;
    if (cert_fingerprint(certificate, &hash) != ERR_OK) {
        return;
    }
    for (uint32_t i = 0; i < sizeof(hash.bytes); i++) {
        buf_put_hex(&out, &hash.bytes[i], 1);
        if (i + 1 < sizeof(hash.bytes)) {
            buf_put_byte(&out, ':');
        }
    }
    identity->fingerprint[out.len] = 0;
}

bool cli_identity_load(const struct cli_options *options, struct cli_identity *identity,
                       struct server_tls_files *files) {
    paths_find(options, identity);
    if (!identity->is_given &&
        (!file_exists(identity->certificate_path) || !file_exists(identity->key_path)) &&
        !identity_make(options, identity)) {
        return false;
    }
    if (!pem_read(identity->certificate_path, identity->certificate, &files->certificate_pem) ||
        !pem_read(identity->key_path, identity->key, &files->key_pem)) {
        return false;
    }
    fingerprint_format(identity, files->certificate_pem);
    return true;
}
