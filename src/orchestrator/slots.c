/* The wanted set: which slots there are, and what stands in them. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "orchestrator/internal.h"

enum {
    RETRY_MS = 1000, /* when an instance could not even be intended: no port */
    ROTATE_S = 10,
};

/* --- finding and making --- */

struct service *service_find(const struct hf_orchestrator *o, const char *name)
{
    HF_LIST_EACH (it, &o->services) {
        if (strcmp(service_at(it)->name, name) == 0)
            return service_at(it);
    }
    return NULL;
}

static void on_again(struct hf_timer *t)
{
    record_save(HF_CONTAINER(t, struct service, again));
}

struct service *service_new(struct hf_orchestrator *o, const char *name)
{
    struct service *s = hf_alloc(sizeof(*s));

    s->o = o;
    snprintf(s->name, sizeof(s->name), "%s", name);
    hf_link_init(&s->slots);
    hf_link_init(&s->instances);
    hf_timer_init(&s->again, on_again);
    hf_list_append(&o->services, &s->link);
    return s;
}

static void service_free(struct service *s)
{
    HF_LIST_EACH (it, &s->instances) {
        instance_free(instance_at(it));
    }
    HF_LIST_EACH (it, &s->slots) {
        hf_free(slot_at(it));
    }
    hf_timer_done(&s->again);
    hf_config_unref(s->config_ref);
    hf_link_remove(&s->link);
    hf_free(s);
}

struct slot *slot_find(const struct service *s, uint32_t ordinal)
{
    HF_LIST_EACH (it, &s->slots) {
        if (slot_at(it)->ordinal == ordinal)
            return slot_at(it);
    }
    return NULL;
}

struct slot *slot_new(struct service *s, uint32_t ordinal, const char *node, const char *version)
{
    struct slot *slot = hf_alloc(sizeof(*slot));

    slot->service = s;
    slot->ordinal = ordinal;
    snprintf(slot->node, sizeof(slot->node), "%s", node);
    snprintf(slot->version, sizeof(slot->version), "%s", version);
    hf_list_append(&s->slots, &slot->link);
    return slot;
}

static void slot_remove(struct slot *slot)
{
    if (slot->current)
        instance_retire(slot->current);
    if (slot->candidate)
        instance_retire(slot->candidate);
    hf_link_remove(&slot->link);
    hf_free(slot);
}

static struct instance *instance_find(const struct hf_orchestrator *o, const char *id)
{
    HF_LIST_EACH (at, &o->services) {
        HF_LIST_EACH (it, &service_at(at)->instances) {
            if (strcmp(instance_at(it)->id, id) == 0)
                return instance_at(it);
        }
    }
    return NULL;
}

/* --- looking: wanted against observed --- */

void look_soon(struct hf_orchestrator *o)
{
    hf_timer_after(o->loop, &o->look, hf_ms(0));
}

static bool needs_instance(const struct slot *slot)
{
    return !slot->restart.given_up && !(slot->current && instance_alive(slot->current));
}

static void look_at_slot(struct slot *slot, struct hf_mono now)
{
    struct instance *next;
    struct hf_error e = {0};

    if (!needs_instance(slot) || hf_mono_before(now, slot->retry_at))
        return;
    if (instance_new(slot, HF_CURRENT, slot->version, &next, &e)) {
        hf_warn("instance not started service=%s slot=%u error=\"%s\"", slot->service->name,
                slot->ordinal, e.text);
        slot->retry_at = hf_mono_add(now, hf_ms(RETRY_MS));
        return;
    }
    if (slot->current) {
        slot->current->slot = NULL;
        slot->current->forget = true;
    }
    slot->current = next;
}

/* The gone ones leave the catalogue only here, never while its observers are being told. */
static void forget_gone(struct service *s)
{
    HF_LIST_EACH (it, &s->instances) {
        struct instance *i = instance_at(it);
        if (!i->forget)
            continue;
        if (i->shown)
            hf_catalog_instance_remove(s->o->catalog, i->shown);
        instance_free(i);
    }
}

static size_t alive_count(const struct hf_orchestrator *o)
{
    size_t n = 0;

    HF_LIST_EACH (at, &o->services) {
        HF_LIST_EACH (it, &service_at(at)->instances) {
            n += instance_alive(instance_at(it));
        }
    }
    return n;
}

