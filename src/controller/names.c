#include "controller/names.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"
#include "controller/resolve.h"

enum {
    LOOKUPS = 16,    /* at once; each has a few sockets */
    TURN_MS = 20,    /* until a lookup that had to stand back tries again */
    RETRY_MS = 5000, /* after a failure, unless the interval is shorter */
    LIMIT_S = 10,    /* of one lookup */
};

static_assert((int)HF_CONFIG_NAME_ADDRESSES == (int)HF_RESOLVE_MOST,
              "the configuration reserves room for all addresses of an answer");

struct name {
    struct hf_link link;
    struct hf_names *names;
    char *service, *host;
    uint16_t port;
    uint32_t weight;
    bool found;        /* once, at least: what follows is the last answer */
    bool more;         /* the answer had more addresses */
    bool in_config;    /* while a configuration is taken over */
    char trouble[120]; /* of the last lookup; "": none */
    struct hf_addr address[HF_RESOLVE_MOST];
    size_t n;
    struct hf_resolve *lookup; /* NULL: none is under way */
    struct hf_timer timer;     /* to the next one */
};

struct hf_names {
    struct hf_loop *loop;
    struct hf_names_hooks hooks;
    struct hf_random random;
    struct hf_link list; /* of struct name, in the configuration's order */
    unsigned lookups;
    struct hf_addr servers[HF_CONFIG_NAME_SERVERS];
    size_t n_servers;
    struct hf_duration interval;
};

static struct name *name_at(struct hf_link *l)
{
    return HF_CONTAINER(l, struct name, link);
}

/* HF_LIST_EACH wants a link that it could write to. */
static struct hf_link *list(const struct hf_names *n)
{
    return (struct hf_link *)(uintptr_t)&n->list;
}

/* ---- answers ---- */

static void say(struct name *n, bool failed, const char *text)
{
    n->names->hooks.on_event(n->names->hooks.ctx, n->service, n->host, failed, text);
}

static void add_addresses(struct hf_text *text, const struct name *n)
{
    char ip[HF_ADDR_TEXT];

    for (size_t i = 0; i < n->n; i++) {
        hf_addr_format_ip(&n->address[i], ip);
        hf_text_addf(text, "%s%s", i ? ", " : "", ip);
    }
    if (n->more)
        hf_text_add(text, HF_STR(" and more, which are left out"));
}

static bool same_answer(const struct name *n, const struct hf_resolve_answer *a)
{
    bool same = n->n == a->n;

    for (size_t i = 0; same && i < n->n; i++)
        same = hf_addr_eq(&n->address[i], &a->address[i]); /* both are sorted */
    return same;
}

static void found(struct name *n, const struct hf_resolve_answer *a)
{
    bool change = !n->found || !same_answer(n, a);
    HF_AUTOTEXT struct hf_text text = {0}, old = {0};

    if (!change && !n->trouble[0])
        return;
    add_addresses(&old, n);
    memcpy(n->address, a->address, sizeof(n->address));
    n->n = a->n;
    n->more = a->more;
    hf_text_addf(&text, "%s is ", n->host);
    add_addresses(&text, n);
    if (change && n->found)
        hf_text_addf(&text, "; it was %s", old.p);
    else if (!change)
        hf_text_add(&text, HF_STR(", as before; it is found again"));
    n->found = true;
    n->trouble[0] = 0;
    say(n, false, text.p);
    if (change)
        n->names->hooks.on_change(n->names->hooks.ctx, n->service);
}

static void not_found(struct name *n, const char *why)
{
    HF_AUTOTEXT struct hf_text text = {0};

    if (strcmp(n->trouble, why) == 0)
        return;
    snprintf(n->trouble, sizeof(n->trouble), "%s", why);
    hf_text_addf(&text, "%s is not found: %s; ", n->host, why);
    if (n->found) {
        hf_text_add(&text, HF_STR("it stays "));
        add_addresses(&text, n);
    } else {
        hf_text_add(&text, HF_STR("no address of it is known yet"));
    }
    say(n, true, text.p);
}

/* ---- lookups ---- */

/* A tenth either way, so that many names are not asked for all at once. */
static void look_up_later(struct name *n, bool failed)
{
    int64_t ms = hf_duration_ms(n->names->interval);

    if (failed && ms > RETRY_MS)
        ms = RETRY_MS;
    ms += hf_random_below(&n->names->random, (uint32_t)(ms / 5 + 1)) - ms / 10;
    hf_timer_after(n->names->loop, &n->timer, hf_ms(ms));
}

static void on_answer(void *ctx, const struct hf_resolve_answer *a)
{
    struct name *n = ctx;
    bool failed = a->code != 0;

    if (failed)
        not_found(n, a->why);
    else
        found(n, a);
    n->lookup = hf_resolve_free(n->lookup);
    n->names->lookups--;
    look_up_later(n, failed);
}

