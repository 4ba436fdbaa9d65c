/* tools/response.h - reads one HTTP/1.1 response strictly and verifies its body.
 *
 * Incremental: response_feed() takes whatever has arrived. A plain body must hold
 * `"checksum":"XXXXXXXX"` within its first RESPONSE_KEPT bytes; a stream must consist of exactly
 * the lines "XXXXXXXX 0\n" .. "XXXXXXXX N-1\n". One thread, no allocation. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESPONSE_KEPT 2048

enum response_state { RESPONSE_MORE, RESPONSE_DONE, RESPONSE_BAD };

struct response {
    /* what to expect; set by response_begin() */
    uint32_t checksum;
    unsigned stream_lines; /* 0: a plain body */

    /* what has been seen */
    int status;
    bool close;
    char version[24];
    uint64_t bytes; /* of body */
    const char *error;

    /* inside */
    int step;
    bool chunked, has_length;
    uint64_t left; /* of the body, or of the chunk */
    size_t line_len, kept_len;
    unsigned line_number;
    size_t line_at;
    bool stream_wrong;
    char line[1024], kept[RESPONSE_KEPT + 1];
};

void response_begin(struct response *r, uint32_t checksum, unsigned stream_lines);

/* Consumes up to `len` bytes; *used is how many. RESPONSE_BAD sets r->error. */
enum response_state response_feed(struct response *r, const char *data, size_t len, size_t *used);

/* True if the whole response's body is the answer to the request. */
bool response_verified(const struct response *r);
