/* orchestrator/internal.h - what the sources of this folder share; for no other.
 *   slots.c    the wanted set: configuration, begin, accept, abort; what is missing is started
 *   process.c  one instance: intent, process, exit
 *   record.c   the document of each service: written before it is acted on, read at start-up */
#pragma once
#include "orchestrator/adopt.h"
#include "orchestrator/orchestrator.h"
#include "orchestrator/ports.h"

enum { TOKEN_SIZE = 33 }; /* 128 random bits in hex, and a NUL */

struct slot {
    struct hf_link link;
    struct service *service;
    uint32_t ordinal;
    char node[HF_NODE_NAME], version[HF_VERSION_TEXT];
    struct instance *current, *candidate; /* may be gone: then they show why */
    struct hf_restart restart;
    struct hf_mono retry_at; /* not started again before */
};

struct instance {
    struct hf_link link;
    struct service *service;
    struct slot *slot; /* NULL once retired */
    char id[HF_INSTANCE_ID], version[HF_VERSION_TEXT], node[HF_NODE_NAME], token[TOKEN_SIZE];
    uint32_t ordinal;
    uint16_t port;
    enum hf_orchestrator_role role;
    struct hf_process process;
    pid_t pid, last_pid;
    uint64_t start; /* of the process, as hf_proc_read() says */
    int pidfd;
    struct hf_watch exit;
    struct hf_timer deadline;  /* while stopping */
    uint64_t change;           /* the generation of its record that must be stored ... */
    bool told;                 /* ... before it is acted on; it was */
    bool asked;                /* to stop: its end is no failure */
    bool forget;               /* gone, and nobody needs to see why */
    struct hf_instance *shown; /* in the catalogue; NULL: removed from it */
};

struct service {
    struct hf_link link;
    struct hf_orchestrator *o;
    char name[HF_SERVICE_NAME];
    struct hf_config *config_ref;           /* holds config */
    const struct hf_config_service *config; /* the last that there was; NULL: never */
    bool wanted;                            /* it is in the present configuration */
    struct hf_link slots;                   /* by ordinal */
    struct hf_link instances;
    uint64_t generation, saving, stored; /* of the record: now, being stored, durable */
    uint64_t revision;                   /* of the document */
    struct hf_timer again;               /* the store refused: try once more */
};

struct hf_orchestrator {
    struct hf_loop *loop;
    struct hf_store *store;
    uint64_t term;
    struct hf_catalog *catalog;
    struct hf_catalog_observer observer;
    struct hf_orchestrator_hooks hooks;
    struct hf_config *config;
    struct hf_link services;
    char boot[HF_BOOT_ID];
    uint16_t next_port;
    struct hf_timer look;   /* at all slots, soon or when the next pause ends */
    struct hf_timer rotate; /* the logs */
    bool stopping, stopped_told;
};

static inline struct service *service_at(struct hf_link *l)
{
    return HF_CONTAINER(l, struct service, link);
}
static inline struct slot *slot_at(struct hf_link *l)
{
    return HF_CONTAINER(l, struct slot, link);
}
static inline struct instance *instance_at(struct hf_link *l)
{
    return HF_CONTAINER(l, struct instance, link);
}

/* --- slots.c --- */

struct service *service_find(const struct hf_orchestrator *o, const char *name);
struct service *service_new(struct hf_orchestrator *o, const char *name);
struct slot *slot_find(const struct service *s, uint32_t ordinal);
struct slot *slot_new(struct service *s, uint32_t ordinal, const char *node, const char *version);
void look_soon(struct hf_orchestrator *o); /* later in this turn or the next, never from within */

/* --- process.c --- */

/* An intent that is not stored yet, with a port, in the catalogue. */
HF_MUST_CHECK int instance_new(struct slot *slot, enum hf_orchestrator_role role,
                               const char *version, struct instance **ret, struct hf_error *e);
/* Empty, linked; for what was stored. */
struct instance *instance_blank(struct service *s);
void instance_free(struct instance *i); /* its process runs on */
bool instance_alive(const struct instance *i);
void instance_show(struct instance *i); /* adds it to the catalogue */
void instance_stored(struct instance *i);
void instance_stop(struct instance *i);
void instance_retire(struct instance *i);
void instance_ready(struct instance *i);
/* Looks for its process; false if there is none. */
bool instance_adopt(struct instance *i, const char *boot, bool was_ready);
void instance_ended(struct instance *i, const char *why);
void instance_rotate(struct instance *i);
const char *exit_text(int status, char *buf, size_t size);

/* --- record.c --- */

void record_changed(struct service *s); /* it will be stored soon */
void record_save(struct service *s);    /* unless it is, or is being */
HF_MUST_CHECK int record_load(struct hf_orchestrator *o, struct hf_error *e);
