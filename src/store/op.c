#include "store/op.h"

#include "base/mem.h"

static int check_name(const char *what, const char *name, struct hf_error *e)
{
    if (!name || !*name)
        return hf_error_set(e, HF_EINVAL, "store: a %s is needed", what);
    if (strlen(name) > HF_STORE_NAME_MAX)
        return hf_error_set(e, HF_ELIMIT, "store: the %s \"%.40s...\" is longer than %d bytes",
                            what, name, HF_STORE_NAME_MAX);
    return 0;
}

static int check_value(struct hf_str value, struct hf_error *e)
{
    if (value.n > HF_STORE_VALUE_MAX)
        return hf_error_set(e, HF_ELIMIT, "store: a value of %zu bytes is over the limit of %d",
                            value.n, HF_STORE_VALUE_MAX);
    return 0;
}

/* SQLite and BSON both hold signed numbers of 64 bits. */
static int check_numbers(const struct hf_store_op *op, struct hf_error *e)
{
    if ((op->revision | op->term | op->counter | op->from) > INT64_MAX)
        return hf_error_set(e, HF_EINVAL, "store: a number is out of range");
    return 0;
}

int hf_store_op_check(const struct hf_store_op *op, struct hf_error *e)
{
    int rc = check_numbers(op, e);

    if (rc)
        return rc;
    switch (op->verb) {
    case HF_STORE_PUT:
        rc = check_value(op->value, e);
        if (rc)
            return rc;
        /* fall through */
    case HF_STORE_GET:
    case HF_STORE_DELETE:
        rc = check_name("key", op->key, e);
        if (rc)
            return rc;
        /* fall through */
    case HF_STORE_LIST:
        return check_name("kind", op->kind, e);
    case HF_STORE_STREAMS:
        return op->stream && *op->stream ? check_name("stream", op->stream, e) : 0;
    case HF_STORE_READ:
        if (op->max < 1 || op->max > HF_STORE_READ_MAX)
            return hf_error_set(e, HF_EINVAL, "store: a read of %zu records; expected 1 to %d",
                                op->max, HF_STORE_READ_MAX);
        return check_name("stream", op->stream, e);
    case HF_STORE_APPEND:
        rc = check_value(op->value, e);
        if (rc)
            return rc;
        /* fall through */
    case HF_STORE_LAST:
    case HF_STORE_TRIM:
        return check_name("stream", op->stream, e);
    case HF_STORE_ACQUIRE:
    case HF_STORE_RENEW:
        rc = check_name("holder", op->holder, e);
        if (rc)
            return rc;
        /* fall through */
    case HF_STORE_LEASE:
        return check_name("lease", op->lease, e);
    }
    return hf_error_set(e, HF_EINVAL, "store: unknown operation %d", (int)op->verb);
}

/* Grows at every power of two. */
static void *grow(void *array, size_t n, size_t size)
{
    return (n & (n - 1)) == 0 ? hf_realloc(array, n ? n * 2 : 1, size) : array;
}

static char *copy(struct hf_str s)
{
    char *p = hf_alloc(s.n + 1);

    if (s.n)
        memcpy(p, s.p, s.n);
    return p;
}

void hf_store_answer_add_doc(struct hf_store_answer *a, struct hf_str key, uint64_t revision,
                             uint64_t term, struct hf_str value)
{
    a->docs = grow(a->docs, a->docs_n, sizeof(*a->docs));
    a->docs[a->docs_n++] = (struct hf_store_doc){copy(key), revision, term, copy(value), value.n};
}

void hf_store_answer_add_record(struct hf_store_answer *a, uint64_t sequence, struct hf_str value)
{
    a->records = grow(a->records, a->records_n, sizeof(*a->records));
    a->records[a->records_n++] = (struct hf_store_record){sequence, copy(value), value.n};
}

void hf_store_answer_done(struct hf_store_answer *a)
{
    for (size_t i = 0; i < a->docs_n; i++) {
        hf_free(a->docs[i].key);
        hf_free(a->docs[i].value);
    }
    for (size_t i = 0; i < a->records_n; i++)
        hf_free(a->records[i].value);
    hf_free(a->docs);
    hf_free(a->records);
    *a = (struct hf_store_answer){0};
}
