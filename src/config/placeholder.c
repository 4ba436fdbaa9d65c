#include "config/placeholder.h"

#include <stddef.h>

static const struct {
    struct hf_str name;
    size_t offset;
} placeholders[] = {
    {{"port", 4}, offsetof(struct hf_placeholders, port)},
    {{"version", 7}, offsetof(struct hf_placeholders, version)},
    {{"instance", 8}, offsetof(struct hf_placeholders, instance)},
    {{"node", 4}, offsetof(struct hf_placeholders, node)},
    {{"service", 7}, offsetof(struct hf_placeholders, service)},
};

/* The name of the placeholder that begins at p, which is at a '{'; n == 0: it is just a brace. */
static struct hf_str name_at(const char *p)
{
    size_t n = 0;

    while (hf_lower(p[1 + n]) >= 'a' && hf_lower(p[1 + n]) <= 'z')
        n++;
    return (struct hf_str){p + 1, p[1 + n] == '}' ? n : 0};
}

static int find(struct hf_str name)
{
    for (size_t i = 0; i < HF_COUNT(placeholders); i++) {
        if (hf_str_eq(placeholders[i].name, name))
            return (int)i;
    }
    return -1;
}

bool hf_placeholder_check(const char *text, struct hf_str *ret_unknown)
{
    for (const char *p = text; (p = strchr(p, '{')); p++) {
        struct hf_str name = name_at(p);
        if (name.n && find(name) < 0) {
            *ret_unknown = (struct hf_str){p, name.n + 2};
            return false;
        }
    }
    return true;
}

bool hf_placeholder_has(const char *text, const char *name)
{
    for (const char *p = text; (p = strchr(p, '{')); p++) {
        if (hf_str_eq(name_at(p), hf_str(name)))
            return true;
    }
    return false;
}

void hf_placeholder_expand(const char *text, const struct hf_placeholders *values,
                           struct hf_text *out)
{
    while (*text) {
        const char *brace = strchr(text, '{');
        struct hf_str name = brace ? name_at(brace) : (struct hf_str){0};
        int i = name.n ? find(name) : -1;

        if (!brace) {
            hf_text_add(out, hf_str(text));
            return;
        }
        hf_text_add(out, (struct hf_str){text, (size_t)(brace - text)});
        if (i < 0) {
            hf_text_add(out, HF_STR("{"));
            text = brace + 1;
        } else {
            hf_text_add(out, hf_str(*(const char *const *)(const void *)((const char *)values +
                                                                         placeholders[i].offset)));
            text = name.p + name.n + 1;
        }
    }
}
