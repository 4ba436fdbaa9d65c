/* The first certificates may come when the gateway is in its sandbox: OpenSSL has done nothing
 * before then. So this process leaves it alone, and a child makes the bundle. */
#include "test.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "gateway/keyring.h"
#include "gateway/sandbox.h"
#include "net/pass.h"
#include "tls_sample.h"

static int pair[2];

static void wait_for(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

__attribute__((noreturn)) static void send_bundle(void)
{
    struct sample_certificate made[] = {sample_certificate("a", "DNS:a.example", "EC", NULL),
                                        sample_certificate("b", "DNS:b.example", "RSA", NULL)};
    struct hf_tls_certificate_source certificates[] = {sample_source(&made[0]),
                                                       sample_source(&made[1])};
    struct hf_tls_ticket_key key = sample_ticket_key(1);
    struct hf_tls_listener_source l = {.address = sample_address,
                                       .http2 = true,
                                       .certificates = certificates,
                                       .n = 2,
                                       .verify = HF_TLS_VERIFY_OPTIONAL,
                                       .ca = sample_der(&made[0])};
    struct hf_tls_bundle_source s = {.listeners = &l, .n_listeners = 1, .keys = &key, .n_keys = 1};
    int fd = hf_tls_bundle_write(&s, NULL);

    _exit(fd >= 0 && hf_pass_send(pair[0], "x", 1, fd) == 0 ? 0 : 1);
}

/* One connection after the other: fails by an end of the process. */
static void talk(struct hf_tls_set *set, int version, const char *name)
{
    static struct sample_talk t;
    char got[16];

    sample_talk_init(&t, set, true);
    SSL_set_tlsext_host_name(t.client, name);
    SSL_set_min_proto_version(t.client, version);
    SSL_set_max_proto_version(t.client, version);
    if (!sample_handshake(&t))
        _exit(4);
    sample_say(&t, "hello", 5);
    sample_answer(&t, "world", 5);
    if (t.plain_n != 5 || SSL_read(t.client, got, sizeof(got)) != 5)
        _exit(5);
    sample_talk_done(&t);
}

__attribute__((noreturn)) static void live(void)
{
    bool root = geteuid() == 0;
    struct hf_sandbox_setup s = {.change_user = root, .uid = 65534, .gid = 65534};
    struct hf_keyring *k = hf_keyring_new();
    struct hf_tls_set *set;
    uint64_t version;
    struct hf_error e;
    int fd = -1;
    char x;

    if (hf_sandbox_drop(&s, &e))
        _exit(1);
    hf_sandbox_settle(2);
    if (hf_sandbox_close(&e))
        _exit(2);
    if (hf_pass_receive(pair[1], &x, 1, &fd) || fd < 0)
        _exit(3);
    hf_keyring_load(k, fd);
    set = hf_keyring_take(k, &version);
    if (!set)
        _exit(3);
    for (int i = 0; i < 3; i++) {
        talk(set, TLS1_2_VERSION, "a.example");
        talk(set, TLS1_2_VERSION, "b.example");
        talk(set, TLS1_3_VERSION, "a.example");
        talk(set, TLS1_3_VERSION, "b.example");
    }
    _exit(0);
}

static void certificates_come_in_the_sandbox(void **state)
{
    pid_t pid;

    (void)state;
    assert_int_equal(hf_pass_pair(pair, NULL), 0);
    pid = fork();
    if (pid == 0)
        send_bundle();
    wait_for(pid);
    pid = fork();
    if (pid == 0)
        live();
    wait_for(pid);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_come_in_the_sandbox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
