/* orchestrator/template.h - fills {port}, {version}, {instance}, {node} and {service} into the
 * arguments and the environment of a command, and the lists of strings that exec wants.
 * Owner: the caller. Runs in: controller. Nothing here goes through a shell. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct hf_template_values {
    const char *service, *version, *instance, *node;
    uint16_t port;
};

/* Appends text with its placeholders replaced. A brace that opens no word is itself, so that JSON
 * passes; "{{" is a literal "{". HF_EINVAL names a placeholder that does not exist; ret is then as
 * it was. */
HF_MUST_CHECK int hf_template_expand(const char *text, const struct hf_template_values *values,
                                     struct hf_text *ret, struct hf_error *e);

/* p ends with a NULL, as exec wants it; p is NULL while nothing was added. */
struct hf_strings {
    char **p;
    size_t n;
};
void hf_strings_done(struct hf_strings *s); /* wipes the strings: there may be secrets */
void hf_strings_add(struct hf_strings *s, const char *text);

/* NAME=value, in the place of an earlier one of that name. */
void hf_environment_set(struct hf_strings *env, const char *name, const char *value);

/* The value of a secret file: its content without one final newline, at most 64 KiB, no NUL.
 * The caller wipes and frees *ret. */
HF_MUST_CHECK int hf_secret_read(const char *path, char **ret, struct hf_error *e);
