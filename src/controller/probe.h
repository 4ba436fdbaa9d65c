/* controller/probe.h - requests through a listener of the gateway, so that seconds with few users'
 * requests can be judged. Each goes the way of a user's: accept, parse, balance, an instance. It
 * names its service in x-holdfast-probe, which counts only with the plan's token, and is no user's
 * request in any meter. Runs in: controller, on its loop's thread. */
#pragma once
#include "catalog/catalog.h"
#include "net/addr.h"
#include "net/loop.h"

struct hf_probes;

/* told(): what a probe that was sent in this wall second saw. listener(): where a plain connection
 * to a gateway can be made now; false: nowhere. */
struct hf_probes *
hf_probes_new(struct hf_loop *loop, bool (*listener)(void *ctx, struct hf_addr *ret),
              const char *token,
              void (*told)(void *ctx, const char *service, int64_t second, bool ok), void *ctx);
struct hf_probes *hf_probes_free(struct hf_probes *p);

/* Sends one for the service, unless its last one is still under way. */
void hf_probe_service(struct hf_probes *p, const struct hf_service *s, int64_t second);
