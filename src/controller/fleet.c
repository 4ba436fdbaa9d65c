#include "controller/fleet.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* ---- one service ---- */

static bool is_literal(const struct hf_config_service *c, const struct hf_addr *address)
{
    for (size_t n = 0; n < c->n_instances; n++) {
        if (!c->instances[n].host && hf_addr_eq(address, &c->instances[n].address))
            return true;
    }
    return false;
}

/* What the configuration has reserved on the board. */
static size_t room(const struct hf_config_service *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_instances; i++)
        n += c->instances[i].host ? HF_CONFIG_NAME_ADDRESSES : 1;
    return n;
}

static bool wanted(const struct hf_fleet *f, const struct hf_instance *i)
{
    const struct hf_service *s = i->service;

    return s->config &&
           (is_literal(s->config, &i->address) || hf_names_has(f->names, s->name, &i->address) ||
            hf_names_waits(f->names, s->name, i->address.port));
}

/* There already, and perhaps on its way out. */
static void keep_instance(struct hf_fleet *f, struct hf_instance *i, uint32_t weight)
{
    hf_instance_weight_set(f->catalog, i, weight);
    hf_drain_forget(f->drainer, i->id);
    if (i->state == HF_INSTANCE_DRAINING)
        hf_instance_state_set(f->catalog, i, HF_INSTANCE_READY, "wanted again");
}

static void add_instance(struct hf_fleet *f, struct hf_service *s, const struct hf_addr *address,
                         uint32_t weight)
{
    struct hf_instance_spec spec = {.address = *address, .weight = weight};
    char text[HF_ADDR_TEXT], id[HF_INSTANCE_ID];
    struct hf_instance *i;

    snprintf(id, sizeof(id), "%s-%s", s->name, hf_addr_format(address, text));
    i = hf_catalog_instance_find(f->catalog, id);
    if (i) {
        keep_instance(f, i, weight);
        return;
    }
    spec.id = id;
    if (hf_catalog_instance_add(f->catalog, s, &spec, &i)) {
        hf_err("cannot add instance=%s", id);
        return;
    }
    /* A change of controllers shall not be noticed: what was ready is so until a check says no. */
    if (hf_publisher_was_ready(f->publisher, id))
        hf_instance_state_set(f->catalog, i, HF_INSTANCE_READY, "was ready before");
}

struct addition {
    struct hf_fleet *fleet;
    struct hf_service *service;
};

/* What has no room comes when something that drains has left: hf_fleet_drained(). */
static void add_named(void *ctx, const struct hf_addr *address, uint32_t weight)
{
    const struct addition *a = ctx;
    struct hf_service *s = a->service;

    if (!is_literal(s->config, address) && s->n_instances < room(s->config))
        add_instance(a->fleet, s, address, weight);
}

static void add_wanted(struct hf_fleet *f, struct hf_service *s)
{
    struct addition a = {f, s};

    for (size_t i = 0; i < s->config->n_instances; i++) {
        const struct hf_config_instance *c = &s->config->instances[i];
        if (!c->host)
            add_instance(f, s, &c->address, c->weight);
    }
    hf_names_each(f->names, s->name, add_named, &a);
}

static void drain_unwanted(struct hf_fleet *f, struct hf_service *s, const char *why)
{
    HF_LIST_EACH (l, &s->instances) {
        struct hf_instance *i = hf_instance_at(l);
        if (i->process || wanted(f, i))
            continue;
        if (i->state == HF_INSTANCE_READY || i->state == HF_INSTANCE_EJECTED)
            hf_drain_begin(f->drainer, i, why);
        else if (i->state != HF_INSTANCE_DRAINING)
            hf_catalog_instance_remove(f->catalog, i);
    }
}

void hf_fleet_renamed(struct hf_fleet *f, const char *service)
{
    struct hf_service *s = hf_catalog_service_find(f->catalog, service);

    if (!s || !s->config)
        return;
    add_wanted(f, s);
    drain_unwanted(f, s, "no name stands for it any more");
}

/* ---- all of them ---- */

static void apply_service(struct hf_fleet *f, const struct hf_config_service *c)
{
    struct hf_service *s = hf_catalog_service_find(f->catalog, c->name);

    if (!s && hf_catalog_service_add(f->catalog, c->name, &s)) {
        hf_err("cannot add service=%s", c->name);
        return;
    }
    hf_service_config_set(f->catalog, s, c);
    add_wanted(f, s);
}

void hf_fleet_apply(struct hf_fleet *f, const struct hf_config *config)
{
    hf_names_configure(f->names, config);
    for (size_t i = 0; i < config->n_nodes; i++) {
        struct hf_node *n;
        if (!hf_catalog_node_find(f->catalog, config->nodes[i].name) &&
            hf_catalog_node_add(f->catalog, config->nodes[i].name, &n))
            hf_err("cannot add node=%s", config->nodes[i].name);
    }
    for (size_t i = 0; i < config->n_services; i++)
        apply_service(f, &config->services[i]);
    HF_LIST_EACH (l, hf_catalog_services(f->catalog)) {
        struct hf_service *s = hf_service_at(l);
        if (!hf_config_service_find(config, s->name))
            hf_service_config_set(f->catalog, s, NULL);
        drain_unwanted(f, s, "not in the configuration any more");
    }
    hf_fleet_sweep(f);
}

static const struct hf_config_instance *name_on_port(const struct hf_config_service *c,
                                                     uint16_t port)
{
    for (size_t i = 0; i < c->n_instances; i++) {
        if (c->instances[i].host && c->instances[i].address.port == port)
            return &c->instances[i];
    }
    return NULL;
}

/* An id is SERVICE-ADDRESS; a service's name may itself have a '-'. */
static void adopt(void *ctx, const char *id)
{
    struct hf_fleet *f = ctx;
    const struct hf_config_instance *name;
    struct hf_addr address;

    HF_LIST_EACH (l, hf_catalog_services(f->catalog)) {
        struct hf_service *s = hf_service_at(l);
        size_t n = strlen(s->name);
        if (!s->config || strncmp(id, s->name, n) != 0 || id[n] != '-' ||
            hf_addr_parse(hf_str(id + n + 1), &address) || is_literal(s->config, &address))
            continue;
        name = name_on_port(s->config, address.port);
        if (name)
            add_instance(f, s, &address, name->weight);
    }
}

void hf_fleet_adopt(struct hf_fleet *f)
{
    hf_publisher_each_before(f->publisher, adopt, f);
}

void hf_fleet_sweep(struct hf_fleet *f)
{
    HF_LIST_EACH (l, hf_catalog_services(f->catalog)) {
        struct hf_service *s = hf_service_at(l);
        if (!s->config && s->n_instances == 0)
            hf_catalog_service_remove(f->catalog, s);
    }
}

void hf_fleet_drained(struct hf_fleet *f, struct hf_instance *i)
{
    struct hf_service *s = i->service;

    if (i->process)
        return;
    hf_catalog_instance_remove(f->catalog, i);
    if (s->config)
        add_wanted(f, s);
}
