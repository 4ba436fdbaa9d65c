/* catalog/catalog.h - the service registry in memory: services, their instances, and nodes.
 *
 * The one owner of instance state. Health, orchestrator and release tell it what they found;
 * hf_instance_state_set() alone changes a state, says so in the log, and notifies. Readers (plan
 * builder, status, release) walk it; the fields are theirs to read, never to write, except where a
 * field says so.
 * Runs in: controller, on its loop's thread. Nothing here blocks. Memory: allocated as small fixed
 * pieces; how many there are is bounded by the board's capacities, which the caller checks. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/list.h"
#include "base/time.h"
#include "net/addr.h"

struct hf_catalog;
struct hf_config_service;

enum hf_instance_state {
    HF_INSTANCE_STARTING, /* may be there, was not yet seen ready */
    HF_INSTANCE_READY,    /* takes requests */
    HF_INSTANCE_DRAINING, /* takes nothing new; stopped once this is acknowledged */
    HF_INSTANCE_EJECTED,  /* there, but fails its checks or its users */
    HF_INSTANCE_FAILED,   /* did not become ready, or went away by itself */
    HF_INSTANCE_STOPPED,  /* not there, and nobody wants it to be */
    HF_INSTANCE_STATES
};

enum {
    HF_SERVICE_NAME = 64, /* sizes with the closing NUL */
    HF_NODE_NAME = 64,
    HF_VERSION_TEXT = 64,
    HF_INSTANCE_ID = 160, /* holds SERVICE-NODE-NUMBER and SERVICE-ADDRESS */
};

struct hf_node {
    struct hf_link link; /* in the catalogue's nodes, in order of addition */
    char name[HF_NODE_NAME];
};

struct hf_service {
    struct hf_link link; /* in the catalogue's services, sorted by name */
    char name[HF_SERVICE_NAME];
    char version[HF_VERSION_TEXT];  /* accepted; "" if the service has no versions */
    char previous[HF_VERSION_TEXT]; /* what undo goes back to; "" if there is none */
    uint32_t candidate_share;       /* of 10000: what candidates get together */
    struct hf_link instances;       /* of struct hf_instance, in order of addition */
    uint32_t n_instances;
    const struct hf_config_service *config; /* set by the controller; the catalogue never looks */

    /* The plan builder's own; 0 until it gives them. */
    uint32_t plan_slot, plan_incarnation;
};

struct hf_instance {
    struct hf_link link; /* in its service's instances */
    struct hf_service *service;
    char id[HF_INSTANCE_ID]; /* unique in the catalogue */
    char version[HF_VERSION_TEXT];
    char node[HF_NODE_NAME]; /* "" if it is on none of ours */
    struct hf_addr address;
    uint32_t weight;
    enum hf_instance_state state;
    char why[200]; /* of the state, for people */
    struct hf_mono since;
    struct hf_wall since_wall;
    pid_t pid;      /* 0: none */
    bool process;   /* started by the process orchestrator */
    bool candidate; /* under test by a release: gets only its share */

    /* The plan builder's own; 0 until it gives them. */
    uint32_t endpoint_slot, incarnation;
};

struct hf_catalog *hf_catalog_new(void) __attribute__((returns_nonnull));
struct hf_catalog *hf_catalog_free(struct hf_catalog *c); /* with all that is in it; NULL is fine */

/* Rises with every change of anything below. */
uint64_t hf_catalog_revision(const struct hf_catalog *c);

/* --- observers --- */

enum hf_change_what {
    HF_CHANGE_ADDED,
    HF_CHANGE_REMOVED, /* about to be: still readable, gone after the callback */
    HF_CHANGE_STATE,   /* instances only */
    HF_CHANGE_FIELDS,  /* anything else: version, share, weight, candidate, pid, address */
};

struct hf_change {
    enum hf_change_what what;
    struct hf_service *service;
    struct hf_instance *instance; /* NULL: the service itself */
    enum hf_instance_state old;   /* with HF_CHANGE_STATE */
};

/* Embedded in the struct that it serves. Called at once, in order of addition, after the change.
 * The callback may change states and fields (what it reads is what is now), but neither remove
 * services or instances nor touch the list of observers. */
struct hf_catalog_observer {
    struct hf_link link;
    void (*on_change)(struct hf_catalog_observer *o, const struct hf_change *change);
};
void hf_catalog_observe(struct hf_catalog *c, struct hf_catalog_observer *o);
void hf_catalog_unobserve(struct hf_catalog *c, struct hf_catalog_observer *o);

