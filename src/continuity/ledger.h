/* continuity/ledger.h - the downtime ledger in the store: append-only, one hash chain a writer.
 *
 * A writer is a node in one boot of its machine, and has the stream ledger/NODE/BOOT. Nothing is
 * ever changed: a correction is a record of its own. A chain that does not check out is reported
 * by every reader and not used from its first bad record on; its writer goes on in a new chain,
 * ledger/NODE/BOOT.2, whose first record says so. Runs in: controller. */
#pragma once
#include "continuity/chain.h"
#include "continuity/interval.h"
#include "store/store.h"

enum {
    HF_LEDGER_PENDING_MAX = 4096,    /* records that the store did not take yet */
    HF_LEDGER_PERSON = 128,          /* bytes of who and of why, NUL included */
    HF_LEDGER_ENTRIES_MAX = 1 << 19, /* of one view */
};

/* ---- reading ---- */

struct hf_ledger_entry {
    struct hf_interval interval; /* as it counts now */
    const char *stream;          /* with the sequence it names the interval */
    uint64_t sequence;
    const char *who, *why; /* not NULL: cause, planned and event are this person's correction */
};

struct hf_ledger_stream {
    char *name;
    struct hf_chain chain;  /* up to its last good record */
    struct hf_error broken; /* code 0: it is whole */
};

/* Entries in the order of their streams; those that overlap [from, to) alone. It owns the texts
 * that its entries point to. */
struct hf_ledger_view {
    struct hf_ledger_entry *entries;
    size_t entries_n;
    struct hf_ledger_stream *streams;
    size_t streams_n;
    json_t *corrections;
};
void hf_ledger_view_done(struct hf_ledger_view *view);

/* Reads and verifies all streams of the node, or of every node (NULL), while the loop goes on; then
 * calls done once. view is NULL on failure (then e says why) and the callee's otherwise: it ends
 * with hf_ledger_view_done(). HF_ELIMIT or HF_EREFUSED as hf_store_submit(), and done is not
 * called. */
HF_MUST_CHECK int hf_ledger_load(struct hf_store *store, const char *node, int64_t from, int64_t to,
                                 void (*done)(void *ctx, struct hf_ledger_view *view,
                                              const struct hf_error *e),
                                 void *ctx);

/* The same for start-up: blocks. */
HF_MUST_CHECK int hf_ledger_load_wait(struct hf_store *store, const char *node, int64_t from,
                                      int64_t to, struct hf_ledger_view *ret, struct hf_error *e);

/* ---- writing ---- */

struct hf_ledger;

/* Goes on behind the last good record of this writer, as the view (of that node, at least) shows
 * it. Names: 1 .. 64 of [A-Za-z0-9._-]. The store outlives the ledger's last append, and the ledger
 * outlives the store's last answer: free the store first. */
HF_MUST_CHECK int hf_ledger_open(struct hf_store *store, const char *node, const char *boot,
                                 uint64_t term, const struct hf_ledger_view *view,
                                 struct hf_ledger **ret, struct hf_error *e);
struct hf_ledger *hf_ledger_free(struct hf_ledger *l); /* NULL is fine; returns NULL */

/* Appends go out in order; what the store refuses is kept and sent again by hf_ledger_flush().
 * HF_ELIMIT: too many are kept already. */
HF_MUST_CHECK int hf_ledger_append(struct hf_ledger *l, const struct hf_interval *closed);

/* A person's correction of one interval: its cause, whether it was planned, and the event. */
struct hf_ledger_correction {
    const char *stream;
    uint64_t sequence;
    enum hf_cause cause;
    bool planned;
    const char *event, *who, *why;
    struct hf_wall at;
};
HF_MUST_CHECK int hf_ledger_correct(struct hf_ledger *l, const struct hf_ledger_correction *c);

/* Sends again what failed. Call it once a second. */
void hf_ledger_flush(struct hf_ledger *l);

/* Blocks until all of it is durable, or the store failed. For a clean stop. */
HF_MUST_CHECK int hf_ledger_flush_wait(struct hf_ledger *l, struct hf_error *e);

/* Records that are not durable yet. */
size_t hf_ledger_pending(const struct hf_ledger *l);

/* The store's last refusal; code 0: none, or it took everything since. */
const struct hf_error *hf_ledger_error(const struct hf_ledger *l);

/* The stream and the last record that was sealed. */
const char *hf_ledger_stream(const struct hf_ledger *l);
const struct hf_chain *hf_ledger_chain(const struct hf_ledger *l);
