#include "base/random.h"

#include <assert.h>
#include <sys/random.h>

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/* SplitMix64: spreads one seed over the whole state. */
static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void hf_random_seed(struct hf_random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&seed);
}

void hf_random_init(struct hf_random *r)
{
    uint64_t seed;

    hf_random_secret(&seed, sizeof(seed));
    hf_random_seed(r, seed);
}

uint64_t hf_random_next(struct hf_random *r)
{
    uint64_t *s = r->s, result = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint32_t hf_random_below(struct hf_random *r, uint32_t below)
{
    return (uint32_t)(((hf_random_next(r) >> 32) * below) >> 32);
}

void hf_random_secret(void *buf, size_t n)
{
    ssize_t got;

    assert(n <= 256);
    got = getrandom(buf, n, 0);
    assert(got == (ssize_t)n);
    (void)got;
}
