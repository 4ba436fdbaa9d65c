/* gateway/answer_body.h - what an answer of the gateway's own says: a problem document (RFC 9457)
 * for programs, a page or a text for people. Complete in itself: the page refers to nothing.
 * Runs in a worker; allocates nothing. */
#pragma once
#include "base/str.h"
#include "gateway/accept.h"

struct hf_answer_body {
    enum hf_answer_form form;
    unsigned status;
    const char *detail; /* for programs and who writes them: words without a full stop */
    struct hf_str id;   /* of the request; may be empty */
};

enum { HF_ANSWER_BODY_MOST = 4096 };

/* "application/problem+json" */
struct hf_str hf_answer_type(enum hf_answer_form form);

/* Renders into buf; what does not fit into HF_ANSWER_BODY_MOST, which a detail of 300 bytes cannot
 * bring about, is left out whole. */
struct hf_str hf_answer_render(const struct hf_answer_body *a, char buf[HF_ANSWER_BODY_MOST]);
