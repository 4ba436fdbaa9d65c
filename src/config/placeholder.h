/* config/placeholder.h - {port} and the rest in commands and environments.
 * "{" letters "}" is a placeholder, and only {port}, {version}, {instance}, {node} and {service}
 * are known; any other brace is an ordinary character. */
#pragma once
#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

struct hf_placeholders {
    const char *port, *version, *instance, *node, *service; /* none NULL */
};

/* True if all placeholders in the text are known; if not, *ret_unknown is the first that is not,
 * with its braces. */
HF_MUST_CHECK bool hf_placeholder_check(const char *text, struct hf_str *ret_unknown);

/* Does the text name this one? name without braces. */
bool hf_placeholder_has(const char *text, const char *name);

/* Adds the text with the values put in to out. */
void hf_placeholder_expand(const char *text, const struct hf_placeholders *values,
                           struct hf_text *out);
