#include "net/proxy_protocol.h"

#include <stdio.h>
#include <string.h>

/* Version 2: signature, version and command, family and transport, length of what follows. */
enum { SIGNATURE = 12, FIXED = 16, IP4_BLOCK = 12, IP6_BLOCK = 36, EXTENSION = 3, CRC = 4 };
enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { UNSPECIFIED = 0x00, TCP_IP4 = 0x11, TCP_IP6 = 0x21, UNIX_STREAM = 0x31, UNIX_DGRAM = 0x32 };
enum { TYPE_CRC32C = 0x03 };

static const char signature[SIGNATURE] = "\r\n\r\n\0\r\nQUIT\n";
static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static int wrong(const char **why, const char *text)
{
    *why = text;
    return HF_EINVAL;
}

/* An IPv4-mapped address is IPv4's: blocks and networks are told apart by that. */
static void simplify(struct hf_addr *a)
{
    if (a->family != HF_ADDR_IP6 || memcmp(a->ip, mapped, sizeof(mapped)) != 0)
        return;
    memmove(a->ip, a->ip + 12, 4);
    memset(a->ip + 4, 0, 12);
    a->family = HF_ADDR_IP4;
}

/* ---- version 1 ---- */

/* Up to the next space, which must be there but for the last one. */
static struct hf_str word(struct hf_str *rest)
{
    const char *space = rest->n ? memchr(rest->p, ' ', rest->n) : NULL;
    struct hf_str w = {rest->p, space ? (size_t)(space - rest->p) : rest->n};
    size_t skip = w.n + (space != NULL);

    *rest = (struct hf_str){rest->p + skip, rest->n - skip};
    return w;
}

static bool port(struct hf_str s, uint16_t *ret)
{
    uint64_t v;

    if (s.n == 0 || s.n > 5 || (s.n > 1 && s.p[0] == '0') || hf_str_to_u64(s, &v) || v > 65535)
        return false;
    *ret = (uint16_t)v;
    return true;
}

/* What stands between "PROXY TCP4 " and the line's end. */
static int line_addresses(struct hf_str rest, enum hf_addr_family family, struct hf_proxy *p,
                          const char **why)
{
    bool open_end = rest.n && rest.p[rest.n - 1] == ' ';

    if (hf_addr_parse_ip(word(&rest), &p->source) || p->source.family != family ||
        hf_addr_parse_ip(word(&rest), &p->destination) || p->destination.family != family)
        return wrong(why, "an address is not one of the family that is named");
    if (!port(word(&rest), &p->source.port) || !port(word(&rest), &p->destination.port))
        return wrong(why, "a port is not a number from 0 to 65535");
    if (rest.n || open_end)
        return wrong(why, "something follows the ports");
    simplify(&p->source);
    simplify(&p->destination);
    p->known = true;
    return 0;
}

static int line_valid(struct hf_str line, struct hf_proxy *p, const char **why)
{
    static const struct hf_str tcp4 = {"PROXY TCP4 ", 11}, tcp6 = {"PROXY TCP6 ", 11};

    if (hf_str_starts(line, tcp4))
        return line_addresses((struct hf_str){line.p + tcp4.n, line.n - tcp4.n}, HF_ADDR_IP4, p,
                              why);
    if (hf_str_starts(line, tcp6))
        return line_addresses((struct hf_str){line.p + tcp6.n, line.n - tcp6.n}, HF_ADDR_IP6, p,
                              why);
    if (hf_str_eq(line, HF_STR("PROXY UNKNOWN")) || hf_str_starts(line, HF_STR("PROXY UNKNOWN ")))
        return 0;
    return wrong(why, "the family is none of TCP4, TCP6 and UNKNOWN");
}

