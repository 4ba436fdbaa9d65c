/* controller/names.h - what the host names of services' instances stand for.
 *
 * Looks each name up at once and again every `dns.interval`, and keeps the last answer: a lookup
 * that fails, or that finds no address, changes nothing but what is said about it.
 * Owner: the caller. Runs in: controller, on its loop's thread; never blocks. */
#pragma once
#include "config/config.h"
#include "net/loop.h"

struct hf_names;

struct hf_names_hooks {
    void *ctx;
    /* The service's names stand for other addresses than before. May ask, not configure. */
    void (*on_change)(void *ctx, const char *service);
    /* Of an answer that is not the last one again; and, failed, of each kind of failure once. */
    void (*on_event)(void *ctx, const char *service, const char *host, bool failed,
                     const char *text);
};

struct hf_names *hf_names_new(struct hf_loop *loop, const struct hf_names_hooks *hooks)
    __attribute__((returns_nonnull));
struct hf_names *hf_names_free(struct hf_names *n); /* NULL is fine; returns NULL */

/* From now on the names of config, which is not needed after the return. What is known of a name
 * that stays (same service, host and port) is kept; each is looked up now. */
void hf_names_configure(struct hf_names *n, const struct hf_config *config);

/* Each address of the service's names once, with the weight of the first that stands for it. */
void hf_names_each(const struct hf_names *n, const char *service,
                   void (*each)(void *ctx, const struct hf_addr *address, uint32_t weight),
                   void *ctx);

/* Does one of the service's names stand for the address? */
bool hf_names_has(const struct hf_names *n, const char *service, const struct hf_addr *address);

/* Is there a name of the service on this port that was never found yet? */
bool hf_names_waits(const struct hf_names *n, const char *service, uint16_t port);
