/* Commands that show what is written down, and reload: events, logs, report, reload. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/ask.h"
#include "cli/term.h"
#include "http/url.h"

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

/* --- events --- */

static void print_event(const json_t *event)
{
    HF_AUTOFREE char *time = hf_term_safe(hf_strdup(text(event, "time"))),
                     *kind = hf_term_safe(hf_strdup(text(event, "kind"))),
                     *what = hf_term_safe(hf_strdup(text(event, "text")));

    /* 2026-11-23T18:00:00.123Z: without the fraction, and easier to read. */
    if (strlen(time) > 19) {
        time[10] = ' ';
        time[19] = 0;
    }
    printf("%s%s%s  %-13s  %s\n", hf_term_on(HF_DIM), time, hf_term_off(HF_DIM), kind, what);
}

static void on_event(const json_t *event, void *arg)
{
    const struct hf_command *c = arg;

    if (c->json) {
        json_dumpf(event, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        print_event(event);
    }
    fflush(stdout);
}

int hf_command_events(const struct hf_command *c)
{
    const struct hf_ask ask = {.method = HF_METHOD_GET, .target = "/v1/events"};
    json_t *answer, *event;
    int exit_status;
    size_t i;

    if (c->follow) {
        struct hf_command copy = *c;
        return hf_ask_lines(c, "/v1/events?follow=1&max=10", false, on_event, &copy);
    }
    exit_status = hf_ask_json(c, &ask, &answer);
    if (exit_status)
        return exit_status;
    if (c->json) {
        hf_ask_print(answer);
    } else {
        json_array_foreach(json_object_get(answer, "events"), i, event) print_event(event);
    }
    json_decref(answer);
    return HF_EXIT_DONE;
}

/* --- logs --- */

/* Line by line, without what could move a terminal's cursor. */
static void print_log(const char *log)
{
    for (const char *p = log; *p; p++)
        putchar(((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f ? ' ' : *p);
    if (log[0] && log[strlen(log) - 1] != '\n')
        putchar('\n');
}

int hf_command_logs(const struct hf_command *c)
{
    HF_AUTOTEXT struct hf_text target = {0};
    struct hf_ask ask = {.method = HF_METHOD_GET};
    json_t *answer, *log;
    int exit_status;
    size_t i;

    hf_text_addf(&target, "/v1/logs/");
    hf_url_encode(&target, hf_str(c->arguments[0]));
    ask.target = target.p;
    exit_status = hf_ask_json(c, &ask, &answer);
    if (exit_status)
        return exit_status;
    if (c->json) {
        hf_ask_print(answer);
    } else {
        json_array_foreach(json_object_get(answer, "logs"), i, log)
        {
            HF_AUTOFREE char *instance = hf_term_safe(hf_strdup(text(log, "instance")));
            printf("%s%s==> %s <==%s\n", i ? "\n" : "", hf_term_on(HF_BOLD), instance,
                   hf_term_off(HF_BOLD));
            print_log(text(log, "text"));
        }
    }
    json_decref(answer);
    return HF_EXIT_DONE;
}

/* --- report --- */

int hf_command_report(const struct hf_command *c)
{
    HF_AUTOTEXT struct hf_text target = {0}, answer = {0};
    struct hf_ask ask = {.method = HF_METHOD_GET};
    int exit_status;

    hf_text_addf(&target, "/v1/report?format=%s", c->json ? "json" : "text");
    if (c->year)
        hf_text_addf(&target, "&year=%d", c->year);
    ask.target = target.p;
    if (c->json) {
        json_t *json;
        exit_status = hf_ask_json(c, &ask, &json);
        if (!exit_status) {
            hf_ask_print(json);
            json_decref(json);
        }
    } else {
        exit_status = hf_ask_text(c, &ask, &answer);
        if (!exit_status && answer.p)
            print_log(answer.p);
    }
    return exit_status;
}

/* --- reload --- */

int hf_command_reload(const struct hf_command *c)
{
    const struct hf_ask ask = {.method = HF_METHOD_POST, .target = "/v1/reload"};
    json_t *answer;
    int exit_status = hf_ask_json(c, &ask, &answer);

    if (exit_status)
        return exit_status;
    if (c->json)
        hf_ask_print(answer);
    else
        print_log(text(answer, "text"));
    json_decref(answer);
    return HF_EXIT_DONE;
}
