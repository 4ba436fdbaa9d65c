/* continuity/chain.h - a chain of hashed records: whoever changes one byte breaks it. Pure.
 *
 * A record is one line of JSON, {"seq":N,"prev":"HASH", ..., "hash":"HASH"}: prev is the hash of
 * the record before, of the writer's name for the first; hash is the SHA-256 of all bytes before
 * ,"hash":. The bytes are hashed as they stand; nothing is normalised. */
#pragma once
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum { HF_CHAIN_HASH = 65 }; /* hexadecimal, and a NUL */

struct hf_chain {
    uint64_t sequence; /* of the last record; 0: none yet */
    char hash[HF_CHAIN_HASH];
};

void hf_chain_init(struct hf_chain *c, struct hf_str writer);

/* Appends to *ret the next record, with the fields of body: a JSON object that is not empty, and
 * has none of the three above. */
void hf_chain_seal(struct hf_chain *c, struct hf_str body, struct hf_text *ret);

/* Is it the next record? HF_ECORRUPT with a text; the chain is then where it was. */
HF_MUST_CHECK int hf_chain_verify(struct hf_chain *c, uint64_t sequence, struct hf_str record,
                                  struct hf_error *e);
