#include "controller/fleet.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

static void instance_id(const struct hf_service *s, const struct hf_config_instance *c, char *buf,
                        size_t size)
{
    char address[HF_ADDR_TEXT];

    snprintf(buf, size, "%s-%s", s->name, hf_addr_format(&c->address, address));
}

static bool wanted(const struct hf_instance *i, const struct hf_config_service *c)
{
    for (size_t n = 0; c && n < c->n_instances; n++) {
        if (hf_addr_eq(&i->address, &c->instances[n].address))
            return true;
    }
    return false;
}

static void add_instance(struct hf_fleet *f, struct hf_service *s,
                         const struct hf_config_instance *c)
{
    struct hf_instance_spec spec = {.address = c->address, .weight = c->weight};
    char id[HF_INSTANCE_ID];
    struct hf_instance *i;

    instance_id(s, c, id, sizeof(id));
    i = hf_catalog_instance_find(f->catalog, id);
    if (i) {
        hf_instance_weight_set(f->catalog, i, c->weight);
        if (i->state == HF_INSTANCE_DRAINING) { /* it was on its way out, and is wanted again */
            hf_drain_forget(f->drainer, id);
            hf_catalog_instance_remove(f->catalog, i);
        } else {
            return;
        }
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

static void apply_service(struct hf_fleet *f, const struct hf_config_service *c)
{
    struct hf_service *s = hf_catalog_service_find(f->catalog, c->name);

    if (!s && hf_catalog_service_add(f->catalog, c->name, &s)) {
        hf_err("cannot add service=%s", c->name);
        return;
    }
    hf_service_config_set(f->catalog, s, c);
    for (size_t i = 0; i < c->n_instances; i++)
        add_instance(f, s, &c->instances[i]);
}

static void drain_unwanted(struct hf_fleet *f, struct hf_service *s)
{
    HF_LIST_EACH (l, &s->instances) {
        struct hf_instance *i = hf_instance_at(l);
        if (i->process || wanted(i, s->config))
            continue;
        if (i->state == HF_INSTANCE_READY || i->state == HF_INSTANCE_EJECTED)
            hf_drain_begin(f->drainer, i, "not in the configuration any more");
        else if (i->state != HF_INSTANCE_DRAINING)
            hf_catalog_instance_remove(f->catalog, i);
    }
}

void hf_fleet_apply(struct hf_fleet *f, const struct hf_config *config)
{
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
        drain_unwanted(f, s);
    }
    hf_fleet_sweep(f);
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
    if (!i->process)
        hf_catalog_instance_remove(f->catalog, i);
}
