/* config/errors.h - what is wrong with a configuration, place by place.
 * Each text says what is wrong and what was expected. Owner: the caller; fixed size, no memory of
 * its own, so a `struct hf_config_errors errors = {0}` is ready for use. */
#pragma once
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"

enum { HF_CONFIG_ERRORS = 20, HF_CONFIG_ERROR_TEXT = 400 };

struct hf_config_error {
    uint32_t line, column; /* from 1; line 0: the file as a whole */
    char text[HF_CONFIG_ERROR_TEXT];
};

struct hf_config_errors {
    char file[512]; /* as the user named it */
    uint32_t n;     /* kept */
    uint32_t total; /* found; what is beyond HF_CONFIG_ERRORS was only counted */
    struct hf_config_error error[HF_CONFIG_ERRORS];
};

void hf_config_errors_clear(struct hf_config_errors *e, const char *file);
void hf_config_errors_add(struct hf_config_errors *e, uint32_t line, uint32_t column,
                          const char *fmt, ...) HF_PRINTF(4, 5);

/* By line and column. */
void hf_config_errors_sort(struct hf_config_errors *e);

/* One line of text each, "file:line:column: text\n", and "... and 3 more\n" if there were. */
void hf_config_errors_format(const struct hf_config_errors *e, struct hf_text *out);
void hf_config_warnings_print(const struct hf_config_errors *e, FILE *out); /* "warning: text" */
void hf_config_errors_print(const struct hf_config_errors *e, FILE *out);
