#include <assert.h>
#include <stdlib.h>

#include "config/placeholder.h"
#include "config/setup.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Requests are routed by the normal form of their path: one that is not could never match. */
static void check_route(const struct hf_config_route *route)
{
    struct hf_str path = hf_str(route->path), normal;
    char *buf = malloc(path.n + 1);

    assert(hf_path_normalise(path, buf, path.n, &normal) == 0);
    assert(hf_str_eq(normal, path));
    for (const char *p = route->host; *p; p++)
        assert(*p == hf_lower(*p));
    free(buf);
}

static void check_version(const struct hf_config_version *v)
{
    const struct hf_placeholders values = {"20001", "1", "s-a-1", "a", "s"};
    struct hf_text out = {0};

    assert(v->directory[0] == '/' && v->command.n > 0 && !v->command.argv[v->command.n]);
    for (size_t i = 0; i < v->command.n; i++)
        hf_placeholder_expand(v->command.argv[i], &values, &out);
    for (size_t i = 0; i < v->n_environment; i++) {
        assert(!v->environment[i].value != !v->environment[i].file);
        if (v->environment[i].value)
            hf_placeholder_expand(v->environment[i].value, &values, &out);
    }
    hf_text_done(&out);
}

static void check_service(const struct hf_config_service *s)
{
    assert(s->n_route > 0 && (s->n_versions > 0) != (s->n_instances > 0));
    assert(!s->n_versions || hf_config_version_find(s, s->version));
    assert(!s->health.path == s->health.tcp && s->replicas.min == s->replicas.max);
    for (size_t i = 0; i < s->n_route; i++)
        check_route(&s->route[i]);
    for (size_t i = 0; i < s->n_versions; i++)
        check_version(&s->versions[i]);
    for (size_t i = 0; i < s->n_instances; i++)
        assert(s->instances[i].address.port && s->instances[i].weight);
    for (size_t i = 0; i < s->release.n_smoke; i++)
        assert(!s->release.smoke[i].get != !s->release.smoke[i].post);
}

/* What is taken is whole: whoever reads it needs no checks of his own. */
static void check_config(struct hf_config *c)
{
    struct hf_config_errors errors;
    struct hf_setup setup;

    assert(c->gateway.n_listen && c->n_nodes && c->state[0] == '/');
    assert(c->n_services <= c->board.services);
    for (size_t i = 0; i < c->n_services; i++)
        check_service(&c->services[i]);
    assert(hf_config_diff_reload(c, c, &errors) == 0);
    if (hf_setup_from_config(c, &setup, NULL) == 0)
        assert(hf_setup_check(&setup, NULL) == 0);
}

static void check_errors(const struct hf_config_errors *errors)
{
    struct hf_text text = {0};

    assert(errors->total >= errors->n && errors->n > 0 && errors->n <= HF_CONFIG_ERRORS);
    for (uint32_t i = 1; i < errors->n; i++)
        assert(errors->error[i - 1].line <= errors->error[i].line);
    hf_config_errors_format(errors, &text);
    free(text.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size + 1);
    struct hf_config_errors errors;
    struct hf_config *c = NULL;
    int code;

    if (size)
        memcpy(exact, data, size);
    code = hf_config_parse("/f", (struct hf_str){exact, size}, &c, &errors);
    free(exact); /* nothing may point into the file */
    assert((code == 0) == (c != NULL) && (code == 0) == (errors.total == 0));
    if (code == 0)
        check_config(c);
    else
        check_errors(&errors);
    hf_config_unref(c);
    return 0;
}
