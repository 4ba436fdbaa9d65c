/* gateway/task.h - work put off to the top of the next turn: what would touch other connections
 * while one connection's bytes are still in the worker's buffers, and what would keep the others
 * waiting. Embedded in what it is for; one worker's thread only. */
#pragma once
#include "base/list.h"

struct hf_task {
    struct hf_link link;
    void (*run)(struct hf_task *t);
};

struct hf_tasks {
    struct hf_link waiting;
};

static inline void hf_tasks_init(struct hf_tasks *list)
{
    hf_link_init(&list->waiting);
}
static inline bool hf_tasks_wait(const struct hf_tasks *list)
{
    return !hf_link_alone(&list->waiting);
}
static inline void hf_task_init(struct hf_task *t, void (*run)(struct hf_task *t))
{
    hf_link_init(&t->link);
    t->run = run;
}

/* Once, however often it is asked for. */
static inline void hf_task_add(struct hf_tasks *list, struct hf_task *t)
{
    if (hf_link_alone(&t->link))
        hf_list_append(&list->waiting, &t->link);
}
static inline void hf_task_drop(struct hf_task *t)
{
    hf_link_remove(&t->link);
}

/* Runs those that wait now; those that they add wait for the next call. */
static inline void hf_tasks_run(struct hf_tasks *list)
{
    struct hf_link now;

    if (!hf_tasks_wait(list))
        return;
    now = list->waiting;
    now.next->prev = now.prev->next = &now;
    hf_link_init(&list->waiting);
    while (!hf_link_alone(&now)) {
        struct hf_task *t = HF_CONTAINER(now.next, struct hf_task, link);
        hf_task_drop(t);
        t->run(t);
    }
}
