#include "gateway/snapshot.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

struct hf_snapshots {
    struct hf_board *board;
    pthread_mutex_t lock; /* held while a plan is copied: once a publication, never for a request */
    struct hf_snapshot *current;
    uint64_t looked_at; /* the latest generation that was copied or refused */
    void *buffer;
};

struct hf_snapshots *hf_snapshots_new(struct hf_board *board)
{
    struct hf_snapshots *s = hf_alloc(sizeof(*s));

    s->board = board;
    pthread_mutex_init(&s->lock, NULL);
    s->buffer = hf_alloc(hf_plan_capacity(hf_board_capacity(board)));
    return s;
}

struct hf_snapshots *hf_snapshots_free(struct hf_snapshots *s)
{
    if (s) {
        hf_snapshot_unref(s->current);
        pthread_mutex_destroy(&s->lock);
        hf_free(s->buffer);
        hf_free(s);
    }
    return NULL;
}

struct hf_snapshot *hf_snapshot_unref(struct hf_snapshot *s)
{
    if (s && atomic_fetch_sub(&s->references, 1) == 1)
        hf_free(s);
    return NULL;
}

/* One allocation: the struct, the plan, the two indexes. */
static struct hf_snapshot *snapshot_new(const struct hf_board_capacity *c,
                                        const struct hf_plan *plan, uint64_t generation)
{
    size_t plan_at = (sizeof(struct hf_snapshot) + 63) / 64 * 64;
    size_t index_at = plan_at + (plan->size + 63) / 64 * 64;
    char *p = hf_alloc(index_at + (c->services + c->endpoints) * sizeof(int32_t));
    struct hf_snapshot *s = (void *)p;

    atomic_init(&s->references, 1);
    s->generation = generation;
    memcpy(p + plan_at, plan, plan->size);
    s->plan = (void *)(p + plan_at);
    s->service_at = (void *)(p + index_at);
    s->endpoint_at = s->service_at + c->services;
    memset(s->service_at, -1, (c->services + c->endpoints) * sizeof(int32_t));
    for (uint32_t i = 0; i < plan->n_services; i++)
        s->service_at[hf_plan_services(plan)[i].slot] = (int32_t)i;
    for (uint32_t i = 0; i < plan->n_endpoints; i++)
        s->endpoint_at[hf_plan_endpoints(plan)[i].slot] = (int32_t)i;
    return s;
}

static void install(struct hf_snapshots *s, const struct hf_plan *plan, uint64_t generation)
{
    hf_snapshot_unref(s->current);
    s->current = snapshot_new(hf_board_capacity(s->board), plan, generation);
}

struct hf_snapshot *hf_snapshots_take(struct hf_snapshots *s)
{
    struct hf_snapshot *taken;
    struct hf_error e;

    pthread_mutex_lock(&s->lock);
    if (hf_board_generation(s->board) != s->looked_at) {
        const struct hf_plan *plan = s->buffer;
        s->looked_at = hf_board_generation(s->board);
        if (hf_board_read_plan(s->board, s->buffer, &e)) {
            hf_err("refused plan %llu, serving on by %llu: %s", (unsigned long long)s->looked_at,
                   (unsigned long long)(s->current ? s->current->generation : 0), e.text);
        } else {
            s->looked_at = plan->generation;
            install(s, plan, plan->generation);
        }
    }
    taken = s->current;
    if (taken)
        atomic_fetch_add(&taken->references, 1);
    pthread_mutex_unlock(&s->lock);
    return taken;
}

int hf_snapshots_load(struct hf_snapshots *s, const void *image, size_t size, struct hf_error *e)
{
    int rc = hf_plan_validate(image, size, hf_board_capacity(s->board), e);

    if (rc)
        return rc;
    pthread_mutex_lock(&s->lock);
    if (!s->current)
        install(s, image, 0);
    pthread_mutex_unlock(&s->lock);
    return 0;
}
