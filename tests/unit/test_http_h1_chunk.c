#include "test.h"

#include <stdlib.h>

#include "http/h1_chunk.h"

struct result {
    ssize_t rc; /* bytes taken, or the error */
    char data[256];
    size_t n;
    bool done;
    unsigned n_trailers;
    char trailer[64]; /* the first one: "name=value" */
};

static void take(struct result *r, struct hf_str data)
{
    assert_true(r->n + data.n <= sizeof(r->data));
    memcpy(r->data + r->n, data.p, data.n);
    r->n += data.n;
}

/* Feeds all of text, of which the first `cut` bytes come first; then as many at a time as `step`
 * says. Keeps what is not taken, in a buffer of exactly its size. */
static void feed(struct hf_str text, size_t cut, size_t step, struct result *r)
{
    struct hf_h1_chunk c;
    struct hf_h1_trailers trailers;
    size_t taken = 0, given = cut;

    memset(r, 0, sizeof(*r));
    hf_h1_chunk_init(&c);
    for (;;) {
        struct hf_str data;
        char *copy = malloc(given - taken + 1);
        ssize_t rc;
        memcpy(copy, text.p + taken, given - taken);
        rc = hf_h1_chunk_feed(&c, (struct hf_str){copy, given - taken}, &data, &trailers);
        if (rc > 0)
            take(r, data);
        r->done = hf_h1_chunk_done(&c);
        if (r->done && trailers.n) {
            size_t n = trailers.fields[0].name.n;
            r->n_trailers = trailers.n;
            memcpy(r->trailer, trailers.fields[0].name.p, n);
            r->trailer[n] = '=';
            memcpy(r->trailer + n + 1, trailers.fields[0].value.p, trailers.fields[0].value.n);
        }
        free(copy);
        r->rc = rc < 0 ? rc : (ssize_t)(taken += (size_t)rc);
        if (rc < 0 || r->done)
            return;
        if (rc == 0 && given == text.n)
            return;
        if (rc == 0 || taken == given)
            given = given + step < text.n ? given + step : text.n;
    }
}

static void run(struct hf_str text, struct result *r)
{
    struct result other;

    feed(text, text.n, 1, r);
    for (size_t cut = 0; cut <= text.n; cut++) {
        feed(text, cut, cut ? text.n : 1, &other);
        assert_int_equal(other.rc, r->rc);
        assert_int_equal(other.done, r->done);
        assert_int_equal(other.n, r->n);
        assert_memory_equal(other.data, r->data, r->n);
        assert_int_equal(other.n_trailers, r->n_trailers);
        assert_string_equal(other.trailer, r->trailer);
    }
}

#define T(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct {
    struct hf_str text;
    const char *data;
    size_t left; /* bytes of the next message */
    const char *trailer;
} good[] = {
    {T("0\r\n\r\n"), "", 0, ""},
    {T("0000\r\n\r\nGET"), "", 3, ""},
    {T("5\r\nhello\r\n0\r\n\r\n"), "hello", 0, ""},
    {T("5\r\nhello\r\n1\r\n,\r\nB\r\n and 0\r\n\r\n1\r\n0\r\n\r\n"), "hello, and 0\r\n\r\n1", 0,
     ""},
    {T("0000000000000001\r\nx\r\n0\r\n\r\n"), "x", 0, ""},
    {T("1;a\r\nx\r\n1 \t; a=b;c=\"d;e\"\r\ny\r\n0;z\r\n\r\n"), "xy", 0, ""},
    {T("1\r\nx\r\n0\r\nX-Sum: 12\r\n\r\nz"), "x", 1, "X-Sum=12"},
    {T("0\r\nx-sum: 1\r\nHost: evil\r\ncontent-length: 3\r\nx-b: 2\r\n\r\n"), "", 0, "x-sum=1"},
    {T("0\r\ntransfer-encoding: chunked\r\n\r\n"), "", 0, ""},
};

static void good_bodies_are_decoded(void **state)
{
    struct result r;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(good); i++) {
        run(good[i].text, &r);
        assert_true(r.done);
        assert_int_equal(r.rc, good[i].text.n - good[i].left);
        assert_int_equal(r.n, strlen(good[i].data));
        assert_memory_equal(r.data, good[i].data, r.n);
        assert_string_equal(r.trailer, good[i].trailer);
    }
    run(good[7].text, &r);
    assert_int_equal(r.n_trailers, 2);
}

