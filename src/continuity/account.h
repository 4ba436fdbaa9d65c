/* continuity/account.h - the accountant: books every second of every service, once.
 *
 * Driven once a second by the controller. A second is provisional until its requests have ended,
 * or HF_ACCOUNT_PROVISIONAL seconds have passed; seconds are booked in order. Closed intervals go
 * to the ledger; the rest is kept in the store every second, so that a controller that is killed
 * goes on from there, reading again from the board what it did not book. What the board cannot
 * tell any more is booked as unknown; the time from a clean stop to the next start as down,
 * planned, event "stop". Runs in: controller. */
#pragma once
#include "base/time.h"
#include "continuity/ledger.h"
#include "continuity/state.h"

enum {
    HF_ACCOUNT_PROVISIONAL = 590, /* the board's 600, less a margin for a tick that comes late */
    HF_ACCOUNT_GRACE = 5,         /* that long a missing record or probe is waited for */
};

struct hf_account;

struct hf_account_config {
    struct hf_store *store;
    const char *node, *boot; /* who writes: as hf_ledger_open() */
    uint64_t term;
    struct hf_wall now;
    struct hf_wall board_since; /* when the board was made: no gateway recorded anything before */

    /* Proven: in between no gateway ran here (the machine was off). Both 0: nothing is proven. */
    struct hf_wall no_gateway_from, no_gateway_to;

    /* Fills counts and flags of a zeroed *ret. Called for seconds since board_since that are at
     * most 600 old. Requests of a gateway that is gone have failed. */
    void (*read)(void *ctx, const char *service, int64_t second, struct hf_second *ret);

    /* Something an operator has to know: a broken chain, a store that refuses. */
    void (*warn)(void *ctx, const char *text);
    void *ctx;
};

/* Blocks while it reads what was kept, and verifies the node's chains. Free the store before the
 * account: its last answers still come here. */
HF_MUST_CHECK int hf_account_open(const struct hf_account_config *config, struct hf_account **ret,
                                  struct hf_error *e);
struct hf_account *hf_account_free(struct hf_account *a); /* NULL is fine; returns NULL */

/* The services that there are from now on. A new one is booked from now; one that is gone, until
 * now. To be called before the first tick, and whenever they change. */
HF_MUST_CHECK int hf_account_services(struct hf_account *a, const char *const *names, size_t n,
                                      struct hf_wall now);

/* What a probe of the service through the public listener saw in that second. */
void hf_account_probed(struct hf_account *a, const char *service, int64_t second, bool ok);

/* An event claims time (see claim.h). Claims outlive the controller; claiming again is harmless. */
HF_MUST_CHECK int hf_account_claim(struct hf_account *a, const struct hf_claim *claim);
void hf_account_claim_end(struct hf_account *a, const char *event, int64_t to);

/* Books what can be booked. */
void hf_account_tick(struct hf_account *a, struct hf_wall now);

/* A clean stop, when no request is under way any more: books all, and blocks until it is durable.
 * Later ticks do nothing. */
HF_MUST_CHECK int hf_account_stop(struct hf_account *a, struct hf_wall now, struct hf_error *e);

/* The intervals that are open, at most max. Returns how many. For a report beside the ledger's. */
size_t hf_account_open_intervals(const struct hf_account *a, struct hf_interval *ret, size_t max);

/* For corrections. */
struct hf_ledger *hf_account_ledger(struct hf_account *a);
