#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

int hf_addr_parse_ip(struct hf_str text, struct hf_addr *ret)
{
    char buf[INET6_ADDRSTRLEN];
    struct hf_addr a = {0};

    if (text.n == 0 || text.n >= sizeof(buf) || memchr(text.p, 0, text.n))
        return HF_EINVAL;
    hf_str_copy(text, buf, sizeof(buf));
    if (inet_pton(AF_INET, buf, a.ip) == 1)
        a.family = HF_ADDR_IP4;
    else if (inet_pton(AF_INET6, buf, a.ip) == 1)
        a.family = HF_ADDR_IP6;
    else
        return HF_EINVAL;
    *ret = a;
    return 0;
}

int hf_addr_parse(struct hf_str text, struct hf_addr *ret)
{
    const char *colon = text.n ? memrchr(text.p, ':', text.n) : NULL;
    struct hf_str ip;
    struct hf_addr a;
    uint64_t port;
    bool bracketed;

    if (!colon)
        return HF_EINVAL;
    ip = (struct hf_str){text.p, (size_t)(colon - text.p)};
    if (hf_str_to_u64((struct hf_str){colon + 1, text.n - ip.n - 1}, &port) || port > 65535)
        return HF_EINVAL;
    bracketed = ip.n >= 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']';
    if (bracketed)
        ip = (struct hf_str){ip.p + 1, ip.n - 2};
    if (hf_addr_parse_ip(ip, &a) || bracketed != (a.family == HF_ADDR_IP6))
        return HF_EINVAL;
    a.port = (uint16_t)port;
    *ret = a;
    return 0;
}

size_t hf_addr_format_ip(const struct hf_addr *a, char buf[HF_ADDR_TEXT])
{
    buf[0] = 0;
    if (a->family == HF_ADDR_IP4) {
        /* by hand: the gateway does this for every new connection */
        char *p = buf;
        for (int i = 0; i < 4; i++) {
            unsigned v = a->ip[i];
            if (v >= 100)
                *p++ = (char)('0' + v / 100);
            if (v >= 10)
                *p++ = (char)('0' + v / 10 % 10);
            *p++ = (char)('0' + v % 10);
            *p++ = '.';
        }
        *--p = 0;
        return (size_t)(p - buf);
    }
    if (a->family == HF_ADDR_IP6)
        inet_ntop(AF_INET6, a->ip, buf, HF_ADDR_TEXT);
    return strlen(buf);
}

char *hf_addr_format(const struct hf_addr *a, char buf[HF_ADDR_TEXT])
{
    char ip[HF_ADDR_TEXT];

    hf_addr_format_ip(a, ip);
    snprintf(buf, HF_ADDR_TEXT, a->family == HF_ADDR_IP6 ? "[%.45s]:%u" : "%.45s:%u", ip,
             (unsigned)a->port);
    return buf;
}

bool hf_addr_eq(const struct hf_addr *a, const struct hf_addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

socklen_t hf_addr_to_sockaddr(const struct hf_addr *a, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (a->family == HF_ADDR_IP4) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    memcpy(&in6->sin6_addr, a->ip, 16);
    return sizeof(*in6);
}

int hf_addr_from_sockaddr(const struct sockaddr *sa, struct hf_addr *ret)
{
    struct hf_addr a = {0};

    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
        a.family = HF_ADDR_IP4;
        a.port = ntohs(in->sin_port);
        memcpy(a.ip, &in->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
        a.family = HF_ADDR_IP6;
        a.port = ntohs(in6->sin6_port);
        memcpy(a.ip, &in6->sin6_addr, 16);
    } else {
        return HF_EINVAL;
    }
    *ret = a;
    return 0;
}

int hf_network_parse(struct hf_str text, struct hf_network *ret)
{
    const char *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
    size_t ip_length = slash ? (size_t)(slash - text.p) : text.n;
    struct hf_network n = {0};
    uint64_t bits, most;

    if (hf_addr_parse_ip((struct hf_str){text.p, ip_length}, &n.base))
        return HF_EINVAL;
    most = n.base.family == HF_ADDR_IP4 ? 32 : 128;
    bits = most;
    if (slash && hf_str_to_u64((struct hf_str){slash + 1, text.n - ip_length - 1}, &bits))
        return HF_EINVAL;
    if (bits > most)
        return HF_EINVAL;
    n.bits = (uint8_t)bits;
    *ret = n;
    return 0;
}

bool hf_network_has(const struct hf_network *n, const struct hf_addr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *ip = a->ip;
    uint8_t family = a->family, whole = n->bits / 8, rest = n->bits % 8;

    if (family == HF_ADDR_IP6 && n->base.family == HF_ADDR_IP4 && memcmp(ip, mapped, 12) == 0) {
        family = HF_ADDR_IP4;
        ip += 12;
    }
    if (family != n->base.family || memcmp(ip, n->base.ip, whole) != 0)
        return false;
    return rest == 0 || ((ip[whole] ^ n->base.ip[whole]) >> (8 - rest)) == 0;
}
