#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static void expect_content(const char *expected)
{
    char buf[64] = "";
    FILE *f = fopen("f", "r");

    assert_non_null(f);
    assert_int_equal(fread(buf, 1, sizeof(buf) - 1, f), strlen(expected));
    assert_string_equal(buf, expected);
    fclose(f);
}

static void replaced_as_a_whole(void **state)
{
    char folder[] = "/tmp/holdfast-test-XXXXXX";
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(hf_file_replace("f", "a long text", 11), 0);
    expect_content("a long text");
    assert_int_equal(hf_file_replace("f", "short", 5), 0);
    expect_content("short");
    assert_int_equal(stat("f", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(mkdir("f.next", 0700), 0); /* what cannot be written on the way */
    assert_int_equal(hf_file_replace("f", "lost", 4), HF_EIO);
    assert_int_equal(errno, EISDIR);
    expect_content("short");
    assert_int_equal(rmdir("f.next"), 0);
    assert_int_equal(unlink("f"), 0);
    assert_int_equal(hf_file_replace("f", NULL, 0), 0);
    expect_content("");
    assert_int_equal(unlink("f"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(replaced_as_a_whole)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
