/*
 * What the outside tells a virtual machine: one list of names and values from three sources, each
 * above the one before:
 *   kernel command line   coffer.NAME=VALUE, values with blanks as coffer.NAME="A B"
 *   QEMU fw_cfg           opt/coffer/NAME holds the value
 *   NoCloud disk          labelled cidata; the file coffer.conf, or user-data whose first line is
 *                         #coffer, holds lines `NAME = VALUE`, comments with #, and PEM blocks:
 *                         certificates become tls.certificate, a private key tls.key. meta-data
 *                         gives the host name (local-hostname: NAME).
 * Names are those of the settings and the ones below, which concern the machine:
 *   ip         dhcp (default), none, or ADDRESS/BITS[,GATEWAY[,RESOLVER]]
 *   disk       name of the data disk to insist on (vdb), or memory: nothing outlives the machine
 *   format     blank (default): a blank disk is formatted; never
 *   hostname   one label
 *   listen     URLs, comma separated
 *   seal-key   the sealing key, 64 hex digits
 * Nothing here is ever logged but names and sources: values may be secrets.
 */
#ifndef OS_INIT_CONFIG_H
#define OS_INIT_CONFIG_H

#include "base/buf.h"
#include "base/err.h"

enum {
    INIT_VALUES_MAX = 128,
    INIT_VALUE_BYTES_MAX = 64 * 1024, /* a certificate chain */
    INIT_MEMORY_BYTES = 256 * 1024,
    INIT_NAME_BYTES_MAX = 64,
    INIT_PROBLEM_BYTES = 160,
};

#define INIT_SOURCE_CMDLINE "kernel command line"
#define INIT_SOURCE_FW_CFG "fw_cfg"
#define INIT_SOURCE_CIDATA "cidata"

struct init_value {
    struct str name;
    struct str value;
    const char *source; /* one of INIT_SOURCE_* */
};

struct init_config {
    struct init_value values[INIT_VALUES_MAX];
    uint32_t count;
    char problem[INIT_PROBLEM_BYTES]; /* after an error: a sentence without any value */
    struct buf memory;                /* names and values */
    char bytes[INIT_MEMORY_BYTES];
};

void init_config_init(struct init_config *config);
/* Copies both. ERR_FULL. */
enum err init_config_put(struct init_config *config, struct str name, struct str value,
                         const char *source);
/* The last one of that name, or STR_NONE. */
struct str init_config_get(const struct init_config *config, const char *name);
/* Only the machine's names of the list above; all others are settings. */
bool init_config_is_machine(struct str name);

/* ---- pure parsers; ERR_FORMAT and ERR_FULL leave config->problem ---- */

/* Words of no concern are passed over. */
enum err init_config_parse_cmdline(struct init_config *config, struct str text);
enum err init_config_parse_lines(struct init_config *config, struct str text);
/* True for texts that are meant for us. */
bool init_config_is_user_data(struct str text);
enum err init_config_parse_meta_data(struct init_config *config, struct str text);

/* ---- reading ---- */

/* Where PID 1 leaves the files of a NoCloud disk. */
#define INIT_CIDATA_FOLDER "/run/coffer/cidata"
/* All sources there are: /proc/cmdline, sysfs, INIT_CIDATA_FOLDER. */
enum err init_config_read(struct init_config *config);
/* Copies the files of a mounted NoCloud disk to INIT_CIDATA_FOLDER. ERR_FULL: one is too large. */
enum err init_config_copy(const char *mounted_folder);

#endif
