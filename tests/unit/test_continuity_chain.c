#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "continuity/chain.h"

enum { RECORDS = 6 };

static struct hf_text records[RECORDS];
static struct hf_chain first;

static int make(void **state)
{
    struct hf_chain c;
    char body[80];

    (void)state;
    hf_chain_init(&first, HF_STR("ledger/a/1"));
    c = first;
    for (int i = 0; i < RECORDS; i++) {
        snprintf(body, sizeof(body), "{\"kind\":\"test\",\"n\":%d}", i);
        hf_text_clear(&records[i]);
        hf_chain_seal(&c, hf_str(body), &records[i]);
    }
    return 0;
}

static int clean(void **state)
{
    (void)state;
    for (int i = 0; i < RECORDS; i++)
        hf_text_done(&records[i]);
    return 0;
}

/* How many records check out. */
static int verify(void)
{
    struct hf_chain c = first;
    int n = 0;

    while (n < RECORDS && hf_chain_verify(&c, (uint64_t)n + 1, hf_text_str(&records[n]), NULL) == 0)
        n++;
    assert_int_equal(c.sequence, n);
    return n;
}

static void a_whole_chain_checks_out(void **state)
{
    (void)state;
    assert_int_equal(verify(), RECORDS);
}

/* The hash of a known text, so that the format cannot change unseen. */
static void the_hash_is_sha256(void **state)
{
    struct hf_chain c;

    (void)state;
    hf_chain_init(&c, HF_STR("abc"));
    assert_string_equal(c.hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_memory_equal(records[0].p, "{\"seq\":1,\"prev\":\"", 17);
    assert_non_null(strstr(records[0].p, ",\"kind\":\"test\",\"n\":0,\"hash\":\""));
}

static void any_flipped_bit_is_found(void **state)
{
    (void)state;
    for (int n = 0; n < RECORDS; n++) {
        for (size_t at = 0; at < records[n].n; at++) {
            for (int bit = 0; bit < 8; bit++) {
                records[n].p[at] ^= (char)(1 << bit);
                assert_int_equal(verify(), n);
                records[n].p[at] ^= (char)(1 << bit);
            }
        }
    }
}

static void lost_added_and_swapped_records_are_found(void **state)
{
    struct hf_text keep = records[2];
    struct hf_chain c;
    struct hf_error e;

    (void)state;
    records[2] = records[3];
    assert_int_equal(verify(), 2);
    records[2] = records[1];
    assert_int_equal(verify(), 2);
    records[2] = keep;
    records[2].n--;
    assert_int_equal(verify(), 2);
    records[2].n = 3;
    assert_int_equal(verify(), 2);
    records[2].n = 0;
    assert_int_equal(verify(), 2);
    records[2] = keep;
    hf_chain_init(&c, HF_STR("ledger/b/1")); /* another writer's */
    assert_int_equal(hf_chain_verify(&c, 1, hf_text_str(&records[0]), &e), HF_ECORRUPT);
    assert_non_null(strstr(e.text, "does not follow"));
    c = first;
    assert_int_equal(hf_chain_verify(&c, 2, hf_text_str(&records[0]), &e), HF_ECORRUPT);
    assert_non_null(strstr(e.text, "record 2 stands where 1 should"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_chain_checks_out),
        cmocka_unit_test(the_hash_is_sha256),
        cmocka_unit_test(any_flipped_bit_is_found),
        cmocka_unit_test(lost_added_and_swapped_records_are_found),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
