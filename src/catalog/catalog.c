#include "catalog/catalog.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

struct hf_catalog {
    struct hf_link nodes, services, observers;
    uint32_t n_services, n_instances;
    uint64_t revision;
    unsigned notifying; /* depth: a callback may change a state, which notifies again */
};

/* HF_LIST_EACH wants a link that it could write to; the links of a const catalogue are not. */
static struct hf_link *head(const struct hf_link *l)
{
    return (struct hf_link *)(uintptr_t)l;
}

static bool fits(const char *text, size_t size, bool may_be_empty)
{
    size_t n = text ? strlen(text) : 0;
    return n < size && (n > 0 || may_be_empty);
}

static void put(char *field, size_t size, const char *text)
{
    hf_str_copy(hf_str(text), field, size);
}

static void notify(struct hf_catalog *c, const struct hf_change *change)
{
    c->revision++;
    c->notifying++;
    HF_LIST_EACH (it, &c->observers) {
        struct hf_catalog_observer *o = HF_CONTAINER(it, struct hf_catalog_observer, link);
        o->on_change(o, change);
    }
    c->notifying--;
}

static void notify_service(struct hf_catalog *c, struct hf_service *s, enum hf_change_what what)
{
    notify(c, &(struct hf_change){.what = what, .service = s});
}

static void notify_instance(struct hf_catalog *c, struct hf_instance *i, enum hf_change_what what)
{
    notify(c, &(struct hf_change){.what = what, .service = i->service, .instance = i});
}

struct hf_catalog *hf_catalog_new(void)
{
    struct hf_catalog *c = hf_alloc(sizeof(*c));

    hf_link_init(&c->nodes);
    hf_link_init(&c->services);
    hf_link_init(&c->observers);
    return c;
}

struct hf_catalog *hf_catalog_free(struct hf_catalog *c)
{
    if (!c)
        return NULL;
    HF_LIST_EACH (it, &c->observers)
        hf_link_remove(it);
    HF_LIST_EACH (it, &c->services)
        hf_catalog_service_remove(c, hf_service_at(it));
    HF_LIST_EACH (it, &c->nodes)
        hf_catalog_node_remove(c, hf_node_at(it));
    return hf_free(c);
}

uint64_t hf_catalog_revision(const struct hf_catalog *c)
{
    return c->revision;
}

void hf_catalog_observe(struct hf_catalog *c, struct hf_catalog_observer *o)
{
    assert(c->notifying == 0);
    hf_list_append(&c->observers, &o->link);
}

void hf_catalog_unobserve(struct hf_catalog *c, struct hf_catalog_observer *o)
{
    assert(c->notifying == 0);
    hf_link_remove(&o->link);
}

/* --- nodes --- */

int hf_catalog_node_add(struct hf_catalog *c, const char *name, struct hf_node **ret)
{
    struct hf_node *n;

    if (!fits(name, sizeof(n->name), false))
        return HF_EINVAL;
    if (hf_catalog_node_find(c, name))
        return HF_EEXIST;
    n = hf_alloc(sizeof(*n));
    put(n->name, sizeof(n->name), name);
    hf_list_append(&c->nodes, &n->link);
    c->revision++;
    *ret = n;
    return 0;
}

struct hf_node *hf_catalog_node_find(const struct hf_catalog *c, const char *name)
{
    HF_LIST_EACH (it, head(&c->nodes)) {
        if (strcmp(hf_node_at(it)->name, name) == 0)
            return hf_node_at(it);
    }
    return NULL;
}

void hf_catalog_node_remove(struct hf_catalog *c, struct hf_node *n)
{
    hf_link_remove(&n->link);
    c->revision++;
    hf_free(n);
}

struct hf_link *hf_catalog_nodes(const struct hf_catalog *c)
{
    return head(&c->nodes);
}

/* --- services --- */

int hf_catalog_service_add(struct hf_catalog *c, const char *name, struct hf_service **ret)
{
    struct hf_service *s;
    struct hf_link *at;

    if (!fits(name, sizeof(s->name), false))
        return HF_EINVAL;
    if (hf_catalog_service_find(c, name))
        return HF_EEXIST;
    s = hf_alloc(sizeof(*s));
    put(s->name, sizeof(s->name), name);
    hf_link_init(&s->instances);
    for (at = c->services.next; at != &c->services; at = at->next) {
        if (strcmp(hf_service_at(at)->name, name) > 0)
            break;
    }
    hf_link_before(&s->link, at);
    c->n_services++;
    *ret = s;
    notify_service(c, s, HF_CHANGE_ADDED);
    return 0;
}

