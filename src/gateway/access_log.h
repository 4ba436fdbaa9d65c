/* gateway/access_log.h - one JSON line a request, written by a thread of its own.
 * Each worker has a ring that it fills without waiting; when the disk is slower than the requests,
 * lines are dropped and counted, never a request delayed. */
#pragma once
#include "base/str.h"
#include "board/live.h"

struct hf_access_log;      /* the thread; one a gateway */
struct hf_access_log_ring; /* one a worker */

/* fd: O_APPEND, owned by the log from now on; -1: off, then all calls do nothing. */
HF_MUST_CHECK int hf_access_log_start(int fd, uint32_t workers, struct hf_access_log **ret,
                                      struct hf_error *e);

/* Writes what is there, then ends the thread. */
struct hf_access_log *hf_access_log_stop(struct hf_access_log *log);

/* NULL if the log is off. */
struct hf_access_log_ring *hf_access_log_ring(struct hf_access_log *log, uint32_t worker);

/* Room for a line of at most n bytes, or NULL if there is none now. Only the ring's worker calls.
 */
char *hf_access_log_begin(struct hf_access_log_ring *r, size_t n);

/* The line that was begun has n bytes, its line feed included. */
void hf_access_log_commit(struct hf_access_log_ring *r, size_t n);
