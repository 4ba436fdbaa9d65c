/* base/random.h - a fast generator for balancing and jitter (xoshiro256++ construction), and the
 * kernel's for secrets. A generator belongs to one thread; core/ takes random bits as arguments. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct hf_random {
    uint64_t s[4];
};

void hf_random_init(struct hf_random *r);                /* seeded by the kernel */
void hf_random_seed(struct hf_random *r, uint64_t seed); /* replayable */
uint64_t hf_random_next(struct hf_random *r);

/* Uniform in 0 .. below - 1; below > 0. */
uint32_t hf_random_below(struct hf_random *r, uint32_t below);

/* n bytes from the kernel, n <= 256. Never fails after boot. */
void hf_random_secret(void *buf, size_t n);
