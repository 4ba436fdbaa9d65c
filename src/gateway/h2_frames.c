#include "gateway/h2_frames.h"

static void take(struct hf_str *bytes, size_t n)
{
    bytes->p += n;
    bytes->n -= n;
}

static void take_payload(struct hf_h2_frames *f, struct hf_str *bytes)
{
    size_t n = f->left < bytes->n ? f->left : bytes->n;

    f->left -= (uint32_t)n;
    take(bytes, n);
}

bool hf_h2_frames_next(struct hf_h2_frames *f, struct hf_str *bytes, struct hf_str *part,
                       struct hf_h2_frame *ret)
{
    const char *from = bytes->p;
    bool whole = false;

    if (f->left == 0) {
        size_t n = HF_H2_FRAME_HEAD - f->have;
        const uint8_t *h = f->head;
        if (n > bytes->n)
            n = bytes->n;
        memcpy(f->head + f->have, bytes->p, n);
        f->have += (uint8_t)n;
        take(bytes, n);
        whole = f->have == HF_H2_FRAME_HEAD;
        if (whole) {
            f->have = 0;
            f->left = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
            *ret =
                (struct hf_h2_frame){f->left,
                                     (int32_t)((uint32_t)(h[5] & 0x7f) << 24 |
                                               (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8]),
                                     h[3], h[4]};
        }
    }
    take_payload(f, bytes);
    *part = (struct hf_str){from, (size_t)(bytes->p - from)};
    return whole;
}
