/* store/op.h - what can be asked of a store, and what comes back.
 *
 * A store holds three kinds of things. *Documents* (kind, key) -> bytes, changed by
 * compare-and-swap on their revision. *Streams*: append-only logs whose records are numbered 1, 2,
 * 3, ... *Leases*: one row each, {holder, term, counter}; the store has no clock: whoever watches
 * decides by its own monotonic clock that a counter stands still.
 *
 * Fencing: every write carries the writer's term. A document and a stream remember the highest
 * term that wrote them and refuse a lower one; a kind remembers the highest term that deleted one
 * of its documents and refuses to create one on a lower. Writers that no lease fences use term 0
 * in kinds and streams of their own. */
#pragma once
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum {
    HF_STORE_NAME_MAX = 255,      /* bytes of a kind, key, stream, lease or holder; not empty */
    HF_STORE_VALUE_MAX = 4 << 20, /* bytes of a document or a record */
    HF_STORE_READ_MAX = 10000,    /* records of one HF_STORE_READ */
    HF_STORE_READ_BYTES_MAX = 8 << 20, /* it ends early after these; go on behind the last one */
};

enum hf_store_verb {
    HF_STORE_GET,     /* kind, key -> docs (one); HF_ENOENT */
    HF_STORE_LIST,    /* kind -> docs, ordered by key */
    HF_STORE_PUT,     /* kind, key, revision, term, value -> revision; HF_ECONFLICT, HF_EREFUSED */
    HF_STORE_DELETE,  /* the same without a value; revision 0: fine if there is none */
    HF_STORE_STREAMS, /* stream (a prefix; NULL: all) -> docs: key = name, revision = last */
    HF_STORE_LAST,    /* stream -> sequence of its newest record; 0: it has none */
    HF_STORE_READ,    /* stream, from, max -> records, in order */
    HF_STORE_APPEND,  /* stream, revision (the sequence that it must get; 0: any), term, value ->
                         sequence; HF_ECONFLICT, HF_EREFUSED */
    HF_STORE_TRIM,    /* stream, from, term: records before it go; HF_EREFUSED. Their numbers are
                         not given again. */
    HF_STORE_LEASE,   /* lease -> lease; HF_ENOENT: nobody ever held it */
    HF_STORE_ACQUIRE, /* lease, holder, term and counter as seen (0, 0: nobody) -> lease, its term
                         one higher; HF_ECONFLICT and the lease as it is: it moved meanwhile */
    HF_STORE_RENEW,   /* lease, holder, term -> lease; HF_EREFUSED: somebody else has it now */
};

/* Fields that the verb does not name are ignored. */
struct hf_store_op {
    enum hf_store_verb verb;
    const char *kind, *key;
    const char *stream;
    const char *lease, *holder;
    uint64_t revision; /* the one that the writer read; 0: the document must not exist */
    uint64_t term;
    uint64_t counter;
    uint64_t from; /* the first sequence wanted, or kept */
    size_t max;    /* 1 .. HF_STORE_READ_MAX */
    struct hf_str value;
};

struct hf_store_doc {
    char *key;
    uint64_t revision, term;
    char *value; /* n bytes, then a NUL */
    size_t n;
};

struct hf_store_record {
    uint64_t sequence;
    char *value; /* n bytes, then a NUL */
    size_t n;
};

struct hf_store_lease {
    char holder[HF_STORE_NAME_MAX + 1];
    uint64_t term, counter;
};

/* A document's revisions only grow, over a deletion too. */
struct hf_store_answer {
    struct hf_error error; /* code 0: done, and durable if it was a write */
    uint64_t revision;     /* put: the new one; on HF_ECONFLICT: the present one, 0: none */
    uint64_t sequence;
    struct hf_store_lease lease;
    struct hf_store_doc *docs;
    size_t docs_n;
    struct hf_store_record *records;
    size_t records_n;
};

static inline bool hf_store_verb_writes(enum hf_store_verb verb)
{
    return verb == HF_STORE_PUT || verb == HF_STORE_DELETE || verb == HF_STORE_APPEND ||
           verb == HF_STORE_TRIM || verb == HF_STORE_ACQUIRE || verb == HF_STORE_RENEW;
}

/* Are the fields that the verb needs there, and within the limits? */
HF_MUST_CHECK int hf_store_op_check(const struct hf_store_op *op, struct hf_error *e);

/* Adds a copy. Backends fill answers with these. */
void hf_store_answer_add_doc(struct hf_store_answer *a, struct hf_str key, uint64_t revision,
                             uint64_t term, struct hf_str value);
void hf_store_answer_add_record(struct hf_store_answer *a, uint64_t sequence, struct hf_str value);

/* Frees what it holds and clears it. A zeroed answer is fine. */
void hf_store_answer_done(struct hf_store_answer *a);
