/* /v1/releases: requesting one, and following it to its end. */
#include <string.h>

#include "api/internal.h"
#include "base/mem.h"

/* How often a release that is followed is looked at. Polling what is in memory anyway needs no
 * bookkeeping that could go wrong, and nobody reads faster. */
#define LOOK hf_ms(100)

static bool is_over(const char *state)
{
    static const char *const over[] = {"done", "rolled-back", "blocked", "failed"};

    for (size_t i = 0; i < HF_COUNT(over); i++) {
        if (strcmp(state, over[i]) == 0)
            return true;
    }
    return false;
}

/* --- requesting --- */

struct wanted {
    char service[HF_API_NAME], version[HF_API_NAME], by[HF_API_NAME];
};

static bool text_copy(const json_t *value, char ret[HF_API_NAME])
{
    const char *text = json_string_value(value);

    if (!text || json_string_length(value) != strlen(text) || strlen(text) >= HF_API_NAME)
        return false;
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

/* Returns NULL, or what is wrong. */
static const char *read_wanted(json_t *body, struct wanted *ret)
{
    const char *key;
    json_t *value;

    if (!json_is_object(body))
        return "expected a JSON object like {\"service\": \"orders\", \"version\": \"1.4.0\"}";
    json_object_foreach(body, key, value)
    {
        if (strcmp(key, "service") == 0) {
            if (!text_copy(value, ret->service))
                return "service has to be a text of at most 63 bytes";
        } else if (strcmp(key, "version") == 0) {
            if (!text_copy(value, ret->version))
                return "version has to be a text of at most 63 bytes";
        } else if (strcmp(key, "by") == 0) {
            if (!text_copy(value, ret->by))
                return "by has to be a text of at most 63 bytes";
        } else {
            return "there is a member other than service, version, by";
        }
    }
    return ret->service[0] && ret->version[0] ? NULL : "service and version are needed";
}

void hf_api_release_post(struct hf_api_call *c)
{
    json_t *body =
        json_loadb(c->x->body.p ? c->x->body.p : "", c->x->body.n, JSON_REJECT_DUPLICATES, NULL);
    struct wanted wanted = {0};
    const char *wrong = body ? read_wanted(body, &wanted) : "the body is no JSON";

    json_decref(body);
    if (wrong) {
        hf_api_problem(c->x, 400, "%s", wrong);
        return;
    }
    c->api->handlers.release(c->api->handlers.ctx, wanted.service, wanted.version, wanted.by,
                             hf_api_reply_new(c->x));
}

/* --- following --- */

/* Lives as long as its client and its release. */
struct follower {
    struct hf_api *api;
    struct hf_http_exchange *x;
    uint32_t id;
    size_t sent; /* lines of the log */
    struct hf_timer timer;
};

static void unfollow(struct follower *f)
{
    hf_timer_done(&f->timer);
    hf_free(f);
}

static void on_gone(struct hf_http_exchange *x)
{
    unfollow(x->user);
}

/* Sends the lines that are new. False: the client was cut. */
static bool send_lines(struct follower *f, const json_t *log)
{
    for (; f->sent < json_array_size(log); f->sent++) {
        if (!hf_api_line(f->x, json_array_get(log, f->sent)))
            return false;
    }
    return true;
}

static void look(struct follower *f)
{
    json_t *release = f->api->handlers.release_get(f->api->handlers.ctx, f->id);
    const char *state = json_string_value(json_object_get(release, "state"));
    bool ended = !state || is_over(state);
    bool there = send_lines(f, json_object_get(release, "log"));

    if (there && ended && release) {
        json_t *last;
        json_object_del(release, "log");
        last = json_pack("{s:O}", "end", release);
        there = hf_api_line(f->x, last);
        json_decref(last);
    }
    json_decref(release);
    if (there && ended)
        hf_http_answer_end(f->x);
    if (!there || ended)
        unfollow(f);
    else
        hf_timer_after(f->api->loop, &f->timer, LOOK);
}

static void on_timer(struct hf_timer *t)
{
    look(HF_CONTAINER(t, struct follower, timer));
}

/* Lines of the log as they come, those before `after` left out; at the end {"end": the release}. */
static void follow(struct hf_api_call *c, uint32_t id, size_t after)
{
    struct follower *f = hf_alloc(sizeof(*f));

    f->api = c->api;
    f->x = c->x;
    f->id = id;
    f->sent = after;
    hf_timer_init(&f->timer, on_timer);
    c->x->user = f;
    c->x->on_gone = on_gone;
    hf_http_answer_begin(c->x, 200, HF_API_LINES);
    look(f);
}

void hf_api_release_show(struct hf_api_call *c)
{
    uint64_t id, following, after;
    json_t *release = NULL;

    if (hf_api_query_number(c->x, "follow", 0, 1, 0, &following) ||
        hf_api_query_number(c->x, "after", 0, UINT32_MAX, 0, &after))
        return;
    if (hf_str_to_u64(c->argument, &id) == 0 && id <= UINT32_MAX)
        release = c->api->handlers.release_get(c->api->handlers.ctx, (uint32_t)id);
    if (!release) {
        hf_api_problem(c->x, 404, "there is no release " HF_STR_FMT ", or it is forgotten",
                       HF_STR_ARG(c->argument));
    } else if (following) {
        json_decref(release);
        follow(c, (uint32_t)id, after);
    } else {
        hf_api_answer(c->x, 200, release);
    }
}
