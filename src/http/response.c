#include "http/response.h"

#include "http/grpc.h"

const struct hf_h1_limits hf_h1_limits_control = {.line = 8192, .head = 16384, .fields = 64};

void hf_response_done(struct hf_response *r)
{
    hf_text_done(&r->head_bytes);
    hf_text_done(&r->in);
}

void hf_response_note_grpc(struct hf_response *r, const struct hf_h1_field *grpc_status)
{
    r->grpc_status = grpc_status ? hf_grpc_status_parse(grpc_status->value) : HF_GRPC_MISSING;
}

void hf_response_note_trailers(struct hf_response *r, const struct hf_h1_trailers *trailers)
{
    for (unsigned i = 0; i < trailers->n; i++) {
        if (hf_str_eq_nocase(trailers->fields[i].name, HF_STR("grpc-status")))
            hf_response_note_grpc(r, &trailers->fields[i]);
    }
}

static void fail(struct hf_response *r, const char *error)
{
    r->state = HF_RESPONSE_FAILED;
    r->error = error;
}

static struct hf_str take(struct hf_str *s, size_t n)
{
    struct hf_str front = {s->p, n};

    s->p += n;
    s->n -= n;
    return front;
}

/* The head is parsed again in a copy of its own, so that its slices last. */
static void keep_head(struct hf_response *r, struct hf_str head)
{
    size_t scanned = 0;
    ssize_t rc;
    int err;

    hf_text_clear(&r->head_bytes);
    hf_text_add(&r->head_bytes, head);
    rc = hf_h1_parse_response(hf_text_str(&r->head_bytes), &scanned, &hf_h1_limits_control,
                              &r->head);
    err = rc < 0 ? (int)rc : hf_h1_response_framing(&r->head, r->method, &r->framing);
    if (err) {
        fail(r, hf_h1_error_text((enum hf_h1_error) - err));
        return;
    }
    if (r->framing.kind == HF_H1_BODY_TUNNEL) {
        fail(r, "the protocol is switched though nobody asked for it");
        return;
    }
    if (r->head.status < 200)
        return; /* the final one is still to come */
    hf_response_note_grpc(r, hf_h1_field_named(&r->head, HF_STR("grpc-status")));
    r->left = r->framing.kind == HF_H1_BODY_LENGTH ? r->framing.length : 0;
    hf_h1_chunk_init(&r->chunk);
    r->state = HF_RESPONSE_BODY;
    if (r->framing.kind == HF_H1_BODY_NONE || (r->framing.kind == HF_H1_BODY_LENGTH && !r->left))
        r->state = HF_RESPONSE_DONE;
}

/* Returns false when more bytes are needed. */
static bool step_head(struct hf_response *r, struct hf_str *rest)
{
    ssize_t rc = hf_h1_parse_response(*rest, &r->scanned, &hf_h1_limits_control, &r->head);

    if (rc < 0)
        fail(r, hf_h1_error_text((enum hf_h1_error) - rc));
    else if (rc > 0)
        keep_head(r, take(rest, (size_t)rc));
    return rc > 0;
}

static bool step_chunked(struct hf_response *r, struct hf_str *rest)
{
    struct hf_h1_trailers trailers;
    struct hf_str data;
    ssize_t rc = hf_h1_chunk_feed(&r->chunk, *rest, &data, &trailers);

    if (rc < 0) {
        fail(r, hf_h1_error_text((enum hf_h1_error) - rc));
        return false;
    }
    take(rest, (size_t)rc);
    if (hf_h1_chunk_done(&r->chunk)) {
        hf_response_note_trailers(r, &trailers);
        r->state = HF_RESPONSE_DONE;
    }
    if (data.n)
        r->on_data(r, data);
    return rc > 0;
}

static bool step_body(struct hf_response *r, struct hf_str *rest)
{
    struct hf_str data;

    if (r->framing.kind == HF_H1_BODY_CHUNKED)
        return step_chunked(r, rest);
    data = take(rest, r->framing.kind == HF_H1_BODY_LENGTH && r->left < rest->n ? (size_t)r->left
                                                                                : rest->n);
    if (r->framing.kind == HF_H1_BODY_LENGTH) {
        r->left -= data.n;
        if (!r->left)
            r->state = HF_RESPONSE_DONE;
    }
    r->on_data(r, data);
    return true;
}

void hf_response_feed(struct hf_response *r, struct hf_str bytes)
{
    struct hf_text joined = r->in;
    struct hf_str rest = bytes;
    bool more = true;

    if (joined.n) { /* what was not whole comes first */
        hf_text_add(&joined, bytes);
        rest = hf_text_str(&joined);
    }
    r->in = (struct hf_text){0};
    while (rest.n && more && r->state < HF_RESPONSE_DONE)
        more = r->state == HF_RESPONSE_HEAD ? step_head(r, &rest) : step_body(r, &rest);
    if (rest.n && r->state < HF_RESPONSE_DONE)
        hf_text_add(&r->in, rest);
    hf_text_done(&joined);
}

void hf_response_eof(struct hf_response *r)
{
    if (r->state == HF_RESPONSE_BODY && r->framing.kind == HF_H1_BODY_UNTIL_CLOSE)
        r->state = HF_RESPONSE_DONE;
    else if (r->state == HF_RESPONSE_BODY)
        fail(r, "the connection was closed in the middle of the response");
    else if (r->state == HF_RESPONSE_HEAD)
        fail(r, "the connection was closed before the response");
}
