/* gateway/h2_memory.h - memory for nghttp2's sessions from pools of the worker, in a few sizes, so
 * that a steady request allocates nothing. What is larger than the largest size, which only the
 * tables of a session with very many streams are, comes from the system.
 * One worker's thread only; nothing goes back to the system but those. */
#pragma once
#include <nghttp2/nghttp2.h>

#include "gateway/pool.h"

enum { HF_H2_MEMORY_CLASSES = 10 };

struct hf_h2_memory {
    struct hf_pool class[HF_H2_MEMORY_CLASSES];
    nghttp2_mem mem; /* to hand to nghttp2_session_*_new3() */
};

void hf_h2_memory_init(struct hf_h2_memory *m);
