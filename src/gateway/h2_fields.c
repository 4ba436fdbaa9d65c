#include "gateway/h2_fields.h"

enum { FIELD_OVERHEAD = 32 /* RFC 9113 6.5.2 */ };

void hf_h2_fields_add(struct hf_buffers *b, struct hf_h2_fields *f, struct hf_str name,
                      struct hf_str value, uint32_t most)
{
    size_t n = HF_H2_PACKED + name.n + value.n;

    f->size += name.n + value.n + FIELD_OVERHEAD;
    f->over = f->over || f->size > most || hf_buffer_room(b, &f->text, (uint32_t)n);
    if (f->over)
        return;
    hf_h2_pack(f->text.p + f->text.end, name, value);
    f->text.end += (uint32_t)n;
    if (hf_str_eq(name, HF_STR("cookie")))
        f->cookies += (uint32_t)value.n + 2;
}

void hf_h2_fields_drop(struct hf_buffers *b, struct hf_h2_fields *f)
{
    hf_buffer_drop(b, &f->text);
    *f = (struct hf_h2_fields){0};
}

int hf_h2_fields_request(struct hf_buffers *b, struct hf_h2_fields *f, bool ended,
                         const struct hf_h1_limits *limits, struct hf_h1_head *ret,
                         struct hf_h2_request *more, struct hf_h1_framing *framing)
{
    struct hf_h1_out cookies = {0};

    if (f->over || hf_buffer_room(b, &f->text, f->cookies))
        return -HF_H1_HEAD_LONG;
    if (f->text.p)
        cookies = (struct hf_h1_out){f->text.p + f->text.end, f->text.p + f->text.size, false};
    return hf_h2_request_head(hf_buffer_str(&f->text), ended, limits, &cookies, ret, more, framing);
}

int hf_h2_fields_response(const struct hf_h2_fields *f, bool ended,
                          const struct hf_h1_limits *limits, enum hf_method method,
                          struct hf_h1_head *ret, struct hf_h1_framing *framing)
{
    if (f->over)
        return -HF_H1_HEAD_LONG;
    return hf_h2_response_head(hf_buffer_str(&f->text), ended, limits, method, ret, framing);
}

int hf_h2_fields_trailers(const struct hf_h2_fields *f, struct hf_h1_trailers *ret)
{
    if (f->over)
        return -HF_H1_TRAILER_LONG;
    return hf_h2_trailers(hf_buffer_str(&f->text), ret);
}
