#include "catalog/json.h"

#include <string.h>

/* A why may quote what a service wrote, and may be cut within a character: what is not UTF-8 is
 * shown as '?', rather than not at all. */
static json_t *text(const char *s)
{
    char plain[256];
    json_t *j = json_string(s);
    size_t n;

    if (j)
        return j;
    hf_str_copy(hf_str(s), plain, sizeof(plain));
    n = strlen(plain);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)plain[i] >= 0x80)
            plain[i] = '?';
    }
    return json_string(plain);
}

json_t *hf_catalog_json_instance(const struct hf_instance *i)
{
    char address[HF_ADDR_TEXT], since[HF_WALL_TEXT];

    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:s, s:b, s:o, s:b, s:i}", "id",
                     text(i->id), "service", text(i->service->name), "version", text(i->version),
                     "node", text(i->node), "address", hf_addr_format(&i->address, address),
                     "state", hf_instance_state_name(i->state), "why", text(i->why), "since",
                     hf_wall_format(i->since_wall, since), "process", i->process, "pid",
                     i->pid ? json_integer(i->pid) : json_null(), "candidate", i->candidate,
                     "weight", (int)i->weight);
}

json_t *hf_catalog_json_service(const struct hf_service *s)
{
    json_t *states = json_object(), *instances = json_array();

    for (int state = 0; state < HF_INSTANCE_STATES; state++)
        json_object_set_new(states, hf_instance_state_name(state),
                            json_integer(hf_service_count(s, state)));
    HF_LIST_EACH (it, (struct hf_link *)(uintptr_t)&s->instances)
        json_array_append_new(instances, hf_catalog_json_instance(hf_instance_at(it)));
    return json_pack("{s:o, s:o, s:o, s:f, s:o, s:o}", "name", text(s->name), "version",
                     text(s->version), "previous", text(s->previous), "candidateShare",
                     s->candidate_share / 100.0, "states", states, "instances", instances);
}

static int on_node(const struct hf_catalog *c, const char *node)
{
    int n = 0;

    HF_LIST_EACH (s, hf_catalog_services(c)) {
        HF_LIST_EACH (i, &hf_service_at(s)->instances)
            n += strcmp(hf_instance_at(i)->node, node) == 0;
    }
    return n;
}

json_t *hf_catalog_json(const struct hf_catalog *c)
{
    json_t *nodes = json_array(), *services = json_array();

    HF_LIST_EACH (it, hf_catalog_nodes(c)) {
        const char *name = hf_node_at(it)->name;
        json_array_append_new(
            nodes, json_pack("{s:o, s:i}", "name", text(name), "instances", on_node(c, name)));
    }
    HF_LIST_EACH (it, hf_catalog_services(c))
        json_array_append_new(services, hf_catalog_json_service(hf_service_at(it)));
    return json_pack("{s:I, s:o, s:o}", "revision", (json_int_t)hf_catalog_revision(c), "nodes",
                     nodes, "services", services);
}
