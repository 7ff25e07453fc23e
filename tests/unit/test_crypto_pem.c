/*
 * PEM files of every accepted kind (made with openssl, in the fuzzer's corpus), the sentences for
 * those that are not, and our own certificate as openssl sees it.
 */
#include "test.h"

#include <sys/stat.h>

#include "base/time.h"
#include "crypto/cert.h"
#include "crypto/pem.h"

static char file_bytes[64 * 1024];
static struct pem_identity identity;

/* From the corpus; valid until the next call. */
static struct str file_read(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "tests/fuzz/corpus/pem/%s", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
        return STR("");
    }
    size_t bytes = fread(file_bytes, 1, sizeof file_bytes, file);
    fclose(file);
    return str_from(file_bytes, bytes);
}

static enum err parse(const char *name, const char **problem) {
    struct str text = file_read(name);
    return pem_identity_parse(&identity, text, text, problem);
}

TEST(every_accepted_kind_is_read)
{
    static const struct {
        const char *name;
        enum pem_key_kind kind;
        int issuer;
        uint32_t chain;
        uint32_t bits; /* curve or modulus */
    } rows[] = {
        {"p256_sec1.pem", PEM_KEY_EC, BR_KEYTYPE_EC, 1, 256},
        {"p256_pkcs8.pem", PEM_KEY_EC, BR_KEYTYPE_EC, 1, 256},
        {"crlf_no_last_newline.pem", PEM_KEY_EC, BR_KEYTYPE_EC, 1, 256},
        {"p384_sec1.pem", PEM_KEY_EC, BR_KEYTYPE_EC, 1, 384},
        {"chain_signed_by_rsa.pem", PEM_KEY_EC, BR_KEYTYPE_RSA, 2, 256},
        {"rsa2048_pkcs1.pem", PEM_KEY_RSA, BR_KEYTYPE_RSA, 1, 2048},
        {"rsa2048_pkcs8.pem", PEM_KEY_RSA, BR_KEYTYPE_RSA, 1, 2048},
        {"rsa4096.pem", PEM_KEY_RSA, BR_KEYTYPE_RSA, 1, 4096},
    };
    for (size_t index = 0; index < COUNT_OF(rows); index += 1) {
        const char *problem = NULL;
        if (parse(rows[index].name, &problem) != ERR_OK) {
            test_fail(__FILE__, __LINE__, "%s: %s", rows[index].name, problem);
            continue;
        }
        EXPECT_EQ_INT(identity.key_kind, rows[index].kind);
        EXPECT_EQ_INT(identity.issuer_key_type, rows[index].issuer);
        EXPECT_EQ_UINT(identity.chain_len, rows[index].chain);
        EXPECT(identity.not_after_us > identity.not_before_us + 36499 * TIME_US_PER_DAY);
        if (rows[index].kind == PEM_KEY_EC) {
            EXPECT_EQ_INT(identity.ec.curve,
                          rows[index].bits == 256 ? BR_EC_secp256r1 : BR_EC_secp384r1);
        } else {
            EXPECT_EQ_UINT(identity.rsa.n_bitlen, rows[index].bits);
        }
        for (uint32_t at = 0; at < identity.chain_len; at += 1) {
            EXPECT_EQ_UINT(identity.chain[at].data[0], 0x30);
        }
    }
}

static void expect_problem(const char *name, enum err expected, const char *piece) {
    const char *problem = NULL;
    EXPECT_EQ_INT(parse(name, &problem), expected);
    if (problem == NULL || strstr(problem, piece) == NULL) {
        test_fail(__FILE__, __LINE__, "%s: the problem is \"%s\"", name,
                  problem == NULL ? "(none)" : problem);
    }
    EXPECT_EQ_UINT(identity.chain_len, 0);
    EXPECT_EQ_UINT(identity.key_bytes[0], 0);
}

