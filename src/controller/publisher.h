/* controller/publisher.h - makes the plan of the catalogue and the configuration, and publishes it.
 *
 * Owns the board's slots: which service and which instance has which live counters. A slot is given
 * away again only when every live gateway has acknowledged a plan without its owner and nothing is
 * in flight there. A new controller takes the slots over from the plan that stands on the board, so
 * that users notice nothing of the change. The plan also goes to STATE/plan, for a gateway that
 * starts while no controller can. Runs in: controller, on its loop's thread; the file is written by
 * a thread of its own, since a disk may be slow. */
#pragma once
#include "board/board.h"
#include "catalog/catalog.h"
#include "config/config.h"
#include "net/loop.h"

struct hf_publisher;

/* All are borrowed. Observes the catalogue: what changes there is published before long. */
HF_MUST_CHECK int hf_publisher_new(struct hf_loop *loop, struct hf_board *board,
                                   struct hf_catalog *catalog, const char *state,
                                   struct hf_publisher **ret, struct hf_error *e);
struct hf_publisher *hf_publisher_free(struct hf_publisher *p); /* writes STATE/plan if it is due */

/* Was the instance in the plan of the controller before, and ready? To be asked before the first
 * publication. */
bool hf_publisher_was_ready(const struct hf_publisher *p, const char *instance);
bool hf_publisher_was_draining(const struct hf_publisher *p, const char *instance);

/* The instances in the plan of the controller before, other than draining ones. To be asked before
 * the first publication, too. */
void hf_publisher_each_before(const struct hf_publisher *p,
                              void (*each)(void *ctx, const char *instance), void *ctx);

/* From now on plans are made, of this configuration; keeps a reference. */
void hf_publisher_configure(struct hf_publisher *p, struct hf_config *config);

/* Publishes the catalogue as it is at this moment. Returns the generation; 0 if that is not
 * possible (before the first hf_publisher_configure(), or capacities are exceeded, which is
 * logged). */
uint64_t hf_publisher_publish(struct hf_publisher *p);

/* May a gateway still send something to this port of this machine? */
bool hf_publisher_port_in_use(struct hf_publisher *p, uint16_t port);

/* The token of x-holdfast-probe, 32 hexadecimal digits. */
const char *hf_publisher_probe_token(const struct hf_publisher *p);

uint64_t hf_publisher_generation(const struct hf_publisher *p);
struct hf_wall hf_publisher_made(const struct hf_publisher *p);
