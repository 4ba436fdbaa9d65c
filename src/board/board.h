/* board/board.h - the shared memory between keeper, controller and gateways, and the drain check.
 *
 * Memory files that are sealed against resizing:
 *   plan    two images and the number of the current one; written by the controller
 *   slots   which live file is claimed by which gateway; written by the keeper
 *   live    HF_BOARD_SLOTS files; each written by the gateway that holds the slot
 * and the bell: an eventfd that nobody reads. Every worker of every gateway watches it
 * edge-triggered, so that one write wakes them all.
 *
 * Drain acknowledgement. A worker publishes generation G only at the top of a turn, after it has
 * switched to plan G; a pick is counted in flight in the same turn and generation that made it. So
 * a reader that reads generations first, then counts, and finds every claimed slot's workers at >=
 * G and no count above zero, knows: nothing is in flight there, and nothing can come.
 * tests/model/drain.pml is the proof. */
#pragma once
#include "board/live.h"
#include "board/plan.h"

struct hf_board;

/* Descriptors as they are handed from process to process; -1: not held. */
struct hf_board_fds {
    int plan, plan_read_only, slots, slots_read_only, bell;
    int live[HF_BOARD_SLOTS], live_read_only[HF_BOARD_SLOTS];
};

enum hf_board_role { HF_BOARD_KEEPER, HF_BOARD_CONTROLLER, HF_BOARD_GATEWAY };

/* Makes the files. The descriptors are close-on-exec and owned by the board. */
HF_MUST_CHECK int hf_board_create(const struct hf_board_capacity *c, struct hf_board **ret,
                                  struct hf_error *e);

/* Maps inherited files as the role may: the keeper writes slots and live, the controller writes the
 * plan and reads the rest; a gateway writes live[slot], which it lays out for c->workers workers,
 * and reads the plan. Takes the descriptors over, also those that another role needs. */
HF_MUST_CHECK int hf_board_attach(const struct hf_board_capacity *c, const struct hf_board_fds *fds,
                                  enum hf_board_role role, uint32_t slot, struct hf_board **ret,
                                  struct hf_error *e);
struct hf_board *hf_board_free(struct hf_board *b);

/* Controller's side: can processes of this version work on this board, which another one may have
 * made: is there room for a gateway of so many workers, can the plan be read, and the live files of
 * all gateways? */
HF_MUST_CHECK int hf_board_check(const struct hf_board *b, uint32_t workers, struct hf_error *e);

const struct hf_board_capacity *hf_board_capacity(const struct hf_board *b);

/* The descriptors that a process of this role needs, and may have; slot is a gateway's. */
struct hf_board_fds hf_board_fds_for(const struct hf_board *b, enum hf_board_role role,
                                     uint32_t slot);

/* When the keeper made it: before, no gateway of this board recorded anything. Not for a gateway.
 */
struct hf_wall hf_board_since(const struct hf_board *b);

/* --- plan --- */

/* The generation that is published now; 0: none yet. */
uint64_t hf_board_generation(const struct hf_board *b);

/* Controller: gives the image the next generation, makes it current and rings the bell. A crash at
 * any instruction leaves the old one or the new one current. Returns the generation; 0: the image
 * is larger than the board, which another version made, has room for. */
uint64_t hf_board_publish(struct hf_board *b, struct hf_plan *image);

/* The current image by hf_plan_load() into buf (hf_plan_capacity() bytes). HF_ENOENT: none was
 * published yet. */
HF_MUST_CHECK int hf_board_read_plan(const struct hf_board *b, void *buf, struct hf_error *e);

/* The bell's descriptor, for the workers to watch edge-triggered; never read. */
int hf_board_bell(const struct hf_board *b);

/* Wakes all workers. */
void hf_board_ring(const struct hf_board *b);

/* --- slots --- */

enum hf_slot_state { HF_SLOT_FREE, HF_SLOT_CLAIMED };
struct hf_slot {
    _Atomic uint32_t state;
    _Atomic int32_t pid;    /* 0 between claim and fork */
    _Atomic uint64_t claim; /* rises with every claim of any slot; 0: never claimed */
};

/* Keeper: claims the slot that was free for longest, and zeroes its live file, which the gateway
 * lays out. Before the fork, so that no gateway ever runs that a drain does not wait for.
 * HF_ELIMIT: none is free. */
HF_MUST_CHECK int hf_board_claim(struct hf_board *b, uint32_t *ret_slot);
void hf_board_claim_pid(struct hf_board *b, uint32_t slot, int32_t pid);

/* Keeper: the gateway is reaped (or was never forked). Its figures stay readable until the next
 * claim. */
void hf_board_release(struct hf_board *b, uint32_t slot);

const struct hf_slot *hf_board_slot(const struct hf_board *b, uint32_t slot);

/* The live file of a slot, which may be of a gateway that is gone; without workers until the
 * gateway has laid it out. */
struct hf_live_view hf_board_live(const struct hf_board *b, uint32_t slot);

/* --- reading across gateways --- */

/* Have all workers of all claimed slots acknowledged generation? */
bool hf_board_acknowledged(const struct hf_board *b, uint64_t generation);

/* Is generation acknowledged by all and nothing in flight at the endpoint? If not, *ret_in_flight
 * (may be NULL) gets the count that was seen. */
bool hf_board_drained(const struct hf_board *b, uint64_t generation, uint32_t endpoint_slot,
                      uint32_t *ret_in_flight);

struct hf_endpoint_sum {
    uint64_t in_flight, attempts, failures, refused, timeouts, status_5xx;
};
/* Over all slots that still show this incarnation, dead gateways included. */
void hf_board_sum_endpoint(const struct hf_board *b, uint32_t endpoint_slot, uint32_t incarnation,
                           struct hf_endpoint_sum *ret);

struct hf_second_sum {
    uint32_t arrived, ok, failed, refused;
    uint32_t lost; /* under way in a gateway that is gone: cut before the end */
};
/* Over all slots. second: wall seconds, not older than HF_SECONDS_RING. */
void hf_board_sum_second(const struct hf_board *b, uint32_t service_slot, uint32_t incarnation,
                         int64_t second, struct hf_second_sum *ret);

struct hf_service_sum {
    uint64_t requests, failed, refused, retries, retries_denied, hold_expired, late;
    uint64_t status[6], bytes_in, bytes_out;
    uint64_t answered, client_gone, tunnels_opened, latency_us[2];
    uint32_t in_progress, held, tunnels; /* of gateways that are alive */
};
void hf_board_sum_service(const struct hf_board *b, uint32_t service_slot, uint32_t incarnation,
                          struct hf_service_sum *ret);