struct hf_service *hf_catalog_service_find(const struct hf_catalog *c, const char *name)
{
    HF_LIST_EACH (it, head(&c->services)) {
        if (strcmp(hf_service_at(it)->name, name) == 0)
            return hf_service_at(it);
    }
    return NULL;
}

void hf_catalog_service_remove(struct hf_catalog *c, struct hf_service *s)
{
    assert(c->notifying == 0);
    HF_LIST_EACH (it, &s->instances)
        hf_catalog_instance_remove(c, hf_instance_at(it));
    notify_service(c, s, HF_CHANGE_REMOVED);
    hf_link_remove(&s->link);
    c->n_services--;
    hf_free(s);
}

struct hf_link *hf_catalog_services(const struct hf_catalog *c)
{
    return head(&c->services);
}

uint32_t hf_catalog_service_count(const struct hf_catalog *c)
{
    return c->n_services;
}

int hf_service_version_set(struct hf_catalog *c, struct hf_service *s, const char *version,
                           const char *previous)
{
    if (!fits(version, sizeof(s->version), true) || !fits(previous, sizeof(s->previous), true))
        return HF_EINVAL;
    if (version)
        put(s->version, sizeof(s->version), version);
    if (previous)
        put(s->previous, sizeof(s->previous), previous);
    notify_service(c, s, HF_CHANGE_FIELDS);
    return 0;
}

void hf_service_candidate_share_set(struct hf_catalog *c, struct hf_service *s, uint32_t share)
{
    assert(share <= 10000);
    if (s->candidate_share == share)
        return;
    s->candidate_share = share;
    notify_service(c, s, HF_CHANGE_FIELDS);
}

void hf_service_config_set(struct hf_catalog *c, struct hf_service *s,
                           const struct hf_config_service *config)
{
    s->config = config;
    notify_service(c, s, HF_CHANGE_FIELDS);
}

uint32_t hf_service_count(const struct hf_service *s, enum hf_instance_state state)
{
    uint32_t n = 0;

    HF_LIST_EACH (it, head(&s->instances))
        n += hf_instance_at(it)->state == state;
    return n;
}

/* --- instances --- */

int hf_catalog_instance_add(struct hf_catalog *c, struct hf_service *s,
                            const struct hf_instance_spec *spec, struct hf_instance **ret)
{
    struct hf_instance *i;

    if (!fits(spec->id, sizeof(i->id), false) || !fits(spec->version, sizeof(i->version), true) ||
        !fits(spec->node, sizeof(i->node), true))
        return HF_EINVAL;
    if (hf_catalog_instance_find(c, spec->id))
        return HF_EEXIST;
    i = hf_alloc(sizeof(*i));
    i->service = s;
    put(i->id, sizeof(i->id), spec->id);
    put(i->version, sizeof(i->version), spec->version);
    put(i->node, sizeof(i->node), spec->node);
    i->address = spec->address;
    i->weight = spec->weight ? spec->weight : 100;
    i->process = spec->process;
    i->candidate = spec->candidate;
    i->pid = spec->pid;
    i->state = HF_INSTANCE_STARTING;
    i->since = hf_mono_now();
    i->since_wall = hf_wall_now();
    hf_list_append(&s->instances, &i->link);
    s->n_instances++;
    c->n_instances++;
    *ret = i;
    notify_instance(c, i, HF_CHANGE_ADDED);
    return 0;
}

struct hf_instance *hf_catalog_instance_find(const struct hf_catalog *c, const char *id)
{
    HF_LIST_EACH (s, head(&c->services)) {
        HF_LIST_EACH (i, &hf_service_at(s)->instances) {
            if (strcmp(hf_instance_at(i)->id, id) == 0)
                return hf_instance_at(i);
        }
    }
    return NULL;
}

void hf_catalog_instance_remove(struct hf_catalog *c, struct hf_instance *i)
{
    assert(c->notifying == 0);
    notify_instance(c, i, HF_CHANGE_REMOVED);
    hf_link_remove(&i->link);
    i->service->n_instances--;
    c->n_instances--;
    hf_free(i);
}

uint32_t hf_catalog_instance_count(const struct hf_catalog *c)
{
    return c->n_instances;
}

