/* config/check.h - what single rows cannot say: how values of different places fit together.
 * Not to be used outside of config/. */
#pragma once
#include "config/schema.h"

/* Puts in what follows from other values: the versions' inherited commands and environments, the
 * default node, the log's place. Works on a configuration with errors too. */
void hf_config_resolve(struct hf_pool *pool, struct hf_config *c, const struct hf_yaml *root);

/* Adds what is wrong. */
void hf_config_check(const struct hf_config *c, const struct hf_yaml *root,
                     struct hf_config_errors *errors);
