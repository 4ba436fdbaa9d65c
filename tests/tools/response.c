#include "response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    STEP_STATUS,
    STEP_HEADER,
    STEP_BODY,
    STEP_CHUNK_SIZE,
    STEP_CHUNK,
    STEP_CHUNK_END,
    STEP_TRAILER
};

void response_begin(struct response *r, uint32_t checksum, unsigned stream_lines)
{
    r->checksum = checksum;
    r->stream_lines = stream_lines;
    r->status = 0;
    r->close = r->chunked = r->has_length = r->stream_wrong = false;
    r->version[0] = '\0';
    r->bytes = r->left = 0;
    r->error = NULL;
    r->step = STEP_STATUS;
    r->line_len = r->kept_len = r->line_at = 0;
    r->line_number = 0;
}

static enum response_state bad(struct response *r, const char *error)
{
    r->error = error;
    return RESPONSE_BAD;
}

static const char *value_of(const char *line, const char *name)
{
    size_t len = strlen(name);

    if (strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    line += len + 1;
    return line + strspn(line, " \t");
}

static enum response_state read_header(struct response *r)
{
    const char *value;
    char *end;

    if ((value = value_of(r->line, "content-length"))) {
        r->left = strtoull(value, &end, 10);
        if (end == value || *end || r->has_length)
            return bad(r, "bad content-length");
        r->has_length = true;
    } else if ((value = value_of(r->line, "transfer-encoding"))) {
        if (strcasecmp(value, "chunked") != 0)
            return bad(r, "transfer-encoding is not chunked");
        r->chunked = true;
    } else if ((value = value_of(r->line, "connection"))) {
        r->close = r->close || strcasecmp(value, "close") == 0;
    } else if ((value = value_of(r->line, "x-version"))) {
        snprintf(r->version, sizeof(r->version), "%s", value);
    } else if (!strchr(r->line, ':')) {
        return bad(r, "header line without a colon");
    }
    return RESPONSE_MORE;
}

static enum response_state headers_end(struct response *r)
{
    if (r->status / 100 == 1) {
        if (r->status == 101)
            return bad(r, "101 was not asked for");
        r->step = STEP_STATUS;
        return RESPONSE_MORE;
    }
    if (r->chunked && r->has_length)
        return bad(r, "both content-length and chunked");
    if (r->status == 204 || r->status == 304)
        return RESPONSE_DONE;
    if (!r->chunked && !r->has_length)
        return bad(r, "neither content-length nor chunked");
    r->step = r->chunked ? STEP_CHUNK_SIZE : STEP_BODY;
    return r->has_length && r->left == 0 ? RESPONSE_DONE : RESPONSE_MORE;
}

static enum response_state read_chunk_size(struct response *r)
{
    char *end;

    r->left = strtoull(r->line, &end, 16);
    if (end == r->line || (*end && *end != ';'))
        return bad(r, "bad chunk size");
    r->step = r->left ? STEP_CHUNK : STEP_TRAILER;
    return RESPONSE_MORE;
}

/* One whole line, without its CRLF. */
static enum response_state read_line(struct response *r)
{
    switch (r->step) {
    case STEP_STATUS:
        if (sscanf(r->line, "HTTP/1.1 %3d", &r->status) != 1 || r->status < 100)
            return bad(r, "bad status line");
        r->step = STEP_HEADER;
        return RESPONSE_MORE;
    case STEP_HEADER:
        return *r->line ? read_header(r) : headers_end(r);
    case STEP_CHUNK_SIZE:
        return read_chunk_size(r);
    case STEP_CHUNK_END:
        r->step = STEP_CHUNK_SIZE;
        return *r->line ? bad(r, "chunk longer than its size") : RESPONSE_MORE;
    default:
        return *r->line ? RESPONSE_MORE : RESPONSE_DONE;
    }
}

static void check_stream(struct response *r, const char *data, size_t len)
{
    for (size_t i = 0; i < len && !r->stream_wrong; i++) {
        char want[32];
        int n = snprintf(want, sizeof(want), "%08x %u\n", r->checksum, r->line_number);

        if (r->line_number >= r->stream_lines || data[i] != want[r->line_at]) {
            r->stream_wrong = true;
        } else if (++r->line_at == (size_t)n) {
            r->line_at = 0;
            r->line_number++;
        }
    }
}

static size_t read_body(struct response *r, const char *data, size_t len)
{
    size_t n = len < r->left ? len : (size_t)r->left;
    size_t keep = RESPONSE_KEPT - r->kept_len < n ? RESPONSE_KEPT - r->kept_len : n;

    memcpy(r->kept + r->kept_len, data, keep);
    r->kept_len += keep;
    if (r->stream_lines)
        check_stream(r, data, n);
    r->left -= n;
    r->bytes += n;
    return n;
}

enum response_state response_feed(struct response *r, const char *data, size_t len, size_t *used)
{
    enum response_state state = RESPONSE_MORE;
    size_t at = 0;

    while (at < len && state == RESPONSE_MORE) {
        if (r->step == STEP_BODY || r->step == STEP_CHUNK) {
            at += read_body(r, data + at, len - at);
            if (r->left == 0 && r->step == STEP_BODY)
                state = RESPONSE_DONE;
            else if (r->left == 0)
                r->step = STEP_CHUNK_END;
            continue;
        }
        char c = data[at++];

        if (c != '\n') {
            if (r->line_len == sizeof(r->line) - 1)
                state = bad(r, "line too long");
            else
                r->line[r->line_len++] = c;
            continue;
        }
        if (r->line_len == 0 || r->line[r->line_len - 1] != '\r') {
            state = bad(r, "line ends without CR");
            break;
        }
        r->line[r->line_len - 1] = '\0';
        r->line_len = 0;
        state = read_line(r);
    }
    *used = at;
    return state;
}

bool response_verified(const struct response *r)
{
    char want[40];

    if (r->stream_lines)
        return !r->stream_wrong && r->line_number == r->stream_lines;
    snprintf(want, sizeof(want), "\"checksum\":\"%08x\"", r->checksum);
    return memmem(r->kept, r->kept_len, want, strlen(want)) != NULL;
}
