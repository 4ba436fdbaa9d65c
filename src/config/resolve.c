#include <string.h>

#include "board/plan.h"
#include "config/check.h"

static struct hf_config_argv inherit(const struct hf_config_argv *own,
                                     const struct hf_config_argv *from)
{
    return own->n ? *own : *from;
}

/* The service's variables, with the version's own over them. */
static void lay_over(struct hf_pool *pool, const struct hf_config_service *s,
                     struct hf_config_version *v)
{
    size_t n = s->n_environment;
    struct hf_config_variable *merged =
        hf_pool_alloc(pool, s->n_environment + v->n_environment, sizeof(*merged));

    if (n)
        memcpy(merged, s->environment, n * sizeof(*merged));
    for (size_t i = 0; i < v->n_environment; i++) {
        size_t at = 0;
        while (at < s->n_environment && strcmp(merged[at].name, v->environment[i].name) != 0)
            at++;
        if (at == s->n_environment)
            at = n++;
        merged[at] = v->environment[i];
    }
    v->environment = merged;
    v->n_environment = n;
}

static void resolve_versions(struct hf_pool *pool, const struct hf_config *c,
                             struct hf_config_service *s)
{
    if (s->n_versions == 0 && s->version) {
        s->versions = hf_pool_alloc(pool, 1, sizeof(*s->versions));
        s->n_versions = 1;
        s->versions->name = s->version;
        s->versions->place = s->place;
        s->versions->directory = c->folder;
        s->any_version = true;
    }
    for (size_t i = 0; i < s->n_versions; i++) {
        s->versions[i].command = inherit(&s->versions[i].command, &s->command);
        lay_over(pool, s, &s->versions[i]);
    }
}

static void resolve_service(struct hf_pool *pool, const struct hf_config *c,
                            struct hf_config_service *s, const struct hf_yaml *map)
{
    for (size_t i = 0; i < s->n_route; i++) {
        for (char *p = s->route[i].host; p && *p; p++)
            *p = hf_lower(*p);
    }
    if (s->replicas.max == 0)
        s->replicas.max = s->replicas.min;
    if (s->protocol == HF_PROTOCOL_GRPC && !s->health.path && !s->health.tcp &&
        !hf_yaml_get(hf_yaml_get(map, "health"), "grpc"))
        s->health.grpc = true;
    if (s->health.tcp || s->health.grpc)
        s->health.path = NULL;
    else if (!s->health.path)
        s->health.path = hf_pool_strdup(pool, "/-/ready");
    for (size_t i = 0; i < s->release.n_smoke; i++) {
        struct hf_config_smoke *smoke = &s->release.smoke[i];
        if (!smoke->grpc && smoke->expect == 0)
            smoke->expect = 200;
    }
    resolve_versions(pool, c, s);
}

/* The certificate that stands alone is the first of the list. */
static void resolve_tls(struct hf_pool *pool, struct hf_config_tls *t)
{
    struct hf_config_certificate *all;

    if (!t->certificate.path || !t->key.path)
        return;
    all = hf_pool_alloc(pool, t->n_certificates + 1, sizeof(*all));
    all[0] = (struct hf_config_certificate){
        .name = hf_pool_strdup(pool, ""),
        .place = t->certificate.place,
        .certificate = t->certificate,
        .key = t->key,
    };
    if (t->n_certificates)
        memcpy(all + 1, t->certificates, t->n_certificates * sizeof(*all));
    t->certificates = all;
    t->n_certificates++;
}

void hf_config_resolve(struct hf_pool *pool, struct hf_config *c, const struct hf_yaml *root)
{
    if (!hf_yaml_get(hf_yaml_get(root, "gateway"), "access_log") && c->state)
        c->gateway.access_log = hf_pool_printf(pool, "%s/access.log", c->state);
    if (c->n_nodes == 0) {
        c->nodes = hf_pool_alloc(pool, 1, sizeof(*c->nodes));
        c->n_nodes = 1;
        c->nodes->name = hf_pool_strdup(pool, "local");
    }
    for (size_t i = 0; i < c->gateway.n_listen; i++)
        resolve_tls(pool, &c->gateway.listen[i].tls);
    for (size_t i = 0; i < c->n_services; i++)
        resolve_service(pool, c, &c->services[i],
                        hf_yaml_get(hf_yaml_get(root, "services"), c->services[i].name));
}
