/* gateway/h2_frames.h - where the frames of an HTTP/2 connection begin (RFC 9113 4.1), so that each
 * can be looked at before nghttp2 acts on it, or decides to ignore it. Pure; embedded in the
 * connection, 24 bytes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { HF_H2_PREFACE = 24, HF_H2_FRAME_HEAD = 9 };

struct hf_h2_frames {
    uint32_t left; /* bytes of the present frame, or of the preface */
    uint8_t have, head[HF_H2_FRAME_HEAD];
};

struct hf_h2_frame {
    uint32_t length;
    int32_t stream;
    uint8_t kind, flags;
};

/* Takes a part from the front of *bytes, which must not be empty: up to the end of a frame, or all
 * there is. True: a frame's head became whole with this part; *ret is what it says. */
bool hf_h2_frames_next(struct hf_h2_frames *f, struct hf_str *bytes, struct hf_str *part,
                       struct hf_h2_frame *ret);
