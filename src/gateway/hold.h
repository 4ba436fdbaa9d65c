/* gateway/hold.h - requests for which no endpoint is there wait for one, in a bounded queue.
 * A held request keeps a service, never an endpoint. */
#pragma once
#include "gateway/exchange.h"
#include "gateway/worker.h"

/* Holds x as its service's policy allows, or answers 503. */
void hf_hold(struct hf_exchange *x, const struct hf_plan_service *s);

/* Takes x out of the queue if it is there. */
void hf_hold_leave(struct hf_exchange *x);

/* Its time has passed. */
void hf_hold_expired(struct hf_exchange *x);

/* Lets up to n held requests try again, oldest first. */
void hf_hold_release(struct hf_worker_service *ws, uint32_t n);

/* A response came from the service: what is held follows on a ramp, soon. */
static inline void hf_hold_answered(struct hf_worker_service *ws)
{
    if (ws->n_held) {
        ws->n_release += 2;
        hf_task_add(&ws->worker->tasks, &ws->follow);
    }
}

/* The new plan is in force. */
void hf_hold_switch(struct hf_worker_service *ws);
void hf_hold_init(struct hf_worker_service *ws);
