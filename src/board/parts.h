/* board/parts.h - what one process leaves to another of perhaps another version: a sealed memory
 * file of parts, each a row of entries of one size.
 *
 * Entries only ever grow at their ends. A reader takes the part of an entry that it knows; what a
 * smaller one lacks keeps the reader's default; a part that it does not know it does not miss. So
 * each of two versions reads what the other has written. Fixed sizes, nothing is parsed. Never
 * allocates. Runs in: keeper and what it starts. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { HF_PARTS_MAX = 1 << 20 /* bytes of all */ };

struct hf_part {
    uint32_t name;
    uint32_t n;    /* entries */
    uint32_t size; /* of each */
    const void *entries;
};

/* A sealed memory file of them. Returns the descriptor, close-on-exec. */
HF_MUST_CHECK int hf_parts_write(uint64_t magic, uint32_t layout, const struct hf_part *parts,
                                 size_t n, struct hf_error *e);

/* The same, read. */
struct hf_parts {
    uint32_t layout;
    const char *bytes;
    size_t size;
};

/* HF_ECORRUPT: the file has not that magic, or is not whole. */
HF_MUST_CHECK int hf_parts_open(int fd, uint64_t magic, struct hf_parts *ret, struct hf_error *e);
void hf_parts_close(struct hf_parts *p);

/* Fills the first entries of a row of at most n of `size` bytes. Returns how many there are;
 * HF_ENOENT: there is no such part. */
HF_MUST_CHECK int hf_parts_get(const struct hf_parts *p, uint32_t name, void *entries, size_t size,
                               uint32_t n);