/* When the next pause of a slot ends; 0: there is none. */
static struct hf_mono next_retry(const struct hf_orchestrator *o)
{
    struct hf_mono next = {0};

    HF_LIST_EACH (at, &o->services) {
        HF_LIST_EACH (it, &service_at(at)->slots) {
            const struct slot *slot = slot_at(it);
            if (needs_instance(slot) && (!next.ns || hf_mono_before(slot->retry_at, next)))
                next = slot->retry_at;
        }
    }
    return next;
}

static void on_look(struct hf_timer *t)
{
    struct hf_orchestrator *o = HF_CONTAINER(t, struct hf_orchestrator, look);
    struct hf_mono now = hf_mono_now(), next;

    HF_LIST_EACH (at, &o->services) {
        struct service *s = service_at(at);
        if (!o->stopping) {
            HF_LIST_EACH (it, &s->slots) {
                look_at_slot(slot_at(it), now);
            }
        }
        forget_gone(s);
        record_save(s);
    }
    if (o->stopping) {
        if (!o->stopped_told && alive_count(o) == 0) {
            o->stopped_told = true;
            o->hooks.on_stopped(o->hooks.ctx);
        }
        return;
    }
    next = next_retry(o);
    if (next.ns && !hf_timer_armed(&o->look))
        hf_timer_set(o->loop, &o->look, next);
}

static void on_rotate(struct hf_timer *t)
{
    struct hf_orchestrator *o = HF_CONTAINER(t, struct hf_orchestrator, rotate);

    HF_LIST_EACH (at, &o->services) {
        HF_LIST_EACH (it, &service_at(at)->instances) {
            if (instance_alive(instance_at(it)))
                instance_rotate(instance_at(it));
        }
    }
    hf_timer_after(o->loop, t, hf_seconds(ROTATE_S));
}

/* Health says that a current instance did not become ready in time: it is stopped and counts as
 * one that went away. A candidate is its release's to abort. */
static void on_change(struct hf_catalog_observer *observer, const struct hf_change *change)
{
    struct hf_orchestrator *o = HF_CONTAINER(observer, struct hf_orchestrator, observer);
    struct instance *i;

    if (!change->instance || !change->instance->process)
        return;
    i = instance_find(o, change->instance->id);
    if (!i || i->shown != change->instance)
        return;
    if (change->what == HF_CHANGE_REMOVED) {
        i->shown = NULL;
    } else if (change->what == HF_CHANGE_STATE) {
        if (i->shown->state == HF_INSTANCE_READY)
            instance_ready(i);
        else if (i->shown->state == HF_INSTANCE_FAILED && i->role == HF_CURRENT)
            instance_stop(i);
    }
}

/* --- configuration --- */

static bool has_node(const struct hf_config *config, const char *node)
{
    for (size_t i = 0; i < config->n_nodes; i++) {
        if (strcmp(config->nodes[i].name, node) == 0)
            return true;
    }
    return false;
}

static void fit_slots(struct service *s, const struct hf_config *config)
{
    struct slot *first = slot_find(s, 1);
    const char *version = first ? first->version : s->config->version;

    HF_LIST_EACH (it, &s->slots) {
        if (slot_at(it)->ordinal > s->config->replicas.min)
            slot_remove(slot_at(it));
    }
    for (uint32_t ordinal = 1; ordinal <= s->config->replicas.min; ordinal++) {
        const char *node = config->nodes[(ordinal - 1) % config->n_nodes].name;
        struct slot *slot = slot_find(s, ordinal);
        if (!slot) {
            slot_new(s, ordinal, node, version);
            continue;
        }
        if (!has_node(config, slot->node))
            snprintf(slot->node, sizeof(slot->node), "%s", node);
        hf_restart_reset(&slot->restart);
        slot->retry_at = (struct hf_mono){0};
    }
}

/* What the catalogue calls the service's version is the release's to say; only where nobody did
 * yet it is that of the first slot. */
static void show_version(struct service *s)
{
    struct hf_service *shown = hf_catalog_service_find(s->o->catalog, s->name);
    struct slot *first = slot_find(s, 1);

    if (shown && first && !shown->version[0] &&
        hf_service_version_set(s->o->catalog, shown, first->version, NULL))
        hf_warn("version not shown service=%s", s->name);
}

