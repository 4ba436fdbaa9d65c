/* gateway/accept.h - in which form a client wants an answer of the gateway's own: a page for
 * people, a problem document for programs (RFC 9110 12.5.1). Pure; runs in a worker, when a
 * request's head is parsed: heads do not outlive that. */
#pragma once
#include "base/str.h"

/* In this order where a client likes them the same. */
enum hf_answer_form {
    HF_ANSWER_JSON, /* application/problem+json; also for who says nothing, or accepts none of them
                     */
    HF_ANSWER_HTML,
    HF_ANSWER_TEXT,
    HF_ANSWER_FORMS,
};

/* What the accept fields seen so far say of each form. Zero to begin with. */
struct hf_accept {
    struct {
        uint16_t quality;    /* of 1000 */
        uint8_t specificity; /* of the range that says so: 0 none, 1 any, 2 its kind, 3 itself */
    } of[HF_ANSWER_FORMS];
};

/* One field's value. What is no media range in it is skipped. */
void hf_accept_add(struct hf_accept *a, struct hf_str value);

/* The form with the highest quality; among equals the one that was named most precisely: who asks
 * for text/html and, as all programs do, anything else too, is a browser. */
enum hf_answer_form hf_accept_choose(const struct hf_accept *a);
