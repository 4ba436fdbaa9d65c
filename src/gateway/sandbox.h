/* gateway/sandbox.h - takes from the gateway what it does not need, before it reads a client's
 * first byte: whoever gets hold of the process that parses hostile input finds nothing to go on
 * with.
 *
 * What it keeps: the descriptors that it has, and connections over TCP. It cannot open or execute
 * anything, start no process or thread, make no memory executable, and look at no other process.
 * Runs in: gateway; in a child of the keeper's, to find out whether it works here at all. */
#pragma once
#include "board/handover.h"

/* A build with a sanitizer, whose runtime needs some more calls. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HF_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HF_SANITIZED
#endif
#endif

/* First half, while the process has one thread: the user, if s says so, all capabilities, the way
 * to new ones (no_new_privs), memory images (they would hold keys) and being traced. */
HF_MUST_CHECK int hf_sandbox_drop(const struct hf_sandbox_setup *s, struct hf_error *e);

/* Second half, when every thread runs and everything is open: from now on system calls that are not
 * in the table end the process with SIGSYS, after a line in the log that has the call's number. */
HF_MUST_CHECK int hf_sandbox_close(struct hf_error *e);

/* Between the halves: has the C library do what it would otherwise do at some later time, with
 * calls that are not in the table. threads: how many there will be. */
void hf_sandbox_settle(unsigned threads);
