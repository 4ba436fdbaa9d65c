#include "http/h1_framing.h"

#define HAS(head, id) ((head)->seen & HF_FIELD_BIT(HF_FIELD_##id))
#define TWICE(head, id) ((head)->twice & HF_FIELD_BIT(HF_FIELD_##id))
#define VALUE(head, id) ((head)->fields[(head)->at[HF_FIELD_##id]].value)

static bool stays_open(const struct hf_h1_head *head)
{
    if (head->connection & HF_CONNECTION_CLOSE)
        return false;
    return head->minor || head->connection & HF_CONNECTION_KEEP_ALIVE;
}

static int read_length(const struct hf_h1_head *head, uint64_t *ret)
{
    uint64_t length;

    if (TWICE(head, CONTENT_LENGTH))
        return -HF_H1_LENGTH_TWICE;
    if (hf_str_to_u64(VALUE(head, CONTENT_LENGTH), &length) || length > INT64_MAX)
        return -HF_H1_LENGTH_BAD;
    *ret = length;
    return 0;
}

/* Chunked and nothing else, or an error. */
static int read_coding(const struct hf_h1_head *head)
{
    struct hf_str rest = VALUE(head, TRANSFER_ENCODING), coding, last = {0};
    unsigned chunked = 0, all = 0;

    if (!head->minor)
        return -HF_H1_CODING_OLD;
    if (HAS(head, CONTENT_LENGTH))
        return -HF_H1_LENGTH_AND_CODING;
    if (TWICE(head, TRANSFER_ENCODING))
        return -HF_H1_CODING_BAD;
    if (hf_str_eq_nocase(rest, HF_STR("chunked")))
        return 0;
    while (hf_h1_list_next(&rest, &coding)) {
        last = coding;
        all++;
        chunked += hf_str_eq_nocase(coding, HF_STR("chunked"));
    }
    if (chunked == 1 && all > 1 && hf_str_eq_nocase(last, HF_STR("chunked")))
        return -HF_H1_CODING_UNKNOWN;
    return -HF_H1_CODING_BAD; /* "chunked," too: a list with holes is no way to say it */
}

/* The framing that the fields declare; NONE if they declare none. */
static int declared(const struct hf_h1_head *head, struct hf_h1_framing *f)
{
    int rc = 0;

    if (HAS(head, TRANSFER_ENCODING)) {
        rc = read_coding(head);
        f->kind = HF_H1_BODY_CHUNKED;
    } else if (HAS(head, CONTENT_LENGTH)) {
        rc = read_length(head, &f->length);
        f->kind = HF_H1_BODY_LENGTH;
    }
    return rc;
}

int hf_h1_request_framing(const struct hf_h1_head *head, struct hf_h1_framing *ret)
{
    struct hf_h1_framing f = {.keep_alive = stays_open(head)};
    int rc = declared(head, &f);

    if (rc)
        return rc;
    if (HAS(head, EXPECT) && head->minor) {
        if (TWICE(head, EXPECT) || !hf_str_eq_nocase(VALUE(head, EXPECT), HF_STR("100-continue")))
            return -HF_H1_EXPECT;
        f.expect_continue = f.kind == HF_H1_BODY_CHUNKED || f.length > 0;
    }
    f.upgrade = HAS(head, UPGRADE) && head->minor && head->connection & HF_CONNECTION_UPGRADE;
    *ret = f;
    return 0;
}

int hf_h1_response_framing(const struct hf_h1_head *head, enum hf_method method,
                           struct hf_h1_framing *ret)
{
    struct hf_h1_framing f = {.keep_alive = stays_open(head)};
    int rc = declared(head, &f);

    if (rc)
        return rc;
    if (head->status == 101) {
        f.kind = HF_H1_BODY_TUNNEL;
        f.keep_alive = false;
    } else if (head->status < 200 || head->status == 204) {
        /* A body announced where none may be: perhaps its bytes follow all the same. Behind 204 the
         * connection can end; behind 1xx they might be taken for the final response. */
        if (f.kind == HF_H1_BODY_CHUNKED || f.length > 0) {
            if (head->status < 200)
                return -HF_H1_INTERIM_BODY;
            f.keep_alive = false;
        }
        f.kind = HF_H1_BODY_NONE;
    } else if (head->status == 304 || method == HF_METHOD_HEAD) {
        f.kind = HF_H1_BODY_NONE;
    } else if (f.kind == HF_H1_BODY_NONE) {
        f.kind = HF_H1_BODY_UNTIL_CLOSE;
        f.keep_alive = false;
    }
    *ret = f;
    return 0;
}
