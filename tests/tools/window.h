/* tools/window.h - what the load generator has seen since the last mark.
 * Owner: the caller, one thread. Nothing here fails; memory is fixed. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define WINDOW_TARGETS 16
#define WINDOW_FAILURES 8
#define WINDOW_VERSIONS 8
#define WINDOW_BUCKETS 1024

enum failure {
    FAILURE_NONE,
    FAILURE_REFUSED, /* the connection was refused */
    FAILURE_CONNECT, /* any other way of not getting a connection */
    FAILURE_RESET,   /* connection reset before the response was whole */
    FAILURE_CLOSED,  /* connection closed before the response was whole */
    FAILURE_FRAMING, /* not HTTP */
    FAILURE_STATUS,  /* not 2xx */
    FAILURE_BODY,    /* not the answer to this request */
    FAILURE_SLOW,    /* longer than the limit */
    FAILURE_COUNT
};

struct window_target {
    uint64_t requests, failed;
    uint64_t worst_us;
    uint64_t last_success_us; /* monotonic */
    uint64_t gap_us;          /* longest time between two successes */
};

struct window_failure {
    uint64_t at_us; /* since the window began */
    uint64_t took_us;
    unsigned target;
    enum failure kind;
    char detail[160];
};

struct window {
    char name[64];
    uint64_t begin_us;
    uint64_t requests, failed, failed_posts, posts, streams, bytes;
    uint64_t kinds[FAILURE_COUNT];
    uint64_t worst_us;
    uint64_t buckets[WINDOW_BUCKETS]; /* log-linear, microseconds */
    uint64_t measured;                /* requests in the buckets: streams are not */
    unsigned target_count;
    struct window_target targets[WINDOW_TARGETS];
    struct window_failure failures[WINDOW_FAILURES];
    struct {
        char name[24];
        uint64_t requests;
    } versions[WINDOW_VERSIONS];
};

/* One request that has ended. */
struct window_result {
    unsigned target;
    bool post, stream;
    enum failure kind;
    uint64_t took_us, bytes;
    const char *version; /* x-version, "" if there was none */
    const char *detail;  /* of a failure */
};

void window_begin(struct window *w, const char *name, unsigned target_count, uint64_t now_us);
void window_add(struct window *w, const struct window_result *result, uint64_t now_us);

/* Adds all of `from` to `w`, for the total; failures kept are those `w` has room for. */
void window_merge(struct window *w, const struct window *from);

/* Prints one line of JSON. `names` are the targets, `in_flight` the requests under way. */
void window_print(const struct window *w, FILE *out, const char *const *names, unsigned in_flight,
                  uint64_t now_us);
