#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ssize_t parse(const uint8_t *data, size_t n, struct hf_proxy *ret)
{
    char *exact = malloc(n + 1);
    const char *why = NULL;
    ssize_t rc;

    if (n)
        memcpy(exact, data, n);
    rc = hf_proxy_parse((struct hf_str){exact, n}, ret, &why);
    assert(rc == HF_EINVAL || (rc >= 0 && rc <= (ssize_t)n));
    assert((rc == HF_EINVAL) == (why != NULL));
    free(exact);
    return rc;
}

/* What was read, written again by either version, says the same. */
static void check_round_trip(const struct hf_proxy *p)
{
    char out[HF_PROXY_OUT];
    struct hf_proxy again;

    for (unsigned version = 1; version <= 2; version++) {
        size_t n = hf_proxy_write(version, p->known ? &p->source : NULL, &p->destination, out);
        assert(n <= sizeof(out));
        assert(parse((const uint8_t *)out, n, &again) == (ssize_t)n);
        assert(again.known == p->known && again.version == version);
        if (p->known)
            assert(hf_addr_eq(&again.source, &p->source) &&
                   hf_addr_eq(&again.destination, &p->destination));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_proxy whole, cut;
    ssize_t rc = parse(data, size, &whole);

    assert(rc != 0 || size < HF_PROXY_V2_MOST);
    for (size_t n = 0; n < size && n < 2000; n++) { /* byte by byte: the same answer */
        ssize_t early = parse(data, n, &cut);
        if (early == 0)
            continue;
        assert(early == rc);
        break;
    }
    if (rc > 0)
        check_round_trip(&whole);
    return 0;
}