static ssize_t parse_line(struct hf_str bytes, struct hf_proxy *ret, const char **why)
{
    struct hf_proxy p = {.version = 1};
    size_t most = bytes.n < HF_PROXY_V1_MOST ? bytes.n : HF_PROXY_V1_MOST;
    size_t n = 0;

    while (n < most && (unsigned char)bytes.p[n] >= 0x20 && (unsigned char)bytes.p[n] < 0x7f)
        n++;
    if (n < most && (bytes.p[n] != '\r' || (n + 1 < most && bytes.p[n + 1] != '\n')))
        return wrong(why, "the line has a byte that is neither text nor its CRLF");
    if (n + 2 > HF_PROXY_V1_MOST)
        return wrong(why, "the line is longer than 107 bytes");
    if (n + 2 > bytes.n)
        return 0;
    if (line_valid((struct hf_str){bytes.p, n}, &p, why))
        return HF_EINVAL;
    *ret = p;
    return (ssize_t)n + 2;
}

/* ---- version 2 ---- */

static unsigned get16(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;

    return (unsigned)b[0] << 8 | b[1];
}

static uint32_t get32(const char *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* CRC32c (RFC 3720 B.4) of bytes, of which those from hole to hole + 4 count as zero. */
static uint32_t crc32c(struct hf_str bytes, size_t hole)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < bytes.n; i++) {
        crc ^= i >= hole && i < hole + CRC ? 0 : (uint8_t)bytes.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    return ~crc;
}

/* Extensions from `at` to the header's end: they must fill it, and a checksum among them fit. */
static int extensions_valid(struct hf_str header, size_t at, const char **why)
{
    bool summed = false;

    while (at < header.n) {
        size_t n;
        if (header.n - at < EXTENSION)
            return wrong(why, "an extension is cut short");
        n = get16(header.p + at + 1);
        if (n > header.n - at - EXTENSION)
            return wrong(why, "an extension is longer than the header");
        if (header.p[at] == TYPE_CRC32C) {
            if (n != CRC || summed)
                return wrong(why, "the checksum is not one of 4 bytes");
            if (get32(header.p + at + EXTENSION) != crc32c(header, at + EXTENSION))
                return wrong(why, "the checksum does not match");
            summed = true;
        }
        at += EXTENSION + n;
    }
    return 0;
}

static void get_addresses(const char *block, enum hf_addr_family family, struct hf_proxy *p)
{
    size_t n = family == HF_ADDR_IP4 ? 4 : 16;

    p->source.family = p->destination.family = (uint8_t)family;
    memcpy(p->source.ip, block, n);
    memcpy(p->destination.ip, block + n, n);
    p->source.port = (uint16_t)get16(block + 2 * n);
    p->destination.port = (uint16_t)get16(block + 2 * n + 2);
    simplify(&p->source);
    simplify(&p->destination);
    p->known = true;
}

/* The bytes of its addresses; < 0: not one for us. */
static int block_size(uint8_t family, const char **why)
{
    switch (family) {
    case UNSPECIFIED:
        return 0;
    case TCP_IP4:
        return IP4_BLOCK;
    case TCP_IP6:
        return IP6_BLOCK;
    case UNIX_STREAM:
    case UNIX_DGRAM:
        return wrong(why, "the family is that of unix sockets");
    default:
        return wrong(why, "the family is none of TCP over IPv4 and over IPv6");
    }
}

static ssize_t parse_binary(struct hf_str bytes, struct hf_proxy *ret, const char **why)
{
    struct hf_proxy p = {.version = 2};
    uint8_t command = bytes.n > SIGNATURE ? (uint8_t)bytes.p[SIGNATURE] : COMMAND_LOCAL;
    size_t size;
    int block;

    if (command != COMMAND_LOCAL && command != COMMAND_PROXY)
        return wrong(why, "the version is not 2, or the command neither LOCAL nor PROXY");
    if (bytes.n < FIXED)
        return 0;
    size = FIXED + get16(bytes.p + FIXED - 2);
    if (size > HF_PROXY_V2_MOST)
        return wrong(why, "the header is longer than 1024 bytes");
    if (command == COMMAND_PROXY) { /* of LOCAL, the specification says, nothing is looked at */
        block = block_size((uint8_t)bytes.p[SIGNATURE + 1], why);
        if (block < 0)
            return HF_EINVAL;
        if (size < FIXED + (size_t)block)
            return wrong(why, "the header is shorter than its addresses");
        if (bytes.n < size)
            return 0;
        if (block && extensions_valid((struct hf_str){bytes.p, size}, FIXED + (size_t)block, why))
            return HF_EINVAL;
        if (block)
            get_addresses(bytes.p + FIXED, block == IP4_BLOCK ? HF_ADDR_IP4 : HF_ADDR_IP6, &p);
    }
    if (bytes.n < size)
        return 0;
    *ret = p;
    return (ssize_t)size;
}

