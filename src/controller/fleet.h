/* controller/fleet.h - brings the catalogue to what the configuration says: services, and instances
 * with fixed addresses. Process instances are the orchestrator's.
 * Runs in: controller, on its loop's thread. */
#pragma once
#include "catalog/catalog.h"
#include "config/config.h"
#include "controller/publisher.h"
#include "release/drain.h"

struct hf_fleet {
    struct hf_catalog *catalog;
    struct hf_publisher *publisher;
    struct hf_drainer *drainer;
};

/* Services of config are added or updated. What left it is drained; hf_fleet_sweep() removes it. */
void hf_fleet_apply(struct hf_fleet *f, const struct hf_config *config);

/* Removes services that left the configuration and have no instance any more. */
void hf_fleet_sweep(struct hf_fleet *f);

/* A fixed instance that was drained leaves the catalogue. */
void hf_fleet_drained(struct hf_fleet *f, struct hf_instance *i);