/* --- nodes --- */

/* HF_EEXIST: already there. HF_EINVAL: empty, or longer than the field. */
HF_MUST_CHECK int hf_catalog_node_add(struct hf_catalog *c, const char *name, struct hf_node **ret);
struct hf_node *hf_catalog_node_find(const struct hf_catalog *c, const char *name);
void hf_catalog_node_remove(struct hf_catalog *c, struct hf_node *n);
struct hf_link *hf_catalog_nodes(const struct hf_catalog *c);

/* --- services --- */

/* HF_EEXIST: already there. HF_EINVAL: empty, or longer than the field. */
HF_MUST_CHECK int hf_catalog_service_add(struct hf_catalog *c, const char *name,
                                         struct hf_service **ret);
struct hf_service *hf_catalog_service_find(const struct hf_catalog *c, const char *name);

/* With its instances; observers hear of each. */
void hf_catalog_service_remove(struct hf_catalog *c, struct hf_service *s);
struct hf_link *hf_catalog_services(const struct hf_catalog *c);
uint32_t hf_catalog_service_count(const struct hf_catalog *c);

/* NULL leaves one as it is. HF_EINVAL: longer than the field; nothing was changed. */
HF_MUST_CHECK int hf_service_version_set(struct hf_catalog *c, struct hf_service *s,
                                         const char *version, const char *previous);
void hf_service_candidate_share_set(struct hf_catalog *c, struct hf_service *s, uint32_t share);
void hf_service_config_set(struct hf_catalog *c, struct hf_service *s,
                           const struct hf_config_service *config);

/* How many of its instances are in the state. */
uint32_t hf_service_count(const struct hf_service *s, enum hf_instance_state state);

/* --- instances --- */

struct hf_instance_spec {
    const char *id, *version, *node; /* version and node may be NULL: "" */
    struct hf_addr address;
    uint32_t weight; /* 0 means 100 */
    bool process, candidate;
    pid_t pid;
};

/* The new one is starting. HF_EEXIST: the id is taken. HF_EINVAL: no id, or a text that is longer
 * than its field. */
HF_MUST_CHECK int hf_catalog_instance_add(struct hf_catalog *c, struct hf_service *s,
                                          const struct hf_instance_spec *spec,
                                          struct hf_instance **ret);
struct hf_instance *hf_catalog_instance_find(const struct hf_catalog *c, const char *id);
void hf_catalog_instance_remove(struct hf_catalog *c, struct hf_instance *i);
uint32_t hf_catalog_instance_count(const struct hf_catalog *c);

/* THE setter: the only writer of state and since. Logs `old -> new`, why; notifies. Asserts that
 * hf_instance_state_allowed(): ask first if it is not plain. Returns false, changing nothing, if
 * that is the state already. */
bool hf_instance_state_set(struct hf_catalog *c, struct hf_instance *i,
                           enum hf_instance_state state, const char *why_fmt, ...) HF_PRINTF(4, 5);
bool hf_instance_state_allowed(enum hf_instance_state from, enum hf_instance_state to);

/* More is known about a state that stays: "failing, but the last". Logs and notifies of a new text
 * alone. */
void hf_instance_why_set(struct hf_catalog *c, struct hf_instance *i, const char *why_fmt, ...)
    HF_PRINTF(3, 4);

/* A process was started, adopted (pid > 0) or is gone (0). */
void hf_instance_process_set(struct hf_catalog *c, struct hf_instance *i, pid_t pid,
                             const struct hf_addr *address);
void hf_instance_candidate_set(struct hf_catalog *c, struct hf_instance *i, bool candidate);
void hf_instance_weight_set(struct hf_catalog *c, struct hf_instance *i, uint32_t weight);

/* "starting", "ready", ...; never NULL. */
const char *hf_instance_state_name(enum hf_instance_state state);

/* Walking: HF_LIST_EACH(it, hf_catalog_services(c)) { struct hf_service *s = hf_service_at(it); }
 */
static inline struct hf_service *hf_service_at(struct hf_link *l)
{
    return HF_CONTAINER(l, struct hf_service, link);
}
static inline struct hf_instance *hf_instance_at(struct hf_link *l)
{
    return HF_CONTAINER(l, struct hf_instance, link);
}
static inline struct hf_node *hf_node_at(struct hf_link *l)
{
    return HF_CONTAINER(l, struct hf_node, link);
}
