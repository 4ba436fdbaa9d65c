#include <assert.h>
#include <stdlib.h>

#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds(struct hf_str s, struct hf_str part)
{
    return memmem(s.p, s.n, part.p, part.n) != NULL;
}

/* A normal form is one: normal again, no longer than the path, without empty and dot segments. */
static void check_path(struct hf_str path, char *buf)
{
    struct hf_str normal, again;
    char *second = malloc(path.n + 1);
    int rc = hf_path_normalise(path, buf, path.n, &normal);

    assert(rc == 0 || rc == HF_EINVAL);
    if (rc == 0) {
        assert(normal.n > 0 && normal.n <= path.n && normal.p[0] == '/');
        assert(!holds(normal, HF_STR("//")) && !holds(normal, HF_STR("/./")));
        assert(!holds(normal, HF_STR("/../")) && !holds(normal, HF_STR("\\")));
        assert(!holds(normal, HF_STR("%2E")) && !holds(normal, HF_STR("%00")));
        assert(normal.n < 2 || memcmp(normal.p + normal.n - 2, "/.", 2) != 0);
        assert(normal.n < 3 || memcmp(normal.p + normal.n - 3, "/..", 3) != 0);
        assert(hf_path_normalise(normal, second, normal.n, &again) == 0);
        assert(hf_str_eq(normal, again));
        assert(hf_path_below(normal, HF_STR("/")));
    }
    free(second);
}

static void check_query(struct hf_str query, char *buf)
{
    struct hf_str value, decoded;
    struct hf_text encoded = {0};
    int rc = hf_query_get(query, HF_STR("a"), buf, query.n, &value);

    assert(rc == 0 || rc == HF_ENOENT || rc == HF_EINVAL);
    assert(rc || value.n <= query.n);
    if (query.n && !memchr(query.p, 0, query.n)) { /* escaping and back is the same */
        char *back = malloc(query.n * 3);
        hf_url_encode(&encoded, query);
        assert(hf_url_decode(hf_text_str(&encoded), true, back, query.n * 3, &decoded) == 0);
        assert(hf_str_eq(decoded, query));
        free(back);
        hf_text_done(&encoded);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size + 1), *buf = malloc(size + 1);
    struct hf_str path, query;

    if (size)
        memcpy(exact, data, size);
    hf_url_split((struct hf_str){exact, size}, &path, &query);
    check_path(path, buf);
    check_query(query, buf);
    free(buf);
    free(exact);
    return 0;
}
