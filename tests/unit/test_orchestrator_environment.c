#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "orchestrator/environment.h"

static void a_later_variable_replaces_an_earlier_one(void **state)
{
    struct hf_strings env = {0};

    (void)state;
    hf_environment_set(&env, "AB", "2");
    hf_environment_set(&env, "A", "1");
    hf_environment_set(&env, "A", "3");
    assert_int_equal(env.n, 2);
    assert_string_equal(env.p[0], "AB=2");
    assert_string_equal(env.p[1], "A=3");
    assert_null(env.p[2]);
    hf_strings_done(&env);
    assert_null(env.p);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void secrets_lose_one_newline(void **state)
{
    char path[] = "/tmp/hf-secret-XXXXXX", *secret = NULL;
    HF_AUTOFREE char *big = hf_alloc(70000);
    struct hf_error e;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    write_file(path, "s3cret\n\n", 8);
    assert_int_equal(hf_secret_read(path, &secret, &e), 0);
    assert_string_equal(secret, "s3cret\n");
    hf_free(secret);
    secret = NULL;
    write_file(path, "a\0b", 3);
    assert_int_equal(hf_secret_read(path, &secret, &e), HF_EINVAL);
    memset(big, 'x', 70000);
    write_file(path, big, 70000);
    assert_int_equal(hf_secret_read(path, &secret, &e), HF_ELIMIT);
    assert_null(strstr(e.text, "xxx"));
    unlink(path);
    assert_int_equal(hf_secret_read(path, &secret, &e), HF_EIO);
    assert_null(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_variable_replaces_an_earlier_one),
        cmocka_unit_test(secrets_lose_one_newline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
