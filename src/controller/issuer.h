/* controller/issuer.h - certificates on their way to the gateways: reads them again when their
 * files change, makes bundles (net/tls_bundle.h) of them and of ticket keys, and sends these to the
 * keeper, which holds them and brings them to the gateways. What cannot be used changes nothing.
 *
 * Ticket keys are made here, are never on disk, and change every 12 hours; the two before still
 * count. A controller that starts goes on with those in the bundle that the keeper holds.
 * Certificates that will expire are told of 30, 7 and 1 days before, and when they have: once each.
 * Runs in: controller, on its loop's thread. */
#pragma once
#include "config/certificates.h"
#include "controller/events.h"
#include "net/loop.h"

struct hf_issuer;

struct hf_issuer_options {
    struct hf_loop *loop;
    struct hf_store *store;
    struct hf_events *events;
    uint64_t term;
    int keeper_fd; /* the socket to the keeper */
    int bundle_fd; /* the one that it holds; -1: none */
};

HF_MUST_CHECK int hf_issuer_new(const struct hf_issuer_options *o, struct hf_issuer **ret,
                                struct hf_error *e);
struct hf_issuer *hf_issuer_free(struct hf_issuer *i); /* after the store; NULL ok */

/* The certificates of the configuration in force, checked; they are the issuer's then. */
void hf_issuer_take(struct hf_issuer *i, struct hf_certificates *certificates_take);

/* The same from their files; what is wrong with them is logged, and they are looked at again when
 * they change. */
void hf_issuer_load(struct hf_issuer *i, struct hf_config *config);

/* ---- what it decides by ---- */

/* Puts a new key in front if it is time, or if there is none. Returns whether it did. */
bool hf_issuer_rotate(struct hf_tls_ticket_key *keys, uint32_t *n, struct hf_wall now);

/* So many days before its end, or at its end (0), a certificate has to be told of; -1: not yet. */
int hf_issuer_notice(struct hf_wall expires, struct hf_wall now);
