/* controller/lease.h - the right to lead: one row in the store. Its term goes with every write, so
 * that a controller that was superseded can change nothing any more. Runs in: controller, on its
 * loop's thread. */
#pragma once
#include "net/loop.h"
#include "store/store.h"

struct hf_lease;

/* Blocks. holder: which node asks. Takes the lease from an earlier controller of this state folder,
 * which the keeper has seen to be gone. on_lost: somebody else has it now. */
HF_MUST_CHECK int hf_lease_take(struct hf_store *store, struct hf_loop *loop, const char *holder,
                                void (*on_lost)(void *ctx), void *ctx, struct hf_lease **ret,
                                struct hf_error *e);
uint64_t hf_lease_term(const struct hf_lease *l);
struct hf_lease *hf_lease_free(struct hf_lease *l); /* after the store */
