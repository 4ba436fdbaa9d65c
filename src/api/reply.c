/* Answers: JSON, problem documents, and those that come later than their request. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/internal.h"
#include "base/mem.h"

struct hf_api_reply {
    struct hf_http_exchange *x; /* NULL: the client is gone */
};

void hf_api_answer(struct hf_http_exchange *x, unsigned status, json_t *take)
{
    char *text = json_dumps(take, JSON_COMPACT);

    json_decref(take);
    if (text)
        hf_http_answer(x, status, HF_API_JSON, hf_str(text));
    else
        hf_api_problem(x, 500, "the answer cannot be written as JSON");
    free(text);
}

static void problem(struct hf_http_exchange *x, unsigned status, const char *fmt, va_list ap)
    HF_PRINTF(3, 0);

static void problem(struct hf_http_exchange *x, unsigned status, const char *fmt, va_list ap)
{
    char detail[4096];

    vsnprintf(detail, sizeof(detail), fmt, ap);
    hf_http_answer_problem(x, status, hf_str(detail));
}

void hf_api_problem(struct hf_http_exchange *x, unsigned status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    problem(x, status, fmt, ap);
    va_end(ap);
}

bool hf_api_line(struct hf_http_exchange *x, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    HF_AUTOTEXT struct hf_text line = {0};

    if (!text)
        return true;
    hf_text_addf(&line, "%s\n", text);
    free(text);
    if (!hf_http_answer_data(x, hf_text_str(&line)))
        return true;
    hf_http_answer_cut(x);
    return false;
}

static void on_gone(struct hf_http_exchange *x)
{
    struct hf_api_reply *r = x->user;

    r->x = NULL;
}

struct hf_api_reply *hf_api_reply_new(struct hf_http_exchange *x)
{
    struct hf_api_reply *r = hf_alloc(sizeof(*r));

    r->x = x;
    x->user = r;
    x->on_gone = on_gone;
    return r;
}

void hf_api_reply_json(struct hf_api_reply *r, unsigned status, json_t *take)
{
    if (r->x)
        hf_api_answer(r->x, status, take);
    else
        json_decref(take);
    hf_free(r);
}

void hf_api_reply_text(struct hf_api_reply *r, struct hf_str text)
{
    if (r->x)
        hf_http_answer(r->x, 200, HF_STR("text/plain; charset=utf-8"), text);
    hf_free(r);
}

void hf_api_reply_problem(struct hf_api_reply *r, unsigned status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (r->x)
        problem(r->x, status, fmt, ap);
    va_end(ap);
    hf_free(r);
}
