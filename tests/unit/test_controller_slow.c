#include "test.h"

#include <semaphore.h>
#include <stdatomic.h>

#include "controller/slow.h"

static sem_t begun, go;
static int order[HF_SLOW_MOST + 1];
static atomic_int done;

static void wait_for_go(void *ctx)
{
    sem_post(&begun);
    sem_wait(&go);
    order[atomic_fetch_add(&done, 1)] = *(int *)ctx;
}

static void note(void *ctx)
{
    order[atomic_fetch_add(&done, 1)] = *(int *)ctx;
}

static void one_after_the_other_and_no_more_than_fit(void **state)
{
    int number[HF_SLOW_MOST + 2];
    struct hf_slow *s;

    (void)state;
    sem_init(&begun, 0, 0);
    sem_init(&go, 0, 0);
    for (int i = 0; i < HF_SLOW_MOST + 2; i++)
        number[i] = i;
    assert_int_equal(hf_slow_new(&s, NULL), 0);
    assert_int_equal(hf_slow_run(s, wait_for_go, &number[0]), 0);
    sem_wait(&begun);
    for (int i = 1; i <= HF_SLOW_MOST; i++)
        assert_int_equal(hf_slow_run(s, note, &number[i]), 0);
    assert_int_equal(hf_slow_run(s, note, &number[HF_SLOW_MOST + 1]), HF_ELIMIT);
    assert_int_equal(atomic_load(&done), 0);
    sem_post(&go);
    s = hf_slow_free(s); /* waits for all */
    assert_null(s);
    assert_int_equal(atomic_load(&done), HF_SLOW_MOST + 1);
    for (int i = 0; i <= HF_SLOW_MOST; i++)
        assert_int_equal(order[i], i);
    sem_destroy(&begun);
    sem_destroy(&go);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_the_other_and_no_more_than_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
