#include "continuity/chain.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>

static const struct hf_str tail = {",\"hash\":\"", 9};
enum { TAIL_SIZE = 9 + (HF_CHAIN_HASH - 1) + 2 }; /* ,"hash":"..."} */

static void hash_hex(struct hf_str bytes, char hex[HF_CHAIN_HASH])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n;
    int ok = EVP_Digest(bytes.n ? bytes.p : "", bytes.n, digest, &n, EVP_sha256(), NULL);

    assert(ok && n == (HF_CHAIN_HASH - 1) / 2);
    for (unsigned i = 0; i < n; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
}

void hf_chain_init(struct hf_chain *c, struct hf_str writer)
{
    c->sequence = 0;
    hash_hex(writer, c->hash);
}

/* What every record of this chain must begin with. */
static int head(const struct hf_chain *c, char *buf, size_t size)
{
    return snprintf(buf, size, "{\"seq\":%llu,\"prev\":\"%s\",",
                    (unsigned long long)c->sequence + 1, c->hash);
}

void hf_chain_seal(struct hf_chain *c, struct hf_str body, struct hf_text *ret)
{
    size_t start = ret->n;
    char begin[128];

    assert(body.n > 2 && body.p[0] == '{' && body.p[body.n - 1] == '}');
    head(c, begin, sizeof(begin));
    hf_text_add(ret, hf_str(begin));
    hf_text_add(ret, (struct hf_str){body.p + 1, body.n - 2});
    hash_hex((struct hf_str){ret->p + start, ret->n - start}, c->hash);
    hf_text_add(ret, tail);
    hf_text_add(ret, hf_str(c->hash));
    hf_text_add(ret, HF_STR("\"}"));
    c->sequence++;
}

int hf_chain_verify(struct hf_chain *c, uint64_t sequence, struct hf_str record, struct hf_error *e)
{
    char begin[128], hash[HF_CHAIN_HASH];
    size_t head_n = (size_t)head(c, begin, sizeof(begin)), body_n;
    const char *end;

    if (sequence != c->sequence + 1)
        return hf_error_set(e, HF_ECORRUPT, "record %llu stands where %llu should",
                            (unsigned long long)sequence, (unsigned long long)c->sequence + 1);
    if (record.n < head_n + TAIL_SIZE || memcmp(record.p, begin, head_n) != 0)
        return hf_error_set(e, HF_ECORRUPT, "record %llu does not follow the one before",
                            (unsigned long long)sequence);
    body_n = record.n - TAIL_SIZE;
    end = record.p + body_n;
    hash_hex((struct hf_str){record.p, body_n}, hash);
    if (memcmp(end, tail.p, tail.n) != 0 || memcmp(end + tail.n, hash, HF_CHAIN_HASH - 1) != 0 ||
        memcmp(record.p + record.n - 2, "\"}", 2) != 0)
        return hf_error_set(e, HF_ECORRUPT, "record %llu was changed: its hash does not fit",
                            (unsigned long long)sequence);
    memcpy(c->hash, hash, sizeof(hash));
    c->sequence = sequence;
    return 0;
}
