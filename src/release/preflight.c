/* May a release begin? What can change by itself is something to wait for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "release/internal.h"

static int by_node(const void *a, const void *b)
{
    const struct hf_release_slot *x = a, *y = b;
    int order = strcmp(x->node, y->node);

    if (order)
        return order;
    return x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

static size_t slots_of(struct hf_release_engine *en, const char *service,
                       struct hf_release_slot **ret)
{
    size_t n;

    *ret = hf_alloc_array(HF_RELEASE_SLOTS_MAX, sizeof(**ret));
    n = en->runner.slots(en->runner.ctx, service, *ret, HF_RELEASE_SLOTS_MAX);
    qsort(*ret, n < HF_RELEASE_SLOTS_MAX ? n : HF_RELEASE_SLOTS_MAX, sizeof(**ret), by_node);
    return n;
}

static void versions_of(const struct hf_config_service *config, char *buf, size_t size)
{
    size_t n = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < config->n_versions && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : "", config->versions[i].name);
}

static void services_of(const struct hf_release_engine *en, char *buf, size_t size)
{
    size_t n = 0;

    buf[0] = '\0';
    HF_LIST_EACH (l, hf_catalog_services(en->needs.catalog)) {
        const struct hf_service *s = hf_service_at(l);
        if (s->config && n < size)
            n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", s->name);
    }
}

/* A service of which nothing is ready has nothing to lose: that is how a broken version is
 * replaced. Else all must be ready, so that what fails later was the release. */
static enum preflight check_instances(struct hf_release_engine *en, const char *service,
                                      const struct hf_release_slot *slots, size_t n, char *text,
                                      size_t size)
{
    const struct hf_release_slot *bad = NULL;
    const struct hf_instance *bad_instance = NULL;
    size_t ready = 0;

    for (size_t i = 0; i < n; i++) {
        const struct hf_instance *one =
            slots[i].current[0] ? hf_catalog_instance_find(en->needs.catalog, slots[i].current)
                                : NULL;
        if (!one || one->state == HF_INSTANCE_STARTING) {
            snprintf(text, size, "%s/%u of %s is starting", slots[i].node, slots[i].ordinal,
                     service);
            return PREFLIGHT_WAIT;
        }
        if (one->state == HF_INSTANCE_READY) {
            ready++;
        } else {
            bad = &slots[i];
            bad_instance = one;
        }
    }
    if (bad && ready) {
        snprintf(text, size, "%s/%u of %s is %s: %s", bad->node, bad->ordinal, service,
                 hf_instance_state_name(bad_instance->state), bad_instance->why);
        return PREFLIGHT_WAIT;
    }
    if (bad)
        snprintf(text, size, "no instance is ready: there is nothing to lose");
    else if (n == 1)
        snprintf(text, size, "warning: a single instance; the new one starts beside it");
    else
        snprintf(text, size, "all %zu instances are ready", n);
    return PREFLIGHT_GO;
}

static const struct hf_config_service *known(struct hf_release_engine *en, const char *service)
{
    const struct hf_service *s = hf_catalog_service_find(en->needs.catalog, service);

    return s ? s->config : NULL;
}

static enum preflight HF_PRINTF(5, 6)
    no(int *ret_code, int code, char *text, size_t size, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, size, fmt, args);
    va_end(args);
    if (ret_code)
        *ret_code = code;
    return PREFLIGHT_NO;
}

enum preflight preflight_check(struct hf_release_engine *en, const char *service,
                               const char *version, char *text, size_t size, int *ret_code)
{
    HF_AUTOFREE struct hf_release_slot *slots = NULL;
    const struct hf_config_service *config = known(en, service);
    enum preflight answer;
    char names[200];
    size_t n, there = 0;

    if (!config) {
        services_of(en, names, sizeof(names));
        return no(ret_code, HF_ENOENT, text, size, "there is no service %s; there are: %s", service,
                  names);
    }
    n = slots_of(en, service, &slots);
    if (n == 0)
        return no(ret_code, HF_EREFUSED, text, size,
                  "holdfast does not run the processes of %s: it has no command", service);
    if (n > HF_RELEASE_SLOTS_MAX)
        return no(ret_code, HF_ELIMIT, text, size, "%s has %zu instances, at most %d are possible",
                  service, n, HF_RELEASE_SLOTS_MAX);
    if (!hf_config_version_find(config, version)) {
        versions_of(config, names, sizeof(names));
        return no(ret_code, HF_ENOENT, text, size,
                  "%s has no version %s in the configuration; it has %s", service, version, names);
    }
    for (size_t i = 0; i < n; i++)
        there += strcmp(slots[i].version, version) == 0;
    if (there == n)
        return no(ret_code, HF_EREFUSED, text, size, "%s runs version %s already", service,
                  version);
    answer = check_instances(en, service, slots, n, text, size);
    if (answer != PREFLIGHT_GO && ret_code)
        *ret_code = HF_EREFUSED;
    return answer;
}

void preflight_places(struct hf_release_engine *en, struct hf_release_doc *d)
{
    HF_AUTOFREE struct hf_release_slot *slots = NULL;
    size_t n = slots_of(en, d->service, &slots);

    if (n > HF_RELEASE_SLOTS_MAX)
        n = HF_RELEASE_SLOTS_MAX;
    hf_free(d->places);
    d->places = hf_alloc_array(n + 1, sizeof(*d->places));
    d->n_places = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        struct hf_release_place *p = &d->places[i];
        hf_str_copy(hf_str(slots[i].node), p->node, sizeof(p->node));
        p->ordinal = slots[i].ordinal;
        hf_str_copy(hf_str(slots[i].version), p->from, sizeof(p->from));
    }
}
