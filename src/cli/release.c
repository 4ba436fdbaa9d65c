/* `holdfast release SERVICE VERSION`: requests it and shows it, line by line, to its end. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/time.h"
#include "cli/ask.h"
#include "cli/term.h"

/* So long the controller may be away in the middle of a release that is followed. */
#define PATIENCE hf_seconds(60)

struct view {
    const struct hf_command *command;
    const char *service, *version;
    uint64_t lines; /* seen */
    json_t *end;    /* the release at its end; NULL: not yet */
};

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

/* A copy without control characters. */
static char *safe(const json_t *object, const char *key)
{
    return hf_term_safe(hf_strdup(text(object, key)));
}

static void print_line(const json_t *line)
{
    HF_AUTOFREE char *node = safe(line, "node"), *instance = safe(line, "instance"),
                     *what = safe(line, "text");
    bool back = strcmp(text(line, "state"), "rolling-back") == 0;

    printf("  %s", hf_term_on(back ? HF_YELLOW : HF_PLAIN));
    if (node[0])
        printf("node %s: ", node);
    if (instance[0] && !strstr(what, instance))
        printf("%s: ", instance);
    printf("%s%s\n", what, hf_term_off(back ? HF_YELLOW : HF_PLAIN));
    fflush(stdout);
}

static void on_line(const json_t *line, void *arg)
{
    struct view *v = arg;
    json_t *end = json_object_get(line, "end");

    if (json_is_object(end)) {
        json_decref(v->end);
        v->end = json_incref(end);
        return;
    }
    v->lines++;
    if (!v->command->json)
        print_line(line);
}

static void print_took(const json_t *release)
{
    struct hf_wall from, to;
    char took[32];

    if (hf_wall_parse(text(release, "began"), &from) || hf_wall_parse(text(release, "ended"), &to))
        return;
    printf(" in %s", hf_duration_format((struct hf_duration){to.ns - from.ns}, took, sizeof(took)));
}

static int print_end(const struct view *v)
{
    HF_AUTOFREE char *state = safe(v->end, "state"), *why = safe(v->end, "why"),
                     *to = safe(v->end, "to");
    bool done = strcmp(state, "done") == 0;
    enum hf_colour colour = done ? HF_GREEN : HF_RED;

    if (v->command->json) {
        hf_ask_print(v->end);
    } else if (done) {
        printf("%sdone%s", hf_term_on(colour), hf_term_off(colour));
        print_took(v->end);
        printf(": %s is at %s\n", v->service, to);
    } else {
        fflush(stdout);
        for (char *p = state; *p; p++)
            *p = *p == '-' ? ' ' : *p;
        fprintf(stderr, "holdfast: %s %s was not released, %s: %s\n", v->service, v->version, state,
                why[0] ? why : "no reason was given");
    }
    return done ? HF_EXIT_DONE : HF_EXIT_FAILED;
}

/* A controller that dies takes up the release again when it is back; so does its reader. */
static int follow(struct view *v, long long id)
{
    const struct timespec pause = {.tv_nsec = 200 * HF_NS_PER_MS};
    struct hf_mono lost_at = {0};
    char target[96];

    for (;;) {
        uint64_t seen = v->lines;
        int exit_status;
        snprintf(target, sizeof(target), "/v1/releases/%lld?follow=1&after=%llu", id,
                 (unsigned long long)seen);
        exit_status = hf_ask_lines(v->command, target, true, on_line, v);
        if (v->end)
            return print_end(v);
        if (exit_status == HF_EXIT_FAILED)
            return exit_status;
        if (v->lines != seen || lost_at.ns == 0)
            lost_at = hf_mono_now();
        if (hf_mono_sub(hf_mono_now(), lost_at).ns > PATIENCE.ns) {
            fprintf(stderr,
                    "holdfast: lost sight of release %lld: holdfast does not answer; "
                    "`holdfast status` will show it\n",
                    id);
            return HF_EXIT_UNREACHABLE;
        }
        nanosleep(&pause, NULL);
    }
}

static json_t *request_body(const struct view *v)
{
    const struct passwd *user = getpwuid(geteuid());
    json_t *body = json_pack("{s:s, s:s}", "service", v->service, "version", v->version);

    if (body && user && strlen(user->pw_name) < 64)
        json_object_set_new(body, "by", json_string(user->pw_name));
    return body;
}

int hf_command_release(const struct hf_command *c)
{
    struct view v = {.command = c, .service = c->arguments[0], .version = c->arguments[1]};
    struct hf_ask ask = {.method = HF_METHOD_POST, .target = "/v1/releases"};
    json_t *release;
    int exit_status;

    ask.body = request_body(&v);
    if (!ask.body) {
        fprintf(stderr, "holdfast: a service and a version are texts in UTF-8\n");
        return HF_EXIT_USAGE;
    }
    exit_status = hf_ask_json(c, &ask, &release);
    json_decref(ask.body);
    if (exit_status)
        return exit_status;
    if (!c->json) {
        HF_AUTOFREE char *from = safe(release, "from"), *to = safe(release, "to");
        printf("%s%s %s -> %s%s\n", hf_term_on(HF_BOLD), v.service, from, to, hf_term_off(HF_BOLD));
        fflush(stdout);
    }
    exit_status = follow(&v, json_integer_value(json_object_get(release, "release")));
    json_decref(release);
    json_decref(v.end);
    return exit_status;
}