static void on_timer(struct hf_timer *t)
{
    struct name *n = HF_CONTAINER(t, struct name, timer);
    struct hf_names *names = n->names;
    struct hf_resolve_options options = {.loop = names->loop,
                                         .servers = names->servers,
                                         .n_servers = names->n_servers,
                                         .limit = hf_seconds(LIMIT_S)};
    struct hf_error e;

    if (names->lookups == LOOKUPS) {
        hf_timer_after(names->loop, t, hf_ms(TURN_MS));
    } else if (hf_resolve_new(&options, n->host, n->port, on_answer, n, &n->lookup, &e)) {
        not_found(n, e.text);
        look_up_later(n, true);
    } else {
        names->lookups++;
    }
}

static void cancel_lookup(struct name *n)
{
    if (n->lookup) {
        n->lookup = hf_resolve_free(n->lookup);
        n->names->lookups--;
    }
}

/* ---- configuration ---- */

static void drop(struct name *n)
{
    cancel_lookup(n);
    hf_timer_done(&n->timer);
    hf_link_remove(&n->link);
    hf_free(n->service);
    hf_free(n->host);
    hf_free(n);
}

static struct name *find(struct hf_names *names, const char *service,
                         const struct hf_config_instance *c)
{
    HF_LIST_EACH (l, &names->list) {
        struct name *n = name_at(l);
        if (n->port == c->address.port && strcmp(n->service, service) == 0 &&
            strcmp(n->host, c->host) == 0)
            return n;
    }
    return NULL;
}

static struct name *add(struct hf_names *names, const char *service,
                        const struct hf_config_instance *c)
{
    struct name *n = hf_alloc(sizeof(*n));

    n->names = names;
    n->service = hf_strdup(service);
    n->host = hf_strdup(c->host);
    n->port = c->address.port;
    hf_link_init(&n->link);
    hf_timer_init(&n->timer, on_timer);
    return n;
}

static void configure_service(struct hf_names *names, const struct hf_config_service *s)
{
    for (size_t i = 0; i < s->n_instances; i++) {
        const struct hf_config_instance *c = &s->instances[i];
        struct name *n = c->host ? find(names, s->name, c) : NULL;
        if (!c->host)
            continue;
        if (!n)
            n = add(names, s->name, c);
        hf_link_remove(&n->link);
        hf_list_append(&names->list, &n->link);
        n->weight = c->weight;
        n->in_config = true;
        cancel_lookup(n); /* it asks the servers of before */
        hf_timer_after(names->loop, &n->timer, hf_ms(0));
    }
}

void hf_names_configure(struct hf_names *names, const struct hf_config *config)
{
    names->n_servers = config->dns.n_servers;
    if (names->n_servers)
        memcpy(names->servers, config->dns.servers, names->n_servers * sizeof(names->servers[0]));
    names->interval = config->dns.interval;
    HF_LIST_EACH (l, &names->list)
        name_at(l)->in_config = false;
    for (size_t i = 0; i < config->n_services; i++)
        configure_service(names, &config->services[i]);
    HF_LIST_EACH (l, &names->list) {
        if (!name_at(l)->in_config)
            drop(name_at(l));
    }
}

struct hf_names *hf_names_new(struct hf_loop *loop, const struct hf_names_hooks *hooks)
{
    struct hf_names *names = hf_alloc(sizeof(*names));

    names->loop = loop;
    names->hooks = *hooks;
    hf_random_init(&names->random);
    hf_link_init(&names->list);
    return names;
}

struct hf_names *hf_names_free(struct hf_names *names)
{
    if (!names)
        return NULL;
    HF_LIST_EACH (l, &names->list)
        drop(name_at(l));
    return hf_free(names);
}

/* ---- questions ---- */

static bool has(const struct name *n, const struct hf_addr *address)
{
    for (size_t i = 0; i < n->n; i++) {
        if (hf_addr_eq(&n->address[i], address))
            return true;
    }
    return false;
}

/* The first of the service's names that stands for it. */
static const struct name *owner(const struct hf_names *names, const char *service,
                                const struct hf_addr *address)
{
    HF_LIST_EACH (l, list(names)) {
        if (strcmp(name_at(l)->service, service) == 0 && has(name_at(l), address))
            return name_at(l);
    }
    return NULL;
}

void hf_names_each(const struct hf_names *names, const char *service,
                   void (*each)(void *ctx, const struct hf_addr *address, uint32_t weight),
                   void *ctx)
{
    HF_LIST_EACH (l, list(names)) {
        const struct name *n = name_at(l);
        for (size_t i = 0; i < n->n && strcmp(n->service, service) == 0; i++) {
            if (owner(names, service, &n->address[i]) == n)
                each(ctx, &n->address[i], n->weight);
        }
    }
}

bool hf_names_has(const struct hf_names *names, const char *service, const struct hf_addr *address)
{
    return owner(names, service, address) != NULL;
}

bool hf_names_waits(const struct hf_names *names, const char *service, uint16_t port)
{
    HF_LIST_EACH (l, list(names)) {
        const struct name *n = name_at(l);
        if (!n->found && n->port == port && strcmp(n->service, service) == 0)
            return true;
    }
    return false;
}
