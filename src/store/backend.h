/* store/backend.h - what a database must do to serve as a store.
 * Synchronous and used by one thread at a time: the store thread, or whoever opened it before that
 * thread began. A backend allocates with base/mem.h; database errors become HF_EIO, HF_ECORRUPT or
 * HF_EAGAIN with a text that names the database. */
#pragma once
#include "store/op.h"

struct hf_backend {
    const struct hf_backend_type *type;
};

/* Operations run between begin and commit, and share one commit, so one fsync. Each keeps a result
 * of its own: one that fails leaves no trace, and the others stand. */
struct hf_backend_type {
    const char *name;

    HF_MUST_CHECK int (*begin)(struct hf_backend *b, bool writes, struct hf_error *e);

    /* Fills a zeroed answer; its error.code is the result. After a failure that ended the whole
     * batch, every further run() and the commit() fail. */
    void (*run)(struct hf_backend *b, const struct hf_store_op *op, struct hf_store_answer *a);

    /* Durable on success. On failure nothing of the batch was kept; it is over either way. */
    HF_MUST_CHECK int (*commit)(struct hf_backend *b, struct hf_error *e);

    void (*close)(struct hf_backend *b);
};
