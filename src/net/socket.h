/* net/socket.h - sockets as holdfast wants them: non-blocking, close-on-exec.
 * Each returns a descriptor, owned by the caller, or a negative HF_E*. */
#pragma once
#include "net/addr.h"

/* Bound and listening, SO_REUSEADDR; IPv6 listeners take IPv6 only. */
HF_MUST_CHECK int hf_socket_listen(const struct hf_addr *a, int backlog, struct hf_error *e);

/* A unix stream listener, mode 0600; a stale socket file that nobody answers is replaced. */
HF_MUST_CHECK int hf_socket_listen_unix(const char *path, struct hf_error *e);

/* Begun, perhaps not finished: writable means finished, SO_ERROR says how. TCP_NODELAY is set. */
HF_MUST_CHECK int hf_socket_connect(const struct hf_addr *a, struct hf_error *e);
HF_MUST_CHECK int hf_socket_connect_unix(const char *path, struct hf_error *e);

/* The pending SO_ERROR, as a positive errno; 0 if none. */
int hf_socket_error(int fd);

void hf_socket_nodelay(int fd);