ssize_t hf_proxy_parse(struct hf_str bytes, struct hf_proxy *ret, const char **why)
{
    static const char line[] = "PROXY ";
    size_t binary = bytes.n < SIGNATURE ? bytes.n : SIGNATURE;
    size_t text = bytes.n < sizeof(line) - 1 ? bytes.n : sizeof(line) - 1;

    if (bytes.n == 0)
        return 0;
    if (memcmp(bytes.p, signature, binary) == 0)
        return parse_binary(bytes, ret, why);
    if (memcmp(bytes.p, line, text) == 0)
        return parse_line(bytes, ret, why);
    return wrong(why, "it begins with neither version's signature");
}

/* ---- writing ---- */

static struct hf_addr as_ip6(const struct hf_addr *a)
{
    struct hf_addr wide = *a;

    if (a->family == HF_ADDR_IP4) {
        wide.family = HF_ADDR_IP6;
        memcpy(wide.ip, mapped, sizeof(mapped));
        memcpy(wide.ip + sizeof(mapped), a->ip, 4);
    }
    return wide;
}

static size_t write_line(const struct hf_addr *source, const struct hf_addr *destination, char *out)
{
    char from[HF_ADDR_TEXT], to[HF_ADDR_TEXT];

    hf_addr_format_ip(source, from);
    hf_addr_format_ip(destination, to);
    return (size_t)snprintf(out, HF_PROXY_OUT, "PROXY TCP%c %.45s %.45s %u %u\r\n",
                            source->family == HF_ADDR_IP4 ? '4' : '6', from, to,
                            (unsigned)source->port, (unsigned)destination->port);
}

static char *put16(char *to, unsigned v)
{
    to[0] = (char)(v >> 8);
    to[1] = (char)v;
    return to + 2;
}

static size_t write_binary(const struct hf_addr *source, const struct hf_addr *destination,
                           char *out)
{
    size_t n = source->family == HF_ADDR_IP4 ? 4 : 16;
    char *p = out + FIXED;

    memcpy(p, source->ip, n);
    memcpy(p + n, destination->ip, n);
    p = put16(put16(p + 2 * n, source->port), destination->port);
    memcpy(out, signature, SIGNATURE);
    out[SIGNATURE] = COMMAND_PROXY;
    out[SIGNATURE + 1] = n == 4 ? TCP_IP4 : TCP_IP6;
    put16(out + FIXED - 2, (unsigned)(p - out) - FIXED);
    return (size_t)(p - out);
}

static size_t write_local(unsigned version, char *out)
{
    if (version == 1)
        return (size_t)snprintf(out, HF_PROXY_OUT, "PROXY UNKNOWN\r\n");
    memset(out, 0, FIXED);
    memcpy(out, signature, SIGNATURE);
    out[SIGNATURE] = COMMAND_LOCAL;
    return FIXED;
}

size_t hf_proxy_write(unsigned version, const struct hf_addr *source,
                      const struct hf_addr *destination, char out[HF_PROXY_OUT])
{
    struct hf_addr from, to;

    if (!source || source->family == HF_ADDR_NONE || destination->family == HF_ADDR_NONE)
        return write_local(version, out);
    from = source->family == destination->family ? *source : as_ip6(source);
    to = source->family == destination->family ? *destination : as_ip6(destination);
    return version == 1 ? write_line(&from, &to, out) : write_binary(&from, &to, out);
}
