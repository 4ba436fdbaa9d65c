/* gateway/keyring.h - the certificates in force: made by the gateway's main thread of the bundles
 * that the keeper hands over, taken by the workers at the top of a turn. A bundle that OpenSSL does
 * not take changes nothing. Owner: the gateway. */
#pragma once
#include <stdatomic.h>

#include "net/tls.h"

struct hf_keyring;
struct hf_keyring *hf_keyring_new(void);

/* Main thread: takes over what stands in the bundle, and the descriptor. What is wrong with it is
 * logged. */
void hf_keyring_load(struct hf_keyring *k, int bundle_fd_take);

/* Rises with each set; 0: there is none yet. */
uint64_t hf_keyring_version(const struct hf_keyring *k);

/* The newest set, with a reference of the caller's; NULL: there is none yet. */
struct hf_tls_set *hf_keyring_take(struct hf_keyring *k, uint64_t *ret_version);
