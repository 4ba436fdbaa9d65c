#include "controller/slots.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"

void hf_slot_table_init(struct hf_slot_table *t, uint32_t n)
{
    t->n = n;
    t->entry = hf_alloc_array(n, sizeof(*t->entry));
}

void hf_slot_table_done(struct hf_slot_table *t)
{
    t->entry = hf_free(t->entry);
    t->n = 0;
}

static uint32_t new_incarnation(void)
{
    uint32_t v;

    do
        hf_random_secret(&v, sizeof(v));
    while (v == 0);
    return v;
}

static void use(struct hf_slot_entry *e, const char *owner, uint16_t port, uint32_t incarnation)
{
    *e = (struct hf_slot_entry){
        .state = HF_SLOT_IS_USED, .marked = true, .port = port, .incarnation = incarnation};
    snprintf(e->owner, sizeof(e->owner), "%s", owner);
}

void hf_slot_table_restore(struct hf_slot_table *t, uint32_t slot, uint32_t incarnation,
                           const char *owner, uint16_t port, bool was_ready)
{
    if (slot >= t->n)
        return;
    use(&t->entry[slot], owner, port, incarnation);
    t->entry[slot].was_ready = was_ready;
}

void hf_slot_table_doubt(struct hf_slot_table *t, uint64_t generation)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->entry[i].state == HF_SLOT_IS_FREE)
            t->entry[i] =
                (struct hf_slot_entry){.state = HF_SLOT_IS_LEAVING, .generation = generation};
    }
}

int hf_slot_table_get(struct hf_slot_table *t, const char *owner, uint16_t port, uint32_t *ret_slot)
{
    uint32_t free_slot = t->n;

    for (uint32_t i = 0; i < t->n; i++) {
        struct hf_slot_entry *e = &t->entry[i];
        if (e->state == HF_SLOT_IS_USED && e->port == port && strcmp(e->owner, owner) == 0) {
            e->marked = true;
            *ret_slot = i;
            return 0;
        }
        if (e->state == HF_SLOT_IS_FREE && free_slot == t->n)
            free_slot = i;
    }
    if (free_slot == t->n)
        return HF_ELIMIT;
    use(&t->entry[free_slot], owner, port, new_incarnation());
    *ret_slot = free_slot;
    return 0;
}

void hf_slot_table_unmark(struct hf_slot_table *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        t->entry[i].marked = false;
}

void hf_slot_table_sweep(struct hf_slot_table *t, uint64_t generation)
{
    for (uint32_t i = 0; i < t->n; i++) {
        struct hf_slot_entry *e = &t->entry[i];
        if (e->state == HF_SLOT_IS_USED && !e->marked) {
            e->state = HF_SLOT_IS_LEAVING;
            e->generation = generation;
        }
    }
}

void hf_slot_table_reap(struct hf_slot_table *t,
                        bool (*gone)(void *ctx, uint32_t slot, const struct hf_slot_entry *e),
                        void *ctx)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->entry[i].state == HF_SLOT_IS_LEAVING && gone(ctx, i, &t->entry[i]))
            t->entry[i].state = HF_SLOT_IS_FREE;
    }
}
