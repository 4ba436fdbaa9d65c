/* catalog/json.h - the catalogue as JSON, as /v1/catalog and `holdfast services --json` show it.
 * Each returns a new reference that the caller owns; never NULL but when memory runs out. */
#pragma once
#include <jansson.h>

#include "catalog/catalog.h"

/* The text as a JSON string. What is not UTF-8 (an application may have written it, or it was cut
 * within a character) is shown as '?', rather than not at all. */
json_t *hf_catalog_json_text(const char *text);

/* {"id", "service", "version", "node", "address", "state", "why", "since", "process", "pid",
 *  "candidate", "weight"}; pid is null where there is none. */
json_t *hf_catalog_json_instance(const struct hf_instance *i);

/* {"name", "version", "previous", "candidateShare" (percent), "states": {"ready": 2, ...},
 *  "instances": [...]}; states names every state. */
json_t *hf_catalog_json_service(const struct hf_service *s);

/* {"revision", "nodes": [{"name", "instances"}], "services": [...]} */
json_t *hf_catalog_json(const struct hf_catalog *c);
