/* base/log.h - key=value lines on standard error, one write a line.
 * Runs in every process; thread-safe. Library code does not log: the caller who knows the context
 * does. A line: `2026-11-23T18:00:00.123Z info keeper[12]: message key=value`. */
#pragma once
#include "base/error.h"

enum hf_log_level { HF_LOG_DEBUG, HF_LOG_INFO, HF_LOG_WARN, HF_LOG_ERROR };

/* process is kept by reference: a string literal. */
void hf_log_init(const char *process, enum hf_log_level least);
void hf_log_level_set(enum hf_log_level least);

/* fmt is a short message followed by `key=value` fields. Control characters are replaced in the
 * whole line, so that text from outside cannot forge one. Lines are cut at 2 KiB. */
void hf_log(enum hf_log_level level, const char *fmt, ...) HF_PRINTF(2, 3);

#define hf_debug(...) hf_log(HF_LOG_DEBUG, __VA_ARGS__)
#define hf_info(...) hf_log(HF_LOG_INFO, __VA_ARGS__)
#define hf_warn(...) hf_log(HF_LOG_WARN, __VA_ARGS__)
#define hf_err(...) hf_log(HF_LOG_ERROR, __VA_ARGS__)
