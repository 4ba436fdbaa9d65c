#include "catalog/json.h"

#include "base/mem.h"

json_t *hf_catalog_json_text(const char *text)
{
    json_t *j = json_string(text);
    HF_AUTOFREE char *plain = NULL;

    if (j)
        return j;
    plain = hf_strdup(text);
    for (char *c = plain; *c; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    return json_string(plain);
}

json_t *hf_catalog_json_instance(const struct hf_instance *i)
{
    char address[HF_ADDR_TEXT], since[HF_WALL_TEXT];

    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:s, s:b, s:o, s:b, s:i}", "id",
                     hf_catalog_json_text(i->id), "service", hf_catalog_json_text(i->service->name),
                     "version", hf_catalog_json_text(i->version), "node",
                     hf_catalog_json_text(i->node), "address", hf_addr_format(&i->address, address),
                     "state", hf_instance_state_name(i->state), "why", hf_catalog_json_text(i->why),
                     "since", hf_wall_format(i->since_wall, since), "process", i->process, "pid",
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
    return json_pack("{s:o, s:o, s:o, s:f, s:o, s:o}", "name", hf_catalog_json_text(s->name),
                     "version", hf_catalog_json_text(s->version), "previous",
                     hf_catalog_json_text(s->previous), "candidateShare",
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
        json_array_append_new(nodes, json_pack("{s:o, s:i}", "name", hf_catalog_json_text(name),
                                               "instances", on_node(c, name)));
    }
    HF_LIST_EACH (it, hf_catalog_services(c))
        json_array_append_new(services, hf_catalog_json_service(hf_service_at(it)));
    return json_pack("{s:I, s:o, s:o}", "revision", (json_int_t)hf_catalog_revision(c), "nodes",
                     nodes, "services", services);
}
