#include "health/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "board/plan.h"
#include "config/config.h"
#include "http/client.h"
#include "http/grpc.h"
#include "net/proxy_protocol.h"
#include "net/socket.h"

enum {
    FAST_MIN_MS = 50,
    NO_CONFIGURATION_MS = 1000, /* until a service without one is looked at again */
    DEADLINE_MIN_MS = 10,
    PROBE_TEXT = 120,
    ANSWER_MOST = 1024, /* bytes of a HealthCheckResponse: two, if nothing is added to it */
};

struct sample {
    struct hf_mono at;
    struct hf_seen total;
    bool known;
};

/* One instance's check. */
struct check {
    struct hf_link link;
    struct hf_health *h;
    struct hf_instance *i;
    struct hf_timer due;        /* the next check; or, while a connection is tried, its end */
    struct hf_http_call *call;  /* under way */
    struct hf_watch connecting; /* fd < 0: none */
    struct hf_verdict verdict;
    struct hf_dwell dwell;
    struct hf_judgement judgement;
    struct sample older, newer; /* the window: between one and two intervals long */
    char probe_text[PROBE_TEXT];
};

struct hf_health {
    struct hf_loop *loop;
    struct hf_catalog *catalog;
    struct hf_catalog_observer observer;
    struct hf_health_hooks hooks;
    struct hf_link checks;
    struct hf_random random;
};

static struct check *check_at(struct hf_link *l)
{
    return HF_CONTAINER(l, struct check, link);
}

static struct check *find(const struct hf_health *h, const struct hf_instance *i)
{
    HF_LIST_EACH (it, &h->checks) {
        if (check_at(it)->i == i)
            return check_at(it);
    }
    return NULL;
}

static const struct hf_config_health *policy_of(const struct check *c)
{
    return c->i->service->config ? &c->i->service->config->health : NULL;
}

static unsigned proxy_version_of(const struct check *c)
{
    return c->i->service->config ? c->i->service->config->proxy_protocol : 0;
}

static bool is_checked(enum hf_instance_state state)
{
    return state == HF_INSTANCE_STARTING || state == HF_INSTANCE_READY ||
           state == HF_INSTANCE_EJECTED;
}

/* --- when --- */

static struct hf_duration interval_now(const struct check *c)
{
    const struct hf_config_health *policy = policy_of(c);
    struct hf_duration fast;

    if (!policy)
        return hf_ms(NO_CONFIGURATION_MS);
    if (c->i->state != HF_INSTANCE_STARTING && !hf_verdict_in_doubt(&c->verdict))
        return policy->interval;
    fast = (struct hf_duration){policy->interval.ns / 5};
    return fast.ns < hf_ms(FAST_MIN_MS).ns ? hf_ms(FAST_MIN_MS) : fast;
}

static void schedule(struct check *c)
{
    struct hf_duration wait = interval_now(c);
    uint32_t percent = 80 + hf_random_below(&c->h->random, 41);

    hf_timer_after(c->h->loop, &c->due, (struct hf_duration){wait.ns / 100 * percent});
}

static void schedule_first(struct check *c)
{
    struct hf_duration wait = interval_now(c);
    uint32_t percent = hf_random_below(&c->h->random, 101);

    hf_timer_after(c->h->loop, &c->due, (struct hf_duration){wait.ns / 100 * percent});
}

/* --- the judgement --- */

/* What users got in the window that ends now. */
static struct hf_seen seen_in_window(struct check *c, struct hf_mono now)
{
    struct sample sample = {.at = now};
    struct hf_seen window = {0};
    const struct hf_health_hooks *hooks = &c->h->hooks;

    sample.known = hooks->seen && hooks->seen(hooks->ctx, c->i, &sample.total);
    if (!sample.known || !c->older.known || sample.total.attempts < c->older.total.attempts ||
        sample.total.failures < c->older.total.failures) {
        c->older = c->newer = sample; /* a gateway that is gone took its counts along */
        return window;
    }
    window.attempts = sample.total.attempts - c->older.total.attempts;
    window.failures = sample.total.failures - c->older.total.failures;
    if (hf_mono_sub(now, c->newer.at).ns >= policy_of(c)->interval.ns) {
        c->older = c->newer;
        c->newer = sample;
    }
    return window;
}

static bool is_last(const struct hf_instance *i)
{
    if (i->candidate || i->state != HF_INSTANCE_READY)
        return false;
    HF_LIST_EACH (it, &i->service->instances) {
        const struct hf_instance *other = hf_instance_at(it);
        if (other != i && other->state == HF_INSTANCE_READY && !other->candidate)
            return false;
    }
    return true;
}

