#include "controller/probe.h"

#include <stdio.h>

#include "base/mem.h"
#include "config/config.h"
#include "http/client.h"
#include "http/grpc.h"

enum { DEADLINE_S = 4 /* below the accountant's wait for it */ };

struct hf_probes {
    struct hf_loop *loop;
    bool (*listener)(void *ctx, struct hf_addr *ret);
    const char *token;
    void (*told)(void *ctx, const char *service, int64_t second, bool ok);
    void *ctx;
    struct hf_link under_way;
};

struct probe {
    struct hf_link link;
    struct hf_probes *owner;
    struct hf_http_call *call;
    char service[HF_SERVICE_NAME];
    bool grpc;
    int64_t second;
};

/* A listener on all addresses is reached by the loopback one. */
static struct hf_addr reachable(const struct hf_addr *a)
{
    static const uint8_t any[16];
    struct hf_addr r = *a;

    if (memcmp(r.ip, any, sizeof(any)) != 0)
        return r;
    if (r.family == HF_ADDR_IP4) {
        r.ip[0] = 127;
        r.ip[3] = 1;
    } else {
        r.ip[15] = 1;
    }
    return r;
}

struct hf_probes *
hf_probes_new(struct hf_loop *loop, bool (*listener)(void *ctx, struct hf_addr *ret),
              const char *token,
              void (*told)(void *ctx, const char *service, int64_t second, bool ok), void *ctx)
{
    struct hf_probes *p = hf_alloc(sizeof(*p));

    p->loop = loop;
    p->listener = listener;
    p->token = token;
    p->told = told;
    p->ctx = ctx;
    hf_link_init(&p->under_way);
    return p;
}

static void probe_free(struct probe *one)
{
    hf_link_remove(&one->link);
    hf_free(one);
}

struct hf_probes *hf_probes_free(struct hf_probes *p)
{
    if (!p)
        return NULL;
    HF_LIST_EACH (l, &p->under_way) {
        struct probe *one = HF_CONTAINER(l, struct probe, link);
        hf_http_cancel(one->call);
        probe_free(one);
    }
    return hf_free(p);
}

static void on_done(const struct hf_http_result *r, void *arg)
{
    struct probe *one = arg;

    bool ok = r->code == 0 && r->status < 500 && !(one->grpc && hf_grpc_failed(r->grpc_status));

    one->owner->told(one->owner->ctx, one->service, one->second, ok);
    probe_free(one);
}

static bool is_under_way(const struct hf_probes *p, const char *service)
{
    for (struct hf_link *l = p->under_way.next; l != &p->under_way; l = l->next) {
        if (strcmp(HF_CONTAINER(l, struct probe, link)->service, service) == 0)
            return true;
    }
    return false;
}

void hf_probe_service(struct hf_probes *p, const struct hf_service *s, int64_t second)
{
    char value[HF_SERVICE_NAME + 40];
    struct hf_http_field fields[] = {{HF_STR("x-holdfast-probe"), {0}},
                                     {HF_STR("content-type"), HF_STR("application/grpc")},
                                     {HF_STR("te"), HF_STR("trailers")}};
    char message[HF_GRPC_HEALTH_REQUEST];
    struct hf_http_call_options o = {.method = HF_METHOD_GET,
                                     .fields = fields,
                                     .n_fields = 1,
                                     .deadline = hf_seconds(DEADLINE_S),
                                     .on_done = on_done};
    struct probe *one;

    if (!s->config || is_under_way(p, s->name) || !p->listener(p->ctx, &o.address))
        return;
    o.address = reachable(&o.address);
    one = hf_alloc(sizeof(*one));
    one->owner = p;
    one->second = second;
    snprintf(one->service, sizeof(one->service), "%s", s->name);
    hf_list_append(&p->under_way, &one->link);
    snprintf(value, sizeof(value), "%s/%s", p->token, s->name);
    fields[0].value = hf_str(value);
    o.target = s->config->health.path ? hf_str(s->config->health.path) : HF_STR("/");
    if (s->config->health.grpc) { /* the health check itself, as a user would ask */
        one->grpc = true;
        o.method = HF_METHOD_POST;
        o.n_fields = HF_COUNT(fields);
        o.target = HF_STR(HF_GRPC_HEALTH_PATH);
        o.body = (struct hf_str){
            message, hf_grpc_health_request(hf_str(s->config->health.grpc_service), message)};
    }
    if (s->config->route[0].host[0])
        o.host = hf_str(s->config->route[0].host);
    o.arg = one;
    one->call = hf_http_call(p->loop, &o);
}
