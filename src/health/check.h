/* health/check.h - asks every instance of the catalogue how it is, and sets its state accordingly.
 *
 * As its service's configuration says: GET of a path, where a 2xx answer is good, in the protocol
 * of the service; gRPC's health checking protocol; or a connection that is taken. One check at a
 * time for each instance; between two of them the interval, with 20 % jitter either way; a fifth of
 * it, but at least 50 ms, while in doubt or starting. The first comes at a random time within that,
 * so that many instances are not asked all at once.
 *
 *   starting -> ready     `rise` checks passed
 *   starting -> failed    a process that is not ready within `start`, with its last log lines
 *   starting -> ejected   a fixed instance that fails `fall` checks
 *   ready <-> ejected     by the rule of health/judge.h
 *
 * Draining, failed and stopped instances are left alone. Owner: the caller. Runs in: controller, on
 * its loop's thread. */
#pragma once
#include "catalog/catalog.h"
#include "health/judge.h"
#include "net/loop.h"

struct hf_health;

struct hf_health_hooks {
    void *ctx;

    /* What the gateways saw of it in all, attempts and those that failed (connection refused or
     * lost, time-out, 5xx), counted from anywhere: the difference of two is taken. False: not
     * known. May be NULL. */
    bool (*seen)(void *ctx, const struct hf_instance *i, struct hf_seen *ret);

    /* The end of its log as one line; "" if there is none. May be NULL. */
    void (*last_words)(void *ctx, const struct hf_instance *i, char *buf, size_t size);
};

/* Watches the catalogue from now on. loop and catalog are borrowed until hf_health_free(). A
 * service is checked once it has its configuration. */
struct hf_health *hf_health_new(struct hf_loop *loop, struct hf_catalog *catalog,
                                const struct hf_health_hooks *hooks);
struct hf_health *hf_health_free(struct hf_health *h); /* NULL is fine; returns NULL */

/* The present verdict on an instance: its code, and the text (valid until the next turn of the
 * loop). HF_HEALTH_UNCERTAIN and "" for one that is not checked. */
enum hf_health_code hf_health_verdict(const struct hf_health *h, const struct hf_instance *i,
                                      const char **ret_text);