const char *hf_instance_state_name(enum hf_instance_state state)
{
    static const char *const names[HF_INSTANCE_STATES] = {
        [HF_INSTANCE_STARTING] = "starting", [HF_INSTANCE_READY] = "ready",
        [HF_INSTANCE_DRAINING] = "draining", [HF_INSTANCE_EJECTED] = "ejected",
        [HF_INSTANCE_FAILED] = "failed",     [HF_INSTANCE_STOPPED] = "stopped",
    };
    return (unsigned)state < HF_INSTANCE_STATES ? names[state] : "unknown";
}

/* A why may quote what a service wrote: it must not be able to forge a field of the log line. */
static void tame(char *why)
{
    for (; *why; why++) {
        if (*why == '"')
            *why = '\'';
        else if ((unsigned char)*why < 0x20 || *why == 0x7f)
            *why = ' ';
    }
}

#define TO(state) (1u << HF_INSTANCE_##state)

bool hf_instance_state_allowed(enum hf_instance_state from, enum hf_instance_state to)
{
    static const unsigned allowed[HF_INSTANCE_STATES] = {
        [HF_INSTANCE_STARTING] = TO(READY) | TO(DRAINING) | TO(EJECTED) | TO(FAILED) | TO(STOPPED),
        [HF_INSTANCE_READY] = TO(DRAINING) | TO(EJECTED) | TO(FAILED) | TO(STOPPED),
        /* back to ready: a rollback or an undrain keeps what was not stopped yet */
        [HF_INSTANCE_DRAINING] = TO(READY) | TO(FAILED) | TO(STOPPED),
        [HF_INSTANCE_EJECTED] = TO(READY) | TO(DRAINING) | TO(FAILED) | TO(STOPPED),
        /* draining: a failed process may still be answering somebody */
        [HF_INSTANCE_FAILED] = TO(STARTING) | TO(DRAINING) | TO(STOPPED),
        [HF_INSTANCE_STOPPED] = TO(STARTING),
    };
    return (unsigned)from < HF_INSTANCE_STATES && (unsigned)to < HF_INSTANCE_STATES &&
           (allowed[from] >> to & 1);
}

bool hf_instance_state_set(struct hf_catalog *c, struct hf_instance *i,
                           enum hf_instance_state state, const char *why_fmt, ...)
{
    enum hf_instance_state old = i->state;
    bool bad = state == HF_INSTANCE_FAILED || state == HF_INSTANCE_EJECTED;
    va_list ap;

    if (old == state)
        return false;
    assert(hf_instance_state_allowed(old, state));
    i->state = state;
    va_start(ap, why_fmt);
    vsnprintf(i->why, sizeof(i->why), why_fmt, ap);
    va_end(ap);
    tame(i->why);
    i->since = hf_mono_now();
    i->since_wall = hf_wall_now();
    hf_log(bad ? HF_LOG_WARN : HF_LOG_INFO,
           "instance %s -> %s service=%s instance=%s version=%s node=%s why=\"%s\"",
           hf_instance_state_name(old), hf_instance_state_name(state), i->service->name, i->id,
           i->version, i->node, i->why);
    notify(c, &(struct hf_change){
                  .what = HF_CHANGE_STATE, .service = i->service, .instance = i, .old = old});
    return true;
}

void hf_instance_why_set(struct hf_catalog *c, struct hf_instance *i, const char *why_fmt, ...)
{
    char why[sizeof(i->why)];
    va_list ap;

    va_start(ap, why_fmt);
    vsnprintf(why, sizeof(why), why_fmt, ap);
    va_end(ap);
    tame(why);
    if (strcmp(why, i->why) == 0)
        return;
    memcpy(i->why, why, sizeof(why));
    hf_info("instance stays %s service=%s instance=%s why=\"%s\"", hf_instance_state_name(i->state),
            i->service->name, i->id, i->why);
    notify_instance(c, i, HF_CHANGE_FIELDS);
}

void hf_instance_process_set(struct hf_catalog *c, struct hf_instance *i, pid_t pid,
                             const struct hf_addr *address)
{
    i->pid = pid;
    i->address = *address;
    notify_instance(c, i, HF_CHANGE_FIELDS);
}

void hf_instance_candidate_set(struct hf_catalog *c, struct hf_instance *i, bool candidate)
{
    if (i->candidate == candidate)
        return;
    i->candidate = candidate;
    notify_instance(c, i, HF_CHANGE_FIELDS);
}

void hf_instance_weight_set(struct hf_catalog *c, struct hf_instance *i, uint32_t weight)
{
    assert(weight >= 1 && weight <= 1000);
    if (i->weight == weight)
        return;
    i->weight = weight;
    notify_instance(c, i, HF_CHANGE_FIELDS);
}