TEST(every_refusal_has_its_sentence)
{
    expect_problem("p256_encrypted.pem", ERR_FORMAT, "encrypted");
    expect_problem("p521.pem", ERR_FORMAT, "curve");
    expect_problem("rsa1024.pem", ERR_FORMAT, "2048");
    expect_problem("ed25519.pem", ERR_FORMAT, "EC or RSA");
    expect_problem("chain_wrong_order.pem", ERR_CRYPTO, "does not belong");
}

static char other_bytes[64 * 1024];

static enum err parse_two(struct str certificate, struct str key, const char **problem) {
    *problem = NULL;
    return pem_identity_parse(&identity, certificate, key, problem);
}

TEST(a_key_of_another_certificate_is_refused)
{
    struct str first = file_read("p256_sec1.pem");
    memcpy(other_bytes, first.data, first.len);
    first.data = other_bytes;
    static const char *const others[] = {"p384_sec1.pem", "rsa2048_pkcs1.pem"};
    const char *problem = NULL;
    for (size_t index = 0; index < COUNT_OF(others); index += 1) {
        struct str other = file_read(others[index]);
        EXPECT_EQ_INT(parse_two(first, other, &problem), ERR_CRYPTO);
        EXPECT_EQ_INT(parse_two(other, first, &problem), ERR_CRYPTO);
    }
}

TEST(missing_and_damaged_files_are_refused)
{
    const char *problem = NULL;
    struct str good = file_read("p256_sec1.pem");
    EXPECT_EQ_INT(parse_two(STR(""), good, &problem), ERR_FORMAT);
    EXPECT(strstr(problem, "BEGIN CERTIFICATE") != NULL);
    EXPECT_EQ_INT(parse_two(good, STR("text"), &problem), ERR_FORMAT);
    EXPECT(strstr(problem, "no private key") != NULL);
    /* Twice the same file: two keys. */
    memcpy(other_bytes, good.data, good.len);
    memcpy(other_bytes + good.len, good.data, good.len);
    EXPECT_EQ_INT(parse_two(good, str_from(other_bytes, 2 * good.len), &problem), ERR_FORMAT);
    EXPECT(strstr(problem, "more than one") != NULL);
    /* Cut anywhere before the key's last line, whose words do not matter. */
    uint32_t end = 20; /* behind "-----END " */
    for (uint32_t len = 0; len < good.len - end; len += 1) {
        EXPECT(parse_two(str_slice(good, 0, len), str_slice(good, 0, len), &problem) != ERR_OK);
        EXPECT(problem != NULL && problem[0] != '\0');
    }
}

TEST(limits_of_the_chain)
{
    struct str good = file_read("p256_pkcs8.pem");
    const char *problem = NULL;
    uint32_t len = 0;
    for (uint32_t count = 1; count <= PEM_CHAIN_MAX + 1; count += 1) {
        memcpy(other_bytes + len, good.data, good.len);
        len += good.len;
        enum err err = parse_two(str_from(other_bytes, len), good, &problem);
        EXPECT_EQ_INT(err, count <= PEM_CHAIN_MAX ? ERR_OK : ERR_FULL);
    }
    EXPECT(strstr(problem, "8 certificates") != NULL);
    static char huge[PEM_TEXT_BYTES_MAX + 1];
    EXPECT_EQ_INT(parse_two(str_from(huge, sizeof huge), good, &problem), ERR_FULL);
}

