/* controller/fleet.h - brings the catalogue to what the configuration says: services, and instances
 * with fixed addresses or under host names. Process instances are the orchestrator's.
 *
 * An address that is not wanted any more is drained. But while a name was never found yet, nothing
 * is taken away that is on its port: a new controller keeps what the one before knew, and a name in
 * the place of its addresses costs no capacity.
 * Runs in: controller, on its loop's thread. */
#pragma once
#include "catalog/catalog.h"
#include "config/config.h"
#include "controller/names.h"
#include "controller/publisher.h"
#include "release/drain.h"

struct hf_fleet {
    struct hf_catalog *catalog;
    struct hf_publisher *publisher;
    struct hf_drainer *drainer;
    struct hf_names *names;
};

/* Services of config are added or updated. What left it is drained; hf_fleet_sweep() removes it. */
void hf_fleet_apply(struct hf_fleet *f, const struct hf_config *config);

/* Once, after the first hf_fleet_apply() and before the first publication: takes over what the
 * controller before knew of names. */
void hf_fleet_adopt(struct hf_fleet *f);

/* The service's names stand for other addresses. */
void hf_fleet_renamed(struct hf_fleet *f, const char *service);

/* Removes services that left the configuration and have no instance any more. */
void hf_fleet_sweep(struct hf_fleet *f);

/* A fixed instance that was drained leaves the catalogue. */
void hf_fleet_drained(struct hf_fleet *f, struct hf_instance *i);
