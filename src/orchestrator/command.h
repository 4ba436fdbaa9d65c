/* orchestrator/command.h - the arguments and the environment of an instance, as configured.
 * Owner: the caller. Runs in: controller; reads secret files. */
#pragma once
#include "config/config.h"
#include "orchestrator/environment.h"

struct hf_command {
    struct hf_strings argv, environment; /* secrets are in there: never logged */
    const char *directory;               /* of the configuration; may be NULL */
};

struct hf_command_values {
    const char *service, *version, *instance, *node, *token;
    uint16_t port;
    const char *home; /* of the user it runs as; NULL: ours */
};

/* The version's own command or else the service's. The environment is PATH, HOME, LANG and TZ of
 * ours, what is configured, and over that HOLDFAST_TOKEN, _INSTANCE, _NODE, _VERSION and PORT.
 * HF_EIO and the like: a secret file cannot be read. */
HF_MUST_CHECK int hf_command_build(const struct hf_config_service *s,
                                   const struct hf_config_version *v,
                                   const struct hf_command_values *values, struct hf_command *ret,
                                   struct hf_error *e);
void hf_command_done(struct hf_command *c);
