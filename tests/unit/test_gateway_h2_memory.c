#include "test.h"

#include <string.h>

#include "gateway/h2_memory.h"

static struct hf_h2_memory memory; /* pools give nothing back: kept in sight of the leak detector */

static void pieces_keep_their_content_as_they_grow(void **state)
{
    const nghttp2_mem *m = &memory.mem;
    unsigned char *p = NULL;

    (void)state;
    hf_h2_memory_init(&memory);
    for (size_t n = 1; n <= 100000; n = n * 3 / 2 + 1) {
        p = m->realloc(p, n, m->mem_user_data);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        if (n > 1)
            assert_int_equal(p[(n - 1) * 2 / 3 / 2], 7);
        memset(p, 7, n);
    }
    m->free(p, m->mem_user_data);
    m->free(NULL, m->mem_user_data);
    for (int i = 0; i < HF_H2_MEMORY_CLASSES; i++)
        assert_int_equal(memory.class[i].in_use, 0);
}

static void pieces_are_zeroed_where_that_is_asked(void **state)
{
    const nghttp2_mem *m = &memory.mem;
    unsigned char *p;

    (void)state;
    p = m->malloc(1000, m->mem_user_data);
    memset(p, 7, 1000);
    m->free(p, m->mem_user_data);
    p = m->calloc(10, 100, m->mem_user_data);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    m->free(p, m->mem_user_data);
    assert_null(m->calloc(SIZE_MAX / 2, 4, m->mem_user_data));
    assert_null(m->malloc(SIZE_MAX / 2, m->mem_user_data));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_keep_their_content_as_they_grow),
        cmocka_unit_test(pieces_are_zeroed_where_that_is_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
