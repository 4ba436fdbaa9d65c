#include "continuity/state.h"

#include <string.h>

#include "base/mem.h"

static const char letters[] = {
    [HF_PROBED_NOT] = '-',
    [HF_PROBED_OK] = '+',
    [HF_PROBED_FAILED] = '!',
};

void hf_state_done(struct hf_state *s)
{
    for (size_t i = 0; i < s->services_n; i++)
        hf_free(s->services[i]);
    hf_free(s->services);
    *s = (struct hf_state){0};
}

struct hf_state_service *hf_state_find(const struct hf_state *s, const char *name)
{
    for (size_t i = 0; i < s->services_n; i++) {
        if (strcmp(s->services[i]->name, name) == 0)
            return s->services[i];
    }
    return NULL;
}

int hf_state_add(struct hf_state *s, const char *name, int64_t next, struct hf_state_service **ret)
{
    struct hf_state_service *service;

    if (!*name || !hf_continuity_name_ok(name))
        return HF_EINVAL;
    if (s->services_n == HF_STATE_SERVICES_MAX)
        return HF_ELIMIT;
    service = hf_alloc(sizeof(*service));
    hf_str_copy(hf_str(name), service->name, sizeof(service->name));
    service->next = next;
    s->services = hf_realloc(s->services, s->services_n + 1, sizeof(struct hf_state_service *));
    s->services[s->services_n++] = service;
    *ret = service;
    return 0;
}

void hf_state_remove(struct hf_state *s, struct hf_state_service *service)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->services_n; i++) {
        if (s->services[i] != service)
            s->services[kept++] = s->services[i];
    }
    s->services_n = kept;
    hf_free(service);
}

static bool in_window(const struct hf_state_service *service, int64_t second)
{
    return second >= service->next && second < service->next + HF_STATE_WINDOW;
}

void hf_state_probed(struct hf_state_service *service, int64_t second, bool ok)
{
    unsigned char *probe;

    if (!in_window(service, second))
        return;
    probe = &service->probes[second % HF_STATE_WINDOW];
    if (*probe != HF_PROBED_FAILED)
        *probe = ok ? HF_PROBED_OK : HF_PROBED_FAILED;
}

enum hf_second_probe hf_state_probe(const struct hf_state_service *service, int64_t second)
{
    return in_window(service, second)
               ? (enum hf_second_probe)service->probes[second % HF_STATE_WINDOW]
               : HF_PROBED_NOT;
}

void hf_state_advance(struct hf_state_service *service, int64_t next)
{
    if (next - service->next >= HF_STATE_WINDOW)
        memset(service->probes, HF_PROBED_NOT, sizeof(service->probes));
    else
        for (int64_t at = service->next; at < next; at++)
            service->probes[at % HF_STATE_WINDOW] = HF_PROBED_NOT;
    service->next = next;
}

/* Run lengths: "12+3-1!". */
static void probes_to_text(const struct hf_state_service *service, struct hf_text *t)
{
    int64_t end = service->next + HF_STATE_WINDOW;

    while (end > service->next && hf_state_probe(service, end - 1) == HF_PROBED_NOT)
        end--;
    for (int64_t at = service->next, run; at < end; at += run) {
        enum hf_second_probe probe = hf_state_probe(service, at);
        for (run = 1; at + run < end && hf_state_probe(service, at + run) == probe; run++)
            ;
        hf_text_addf(t, "%d%c", (int)run, letters[probe]);
    }
}

static int probes_from_text(struct hf_state_service *service, const char *text)
{
    int64_t at = service->next;

    while (*text) {
        size_t digits = strspn(text, "0123456789");
        uint64_t run;
        const char *letter = memchr(letters, text[digits], sizeof(letters));
        if (hf_str_to_u64((struct hf_str){text, digits}, &run) || run > HF_STATE_WINDOW || !letter)
            return HF_EINVAL;
        for (; run > 0; run--, at++) {
            if (in_window(service, at))
                service->probes[at % HF_STATE_WINDOW] = (unsigned char)(letter - letters);
        }
        text += digits + 1;
    }
    return 0;
}

json_t *hf_state_to_json(const struct hf_state *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->services_n; i++) {
        HF_AUTOTEXT struct hf_text probes = {0};
        json_t *item;
        probes_to_text(s->services[i], &probes);
        item = json_pack("{s:s, s:I, s:s}", "name", s->services[i]->name, "next",
                         (json_int_t)s->services[i]->next, "probes", probes.p ? probes.p : "");
        if (hf_interval_length(&s->services[i]->open) > 0)
            json_object_set_new(item, "open", hf_interval_to_json(&s->services[i]->open));
        json_array_append_new(list, item);
    }
    return json_pack("{s:b, s:s, s:I, s:s, s:o, s:o}", "stopped", s->stopped, "stream", s->stream,
                     "sequence", (json_int_t)s->chain.sequence, "hash", s->chain.hash, "claims",
                     hf_claims_to_json(&s->claims), "services", list);
}

static int service_from_json(struct hf_state *s, json_t *item)
{
    struct hf_state_service *service;
    const char *name, *probes;
    json_int_t next;
    json_t *open = NULL;

    if (json_unpack(item, "{s:s, s:I, s:s, s?o}", "name", &name, "next", &next, "probes", &probes,
                    "open", &open) ||
        next < 0 || hf_state_add(s, name, next, &service))
        return HF_EINVAL;
    if (open && (hf_interval_from_json(open, &service->open) || service->open.to != next))
        return HF_EINVAL;
    return probes_from_text(service, probes);
}

int hf_state_from_json(const json_t *json, struct hf_state *ret, struct hf_error *e)
{
    struct hf_state s = {0};
    const char *stream, *hash;
    json_int_t sequence;
    json_t *claims, *services, *item;
    int stopped, rc;
    size_t i;

    rc = json_unpack((json_t *)json, "{s:b, s:s, s:I, s:s, s:o, s:o}", "stopped", &stopped,
                     "stream", &stream, "sequence", &sequence, "hash", &hash, "claims", &claims,
                     "services", &services);
    if (rc == 0)
        rc = hf_claims_from_json(claims, &s.claims);
    json_array_foreach(rc == 0 ? services : NULL, i, item)
    {
        rc = service_from_json(&s, item);
        if (rc)
            break;
    }
    if (rc) {
        hf_state_done(&s);
        return hf_error_set(e, HF_ECORRUPT, "continuity: the accountant's state cannot be read");
    }
    s.stopped = stopped;
    hf_str_copy(hf_str(stream), s.stream, sizeof(s.stream));
    s.chain.sequence = (uint64_t)sequence;
    hf_str_copy(hf_str(hash), s.chain.hash, sizeof(s.chain.hash));
    *ret = s;
    return 0;
}
