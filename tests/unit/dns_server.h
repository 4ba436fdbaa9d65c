/* tests/unit/dns_server.h - a name server on loopback that says what the test has scripted. It runs
 * on the same loop as what asks it. */
#pragma once
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "net/addr.h"
#include "net/loop.h"

enum dns_manner { DNS_ANSWERS, DNS_FAILS, DNS_IS_SILENT, DNS_TALKS_RUBBISH };

struct dns_name {
    const char *name;           /* of what is not in the list there is no such name */
    const char *ip4, *ip6;      /* divided by spaces; NULL: none */
    enum dns_manner how4, how6; /* how it answers a question for either */
};

struct dns_server {
    struct hf_watch watch;
    struct hf_loop *loop;
    struct hf_addr address;
    const struct dns_name *names;
    size_t n;
    unsigned asked4, asked6;
};

/* Reads the question's name into text; returns its end in the packet. */
static inline const uint8_t *dns_question(const uint8_t *packet, size_t n, char *text)
{
    const uint8_t *p = packet + 12, *end = packet + n;

    *text = 0;
    while (p < end && *p && p + 1 + *p + 5 <= end) {
        strncat(text, (const char *)p + 1, *p);
        p += 1 + *p;
        if (*p)
            strcat(text, ".");
    }
    return p + 5; /* the root, type and class */
}

static inline uint8_t *dns_record(uint8_t *p, uint16_t type, const char *ip)
{
    const uint8_t head[] = {0xc0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, 1, 0, type == 1 ? 4 : 16};

    memcpy(p, head, sizeof(head));
    assert_int_equal(inet_pton(type == 1 ? AF_INET : AF_INET6, ip, p + sizeof(head)), 1);
    return p + sizeof(head) + head[11];
}

static inline uint8_t *dns_records(uint8_t *packet, uint8_t *p, uint16_t type, const char *ips)
{
    char copy[1024], *save = NULL;

    snprintf(copy, sizeof(copy), "%s", ips ? ips : "");
    for (char *ip = strtok_r(copy, " ", &save); ip; ip = strtok_r(NULL, " ", &save)) {
        p = dns_record(p, type, ip);
        packet[7]++;
    }
    return p;
}

static inline void dns_answer(struct dns_server *s, uint8_t *packet, size_t n,
                              const struct sockaddr_in *to)
{
    char name[256];
    const uint8_t *end = dns_question(packet, n, name);
    uint8_t *p = packet + (end - packet);
    uint16_t type = p[-3];
    const struct dns_name *found = NULL;
    enum dns_manner how = DNS_ANSWERS;

    *(type == 1 ? &s->asked4 : &s->asked6) += 1;
    for (size_t i = 0; i < s->n && !found; i++)
        found = strcasecmp(s->names[i].name, name) == 0 ? &s->names[i] : NULL;
    if (found)
        how = type == 1 ? found->how4 : found->how6;
    if (how == DNS_IS_SILENT)
        return;
    packet[2] = 0x84; /* an answer, with authority */
    packet[3] = how == DNS_FAILS ? 2 : found ? 0 : 3;
    memset(packet + 6, 0, 6); /* of the records, the question alone so far */
    if (found && how == DNS_ANSWERS)
        p = dns_records(packet, p, type, type == 1 ? found->ip4 : found->ip6);
    if (how == DNS_TALKS_RUBBISH) {
        packet[3] = 0;
        packet[6] = packet[7] = 0xff;
        memset(p, 0xc0, 64);
        p += 64;
    }
    sendto(s->watch.fd, packet, (size_t)(p - packet), 0, (const struct sockaddr *)to, sizeof(*to));
}

static inline void dns_on_packet(struct hf_watch *w, uint32_t events)
{
    struct dns_server *s = HF_CONTAINER(w, struct dns_server, watch);
    uint8_t packet[1500];
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    ssize_t n = recvfrom(w->fd, packet, 512, MSG_DONTWAIT, (struct sockaddr *)&from, &size);

    assert_true(events & EPOLLIN);
    if (n > 17)
        dns_answer(s, packet, (size_t)n, &from);
}

static inline void dns_open(struct dns_server *s, struct hf_loop *loop)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(in);

    *s = (struct dns_server){.loop = loop};
    s->watch = (struct hf_watch){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                                 .on_event = dns_on_packet};
    assert_int_equal(bind(s->watch.fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(getsockname(s->watch.fd, (struct sockaddr *)&in, &size), 0);
    assert_int_equal(hf_addr_from_sockaddr((struct sockaddr *)&in, &s->address), 0);
    assert_int_equal(hf_loop_watch(loop, &s->watch, EPOLLIN), 0);
}

static inline void dns_script(struct dns_server *s, const struct dns_name *names, size_t n)
{
    s->names = names;
    s->n = n;
}

static inline void dns_close(struct dns_server *s)
{
    hf_loop_unwatch(s->loop, &s->watch);
    close(s->watch.fd);
}
