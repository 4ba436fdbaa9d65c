#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    EVENTS = 256,
    SLOTS = 4096, /* a power of two; with TICK_NS the wheel spans 16.4 s */
};
#define TICK_NS (4 * HF_NS_PER_MS)
#define WORDS (SLOTS / 64)

struct hf_loop {
    int epfd;
    bool stop;
    struct hf_mono now;
    int ready, at; /* the present batch: how many, which is being called */
    struct epoll_event events[EVENTS];
    int64_t tick;         /* all slots before this tick have been looked at */
    uint64_t used[WORDS]; /* which slots may hold timers */
    struct hf_link wheel[SLOTS];
};

int hf_loop_new(struct hf_loop **ret, struct hf_error *e)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    struct hf_loop *loop;

    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot create an epoll descriptor");
    loop = hf_alloc(sizeof(*loop));
    loop->epfd = fd;
    loop->now = hf_mono_now();
    loop->tick = loop->now.ns / TICK_NS;
    for (int i = 0; i < SLOTS; i++)
        hf_link_init(&loop->wheel[i]);
    *ret = loop;
    return 0;
}

struct hf_loop *hf_loop_free(struct hf_loop *loop)
{
    if (loop) {
        close(loop->epfd);
        hf_free(loop);
    }
    return NULL;
}

struct hf_mono hf_loop_now(const struct hf_loop *loop)
{
    return loop->now;
}

static void park(struct hf_loop *loop, struct hf_timer *t)
{
    int64_t tick = t->deadline_ns / TICK_NS + 1, last = loop->tick + SLOTS - 1;
    size_t slot;

    if (tick < loop->tick)
        tick = loop->tick;
    if (tick > last)
        tick = last; /* looked at early, and parked again */
    slot = (size_t)(tick & (SLOTS - 1));
    t->parked_ns = tick * TICK_NS;
    hf_list_append(&loop->wheel[slot], &t->link);
    loop->used[slot / 64] |= UINT64_C(1) << (slot % 64);
}

void hf_timer_init(struct hf_timer *t, void (*on_fire)(struct hf_timer *))
{
    hf_link_init(&t->link);
    t->deadline_ns = 0;
    t->parked_ns = 0;
    t->on_fire = on_fire;
}

void hf_timer_set(struct hf_loop *loop, struct hf_timer *t, struct hf_mono deadline)
{
    t->deadline_ns = deadline.ns > 0 ? deadline.ns : 1;
    if (!hf_link_alone(&t->link)) {
        if (t->parked_ns <= t->deadline_ns + TICK_NS)
            return; /* the wheel will look in time, and park it again if that was too early */
        hf_link_remove(&t->link);
    }
    park(loop, t);
}

void hf_timer_after(struct hf_loop *loop, struct hf_timer *t, struct hf_duration d)
{
    hf_timer_set(loop, t, hf_mono_add(loop->now, d));
}

void hf_timer_stop(struct hf_timer *t)
{
    t->deadline_ns = 0;
}

void hf_timer_done(struct hf_timer *t)
{
    t->deadline_ns = 0;
    hf_link_remove(&t->link);
}

/* Timers that are due move to a list of their own first: a callback may set others into this slot.
 */
static void fire_slot(struct hf_loop *loop, size_t slot)
{
    struct hf_link due;

    if (hf_link_alone(&loop->wheel[slot]))
        return;
    due = loop->wheel[slot];
    due.next->prev = due.prev->next = &due;
    hf_link_init(&loop->wheel[slot]);
    while (!hf_link_alone(&due)) {
        struct hf_timer *t = HF_CONTAINER(due.next, struct hf_timer, link);
        hf_link_remove(&t->link);
        if (t->deadline_ns == 0)
            continue;
        if (t->deadline_ns > loop->now.ns) {
            park(loop, t);
            continue;
        }
        t->deadline_ns = 0;
        t->on_fire(t);
    }
}

static void fire_due(struct hf_loop *loop)
{
    int64_t now_tick = loop->now.ns / TICK_NS;

    if (now_tick - loop->tick >=
        SLOTS) /* asleep for longer than the wheel: look at each slot once */
        loop->tick = now_tick - SLOTS + 1;
    while (loop->tick <= now_tick) {
        size_t slot = (size_t)(loop->tick & (SLOTS - 1));
        loop->tick++; /* before the callbacks: a timer set now goes into a later slot */
        if (loop->used[slot / 64] & UINT64_C(1) << (slot % 64)) {
            loop->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
            fire_slot(loop, slot);
        }
    }
}

/* Ticks from loop->tick to the next slot that may hold a timer; SLOTS if none. */
static int64_t ticks_to_next(const struct hf_loop *loop)
{
    size_t start = (size_t)(loop->tick & (SLOTS - 1));
    uint64_t word = loop->used[start / 64] & (~UINT64_C(0) << (start % 64));

    for (size_t i = 0; i <= WORDS; i++) {
        if (word) {
            size_t slot = ((start / 64 + i) % WORDS) * 64 + (size_t)__builtin_ctzll(word);
            return (int64_t)((slot - start) & (SLOTS - 1));
        }
        word = loop->used[(start / 64 + i + 1) % WORDS];
    }
    return SLOTS;
}

static int wait_ms(const struct hf_loop *loop, struct hf_duration max_wait)
{
    int64_t ticks = ticks_to_next(loop), ns = max_wait.ns;

    if (ticks < SLOTS) {
        int64_t until = (loop->tick + ticks) * TICK_NS - hf_mono_now().ns;
        if (until < ns)
            ns = until;
    }
    return ns <= 0 ? 0 : (int)((ns + HF_NS_PER_MS - 1) / HF_NS_PER_MS);
}

int hf_loop_turn(struct hf_loop *loop, struct hf_duration max_wait)
{
    int n = epoll_wait(loop->epfd, loop->events, EVENTS, wait_ms(loop, max_wait));

    assert(n >= 0 || errno == EINTR);
    loop->now = hf_mono_now();
    loop->ready = n < 0 ? 0 : n;
    for (loop->at = 0; loop->at < loop->ready; loop->at++) {
        struct epoll_event *ev = &loop->events[loop->at];
        struct hf_watch *w = ev->data.ptr;
        if (w)
            w->on_event(w, ev->events);
    }
    n = loop->ready;
    loop->ready = 0;
    fire_due(loop);
    return n;
}

void hf_loop_run(struct hf_loop *loop)
{
    loop->stop = false;
    while (!loop->stop)
        hf_loop_turn(loop, hf_seconds(60));
}

void hf_loop_stop(struct hf_loop *loop)
{
    loop->stop = true;
}

int hf_loop_watch(struct hf_loop *loop, struct hf_watch *w, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};

    return epoll_ctl(loop->epfd, EPOLL_CTL_ADD, w->fd, &ev) < 0 ? HF_EIO : 0;
}

void hf_loop_rewatch(struct hf_loop *loop, struct hf_watch *w, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};
    int rc = epoll_ctl(loop->epfd, EPOLL_CTL_MOD, w->fd, &ev);

    assert(rc == 0);
    (void)rc;
}

void hf_loop_forget(struct hf_loop *loop, const struct hf_watch *w)
{
    for (int i = loop->at + 1; i < loop->ready; i++) {
        if (loop->events[i].data.ptr == w)
            loop->events[i].data.ptr = NULL;
    }
}

void hf_loop_unwatch(struct hf_loop *loop, struct hf_watch *w)
{
    epoll_ctl(loop->epfd, EPOLL_CTL_DEL, w->fd, NULL);
    hf_loop_forget(loop, w);
}
