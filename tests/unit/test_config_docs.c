#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "config/config.h"

#define DOCS SOURCE_ROOT "/docs/configuration.md"

/* `HOLDFAST_WRITE_DOCS=1 build/tests/unit/test_config_docs` writes the page anew. */
static void page_is_up_to_date(void **state)
{
    char *made = NULL, buf[4096];
    size_t n_made = 0, n;
    HF_AUTOTEXT struct hf_text there = {0};
    FILE *f = open_memstream(&made, &n_made);

    (void)state;
    assert_non_null(f);
    hf_config_write_docs(f);
    assert_int_equal(fclose(f), 0);
    if (getenv("HOLDFAST_WRITE_DOCS")) {
        f = fopen(DOCS, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(made, 1, n_made, f), n_made);
        assert_int_equal(fclose(f), 0);
    }
    f = fopen(DOCS, "r");
    assert_non_null(f);
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
        hf_text_add(&there, (struct hf_str){buf, n});
    fclose(f);
    if (n_made != there.n || !there.p || memcmp(made, there.p, n_made) != 0)
        fail_msg("docs/configuration.md is not what the table says; write it anew with "
                 "HOLDFAST_WRITE_DOCS=1 and this test");
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
