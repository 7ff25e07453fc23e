/* The server's certificate: given as PEM files, or a self-signed one made once and kept. */
#ifndef CLI_IDENTITY_H
#define CLI_IDENTITY_H

#include "cli/cli.h"
#include "os/files.h"

enum { IDENTITY_PEM_BYTES_MAX = 64 * 1024, IDENTITY_FINGERPRINT_BYTES = 96 };

struct cli_identity {
    char certificate_path[FILE_PATH_BYTES_MAX];
    char key_path[FILE_PATH_BYTES_MAX];
    char certificate[IDENTITY_PEM_BYTES_MAX];
    char key[IDENTITY_PEM_BYTES_MAX];
    char fingerprint[IDENTITY_FINGERPRINT_BYTES]; /* "SHA256 ab:cd:..." */
    bool is_given;
};

/* Reads (or makes) and points `files` into *identity. Prints why not. */
bool cli_identity_load(const struct cli_options *options, struct cli_identity *identity,
                       struct server_tls_files *files);

#endif
