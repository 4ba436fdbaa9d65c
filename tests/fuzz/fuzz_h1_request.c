#include "h1_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct hf_h1_head *head)
{
    struct hf_h1_framing f;
    int rc = hf_h1_request_framing(head, &f);

    assert(rc > -HF_H1_ERROR_COUNT && rc <= 0);
    assert(head->method.n > 0 && head->method.n <= 32);
    assert(head->method_id != HF_METHOD_CONNECT);
    assert(head->origin.p[0] == '/' || hf_str_eq(head->origin, HF_STR("*")));
    assert(head->host.n > 0 || head->minor == 0);
    assert(hf_str_starts(head->authority, head->host));
    if (rc)
        return;
    assert(f.kind <= HF_H1_BODY_CHUNKED);
    assert(f.length <= INT64_MAX && (f.length == 0 || f.kind == HF_H1_BODY_LENGTH));
    /* nothing that frames the message is there twice, or in two ways */
    assert(
        !(head->twice & (HF_FIELD_BIT(HF_FIELD_CONTENT_LENGTH) |
                         HF_FIELD_BIT(HF_FIELD_TRANSFER_ENCODING) | HF_FIELD_BIT(HF_FIELD_HOST))));
    assert(!hf_h1_field(head, HF_FIELD_CONTENT_LENGTH) ||
           !hf_h1_field(head, HF_FIELD_TRANSFER_ENCODING));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 1500)
        fuzz_head(hf_h1_parse_request, check, data, size);
    return 0;
}