TEST(pem_walks_and_formats)
{
    char text_bytes[4096];
    char der_bytes[300];
    char data[200];
    test_random_fill(data, sizeof data);
    for (uint32_t len = 0; len <= sizeof data; len += 1) {
        struct buf text = buf_over(text_bytes, sizeof text_bytes);
        buf_put_c(&text, "before\n");
        pem_format("TEST A", str_from(data, len), &text);
        buf_put_c(&text, "between\n");
        pem_format("TEST B", str_from(data, 48), &text);
        struct str rest = buf_str(&text);
        struct pem_label label;
        struct buf der = buf_over(der_bytes, sizeof der_bytes);
        EXPECT_EQ_INT(pem_next(&rest, &label, &der), ERR_OK);
        EXPECT_EQ_STR(label.text, "TEST A");
        EXPECT_EQ_UINT(der.len, len);
        EXPECT_EQ_MEM(der.data, data, len);
        EXPECT_EQ_INT(pem_next(&rest, &label, &der), ERR_OK);
        EXPECT_EQ_STR(label.text, "TEST B");
        EXPECT_EQ_UINT(der.len, len + 48);
        EXPECT_EQ_INT(pem_next(&rest, &label, &der), ERR_END);
        struct buf small = buf_over(der_bytes, len == 0 ? 0 : len - 1);
        rest = buf_str(&text);
        EXPECT_EQ_INT(pem_next(&rest, &label, &small), len == 0 ? ERR_OK : ERR_FULL);
    }
}

/* --- our own certificate ------------------------------------------------------------------- */

static char cert_bytes[CERT_PEM_BYTES_MAX];
static char key_bytes[CERT_PEM_BYTES_MAX];
static struct buf cert_out;
static struct buf key_out;
static struct hash fingerprint;

static struct cert_request request_usual(void) {
    struct cert_request request = {0};
    request.names[0] = STR("localhost");
    request.names[1] = STR("coffer.example.org");
    request.names[2] = STR("*.coffer.example.org");
    request.name_count = 3;
    request.addresses[0] = (struct cert_address){{127, 0, 0, 1}, 4};
    request.addresses[1] = (struct cert_address){{[15] = 1}, 16};
    request.address_count = 2;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    request.now_us = now.tv_sec * TIME_US_PER_S;
    return request;
}

static enum err make(const struct cert_request *request) {
    uint8_t entropy[CERT_ENTROPY_BYTES];
    test_random_fill(entropy, sizeof entropy);
    cert_out = buf_over(cert_bytes, sizeof cert_bytes);
    key_out = buf_over(key_bytes, sizeof key_bytes);
    return cert_make(request, entropy, &cert_out, &key_out, &fingerprint);
}

TEST(our_certificate_is_one_that_we_accept)
{
    struct cert_request request = request_usual();
    const char *problem = NULL;
    struct hash again;
    for (uint32_t round = 0; round < 20; round += 1) {
        REQUIRE(make(&request) == ERR_OK);
        EXPECT_EQ_INT(
            pem_identity_parse(&identity, buf_str(&cert_out), buf_str(&key_out), &problem), ERR_OK);
        EXPECT_EQ_INT(identity.not_before_us, request.now_us - TIME_US_PER_DAY);
        EXPECT_EQ_INT(identity.not_after_us,
                      request.now_us + 824 * TIME_US_PER_DAY - TIME_US_PER_S);
        EXPECT_EQ_INT(cert_fingerprint(buf_str(&cert_out), &again), ERR_OK);
        EXPECT(hash_equal(again, fingerprint));
        /* The serial number (behind two sequences and the version): 16 bytes, positive. */
        const uint8_t *serial = identity.chain[0].data + 8 + 5;
        EXPECT_EQ_MEM(serial, "\x02\x10", 2);
        EXPECT_EQ_UINT(serial[2] & 0xc0, 0x40);
    }
}

TEST(a_key_of_the_same_kind_but_of_another_certificate_is_refused)
{
    struct cert_request request = request_usual();
    const char *problem = NULL;
    REQUIRE(make(&request) == ERR_OK);
    struct str key = buf_str(&key_out);
    memcpy(other_bytes, key.data, key.len);
    key.data = other_bytes;
    REQUIRE(make(&request) == ERR_OK);
    EXPECT_EQ_INT(parse_two(buf_str(&cert_out), key, &problem), ERR_CRYPTO);
    EXPECT(strstr(problem, "does not belong") != NULL);
    EXPECT_EQ_INT(parse_two(buf_str(&cert_out), buf_str(&key_out), &problem), ERR_OK);
}

