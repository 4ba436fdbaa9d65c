#include "test.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "config/certificates.h"
#include "net/tls.h"
#include "scratch.h"
#include "tls_sample.h"

static char folder[64];
static struct sample_certificate one, two;

static const char *at(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void write_pem(const char *name, const struct sample_certificate *c, EVP_PKEY *key,
                      const char *passphrase)
{
    char path[140];
    FILE *f;

    snprintf(path, sizeof(path), "%s.pem", at(name));
    f = fopen(path, "w");
    PEM_write_X509(f, c->x509);
    fclose(f);
    snprintf(path, sizeof(path), "%s.key", at(name));
    f = fopen(path, "w");
    PEM_write_PKCS8PrivateKey(f, key, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
                              passphrase ? (int)strlen(passphrase) : 0, NULL, NULL);
    fclose(f);
    chmod(path, 0600);
}

static int setup(void **state)
{
    (void)state;
    scratch_make(folder, sizeof(folder));
    one = sample_certificate("one", "DNS:one.example,DNS:www.one.example", "EC", NULL);
    two = sample_certificate("two", NULL, "RSA", NULL);
    write_pem("one", &one, one.key, NULL);
    write_pem("two", &two, two.key, NULL);
    write_pem("mixed", &one, two.key, NULL);
    write_pem("locked", &one, one.key, "secret");
    write_file("empty.pem", "");
    write_file("half.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sample_certificate_done(&one);
    sample_certificate_done(&two);
    scratch_remove(folder);
    return 0;
}

static struct hf_config *parse(const char *tls)
{
    HF_AUTOTEXT struct hf_text text = {0};
    struct hf_config_errors errors;
    struct hf_config *c;

    hf_text_addf(&text,
                 "gateway: { listen: [\"127.0.0.1:8080\", { address: \"127.0.0.1:8443\",\n"
                 "  tls: { %s } }] }\n",
                 tls);
    if (hf_config_parse(at("f.yaml"), hf_text_str(&text), &c, &errors))
        fail_msg("%s", errors.error[0].text);
    return c;
}

/* Loads them; what is said of it, warnings first. */
static int load(const char *tls, struct hf_certificates **ret, struct hf_text *said)
{
    struct hf_config_errors errors = {0}, warnings = {0};
    struct hf_config *c = parse(tls);
    int rc = hf_certificates_load(c, ret, &errors, &warnings);

    hf_config_errors_format(&warnings, said);
    hf_config_errors_format(&errors, said);
    hf_config_unref(c);
    return rc;
}

static void files_become_a_bundle(void **state)
{
    const struct hf_tls_ticket_key key = sample_ticket_key(1);
    const struct hf_tls_bundle_listener *l;
    const struct hf_tls_bundle *b;
    HF_AUTOTEXT struct hf_text said = {0};
    struct hf_certificates *x;
    struct hf_error e;
    int fd;

    (void)state;
    assert_int_equal(load("certificate: one.pem, key: one.key, minimum: 1.3, http2: false,"
                          "certificates: [{ certificate: ./two.pem, key: two.key }],"
                          "client: { ca: two.pem, verify: optional }",
                          &x, &said),
                     0);
    assert_int_equal(said.n, 0);
    assert_int_equal(x->n, 2);
    assert_string_equal(x->certificates[0].subject, "one.example, www.one.example");
    assert_string_equal(x->certificates[1].subject, "/CN=two");
    assert_int_equal(strlen(x->certificates[0].digest), 64);
    assert_string_not_equal(x->certificates[0].digest, x->certificates[1].digest);
    assert_in_range(hf_wall_seconds(x->certificates[0].expires) - time(NULL), 3000, 3700);
    fd = hf_certificates_bundle(x, &key, 1, &e);
    assert_true(fd >= 0);
    assert_int_equal(hf_tls_bundle_open(fd, &b, &e), 0);
    close(fd);
    assert_int_equal(b->n_listeners, 1);
    l = hf_tls_bundle_listeners(b);
    assert_int_equal(l->address.port, 8443);
    assert_int_equal(l->n, 2);
    assert_int_equal(l->minimum, HF_TLS_1_3);
    assert_int_equal(l->verify, HF_TLS_VERIFY_OPTIONAL);
    assert_int_equal(l->http2, 0);
    assert_true(hf_str_eq(hf_tls_bundle_span(b, l->ca), sample_der(&two)));
    assert_memory_equal(b->keys, &key, sizeof(key));
    hf_tls_bundle_close(b);
    hf_certificates_free(x);
}

static void without_tls_there_is_nothing(void **state)
{
    struct hf_config_errors errors = {0}, warnings = {0};
    struct hf_certificates *x;
    struct hf_config *c;

    (void)state;
    assert_int_equal(
        hf_config_parse("f", HF_STR("gateway: { listen: [\"127.0.0.1:80\"] }\n"), &c, &errors), 0);
    assert_int_equal(hf_certificates_load(c, &x, &errors, &warnings), 0);
    assert_int_equal(x->n, 0);
    hf_config_unref(c);
    hf_certificates_free(x);
}

static void mistakes_are_said_with_their_place(void **state)
{
    static const struct {
        const char *tls, *said;
    } cases[] = {
        {"certificate: none.pem, key: one.key", ":2:23: gateway.listen[1].tls.certificate:"},
        {"certificate: none.pem, key: one.key", "none.pem cannot be read: No such file"},
        {"certificate: ., key: one.key", "is not a file; expected a PEM file"},
        {"certificate: empty.pem, key: one.key", "has no certificate in it"},
        {"certificate: one.key, key: one.key", "has no certificate in it"},
        {"certificate: half.pem, key: one.key", "has a certificate that is damaged"},
        {"certificate: one.pem, key: one.pem", "one.pem has no private key in it"},
        {"certificate: one.pem, key: locked.key", "has a passphrase; expected a key without one"},
        {"certificate: mixed.pem, key: mixed.key", ".tls.key: "},
        {"certificate: mixed.pem, key: mixed.key", "does not belong to the certificate"},
        {"certificate: one.pem, key: one.key, client: { ca: empty.pem }",
         "gateway.listen[1].tls.client.ca: "},
        {"certificates: [{ certificate: one.pem, key: one.key },"
         "{ certificate: none.pem, key: two.key }]",
         "gateway.listen[1].tls.certificates[1].certificate: "},
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        HF_AUTOTEXT struct hf_text said = {0};
        struct hf_certificates *x = NULL;
        assert_int_equal(load(cases[i].tls, &x, &said), HF_EINVAL);
        assert_null(x);
        if (!strstr(said.p, cases[i].said))
            fail_msg("expected \"%s\" in: %s", cases[i].said, said.p);
    }
}

static void all_mistakes_are_said_at_once(void **state)
{
    HF_AUTOTEXT struct hf_text said = {0};
    struct hf_certificates *x;

    (void)state;
    assert_int_equal(
        load("certificate: none.pem, key: none.key, client: { ca: nothing.pem }", &x, &said),
        HF_EINVAL);
    assert_non_null(strstr(said.p, "none.pem"));
    assert_non_null(strstr(said.p, "none.key"));
    assert_non_null(strstr(said.p, "nothing.pem"));
}

static void a_key_for_everybody_is_a_warning(void **state)
{
    HF_AUTOTEXT struct hf_text said = {0};
    struct hf_certificates *x;

    (void)state;
    chmod(at("two.key"), 0604);
    assert_int_equal(load("certificate: two.pem, key: two.key", &x, &said), 0);
    assert_non_null(strstr(said.p, "two.key can be read by everybody (mode 0604); expected 0600"));
    hf_certificates_free(x);
    chmod(at("two.key"), 0600);
}

static void a_changed_file_is_noticed(void **state)
{
    struct hf_config *c = parse("certificate: one.pem, key: one.key");
    uint64_t stamp = hf_certificates_stamp(c);

    (void)state;
    assert_int_equal(hf_certificates_stamp(c), stamp);
    write_pem("one", &one, one.key, NULL); /* the same content, another time */
    assert_int_not_equal(hf_certificates_stamp(c), stamp);
    stamp = hf_certificates_stamp(c);
    remove(at("one.key"));
    assert_int_not_equal(hf_certificates_stamp(c), stamp);
    write_pem("one", &one, one.key, NULL);
    hf_config_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_become_a_bundle),
        cmocka_unit_test(without_tls_there_is_nothing),
        cmocka_unit_test(mistakes_are_said_with_their_place),
        cmocka_unit_test(all_mistakes_are_said_at_once),
        cmocka_unit_test(a_key_for_everybody_is_a_warning),
        cmocka_unit_test(a_changed_file_is_noticed),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
