/* controller/slots.h - who has which slot of the board. One table for services, one for endpoints.
 *
 *   free -> used -> leaving (out of the plan, not yet known to all gateways) -> free
 *
 * Incarnations are random, so that a slot's counters are never taken for those of its last owner.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { HF_SLOT_OWNER = 160 };

struct hf_slot_entry {
    enum { HF_SLOT_IS_FREE, HF_SLOT_IS_USED, HF_SLOT_IS_LEAVING } state;
    bool marked;    /* seen in the plan that is being made */
    bool was_ready; /* taken over from an earlier plan, ready there */
    bool was_draining;
    uint16_t port; /* of the endpoint */
    uint32_t incarnation;
    uint64_t generation; /* leaving: of the first plan without it */
    char owner[HF_SLOT_OWNER];
};

struct hf_slot_table {
    uint32_t n;
    struct hf_slot_entry *entry;
};

void hf_slot_table_init(struct hf_slot_table *t, uint32_t n);
void hf_slot_table_done(struct hf_slot_table *t);

/* Nobody in the table has the slots that are free, but somebody who left before it was made may
 * still use them: they are leaving, as of that generation. */
void hf_slot_table_doubt(struct hf_slot_table *t, uint64_t generation);

/* Takes over an owner of an earlier plan. */
void hf_slot_table_restore(struct hf_slot_table *t, uint32_t slot, uint32_t incarnation,
                           const char *owner, uint16_t port, bool was_ready);

/* The owner's slot; a free one if it has none. Marks it. HF_ELIMIT: none is free. */
HF_MUST_CHECK int hf_slot_table_get(struct hf_slot_table *t, const char *owner, uint16_t port,
                                    uint32_t *ret_slot);

/* Before a plan is made: nothing is marked. After it was published: what is not marked is leaving.
 */
void hf_slot_table_unmark(struct hf_slot_table *t);
void hf_slot_table_sweep(struct hf_slot_table *t, uint64_t generation);

/* Frees each leaving slot for which gone() says that nobody uses it any more. */
void hf_slot_table_reap(struct hf_slot_table *t,
                        bool (*gone)(void *ctx, uint32_t slot, const struct hf_slot_entry *e),
                        void *ctx);
