#include "http/websocket.h"

#include <openssl/evp.h>

#include "base/mem.h"

/* base64 with its NUL, cut to n. */
static void encode(const unsigned char *bytes, int size, char *ret, size_t n)
{
    unsigned char text[HF_WEBSOCKET_ACCEPT + 1];

    EVP_EncodeBlock(text, bytes, size);
    memcpy(ret, text, n);
}

void hf_websocket_key(struct hf_random *random, char ret[HF_WEBSOCKET_KEY])
{
    const uint64_t bits[2] = {hf_random_next(random), hf_random_next(random)};

    encode((const unsigned char *)bits, sizeof(bits), ret, HF_WEBSOCKET_KEY);
}

void hf_websocket_accept(const char key[HF_WEBSOCKET_KEY], char ret[HF_WEBSOCKET_ACCEPT])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[HF_WEBSOCKET_KEY + sizeof(guid)];

    memcpy(text, key, HF_WEBSOCKET_KEY);
    memcpy(text + HF_WEBSOCKET_KEY, guid, sizeof(guid));
    if (!EVP_Digest(text, sizeof(text) - 1, digest, NULL, EVP_sha1(), NULL))
        memset(digest, 0, sizeof(digest)); /* no SHA-1 here: then no answer is right */
    encode(digest, 20, ret, HF_WEBSOCKET_ACCEPT);
}