static void judge(struct check *c)
{
    const struct hf_config_health *policy = policy_of(c);
    enum hf_health_code before = c->judgement.code;
    struct hf_mono now = hf_mono_now();
    const struct hf_evidence evidence = {
        .probes = &c->verdict,
        .policy = {.rise = policy->rise, .fall = policy->fall},
        .seen = seen_in_window(c, now),
        .probe_text = c->probe_text,
        .ready = c->i->state == HF_INSTANCE_READY,
        .last = is_last(c->i),
    };

    hf_health_judge(&evidence, &c->dwell, now, &c->judgement);
    if (c->judgement.code != before)
        hf_info("health %s -> %s service=%s instance=%s text=\"%s\"", hf_health_code_name(before),
                hf_health_code_name(c->judgement.code), c->i->service->name, c->i->id,
                c->judgement.text);
}

static void set(struct check *c, enum hf_instance_state state, const char *text)
{
    hf_instance_state_set(c->h->catalog, c->i, state, "%s", text);
}

static void apply_starting(struct check *c)
{
    const struct hf_config_health *policy = policy_of(c);
    struct hf_duration took = hf_mono_sub(hf_mono_now(), c->i->since);
    char words[100] = "", limit[32], text[sizeof(c->i->why)];

    if (c->judgement.wanted == HF_UP) {
        hf_duration_format(hf_ms(hf_duration_ms(took)), limit, sizeof(limit));
        snprintf(text, sizeof(text), "ready after %s: %.120s", limit, c->probe_text);
        set(c, HF_INSTANCE_READY, text);
    } else if (c->i->process && took.ns >= policy->start.ns) {
        if (c->h->hooks.last_words)
            c->h->hooks.last_words(c->h->hooks.ctx, c->i, words, sizeof(words));
        hf_duration_format(policy->start, limit, sizeof(limit));
        snprintf(text, sizeof(text), "not ready within %s: %.60s%s%s", limit, c->probe_text,
                 words[0] ? "; last log lines: " : "", words);
        set(c, HF_INSTANCE_FAILED, text);
    } else if (!c->i->process && c->judgement.wanted == HF_DOWN) {
        set(c, HF_INSTANCE_EJECTED, c->judgement.text);
    }
}

static void apply(struct check *c, enum hf_health_code before)
{
    const struct hf_judgement *j = &c->judgement;

    switch (c->i->state) {
    case HF_INSTANCE_STARTING:
        apply_starting(c);
        break;
    case HF_INSTANCE_READY:
        if (j->wanted == HF_DOWN)
            set(c, HF_INSTANCE_EJECTED, j->text);
        else if (j->code != before && j->code != HF_HEALTH_UNCERTAIN)
            hf_instance_why_set(c->h->catalog, c->i, "%s", j->text);
        break;
    case HF_INSTANCE_EJECTED:
        if (j->wanted == HF_UP)
            set(c, HF_INSTANCE_READY, j->text);
        break;
    default:
        break;
    }
}

static void finish(struct check *c, enum hf_probe_result result)
{
    const struct hf_config_health *policy = policy_of(c);
    enum hf_health_code before = c->judgement.code;

    if (policy) {
        const struct hf_verdict_policy counts = {.rise = policy->rise, .fall = policy->fall};
        if (hf_verdict_feed(&c->verdict, &counts, result))
            hf_debug("health checks instance=%s say %s", c->i->id,
                     c->verdict.state == HF_VERDICT_UP ? "up" : "down");
        judge(c);
        apply(c, before);
    }
    if (is_checked(c->i->state))
        schedule(c);
}

/* --- the probes --- */

static bool speaks_http2(const struct check *c)
{
    return c->i->service->config && c->i->service->config->protocol != HF_PROTOCOL_HTTP1;
}

