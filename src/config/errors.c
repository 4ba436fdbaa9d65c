#include "config/errors.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void hf_config_errors_clear(struct hf_config_errors *e, const char *file)
{
    e->n = e->total = 0;
    hf_str_copy(hf_str(file), e->file, sizeof(e->file));
}

void hf_config_errors_add(struct hf_config_errors *e, uint32_t line, uint32_t column,
                          const char *fmt, ...)
{
    struct hf_config_error *x;
    va_list ap;

    e->total++;
    if (e->n == HF_CONFIG_ERRORS)
        return;
    x = &e->error[e->n++];
    x->line = line;
    x->column = column;
    va_start(ap, fmt);
    vsnprintf(x->text, sizeof(x->text), fmt, ap);
    va_end(ap);
    for (char *p = x->text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
}

static int by_place(const void *a, const void *b)
{
    const struct hf_config_error *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return strcmp(x->text, y->text);
}

void hf_config_errors_sort(struct hf_config_errors *e)
{
    qsort(e->error, e->n, sizeof(e->error[0]), by_place);
}

void hf_config_errors_format(const struct hf_config_errors *e, struct hf_text *out)
{
    for (uint32_t i = 0; i < e->n; i++) {
        const struct hf_config_error *x = &e->error[i];
        if (x->line)
            hf_text_addf(out, "%s:%u:%u: %s\n", e->file, x->line, x->column, x->text);
        else
            hf_text_addf(out, "%s: %s\n", e->file, x->text);
    }
    if (e->total > e->n)
        hf_text_addf(out, "%s: ... and %u more\n", e->file, e->total - e->n);
}

void hf_config_warnings_print(const struct hf_config_errors *e, FILE *out)
{
    for (uint32_t i = 0; i < e->n; i++)
        fprintf(out, "%s:%u:%u: warning: %s\n", e->file, e->error[i].line, e->error[i].column,
                e->error[i].text);
}

void hf_config_errors_print(const struct hf_config_errors *e, FILE *out)
{
    HF_AUTOTEXT struct hf_text text = {0};

    hf_config_errors_format(e, &text);
    if (text.n)
        fputs(text.p, out);
}
