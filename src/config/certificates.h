/* config/certificates.h - the certificates, keys and authorities that a configuration names: read
 * from their files, checked together, and made into a bundle (net/tls_bundle.h).
 *
 * Beside the configuration, not within it: the files change on their own, and a file that has
 * become a bad one must not keep a controller from starting. Owner: the caller. Runs in: the setup
 * child of the keeper, controller, CLI (`holdfast check`). */
#pragma once
#include "base/time.h"
#include "config/config.h"
#include "net/tls_bundle.h"

struct hf_certificate {
    const struct hf_config_certificate *config; /* the configuration's, which is kept */
    uint32_t listener;                          /* the index of its listener */
    struct hf_text chain, key;                  /* DER */
    char subject[256];                          /* for people: its names, else its subject */
    char digest[65]; /* SHA-256 of its own part, in hex: which one it is */
    struct hf_wall expires;
};

struct hf_certificates {
    struct hf_config *config;
    struct hf_certificate *certificates; /* by listener */
    size_t n;                            /* 0: no listener has TLS */
    struct hf_text *authorities;         /* by listener; DER; empty: none */
};

/* Reads and checks all of them. HF_EINVAL: errors has what is wrong, with the places in the
 * configuration. Warnings, which change nothing: certificates that have expired, keys that others
 * can read. errors: empty, as hf_config_load() left it, so that the file is named the same. */
HF_MUST_CHECK int hf_certificates_load(struct hf_config *c, struct hf_certificates **ret,
                                       struct hf_config_errors *errors,
                                       struct hf_config_errors *warnings);
struct hf_certificates *hf_certificates_free(struct hf_certificates *x); /* NULL ok */

/* The sealed file of them with these ticket keys, the newest first; a descriptor of the caller's.
 * It was tried: a gateway can use it. */
HF_MUST_CHECK int hf_certificates_bundle(const struct hf_certificates *x,
                                         const struct hf_tls_ticket_key *keys, uint32_t n_keys,
                                         struct hf_error *e);

/* A number that changes when one of the files does: their sizes, times and identities. */
uint64_t hf_certificates_stamp(const struct hf_config *c);