static void on_serving(const struct hf_http_result *r, void *arg)
{
    struct check *c = arg;
    enum hf_grpc_serving serving = HF_GRPC_SERVING_UNKNOWN;
    bool good = false;

    c->call = NULL;
    if (r->code) {
        snprintf(c->probe_text, sizeof(c->probe_text), "gRPC health: %.90s", r->error);
    } else if (r->status != 200) {
        snprintf(c->probe_text, sizeof(c->probe_text), "gRPC health: HTTP status %u", r->status);
    } else if (r->grpc_status == HF_GRPC_MISSING) {
        snprintf(c->probe_text, sizeof(c->probe_text), "gRPC health: no grpc-status");
    } else if (r->grpc_status != HF_GRPC_OK) {
        snprintf(c->probe_text, sizeof(c->probe_text), "gRPC health: grpc-status %u",
                 r->grpc_status);
    } else if (hf_grpc_health_response(r->body, &serving)) {
        snprintf(c->probe_text, sizeof(c->probe_text), "gRPC health: not a HealthCheckResponse");
    } else {
        snprintf(c->probe_text, sizeof(c->probe_text), "gRPC health: %s",
                 hf_grpc_serving_name(serving));
        good = serving == HF_GRPC_SERVING;
    }
    finish(c, good ? HF_PROBE_PASSED : HF_PROBE_LOST);
}

static void ask_grpc(struct check *c, const char *service, struct hf_duration timeout)
{
    static const struct hf_http_field fields[] = {
        {{"content-type", 12}, {"application/grpc", 16}},
        {{"te", 2}, {"trailers", 8}},
        {{"user-agent", 10}, {"holdfast-health", 15}},
    };
    char message[HF_GRPC_HEALTH_REQUEST];
    const struct hf_http_call_options options = {
        .address = c->i->address,
        .method = HF_METHOD_POST,
        .target = HF_STR(HF_GRPC_HEALTH_PATH),
        .fields = fields,
        .n_fields = HF_COUNT(fields),
        .body = {message, hf_grpc_health_request(hf_str(service), message)},
        .http2 = true,
        .deadline = timeout,
        .body_most = ANSWER_MOST,
        .on_done = on_serving,
        .arg = c,
    };

    c->call = hf_http_call(c->h->loop, &options);
}

static void on_answer(const struct hf_http_result *r, void *arg)
{
    struct check *c = arg;
    const char *path = policy_of(c) && policy_of(c)->path ? policy_of(c)->path : "";
    bool good = r->code == 0 && r->status >= 200 && r->status <= 299;

    c->call = NULL;
    if (r->code == 0)
        snprintf(c->probe_text, sizeof(c->probe_text), "GET %.60s: %u", path, r->status);
    else
        snprintf(c->probe_text, sizeof(c->probe_text), "GET %.40s: %s", path, r->error);
    finish(c, good ? HF_PROBE_PASSED : HF_PROBE_LOST);
}

static void ask(struct check *c, const char *path, struct hf_duration timeout)
{
    static const struct hf_http_field fields[] = {
        {{"user-agent", 10}, {"holdfast-health", 15}},
    };
    const struct hf_http_call_options options = {
        .address = c->i->address,
        .method = HF_METHOD_GET,
        .target = hf_str(path),
        .fields = fields,
        .n_fields = HF_COUNT(fields),
        .http2 = speaks_http2(c),
        .deadline = timeout,
        .proxy_version = proxy_version_of(c),
        .on_done = on_answer,
        .arg = c,
    };

    c->call = hf_http_call(c->h->loop, &options);
}

static void end_connecting(struct check *c)
{
    if (c->connecting.fd < 0)
        return;
    hf_loop_unwatch(c->h->loop, &c->connecting);
    close(c->connecting.fd);
    c->connecting.fd = -1;
}

static void connected(struct check *c, bool good, const char *text)
{
    end_connecting(c);
    hf_timer_stop(&c->due);
    snprintf(c->probe_text, sizeof(c->probe_text), "connect: %.100s", text);
    finish(c, good ? HF_PROBE_PASSED : HF_PROBE_LOST);
}

/* 0, or an errno: a new connection has room for so little. */
static int say(int fd, const char *text, size_t n)
{
    return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : errno;
}

static void on_connected(struct hf_watch *w, uint32_t events)
{
    struct check *c = HF_CONTAINER(w, struct check, connecting);
    int error = hf_socket_error(w->fd);
    unsigned proxy_version = proxy_version_of(c);
    char header[HF_PROXY_OUT];

    (void)events;
    if (error == 0 && proxy_version) /* so that it does not take us for somebody who breaks it */
        error = say(w->fd, header, hf_proxy_write(proxy_version, NULL, NULL, header));
    connected(c, error == 0, error ? strerror(error) : "connected");
}

static void connect_only(struct check *c, struct hf_duration timeout)
{
    struct hf_error e = {0};
    int fd = hf_socket_connect(&c->i->address, &e);

    if (fd >= 0) {
        c->connecting.fd = fd;
        if (hf_loop_watch(c->h->loop, &c->connecting, EPOLLOUT) == 0) {
            hf_timer_after(c->h->loop, &c->due, timeout);
            return;
        }
        close(fd);
        c->connecting.fd = -1;
        hf_error_errno(&e, HF_EIO, "cannot watch a socket");
    }
    connected(c, false, e.text);
}

