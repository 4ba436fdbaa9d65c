/* tests/fuzz/h1_head.h - what holds for every head, request or response. */
#pragma once
#include <assert.h>
#include <stdlib.h>

#include "http/h1_framing.h"

typedef ssize_t hf_fuzz_parser(struct hf_str, size_t *, const struct hf_h1_limits *,
                               struct hf_h1_head *);

static const struct hf_h1_limits fuzz_limits = {.line = 200, .head = 1000, .fields = 12};

static inline void fuzz_inside(struct hf_str part, struct hf_str whole)
{
    assert(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static inline void fuzz_check_head(const struct hf_h1_head *h, struct hf_str whole)
{
    assert(h->n_fields <= fuzz_limits.fields);
    for (unsigned i = 0; i < h->n_fields; i++) {
        fuzz_inside(h->fields[i].name, whole);
        fuzz_inside(h->fields[i].value, whole);
        assert(h->fields[i].name.n > 0);
        assert(h->fields[i].id == hf_field_find(h->fields[i].name));
        assert(!memchr(h->fields[i].value.p, '\r', h->fields[i].value.n));
        assert(!memchr(h->fields[i].value.p, '\n', h->fields[i].value.n));
        hf_h1_hop_by_hop(h, i);
    }
}

static inline bool fuzz_same_head(const struct hf_h1_head *a, const struct hf_h1_head *b)
{
    if (a->n_fields != b->n_fields || a->method_id != b->method_id || a->status != b->status ||
        a->minor != b->minor || a->connection != b->connection || a->seen != b->seen ||
        a->twice != b->twice || !hf_str_eq(a->origin, b->origin) || !hf_str_eq(a->host, b->host))
        return false;
    for (unsigned i = 0; i < a->n_fields; i++) {
        if (!hf_str_eq(a->fields[i].name, b->fields[i].name) ||
            !hf_str_eq(a->fields[i].value, b->fields[i].value))
            return false;
    }
    return true;
}

/* Parses data, closed by an empty line so that there is an answer, and hands a good head to check;
 * then the same cut in two at a place which the data chooses, and byte by byte from buffers of
 * exactly that size: each has to give that answer. */
static inline void fuzz_head(hf_fuzz_parser *parse, void (*check)(const struct hf_h1_head *),
                             const uint8_t *data, size_t size)
{
    size_t n = size + 4, cut = size ? (data[size - 1] * 7U + data[0]) % n : 0, scanned = 0;
    char *bytes = malloc(n);
    struct hf_str whole = {bytes, n};
    struct hf_h1_head *head = malloc(sizeof(*head)), *other = malloc(sizeof(*other));
    ssize_t rc, again;

    if (size)
        memcpy(bytes, data, size);
    memcpy(bytes + size, "\r\n\r\n", 4);
    rc = parse(whole, &scanned, &fuzz_limits, head);
    assert(rc != 0 && rc <= (ssize_t)n && rc > -HF_H1_ERROR_COUNT);
    if (rc > 0) {
        fuzz_check_head(head, whole);
        check(head);
    }
    scanned = 0;
    again = parse((struct hf_str){bytes, cut}, &scanned, &fuzz_limits, other);
    if (again == 0)
        again = parse(whole, &scanned, &fuzz_limits, other);
    assert(again == rc);
    assert(rc < 0 || fuzz_same_head(head, other));

    again = 0;
    scanned = 0;
    for (size_t i = 0; i <= n && again == 0; i++) {
        char *exact = malloc(i + 1);
        memcpy(exact, bytes, i);
        again = parse((struct hf_str){exact, i}, &scanned, &fuzz_limits, other);
        free(exact);
    }
    assert(again == rc);
    free(other);
    free(head);
    free(bytes);
}
