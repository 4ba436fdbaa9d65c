/* net/loop.h - the event loop: descriptors by epoll, deadlines by a timing wheel.
 * One loop belongs to one thread. Runs in keeper, controller and each worker of the gateway.
 *
 * Watches and timers are embedded in the structs that they serve; the loop never frees them. A
 * callback may unwatch, stop and free anything, itself included. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/error.h"
#include "base/list.h"
#include "base/time.h"

struct hf_loop;

struct hf_watch {
    int fd;
    void (*on_event)(struct hf_watch *w, uint32_t events); /* EPOLL* bits */
};

/* Resolution 4 ms; fires at or after its deadline, never before. */
struct hf_timer {
    struct hf_link link;
    int64_t deadline_ns; /* 0: not set */
    int64_t parked_ns;   /* when the wheel looks at it; <= deadline_ns */
    void (*on_fire)(struct hf_timer *t);
};

HF_MUST_CHECK int hf_loop_new(struct hf_loop **ret, struct hf_error *e);
struct hf_loop *hf_loop_free(struct hf_loop *loop); /* closes no watched descriptor; NULL is fine */

/* The time at which the present turn woke up. */
struct hf_mono hf_loop_now(const struct hf_loop *loop);

/* One turn: waits at most max_wait (0: polls), then calls back. Returns the number of events. */
int hf_loop_turn(struct hf_loop *loop, struct hf_duration max_wait);

/* Turns until hf_loop_stop(). */
void hf_loop_run(struct hf_loop *loop);
void hf_loop_stop(struct hf_loop *loop);

/* events: EPOLL* bits, EPOLLET if the caller reads until dry. w->fd and w->on_event must be set. */
HF_MUST_CHECK int hf_loop_watch(struct hf_loop *loop, struct hf_watch *w, uint32_t events);
void hf_loop_rewatch(struct hf_loop *loop, struct hf_watch *w, uint32_t events);

/* Forgets w, events of the present turn included. The descriptor stays open. */
void hf_loop_unwatch(struct hf_loop *loop, struct hf_watch *w);

/* The same, for a descriptor that is closed next: that takes it out of epoll(7) without a call of
 * its own, if nobody else has a copy of it. */
void hf_loop_forget(struct hf_loop *loop, const struct hf_watch *w);

void hf_timer_init(struct hf_timer *t, void (*on_fire)(struct hf_timer *));

/* Moving a deadline further away costs one store; so a timeout that is renewed with every request
 * is cheap. Setting an armed timer replaces its deadline. */
void hf_timer_set(struct hf_loop *loop, struct hf_timer *t, struct hf_mono deadline);
void hf_timer_after(struct hf_loop *loop, struct hf_timer *t, struct hf_duration d);

/* Will not fire; costs one store. Call hf_timer_done() before the memory goes away. */
void hf_timer_stop(struct hf_timer *t);
void hf_timer_done(struct hf_timer *t);

static inline bool hf_timer_armed(const struct hf_timer *t)
{
    return t->deadline_ns != 0;
}