/* No longer than a starting process has left. */
static struct hf_duration timeout_of(const struct check *c, const struct hf_config_health *policy)
{
    struct hf_duration left;

    if (c->i->state != HF_INSTANCE_STARTING || !c->i->process)
        return policy->timeout;
    left = (struct hf_duration){policy->start.ns - hf_mono_sub(hf_mono_now(), c->i->since).ns};
    if (left.ns < hf_ms(DEADLINE_MIN_MS).ns)
        left = hf_ms(DEADLINE_MIN_MS);
    return left.ns < policy->timeout.ns ? left : policy->timeout;
}

static void on_due(struct hf_timer *t)
{
    struct check *c = HF_CONTAINER(t, struct check, due);
    const struct hf_config_health *policy = policy_of(c);

    if (c->connecting.fd >= 0)
        connected(c, false, "timed out");
    else if (!policy)
        schedule(c);
    else if (policy->tcp)
        connect_only(c, timeout_of(c, policy));
    else if (policy->grpc)
        ask_grpc(c, policy->grpc_service, timeout_of(c, policy));
    else
        ask(c, policy->path, timeout_of(c, policy));
}

/* --- following the catalogue --- */

static void rest(struct check *c)
{
    hf_timer_stop(&c->due);
    c->call = hf_http_cancel(c->call);
    end_connecting(c);
}

static void add(struct hf_health *h, struct hf_instance *i)
{
    struct check *c = hf_alloc(sizeof(*c));

    c->h = h;
    c->i = i;
    c->connecting = (struct hf_watch){.fd = -1, .on_event = on_connected};
    hf_timer_init(&c->due, on_due);
    hf_verdict_init(&c->verdict);
    hf_list_append(&h->checks, &c->link);
    if (is_checked(i->state))
        schedule_first(c);
}

static void drop(struct check *c)
{
    rest(c);
    hf_timer_done(&c->due);
    hf_link_remove(&c->link);
    hf_free(c);
}

/* One that takes users again is judged by what they get from now on. */
static void state_changed(struct check *c, enum hf_instance_state old)
{
    enum hf_instance_state now = c->i->state;

    if (now == HF_INSTANCE_READY)
        c->older = c->newer = (struct sample){0};
    if (!is_checked(now)) {
        rest(c);
    } else if (!is_checked(old)) {
        hf_verdict_init(&c->verdict);
        schedule_first(c);
    }
}

static void on_change(struct hf_catalog_observer *observer, const struct hf_change *change)
{
    struct hf_health *h = HF_CONTAINER(observer, struct hf_health, observer);
    struct check *c;

    if (!change->instance)
        return;
    if (change->what == HF_CHANGE_ADDED) {
        add(h, change->instance);
        return;
    }
    c = find(h, change->instance);
    if (!c)
        return;
    if (change->what == HF_CHANGE_REMOVED)
        drop(c);
    else if (change->what == HF_CHANGE_STATE)
        state_changed(c, change->old);
}

struct hf_health *hf_health_new(struct hf_loop *loop, struct hf_catalog *catalog,
                                const struct hf_health_hooks *hooks)
{
    struct hf_health *h = hf_alloc(sizeof(*h));

    h->loop = loop;
    h->catalog = catalog;
    h->hooks = *hooks;
    h->observer.on_change = on_change;
    hf_link_init(&h->checks);
    hf_random_init(&h->random);
    HF_LIST_EACH (at, hf_catalog_services(catalog)) {
        HF_LIST_EACH (it, &hf_service_at(at)->instances) {
            add(h, hf_instance_at(it));
        }
    }
    hf_catalog_observe(catalog, &h->observer);
    return h;
}

struct hf_health *hf_health_free(struct hf_health *h)
{
    if (!h)
        return NULL;
    hf_catalog_unobserve(h->catalog, &h->observer);
    HF_LIST_EACH (it, &h->checks) {
        drop(check_at(it));
    }
    hf_free(h);
    return NULL;
}

enum hf_health_code hf_health_verdict(const struct hf_health *h, const struct hf_instance *i,
                                      const char **ret_text)
{
    const struct check *c = find(h, i);

    *ret_text = c ? c->judgement.text : "";
    return c ? c->judgement.code : HF_HEALTH_UNCERTAIN;
}
