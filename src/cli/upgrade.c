/* `holdfast upgrade [PROGRAM]`: asks for other executables and shows each step until they run. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/time.h"
#include "cli/ask.h"
#include "cli/term.h"

/* So long nobody may answer: the controller is replaced on the way. */
#define PATIENCE hf_seconds(60)

struct view {
    const struct hf_command *command;
    long long id;
    int shown; /* steps */
};

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static int number(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

/* In the order in which they are made. */
static const char *const steps[] = {"self-check", "gateway", "controller", "keeper"};

static int index_of(const char *step)
{
    for (int i = 0; i < (int)HF_COUNT(steps); i++) {
        if (strcmp(step, steps[i]) == 0)
            return i;
    }
    return 0;
}

static void show_step(int step, const json_t *r)
{
    switch (step) {
    case 0:
        printf("  self-check: build %s can take over\n", text(r, "build"));
        break;
    case 1:
        printf("  gateway: pid %d serves in place of %d\n", number(r, "gateway"),
               number(r, "old_gateway"));
        break;
    case 2:
        printf("  controller: pid %d\n", number(r, "controller"));
        break;
    default:
        printf("  keeper: the same process, build %s\n", text(r, "build"));
        break;
    }
    fflush(stdout);
}

static void show_steps(struct view *v, const json_t *r, bool done)
{
    int made = done ? (int)HF_COUNT(steps) : index_of(text(r, "step"));

    for (; v->shown < made; v->shown++) {
        if (!v->command->json)
            show_step(v->shown, r);
    }
}

static int show_end(struct view *v, const json_t *r)
{
    bool done = strcmp(text(r, "outcome"), "done") == 0;
    char *why;

    if (v->command->json) {
        hf_ask_print(r);
    } else if (done) {
        printf("%sdone%s: build %s runs\n", hf_term_on(HF_GREEN), hf_term_off(HF_GREEN),
               text(r, "build"));
    } else {
        why = hf_term_safe(hf_strdup(text(r, "text")));
        fflush(stdout);
        fprintf(stderr, "holdfast: not upgraded, what ran before runs on: %s\n", why);
        hf_free(why);
    }
    return done ? HF_EXIT_DONE : HF_EXIT_FAILED;
}

static int follow(struct view *v)
{
    const struct timespec pause = {.tv_nsec = 50 * HF_NS_PER_MS};
    const struct hf_ask ask = {.method = HF_METHOD_GET, .target = "/v1/upgrade", .quiet = true};
    struct hf_mono heard = hf_mono_now();

    while (hf_mono_sub(hf_mono_now(), heard).ns < PATIENCE.ns) {
        json_t *r = NULL;
        bool ours = hf_ask_json(v->command, &ask, &r) == HF_EXIT_DONE &&
                    json_integer_value(json_object_get(r, "id")) == v->id;
        if (ours) {
            bool done = strcmp(text(r, "outcome"), "done") == 0;
            bool over = strcmp(text(r, "outcome"), "under-way") != 0;
            heard = hf_mono_now();
            if (done || !over)
                show_steps(v, r, done);
            if (over) {
                int exit_status = show_end(v, r);
                json_decref(r);
                return exit_status;
            }
        }
        json_decref(r);
        nanosleep(&pause, NULL);
    }
    fprintf(stderr, "holdfast: lost sight of the upgrade: holdfast does not answer; "
                    "`holdfast status` will show what runs\n");
    return HF_EXIT_UNREACHABLE;
}

static json_t *request_body(const struct hf_command *c)
{
    char path[PATH_MAX];
    json_t *body = json_object();

    if (c->arguments[0]) {
        if (!realpath(c->arguments[0], path)) {
            fprintf(stderr, "holdfast: there is no %s\n", c->arguments[0]);
            json_decref(body);
            return NULL;
        }
        json_object_set_new(body, "program", json_string(path));
    }
    if (c->drain_ms)
        json_object_set_new(body, "drain_ms", json_integer((json_int_t)c->drain_ms));
    return body;
}

int hf_command_upgrade(const struct hf_command *c)
{
    struct hf_ask ask = {.method = HF_METHOD_POST, .target = "/v1/upgrade"};
    struct view v = {.command = c};
    json_t *answer;
    int exit_status;

    ask.body = request_body(c);
    if (!ask.body)
        return HF_EXIT_FAILED;
    exit_status = hf_ask_json(c, &ask, &answer);
    json_decref(ask.body);
    if (exit_status)
        return exit_status;
    v.id = json_integer_value(json_object_get(answer, "id"));
    json_decref(answer);
    return follow(&v);
}
