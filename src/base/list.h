/* base/list.h - intrusive doubly linked list. The head is a link of its own; an empty head and a
 * link that is in no list point to themselves. Owner: the structs that embed the links. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct hf_link {
    struct hf_link *prev, *next;
};

#define HF_CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Visits each; the body may remove the link it is at. */
#define HF_LIST_EACH(it, head)                                                                     \
    for (struct hf_link *it = (head)->next, *it##_next = it->next; it != (head);                   \
         it = it##_next, it##_next = it->next)

static inline void hf_link_init(struct hf_link *l)
{
    l->prev = l->next = l;
}
static inline bool hf_link_alone(const struct hf_link *l)
{
    return l->next == l;
}
static inline void hf_link_before(struct hf_link *l, struct hf_link *at)
{
    l->prev = at->prev;
    l->next = at;
    at->prev->next = l;
    at->prev = l;
}
static inline void hf_list_append(struct hf_link *head, struct hf_link *l)
{
    hf_link_before(l, head);
}
static inline void hf_list_push(struct hf_link *head, struct hf_link *l)
{
    hf_link_before(l, head->next);
}
static inline void hf_link_remove(struct hf_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    hf_link_init(l);
}
