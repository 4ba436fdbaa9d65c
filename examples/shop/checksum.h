/* shop/checksum.h - the rule by which a client can tell that an answer is the answer to its
 * request.
 *
 * Every answer of the shop carries CRC-32 (the one of zlib and Python's zlib.crc32) over
 * "METHOD TARGET", followed by the request's body where there is one. Pure functions, any thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Continues `sum` (0 to begin) over `len` bytes. */
static inline uint32_t shop_checksum_add(uint32_t sum, const void *data, size_t len)
{
    /* Half a byte at a time: a table of 16 that can be read, fast enough for short requests. */
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const uint8_t *p = data;

    sum = ~sum;
    for (size_t i = 0; i < len; i++) {
        sum ^= p[i];
        sum = (sum >> 4) ^ table[sum & 15];
        sum = (sum >> 4) ^ table[sum & 15];
    }
    return ~sum;
}

/* The checksum of a whole request; `body` may be NULL when `body_len` is 0. */
static inline uint32_t shop_checksum(const char *method, const char *target, const char *body,
                                     size_t body_len)
{
    uint32_t sum = shop_checksum_add(0, method, strlen(method));

    sum = shop_checksum_add(sum, " ", 1);
    sum = shop_checksum_add(sum, target, strlen(target));
    return body_len ? shop_checksum_add(sum, body, body_len) : sum;
}
