#include "gateway/accept.h"

#include "base/error.h"

enum { ANY = 1, KIND, ITSELF };

static const struct {
    struct hf_str range;
    uint8_t form, specificity;
} ranges[] = {
    {{"*/*", 3}, HF_ANSWER_JSON, ANY},
    {{"*/*", 3}, HF_ANSWER_HTML, ANY},
    {{"*/*", 3}, HF_ANSWER_TEXT, ANY},
    {{"application/*", 13}, HF_ANSWER_JSON, KIND},
    {{"text/*", 6}, HF_ANSWER_HTML, KIND},
    {{"text/*", 6}, HF_ANSWER_TEXT, KIND},
    {{"application/problem+json", 24}, HF_ANSWER_JSON, ITSELF},
    {{"application/json", 16}, HF_ANSWER_JSON, ITSELF},
    {{"text/html", 9}, HF_ANSWER_HTML, ITSELF},
    {{"text/plain", 10}, HF_ANSWER_TEXT, ITSELF},
};

/* Takes what stands before the next separator outside of quotes, trimmed. False at the end. */
static bool next(struct hf_str *rest, char separator, struct hf_str *ret)
{
    bool quoted = false;
    size_t n = 0;

    if (!rest->p)
        return false;
    for (; n < rest->n && (quoted || rest->p[n] != separator); n++) {
        if (rest->p[n] == '"')
            quoted = !quoted;
        else if (quoted && rest->p[n] == '\\' && n + 1 < rest->n)
            n++;
    }
    *ret = hf_str_trim((struct hf_str){rest->p, n});
    *rest = n < rest->n ? (struct hf_str){rest->p + n + 1, rest->n - n - 1} : (struct hf_str){0};
    return true;
}

/* "1", "0.5", "0.125": of 1000. */
static bool quality(struct hf_str s, uint16_t *ret)
{
    unsigned v, unit = 1000;

    if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
        return false;
    v = (unsigned)(s.p[0] - '0') * unit;
    for (size_t i = 2; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        unit /= 10;
        v += (unsigned)(s.p[i] - '0') * unit;
    }
    if (v > 1000)
        return false;
    *ret = (uint16_t)v;
    return true;
}

static void note(struct hf_accept *a, struct hf_str range, uint16_t q)
{
    for (size_t i = 0; i < HF_COUNT(ranges); i++) {
        uint8_t form = ranges[i].form, specificity = ranges[i].specificity;
        if (ranges[i].range.n != range.n || a->of[form].specificity > specificity ||
            !hf_str_eq_nocase(ranges[i].range, range))
            continue;
        if (a->of[form].specificity < specificity || a->of[form].quality < q)
            a->of[form].quality = q;
        a->of[form].specificity = specificity;
    }
}

static void add_range(struct hf_accept *a, struct hf_str element)
{
    struct hf_str range, parameter;
    uint16_t q = 1000;

    if (!next(&element, ';', &range))
        return;
    while (next(&element, ';', &parameter)) {
        if (parameter.n < 2 || hf_lower(parameter.p[0]) != 'q' || parameter.p[1] != '=')
            continue;
        if (!quality((struct hf_str){parameter.p + 2, parameter.n - 2}, &q))
            return;
    }
    note(a, range, q);
}

void hf_accept_add(struct hf_accept *a, struct hf_str value)
{
    struct hf_str element;

    while (next(&value, ',', &element))
        add_range(a, element);
}

enum hf_answer_form hf_accept_choose(const struct hf_accept *a)
{
    unsigned best = HF_ANSWER_JSON;

    for (unsigned i = 1; i < HF_ANSWER_FORMS; i++) {
        if (a->of[i].quality > a->of[best].quality ||
            (a->of[i].quality == a->of[best].quality && a->of[i].quality > 0 &&
             a->of[i].specificity > a->of[best].specificity))
            best = i;
    }
    return (enum hf_answer_form)best;
}