static const struct {
    struct hf_str text;
    enum hf_h1_error err;
} bad[] = {
    {T("\r\n"), HF_H1_CHUNK_SIZE},
    {T("g\r\n"), HF_H1_CHUNK_SIZE},
    {T("0x1\r\nx"), HF_H1_CHUNK_SIZE},
    {T("-1\r\n"), HF_H1_CHUNK_SIZE},
    {T("+1\r\n"), HF_H1_CHUNK_SIZE},
    {T(" 1\r\nx"), HF_H1_CHUNK_SIZE},
    {T(";a\r\n"), HF_H1_CHUNK_SIZE},
    {T("1_0\r\n"), HF_H1_CHUNK_SIZE},
    {T("1,\r\n"), HF_H1_CHUNK_SIZE},
    {T("00000000000000001\r\nx"), HF_H1_CHUNK_SIZE},
    {T("8000000000000000\r\n"), HF_H1_CHUNK_SIZE},
    {T("ffffffffffffffff\r\n"), HF_H1_CHUNK_SIZE},
    {T("1 \r\nx"), HF_H1_CHUNK_EXTENSION},
    {T("1 2\r\nx"), HF_H1_CHUNK_EXTENSION},
    {T("1;\0\r\nx"), HF_H1_CHUNK_EXTENSION},
    {T("1;a\nx\r\n"), HF_H1_BARE_LF},
    {T("1\nx\r\n0\r\n\r\n"), HF_H1_BARE_LF},
    {T("1\rx\r\n"), HF_H1_BARE_CR},
    {T("1;a\rx\r\n"), HF_H1_BARE_CR},
    {T("1\r\nxy\r\n"), HF_H1_CHUNK_END},
    {T("1\r\nx\n0\r\n\r\n"), HF_H1_CHUNK_END},
    {T("1\r\nx\r0\r\n\r\n"), HF_H1_CHUNK_END},
    {T("5\r\nhel\r\n0\r\n\r\n"), HF_H1_CHUNK_END},
    {T("0\r\n\n"), HF_H1_BARE_LF},
    {T("0\r\n\rx"), HF_H1_BARE_CR},
    {T("0\r\nx\r\n\r\n"), HF_H1_FIELD_NAME},
    {T("0\r\nx : 1\r\n\r\n"), HF_H1_FIELD_SPACE},
    {T("0\r\n x: 1\r\n\r\n"), HF_H1_FOLD},
    {T("0\r\nx: \x01\r\n\r\n"), HF_H1_CONTROL},
    {T("0\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\ni:\r\nj:\r\nk:\r\nl:\r\nm:\r\nn:\r\n"
       "o:\r\np:\r\nq:\r\nr:\r\ns:\r\nt:\r\nu:\r\nv:\r\nw:\r\nx:\r\ny:\r\n\r\n"),
     HF_H1_FIELDS_MANY},
};

static void bad_bodies_are_refused_for_the_right_reason(void **state)
{
    struct result r;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        run(bad[i].text, &r);
        if (r.rc != -(ssize_t)bad[i].err)
            print_error("%.*s: %zd\n", HF_STR_ARG(bad[i].text), r.rc);
        assert_int_equal(r.rc, -(ssize_t)bad[i].err);
    }
}

static void what_is_not_whole_waits(void **state)
{
    static const struct hf_str whole = T("3;x=y\r\nabc\r\n0\r\nx: 1\r\n\r\n");
    struct result r;

    (void)state;
    for (size_t n = 0; n < whole.n; n++) {
        run((struct hf_str){whole.p, n}, &r);
        assert_true(r.rc >= 0);
        assert_false(r.done);
    }
}

static void extensions_and_trailers_are_bounded(void **state)
{
    struct hf_h1_chunk c;
    struct hf_h1_trailers trailers;
    struct hf_str data;
    char text[HF_H1_CHUNK_EXTENSIONS + 8] = "1;";
    ssize_t rc = 0;

    (void)state;
    memset(text + 2, 'x', sizeof(text) - 2);
    hf_h1_chunk_init(&c);
    assert_int_equal(hf_h1_chunk_feed(&c, (struct hf_str){text, sizeof(text)}, &data, &trailers),
                     -HF_H1_CHUNK_EXTENSION);

    hf_h1_chunk_init(&c); /* many small ones */
    for (int i = 0; i < HF_H1_CHUNK_EXTENSIONS && rc >= 0; i++) {
        rc = hf_h1_chunk_feed(&c, HF_STR("1;x\r\ny"), &data, &trailers);
        if (rc >= 0)
            rc = hf_h1_chunk_feed(&c, HF_STR("\r\n"), &data, &trailers);
    }
    assert_int_equal(rc, -HF_H1_CHUNK_EXTENSION);

    hf_h1_chunk_init(&c);
    assert_int_equal(hf_h1_chunk_feed(&c, HF_STR("0\r\n"), &data, &trailers), 3);
    memcpy(text, "x:", 2);
    assert_int_equal(
        hf_h1_chunk_feed(&c, (struct hf_str){text, HF_H1_TRAILER_BYTES - 1}, &data, &trailers), 0);
    assert_int_equal(
        hf_h1_chunk_feed(&c, (struct hf_str){text, HF_H1_TRAILER_BYTES}, &data, &trailers),
        -HF_H1_TRAILER_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_bodies_are_decoded),
        cmocka_unit_test(bad_bodies_are_refused_for_the_right_reason),
        cmocka_unit_test(what_is_not_whole_waits),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
