/* http/h1_parse.h - the heads of HTTP/1 requests and responses (RFC 9112), strict and zero copy.
 * Runs in: gateway (once a request and once a response), controller, CLI. Allocates nothing; all
 * slices point into the caller's bytes and live as long as these.
 *
 * Strict: what two parsers could read in two ways is refused, with a code of http/h1_error.h. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "http/field.h"
#include "http/h1_error.h"

#define HF_H1_FIELDS 100
#define HF_H1_METHOD_MOST 32

enum hf_method {
    HF_METHOD_OTHER = 0,
    HF_METHOD_GET,
    HF_METHOD_HEAD,
    HF_METHOD_POST,
    HF_METHOD_PUT,
    HF_METHOD_DELETE,
    HF_METHOD_OPTIONS,
    HF_METHOD_TRACE,
    HF_METHOD_PATCH,
    HF_METHOD_CONNECT,
};

/* What the connection field says; several may be set. */
enum {
    HF_CONNECTION_CLOSE = 1,
    HF_CONNECTION_KEEP_ALIVE = 2,
    HF_CONNECTION_UPGRADE = 4,
    HF_CONNECTION_NAMES = 8, /* it names fields that end at this hop */
};

struct hf_h1_field {
    struct hf_str name, value; /* the value without whitespace around it */
    uint8_t id;                /* enum hf_field_id */
};

struct hf_h1_head {
    struct hf_str method, target; /* of a request, as received */
    struct hf_str origin;         /* path and query: "/a?b", or "*" with OPTIONS */
    struct hf_str authority;      /* host[:port]; the target's if it has one, else the host field;
                                     empty only in HTTP/1.0 without both */
    struct hf_str host;           /* authority without its port; [::1] keeps its brackets */
    struct hf_str reason;         /* of a response */
    uint16_t status;              /* of a response, 100..599 */
    uint8_t minor;                /* HTTP/1.minor: 0 or 1 */
    uint8_t method_id;            /* enum hf_method */
    uint8_t connection;           /* HF_CONNECTION_* */
    unsigned n_fields;
    uint64_t seen, twice;       /* HF_FIELD_BIT()s: there at least once, more than once */
    uint8_t at[HF_FIELD_COUNT]; /* where the first of an id in `seen` is */
    struct hf_h1_field fields[HF_H1_FIELDS];
};

struct hf_h1_limits {
    uint32_t line;   /* bytes of the first line, without CRLF; beyond: 414 */
    uint32_t head;   /* bytes of the whole head; beyond: 431 */
    uint32_t fields; /* at most HF_H1_FIELDS; beyond: 431 */
};

/* > 0: the bytes of the head, its empty line included; *ret is filled.
 * 0: more bytes are needed. < 0: -(enum hf_h1_error).
 * *scanned is 0 at the start of a message and belongs to the parser until then: call again with
 * the same bytes and more behind them. A head that comes byte by byte is searched for its end only
 * once. It is 0 again on success. However the bytes are cut, a head that has come to its end gets
 * the same answer; a bad first line, a bare line feed and a limit are told at once, other mistakes
 * perhaps only with the end. */
ssize_t hf_h1_parse_request(struct hf_str bytes, size_t *scanned, const struct hf_h1_limits *limits,
                            struct hf_h1_head *ret);
ssize_t hf_h1_parse_response(struct hf_str bytes, size_t *scanned,
                             const struct hf_h1_limits *limits, struct hf_h1_head *ret);

/* Field lines up to and with the empty line, as in a trailer section. Returns as above. */
ssize_t hf_h1_parse_fields(struct hf_str bytes, struct hf_h1_field *fields, unsigned capacity,
                           unsigned *n_fields);

/* The first field of that id, or NULL. */
static inline const struct hf_h1_field *hf_h1_field(const struct hf_h1_head *head,
                                                    enum hf_field_id id)
{
    return head->seen & HF_FIELD_BIT(id) ? &head->fields[head->at[id]] : NULL;
}

/* The first field of that name, in lower case, or NULL: for names without an id. */
const struct hf_h1_field *hf_h1_field_named(const struct hf_h1_head *head, struct hf_str name);

/* Must field i not be forwarded? True for the fields of RFC 9110 7.6.1, for twins of known names,
 * and for those without an id which the connection field names. What has an id is never removed at
 * the sender's word, so that nobody can strip, say, x-forwarded-for. */
bool hf_h1_hop_by_hop_named(const struct hf_h1_head *head, struct hf_str name);
static inline bool hf_h1_hop_by_hop(const struct hf_h1_head *head, unsigned i)
{
    const uint64_t always = HF_FIELD_BIT(HF_FIELD_CONNECTION) | HF_FIELD_BIT(HF_FIELD_KEEP_ALIVE) |
                            HF_FIELD_BIT(HF_FIELD_PROXY_CONNECTION) | HF_FIELD_BIT(HF_FIELD_TE) |
                            HF_FIELD_BIT(HF_FIELD_TRANSFER_ENCODING) |
                            HF_FIELD_BIT(HF_FIELD_UPGRADE) | HF_FIELD_BIT(HF_FIELD_TWIN);
    const struct hf_h1_field *f = &head->fields[i];

    if (HF_FIELD_BIT(f->id) & always)
        return true;
    return f->id == HF_FIELD_OTHER && (head->connection & HF_CONNECTION_NAMES) &&
           hf_h1_hop_by_hop_named(head, f->name);
}

/* The next element of a comma-separated list without quoting, trimmed; empty ones are skipped.
 * Takes it from the front of *rest. False at the end. */
bool hf_h1_list_next(struct hf_str *rest, struct hf_str *ret);

/* ---- for heads that come in another framing (http/h2_head.h) ---- */

/* Fills seen, twice and at. */
void hf_h1_index_fields(struct hf_h1_head *head);

enum hf_method hf_h1_method_find(struct hf_str method);

/* host[:port] of RFC 3986, without user, percent-encoding and exotic characters. *port is the usual
 * one if there is none. */
bool hf_h1_read_authority(struct hf_str a, unsigned usual, struct hf_str *host, unsigned *port);

/* "200" at p, three bytes, as a number; 0 if it is none of 100..599. */
unsigned hf_h1_status_code(const char *p);