static char run_output[16 * 1024];

/* Runs a program; its exit code; standard output and error in run_output. */
static int run(const char *const *argv) {
    int ends[2];
    size_t len = 0;
    int status = -1;
    if (pipe(ends) != 0) {
        return -1;
    }
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        char *copy[16] = {0};
        for (size_t index = 0; argv[index] != NULL && index < 15; index += 1) {
            copy[index] = strdup(argv[index]);
        }
        execvp(copy[0], copy);
        _exit(127);
    }
    close(ends[1]);
    ssize_t got = 0;
    while ((got = read(ends[0], run_output + len, sizeof run_output - 1 - len)) > 0) {
        len += (size_t)got;
    }
    run_output[len] = '\0';
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool file_write(const char *path, struct str text) {
    FILE *file = fopen(path, "wb");
    bool is_written = file != NULL && fwrite(text.data, 1, text.len, file) == text.len;
    return file != NULL && fclose(file) == 0 && is_written;
}

static char dir[TEST_PATH_BYTES];
static char cert_path[TEST_PATH_BYTES + 16];
static char key_path[TEST_PATH_BYTES + 16];

static bool openssl_prepare(void) {
    struct cert_request request = request_usual();
    if (mkdtemp(test_template(dir, "cert")) == NULL || make(&request) != ERR_OK) {
        return false;
    }
    snprintf(cert_path, sizeof cert_path, "%s/cert.pem", dir);
    snprintf(key_path, sizeof key_path, "%s/key.pem", dir);
    return file_write(cert_path, buf_str(&cert_out)) && file_write(key_path, buf_str(&key_out));
}

static void expect_openssl(const char *const *argv, const char *piece) {
    int code = run(argv);
    if (code != 0 || strstr(run_output, piece) == NULL) {
        test_fail(__FILE__, __LINE__, "openssl %s: exit code %d, \"%s\" expected in: %s", argv[1],
                  code, piece, run_output);
    }
}

TEST(openssl_accepts_our_certificate)
{
    REQUIRE(openssl_prepare());
    const char *verify[] = {"openssl", "verify",  "-x509_strict",     "-purpose",  "sslserver",
                            "-CAfile", cert_path, "-verify_hostname", "localhost", cert_path,
                            NULL};
    expect_openssl(verify, ": OK");
    const char *verify_wild[] = {
        "openssl", "verify", "-CAfile", cert_path, "-verify_hostname", "a.coffer.example.org",
        cert_path, NULL};
    expect_openssl(verify_wild, ": OK");
    const char *verify_ip[] = {"openssl",    "verify",    "-CAfile", cert_path,
                               "-verify_ip", "127.0.0.1", cert_path, NULL};
    expect_openssl(verify_ip, ": OK");
    const char *verify_ip6[] = {"openssl",    "verify", "-CAfile", cert_path,
                                "-verify_ip", "::1",    cert_path, NULL};
    expect_openssl(verify_ip6, ": OK");
    const char *text[] = {"openssl", "x509", "-in", cert_path, "-noout", "-text", NULL};
    expect_openssl(text, "DNS:localhost, DNS:coffer.example.org, DNS:*.coffer.example.org, "
                         "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1");
    expect_openssl(text, "CA:FALSE");
    expect_openssl(text, "Digital Signature");
    expect_openssl(text, "TLS Web Server Authentication");
    expect_openssl(text, "Version: 3");
    expect_openssl(text, "X509v3 Subject Key Identifier");
    expect_openssl(text, "X509v3 Authority Key Identifier");
    expect_openssl(text, "CN = localhost");
    const char *key[] = {"openssl", "pkey", "-in", key_path, "-noout", "-check", NULL};
    expect_openssl(key, "valid");
}

