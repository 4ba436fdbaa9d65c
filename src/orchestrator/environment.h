/* orchestrator/environment.h - lists of strings as exec wants them, and secrets from files.
 * Owner: the caller. Runs in: controller. */
#pragma once
#include <stddef.h>

#include "base/error.h"

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
