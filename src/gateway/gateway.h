/* gateway/gateway.h - the data plane process: carries every request, and is the sensor for health,
 * releases and the ledger. It parses hostile input and has no credential. It serves its last valid
 * plan for as long as it takes, whoever else is dead. */
#pragma once
#include <pthread.h>

#include "board/handover.h"

/* The process. Returns its exit status: 0 after an orderly stop (SIGTERM). */
int hf_gateway_main(const struct hf_handover *handover);

struct hf_gateway {
    struct hf_board *board;
    uint32_t slot;
    struct hf_live_view live;
    struct hf_snapshots *snapshots;
    struct hf_access_log *log;
    struct hf_keyring *keyring;
    uint32_t n_listeners;
    int listener[HF_LISTENERS_MAX];
    struct hf_addr listener_address[HF_LISTENERS_MAX]; /* as configured */
    int probe_listener;         /* on the loopback address, plain; -1: none */
    pthread_barrier_t gate;     /* passed twice: all threads have begun; the sandbox is closed */
    int stop;                   /* eventfd, never read: written once when the gateway shall leave */
    int retire;                 /* the same, when another one serves in its place */
    int ended;                  /* the same, when the last worker has */
    atomic_bool cut;            /* with stop: what is left gets no time any more, it had its own */
    _Atomic uint32_t accepting; /* workers that have not given up the listening sockets */
    _Atomic uint32_t running;
};
