#include "cli/ask.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/term.h"
#include "http/client.h"

enum { BODY_MOST = 16 << 20, LINE_MOST = 1 << 20 };
#define DEADLINE hf_seconds(60)

static const struct hf_http_field json_field = {.name = {"content-type", 12},
                                                .value = {"application/json", 16}};

/* What an operator shall read of a refusal: the problem's detail, else the status. */
static void refusal(unsigned status, struct hf_str body, struct hf_text *ret)
{
    json_t *problem = json_loadb(body.p ? body.p : "", body.n, 0, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));

    hf_text_clear(ret);
    if (detail)
        hf_text_addf(ret, "%s", detail);
    else
        hf_text_addf(ret, "holdfast answered with status %u", status);
    json_decref(problem);
}

static int unreachable(const char *path, const char *why, struct hf_text *ret)
{
    hf_text_clear(ret);
    hf_text_addf(ret, "holdfast does not answer on %s: %s", path, why);
    return HF_EXIT_UNREACHABLE;
}

static void say(bool quiet, const struct hf_text *text)
{
    if (!quiet)
        fprintf(stderr, "holdfast: %s%s", text->p,
                text->n && text->p[text->n - 1] == '\n' ? "" : "\n");
}

int hf_ask_text(const struct hf_command *c, const struct hf_ask *ask, struct hf_text *ret)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/admin.sock", c->state);
    char *body = ask->body ? json_dumps(ask->body, JSON_COMPACT) : NULL;
    const struct hf_http_call_options options = {
        .unix_path = path,
        .method = ask->method,
        .target = hf_str(ask->target),
        .fields = &json_field,
        .n_fields = body ? 1 : 0,
        .body = hf_str(body),
        .deadline = DEADLINE,
        .body_most = BODY_MOST,
    };
    struct hf_error e = {0};
    HF_AUTOTEXT struct hf_text answer = {0};
    unsigned status = 0;
    int rc = hf_http_ask(&options, &status, &answer, &e), exit_status = HF_EXIT_DONE;

    free(body);
    hf_text_clear(ret);
    if (rc) {
        exit_status = unreachable(path, e.text, ret);
    } else if (status >= 300) {
        refusal(status, hf_text_str(&answer), ret);
        exit_status = HF_EXIT_FAILED;
    } else {
        hf_text_add(ret, hf_text_str(&answer));
    }
    if (exit_status)
        say(ask->quiet, ret);
    return exit_status;
}

int hf_ask_json(const struct hf_command *c, const struct hf_ask *ask, json_t **ret)
{
    HF_AUTOTEXT struct hf_text text = {0};
    int exit_status = hf_ask_text(c, ask, &text);
    json_t *json;

    if (exit_status)
        return exit_status;
    json = json_loadb(text.p ? text.p : "", text.n, 0, NULL);
    if (!json) {
        if (!ask->quiet)
            fprintf(stderr, "holdfast: the answer is no JSON\n");
        return HF_EXIT_FAILED;
    }
    *ret = json;
    return HF_EXIT_DONE;
}

/* --- lines --- */

struct stream {
    struct hf_loop *loop;
    struct hf_text line;
    void (*each)(const json_t *line, void *arg);
    void *arg;
    const char *path;
    struct hf_text said; /* what went wrong */
    int exit_status;
};

static void end_line(struct stream *s)
{
    json_t *json = s->line.n ? json_loadb(s->line.p, s->line.n, 0, NULL) : NULL;

    if (json)
        s->each(json, s->arg);
    json_decref(json);
    hf_text_clear(&s->line);
}

static void on_data(struct hf_str data, void *arg)
{
    struct stream *s = arg;

    while (data.n) {
        const char *end = memchr(data.p, '\n', data.n);
        size_t n = end ? (size_t)(end - data.p) : data.n;
        if (s->line.n + n <= LINE_MOST)
            hf_text_add(&s->line, (struct hf_str){data.p, n});
        if (end) {
            end_line(s);
            n++;
        }
        data.p += n;
        data.n -= n;
    }
}

static void on_done(const struct hf_http_result *r, void *arg)
{
    struct stream *s = arg;

    if (r->code) {
        s->exit_status = unreachable(s->path, r->error, &s->said);
    } else if (r->status >= 300) {
        s->exit_status = HF_EXIT_FAILED;
        refusal(r->status, r->body, &s->said);
    }
    hf_loop_stop(s->loop);
}

int hf_ask_lines(const struct hf_command *c, const char *target, bool quiet,
                 void (*each)(const json_t *line, void *arg), void *arg)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/admin.sock", c->state);
    struct stream s = {.each = each, .arg = arg, .path = path};
    const struct hf_http_call_options options = {
        .unix_path = path,
        .method = HF_METHOD_GET,
        .target = hf_str(target),
        .body_most = BODY_MOST,
        .on_done = on_done,
        .on_data = on_data,
        .arg = &s,
    };
    struct hf_error e;

    if (hf_loop_new(&s.loop, &e)) {
        fprintf(stderr, "holdfast: %s\n", e.text);
        return HF_EXIT_FAILED;
    }
    hf_http_call(s.loop, &options);
    hf_loop_run(s.loop);
    hf_loop_free(s.loop);
    if (s.exit_status)
        say(quiet && s.exit_status == HF_EXIT_UNREACHABLE, &s.said);
    hf_text_done(&s.line);
    hf_text_done(&s.said);
    return s.exit_status;
}

void hf_ask_print(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    fflush(stdout);
}