static void configure_service(struct hf_orchestrator *o, const struct hf_config_service *config)
{
    struct service *s = service_find(o, config->name);

    if (!s)
        s = service_new(o, config->name);
    hf_config_unref(s->config_ref);
    s->config_ref = hf_config_ref(o->config);
    s->config = config;
    s->wanted = true;
    fit_slots(s, o->config);
    show_version(s);
    record_changed(s);
}

void hf_orchestrator_configure(struct hf_orchestrator *o, struct hf_config *config)
{
    struct hf_config *old = o->config;

    o->config = hf_config_ref(config);
    HF_LIST_EACH (it, &o->services) {
        service_at(it)->wanted = false;
    }
    for (size_t i = 0; i < config->n_services; i++) {
        if (config->services[i].command.n || config->services[i].version)
            configure_service(o, &config->services[i]);
    }
    HF_LIST_EACH (at, &o->services) {
        struct service *s = service_at(at);
        if (s->wanted)
            continue;
        HF_LIST_EACH (it, &s->slots) {
            slot_remove(slot_at(it));
        }
    }
    hf_config_unref(old);
    look_soon(o);
}

/* --- life --- */

int hf_orchestrator_new(const struct hf_orchestrator_options *options, struct hf_config *config,
                        struct hf_orchestrator **ret, struct hf_error *e)
{
    struct hf_orchestrator *o = hf_alloc(sizeof(*o));
    uint32_t ports = (uint32_t)config->ports.last - config->ports.first + 1;
    struct hf_random random;
    int rc;

    hf_random_init(&random); /* two holdfasts with the same range do not race for each port */
    o->next_port = (uint16_t)(config->ports.first + hf_random_below(&random, ports));
    o->loop = options->loop;
    o->store = options->store;
    o->term = options->term;
    o->catalog = options->catalog;
    o->hooks = options->hooks;
    o->observer.on_change = on_change;
    o->config = hf_config_ref(config);
    hf_link_init(&o->services);
    hf_timer_init(&o->look, on_look);
    hf_timer_init(&o->rotate, on_rotate);
    hf_catalog_observe(o->catalog, &o->observer);
    rc = hf_proc_boot_id(o->boot, e);
    if (rc == 0)
        rc = record_load(o, e);
    if (rc) {
        hf_orchestrator_free(o);
        return rc;
    }
    hf_orchestrator_configure(o, config);
    hf_timer_after(o->loop, &o->rotate, hf_seconds(ROTATE_S));
    *ret = o;
    return 0;
}

struct hf_orchestrator *hf_orchestrator_free(struct hf_orchestrator *o)
{
    if (!o)
        return NULL;
    hf_catalog_unobserve(o->catalog, &o->observer);
    HF_LIST_EACH (it, &o->services) {
        service_free(service_at(it));
    }
    hf_timer_done(&o->look);
    hf_timer_done(&o->rotate);
    hf_config_unref(o->config);
    hf_free(o);
    return NULL;
}

void hf_orchestrator_stop_all(struct hf_orchestrator *o)
{
    o->stopping = true;
    HF_LIST_EACH (at, &o->services) {
        HF_LIST_EACH (it, &service_at(at)->instances) {
            struct instance *i = instance_at(it);
            if (!instance_alive(i))
                continue;
            i->asked = true;
            instance_stop(i);
        }
    }
    look_soon(o);
}

/* --- one slot at a time --- */

static struct slot *find_slot(const struct hf_orchestrator *o, const char *service,
                              uint32_t ordinal, struct hf_error *e)
{
    struct service *s = service_find(o, service);
    struct slot *slot = s ? slot_find(s, ordinal) : NULL;

    if (!slot)
        hf_error_set(e, HF_ENOENT, "the service %s has no instance number %u", service, ordinal);
    return slot;
}

int hf_orchestrator_begin(struct hf_orchestrator *o, const char *service, uint32_t ordinal,
                          const char *version, char *ret_id, struct hf_error *e)
{
    struct slot *slot = find_slot(o, service, ordinal, e);

    if (!slot)
        return HF_ENOENT;
    if (o->stopping)
        return hf_error_set(e, HF_EAGAIN, "everything is being stopped");
    if (!hf_config_version_find(slot->service->config, version))
        return hf_error_set(e, HF_ENOENT, "the service %s has no version %s", service, version);
    if (slot->candidate && strcmp(slot->candidate->version, version) != 0)
        return hf_error_set(e, HF_EEXIST, "version %s is under test in this place of %s",
                            slot->candidate->version, service);
    if (!slot->candidate) {
        struct instance *i;
        int rc = instance_new(slot, HF_CANDIDATE, version, &i, e);
        if (rc)
            return rc;
        slot->candidate = i;
    }
    snprintf(ret_id, HF_INSTANCE_ID, "%s", slot->candidate->id);
    return 0;
}

