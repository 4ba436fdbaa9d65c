/* orchestrator/output.h - the log files of instances: STATE/logs/SERVICE/INSTANCE.log.
 * The instance writes them itself, through a descriptor in append mode that it was started with, so
 * that they need nobody else. Owner: the caller. Runs in: controller. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* Free it. service and instance are checked names: no slash, no leading dot. */
char *hf_output_path(const char *state, const char *service, const char *instance);

/* Opens, and makes where it is missing, the log file (0600) and its folders (0700). Returns a
 * descriptor or a negative HF_E*. */
HF_MUST_CHECK int hf_output_open(const char *path, struct hf_error *e);

/* If the file is larger than size: FILE.1 becomes FILE.2 and so on up to keep, FILE is copied to
 * FILE.1 and emptied in place, since the instance goes on writing to the same descriptor. What it
 * writes between the end of the copy and the emptying (microseconds) is lost. Returns 1 if it was
 * done, 0 if there was no need. */
HF_MUST_CHECK int hf_output_rotate(const char *path, uint64_t size, unsigned keep,
                                   struct hf_error *e);

/* Appends the last lines of the file, at most 64 KiB; of FILE.1 too if the file was just rotated.
 * A missing file has no lines. */
void hf_output_tail(const char *path, unsigned lines, struct hf_text *ret);

/* The last lines as one line of plain text for a message: "a | b | c", valid UTF-8 without control
 * characters; empty if there is none. Where size does not suffice, the first lines are left out.
 * Returns buf. */
char *hf_output_last_words(const char *path, unsigned lines, char *buf, size_t size);

/* Removes the oldest log files of a service beyond most instances; those for which in_use() says
 * yes stay and do not count. */
void hf_output_prune(const char *state, const char *service, unsigned most,
                     int (*in_use)(void *ctx, const char *instance), void *ctx);
