#include "test.h"

#include <string.h>

#include "release/judge.h"

static const struct hf_release_policy policy = {.errors = 100, .requests = 50}; /* 1 % */

static void table(void **state)
{
    static const struct {
        struct hf_release_count candidate, others;
        bool over;
        enum hf_release_verdict expected;
        const char *text; /* part of it */
    } rows[] = {
        /* before the end only what is certain */
        {{0, 0}, {0, 0}, false, HF_RELEASE_UNDECIDED, ""},
        {{1000, 0}, {9000, 0}, false, HF_RELEASE_UNDECIDED, ""},
        {{4, 4}, {100, 0}, false, HF_RELEASE_UNDECIDED, ""},
        {{5, 5}, {100, 0}, false, HF_RELEASE_FAIL, "5 of 5 requests failed (100.00%)"},
        {{400, 5}, {3600, 0}, false, HF_RELEASE_FAIL, "5 of 400"},
        {{500, 5}, {4500, 0}, false, HF_RELEASE_UNDECIDED, ""}, /* 1 %: as allowed */
        {{500, 6}, {4500, 0}, false, HF_RELEASE_FAIL, "the old version's 0.00% of 4500"},
        /* the old version fails as well: not the release's doing */
        {{100, 50}, {100, 50}, false, HF_RELEASE_UNDECIDED, ""},
        {{100, 52}, {100, 50}, false, HF_RELEASE_FAIL, "52 of 100"},
        /* at the end */
        {{1000, 0}, {9000, 0}, true, HF_RELEASE_PASS, "serves users: 0 of 1000"},
        {{50, 0}, {0, 0}, true, HF_RELEASE_PASS, "serves users"},
        {{50, 1}, {450, 0}, true, HF_RELEASE_FAIL, "fails users: 1 of 50"},
        {{1000, 10}, {9000, 0}, true, HF_RELEASE_PASS, "serves users"},
        {{100, 50}, {100, 50}, true, HF_RELEASE_PASS, "serves users"},
        /* too few */
        {{0, 0}, {0, 0}, true, HF_RELEASE_PASS, "judged by smoke alone: 0 requests in 30s"},
        {{3, 0}, {0, 0}, true, HF_RELEASE_PASS, "judged by smoke alone: 3 requests in 30s"},
        {{49, 1}, {0, 0}, true, HF_RELEASE_PASS, "49 requests in 30s, 1 failed"},
        {{3, 2}, {100, 0}, true, HF_RELEASE_FAIL, "fails users: 2 of 3"},
        {{2, 1}, {100, 0}, true, HF_RELEASE_PASS, "smoke alone"},
        {{4, 4}, {100, 100}, true, HF_RELEASE_PASS, "smoke alone"},
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        char text[200] = "";
        enum hf_release_verdict got =
            hf_release_judge(&policy, rows[i].candidate, rows[i].others, hf_seconds(30),
                             rows[i].over, text, sizeof(text));
        if (got != rows[i].expected || !strstr(text, rows[i].text))
            fail_msg("row %zu: %d, \"%s\"", i, (int)got, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