TEST(openssl_sees_the_same_fingerprint)
{
    REQUIRE(cert_path[0] != '\0'); /* made by the test before */
    struct str text = buf_str(&cert_out);
    char expected[128] = {0};
    struct hash hash;
    EXPECT_EQ_INT(cert_fingerprint(text, &hash), ERR_OK);
    for (size_t index = 0; index < HASH_BYTES; index += 1) {
        snprintf(expected + 3 * index, 4, index + 1 < HASH_BYTES ? "%02X:" : "%02X",
                 hash.bytes[index]);
    }
    const char *argv[] = {"openssl", "x509",         "-in",     cert_path,
                          "-noout",  "-fingerprint", "-sha256", NULL};
    expect_openssl(argv, expected);
    EXPECT_EQ_INT(unlink(cert_path), 0);
    EXPECT_EQ_INT(unlink(key_path), 0);
    EXPECT_EQ_INT(rmdir(dir), 0);
}

TEST(what_a_certificate_cannot_hold_is_refused)
{
    static const char *const bad[] = {
        "",      ".",   "a..b", "-a",
        "a-",    "a_b", "*",    "a.*",
        "*.*.a", "a b", "a.b.", "\xc3\xa9",
        "a\"b",  "a/b", "*.",   "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg"};
    struct cert_request request = request_usual();
    for (size_t index = 0; index < COUNT_OF(bad); index += 1) {
        request.names[0] = str_from_c(bad[index]);
        if (make(&request) != ERR_VALIDATION) {
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[index]);
        }
    }
    char long_name[CERT_NAME_LEN_MAX + 1];
    for (size_t index = 0; index < sizeof long_name; index += 1) {
        long_name[index] = index % 50 == 49 ? '.' : 'a';
    }
    request.names[0] = str_from(long_name, sizeof long_name);
    EXPECT_EQ_INT(make(&request), ERR_VALIDATION);
    request.names[0] = str_from(long_name, sizeof long_name - 1);
    EXPECT_EQ_INT(make(&request), ERR_OK);
    request = request_usual();
    request.name_count = 0;
    EXPECT_EQ_INT(make(&request), ERR_VALIDATION);
    request.name_count = CERT_NAMES_MAX + 1;
    EXPECT_EQ_INT(make(&request), ERR_VALIDATION);
    request = request_usual();
    request.addresses[0].len = 5;
    EXPECT_EQ_INT(make(&request), ERR_VALIDATION);
    request = request_usual();
    request.now_us = 0;
    EXPECT_EQ_INT(make(&request), ERR_VALIDATION);
    request.now_us = INT64_MAX;
    EXPECT_EQ_INT(make(&request), ERR_VALIDATION);
    request.now_us = -1;
    EXPECT_EQ_INT(make(&request), ERR_VALIDATION);
}

TEST(the_largest_certificate_fits)
{
    static char name[CERT_NAME_LEN_MAX];
    struct cert_request request = request_usual();
    for (size_t index = 0; index < sizeof name; index += 1) {
        name[index] = index % 50 == 49 ? '.' : 'a';
    }
    request.name_count = CERT_NAMES_MAX;
    request.address_count = CERT_ADDRESSES_MAX;
    for (uint32_t index = 0; index < CERT_NAMES_MAX; index += 1) {
        request.names[index] = str_from(name, sizeof name);
        request.addresses[index] = (struct cert_address){{0x20, 1}, 16};
    }
    EXPECT_EQ_INT(make(&request), ERR_OK);
    const char *problem = NULL;
    EXPECT_EQ_INT(pem_identity_parse(&identity, buf_str(&cert_out), buf_str(&key_out), &problem),
                  ERR_OK);
    struct buf small = buf_over(cert_bytes, 1000);
    uint8_t entropy[CERT_ENTROPY_BYTES] = {0};
    EXPECT_EQ_INT(cert_make(&request, entropy, &small, &key_out, &fingerprint), ERR_FULL);
}
