#include "h1_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct hf_h1_head *head)
{
    struct hf_h1_framing f;

    assert(head->status >= 100 && head->status <= 599);
    for (int method = HF_METHOD_OTHER; method <= HF_METHOD_HEAD; method++) {
        int rc = hf_h1_response_framing(head, (enum hf_method)method, &f);
        assert(rc > -HF_H1_ERROR_COUNT && rc <= 0);
        if (rc)
            continue;
        assert(f.kind != HF_H1_BODY_UNTIL_CLOSE || !f.keep_alive);
        assert(method != HF_METHOD_HEAD || f.kind == HF_H1_BODY_NONE ||
               f.kind == HF_H1_BODY_TUNNEL);
        assert(f.length <= INT64_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 1500)
        fuzz_head(hf_h1_parse_response, check, data, size);
    return 0;
}
