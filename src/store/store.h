/* store/store.h - the controller's access to its store: never blocks its loop.
 *
 * Operations are queued, run by one thread of the store in the order in which they were submitted,
 * several of them in one commit, and answered on the loop in the same order. A write's answer says
 * that it is durable. Everything here is called from the loop's thread.
 *
 *     hf_store_submit(store, &(struct hf_store_op){HF_STORE_PUT, .kind = "release", .key = id,
 *                     .revision = seen, .term = term, .value = json}, on_stored, self);
 */
#pragma once
#include "net/loop.h"
#include "store/op.h"

struct hf_store;

enum {
    HF_STORE_QUEUE_MAX = 4096,           /* operations not answered yet */
    HF_STORE_QUEUE_BYTES_MAX = 64 << 20, /* bytes of their values */
};

/* url "sqlite": the file FOLDER/holdfast.db; the folder must exist. Other stores are refused by
 * name. loop may be NULL: then only hf_store_wait() works. */
HF_MUST_CHECK int hf_store_open(const char *url, const char *folder, struct hf_loop *loop,
                                struct hf_store **ret, struct hf_error *e);

/* Finishes what is queued, answers it from within, and closes. Operations submitted by those
 * answers are refused. Not to be called from an answer. NULL is fine; returns NULL. */
struct hf_store *hf_store_free(struct hf_store *store);

/* Copies the operation and queues it; then done is called exactly once, later, on the loop; the
 * answer is valid until it returns, and done may be NULL. On failure done is not called: HF_ELIMIT
 * the queue is full, HF_EINVAL or HF_ELIMIT the operation is not acceptable, HF_EREFUSED the store
 * is closing. */
HF_MUST_CHECK int hf_store_submit(struct hf_store *store, const struct hf_store_op *op,
                                  void (*done)(void *ctx, const struct hf_store_answer *answer),
                                  void *ctx);

/* For start-up: as above, but blocks until it is done, after all that was submitted before, whose
 * own answers still come on the loop. Returns ret->error.code. Free with hf_store_answer_done(),
 * on failure as well. */
HF_MUST_CHECK int hf_store_wait(struct hf_store *store, const struct hf_store_op *op,
                                struct hf_store_answer *ret);

/* Operations not answered yet. */
size_t hf_store_pending(const struct hf_store *store);
