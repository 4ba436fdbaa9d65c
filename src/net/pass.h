/* net/pass.h - a message and at most one descriptor over a SOCK_SEQPACKET between two processes.
 * Never blocks, never allocates. Runs in: any process. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Two connected ends, non-blocking and close-on-exec. */
HF_MUST_CHECK int hf_pass_pair(int ret[2], struct hf_error *e);

/* Sends the message whole, with fd, which stays the caller's; -1: without one. HF_EAGAIN: the other
 * side has too much to read; HF_EIO: it is gone. */
HF_MUST_CHECK int hf_pass_send(int socket, const void *message, size_t n, int fd);

/* Receives a message of exactly size bytes; what came with it is in *ret_fd, close-on-exec and the
 * caller's, or -1. Further descriptors are closed. HF_EAGAIN: there is none; HF_EINVAL: one of
 * another size, which is dropped with its descriptor; HF_EIO: the other side is gone. */
HF_MUST_CHECK int hf_pass_receive(int socket, void *message, size_t size, int *ret_fd);

/* The same for a message of at least `least` bytes; what it has beyond size is dropped. Of a
 * shorter one, the rest of the size bytes stays as it is. */
HF_MUST_CHECK int hf_pass_receive_part(int socket, void *message, size_t least, size_t size,
                                       int *ret_fd);

/* Is fd a memory file of 1 to most bytes that nobody can change any more? */
bool hf_pass_sealed(int fd, size_t most);
