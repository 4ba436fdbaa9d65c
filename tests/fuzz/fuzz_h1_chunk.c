#include <assert.h>
#include <stdlib.h>

#include "http/h1_chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    char *data;
    size_t n, taken;
    ssize_t rc;
    unsigned n_trailers;
    bool done;
};

/* Feeds `step` bytes more whenever what was given is used up, from a buffer of exactly the size. */
static void feed(const uint8_t *bytes, size_t size, size_t step, struct result *r)
{
    struct hf_h1_chunk c;
    struct hf_h1_trailers trailers;
    struct hf_str payload;
    size_t given = step < size ? step : size;

    *r = (struct result){.data = malloc(size + 1)};
    hf_h1_chunk_init(&c);
    while (!r->done) {
        size_t n = given - r->taken;
        char *exact = malloc(n + 1);
        if (n)
            memcpy(exact, bytes + r->taken, n);
        r->rc = hf_h1_chunk_feed(&c, (struct hf_str){exact, n}, &payload, &trailers);
        assert(r->rc <= (ssize_t)n && r->rc > -HF_H1_ERROR_COUNT);
        if (r->rc >= 0) {
            assert(payload.p >= exact && payload.p + payload.n <= exact + r->rc);
            memcpy(r->data + r->n, payload.p, payload.n);
            r->n += payload.n;
            r->taken += (size_t)r->rc;
        }
        r->done = hf_h1_chunk_done(&c);
        for (unsigned i = 0; r->done && i < trailers.n; i++) {
            assert(trailers.fields[i].id == HF_FIELD_OTHER);
            assert(trailers.fields[i].name.p >= exact &&
                   trailers.fields[i].value.p + trailers.fields[i].value.n <= exact + n);
        }
        r->n_trailers = r->done ? trailers.n : 0;
        free(exact);
        if (r->rc < 0 || (r->rc == 0 && given == size))
            break;
        if (r->rc == 0 || r->taken == given)
            given = size - given < step ? size : given + step;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct result whole, cut;
    size_t steps[2] = {1, size ? data[0] % 64 + 2U : 1};

    if (size > 8192)
        return 0;
    feed(data, size, size ? size : 1, &whole);
    for (int i = 0; i < 2; i++) {
        if (steps[i] == 1 && size > 1024)
            continue;
        feed(data, size, steps[i], &cut);
        assert((cut.rc < 0) == (whole.rc < 0) && cut.done == whole.done);
        assert(whole.rc >= 0 || cut.rc == whole.rc);
        assert(cut.n == whole.n && memcmp(cut.data, whole.data, cut.n) == 0);
        assert(cut.taken == whole.taken || !whole.done);
        assert(cut.n_trailers == whole.n_trailers);
        free(cut.data);
    }
    free(whole.data);
    return 0;
}