int hf_orchestrator_accept(struct hf_orchestrator *o, const char *service, uint32_t ordinal,
                           const char *id, struct hf_error *e)
{
    struct slot *slot = find_slot(o, service, ordinal, e);
    struct instance *i, *old;

    if (!slot)
        return HF_ENOENT;
    old = slot->current;
    i = slot->candidate;
    if (old && strcmp(old->id, id) == 0)
        return 0;
    if (!i || strcmp(i->id, id) != 0)
        return hf_error_set(e, HF_ENOENT, "%s is not under test", id);
    if (!instance_alive(i))
        return hf_error_set(e, HF_EREFUSED, "%s is gone", id);
    slot->candidate = NULL;
    slot->current = i;
    i->role = HF_CURRENT;
    snprintf(slot->version, sizeof(slot->version), "%s", i->version);
    hf_restart_reset(&slot->restart);
    if (i->shown)
        hf_instance_candidate_set(o->catalog, i->shown, false);
    if (old)
        instance_retire(old);
    record_changed(slot->service);
    return 0;
}

int hf_orchestrator_abort(struct hf_orchestrator *o, const char *service, uint32_t ordinal,
                          struct hf_error *e)
{
    struct slot *slot = find_slot(o, service, ordinal, e);

    if (!slot)
        return HF_ENOENT;
    if (slot->candidate)
        instance_retire(slot->candidate);
    slot->candidate = NULL;
    return 0;
}

int hf_orchestrator_stop(struct hf_orchestrator *o, const char *id, struct hf_error *e)
{
    struct instance *i = instance_find(o, id);

    if (!i)
        return hf_error_set(e, HF_ENOENT, "no instance %s", id);
    if (!instance_alive(i))
        return 0;
    i->asked = true;
    instance_stop(i);
    return 0;
}

/* --- observing --- */

size_t hf_orchestrator_slots(const struct hf_orchestrator *o, const char *service,
                             struct hf_orchestrator_slot *ret, size_t max)
{
    struct service *s = service_find(o, service);
    size_t n = 0;

    if (!s)
        return 0;
    HF_LIST_EACH (it, &s->slots) {
        const struct slot *slot = slot_at(it);
        if (n++ >= max)
            continue;
        ret[n - 1] = (struct hf_orchestrator_slot){.ordinal = slot->ordinal,
                                                   .given_up = slot->restart.given_up};
        memcpy(ret[n - 1].node, slot->node, sizeof(slot->node));
        memcpy(ret[n - 1].version, slot->version, sizeof(slot->version));
        if (slot->current)
            memcpy(ret[n - 1].current, slot->current->id, HF_INSTANCE_ID);
        if (slot->candidate)
            memcpy(ret[n - 1].candidate, slot->candidate->id, HF_INSTANCE_ID);
    }
    return n;
}

static void describe(const struct instance *i, struct hf_orchestrator_instance *ret)
{
    *ret = (struct hf_orchestrator_instance){.ordinal = i->ordinal,
                                             .port = i->port,
                                             .role = i->role,
                                             .state = i->process.state,
                                             .pid = i->pid};
    memcpy(ret->id, i->id, sizeof(i->id));
    memcpy(ret->service, i->service->name, sizeof(i->service->name));
    memcpy(ret->version, i->version, sizeof(i->version));
    memcpy(ret->node, i->node, sizeof(i->node));
}

size_t hf_orchestrator_list(const struct hf_orchestrator *o, const char *service,
                            struct hf_orchestrator_instance *ret, size_t max)
{
    size_t n = 0;

    HF_LIST_EACH (at, &o->services) {
        const struct service *s = service_at(at);
        if (service && strcmp(s->name, service) != 0)
            continue;
        HF_LIST_EACH (it, &s->instances) {
            if (n < max)
                describe(instance_at(it), &ret[n]);
            n++;
        }
    }
    return n;
}

int hf_orchestrator_find(const struct hf_orchestrator *o, const char *id,
                         struct hf_orchestrator_instance *ret)
{
    struct instance *i = instance_find(o, id);

    if (!i)
        return HF_ENOENT;
    describe(i, ret);
    return 0;
}
