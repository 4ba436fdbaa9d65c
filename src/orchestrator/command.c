#include "orchestrator/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/placeholder.h"
#include "orchestrator/adopt.h"

static void base_environment(struct hf_strings *env, const char *home)
{
    const char *path = getenv("PATH"), *lang = getenv("LANG"), *tz = getenv("TZ");

    if (!home)
        home = getenv("HOME");
    hf_environment_set(
        env, "PATH", path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    hf_environment_set(env, "HOME", home ? home : "/");
    hf_environment_set(env, "LANG", lang ? lang : "C.UTF-8");
    if (tz)
        hf_environment_set(env, "TZ", tz);
}

static int configured_environment(struct hf_strings *env, const struct hf_config_version *v,
                                  const struct hf_placeholders *values, struct hf_error *e)
{
    for (size_t i = 0; i < v->n_environment; i++) {
        const struct hf_config_variable *variable = &v->environment[i];
        if (variable->file) {
            char *secret;
            int rc = hf_secret_read(variable->file, &secret, e);
            if (rc)
                return rc;
            hf_environment_set(env, variable->name, secret);
            explicit_bzero(secret, strlen(secret));
            hf_free(secret);
        } else {
            HF_AUTOTEXT struct hf_text value = {0};
            hf_placeholder_expand(variable->value, values, &value);
            hf_environment_set(env, variable->name, value.p ? value.p : "");
        }
    }
    return 0;
}

int hf_command_build(const struct hf_config_service *s, const struct hf_config_version *v,
                     const struct hf_command_values *values, struct hf_command *ret,
                     struct hf_error *e)
{
    const struct hf_config_argv *command = v->command.n ? &v->command : &s->command;
    struct hf_command out = {.directory = v->directory};
    char port[8];
    const struct hf_placeholders placeholders = {.port = port,
                                                 .version = values->version,
                                                 .instance = values->instance,
                                                 .node = values->node,
                                                 .service = values->service};
    int rc;

    snprintf(port, sizeof(port), "%u", (unsigned)values->port);
    /* The token comes first: adoption finds it in the first bytes of the environment. */
    hf_environment_set(&out.environment, HF_TOKEN_NAME, values->token);
    base_environment(&out.environment, values->home);
    rc = configured_environment(&out.environment, v, &placeholders, e);
    if (rc) {
        hf_command_done(&out);
        return rc;
    }
    hf_environment_set(&out.environment, HF_TOKEN_NAME, values->token);
    hf_environment_set(&out.environment, "HOLDFAST_INSTANCE", values->instance);
    hf_environment_set(&out.environment, "HOLDFAST_NODE", values->node);
    hf_environment_set(&out.environment, "HOLDFAST_VERSION", values->version);
    hf_environment_set(&out.environment, "PORT", port);
    for (size_t i = 0; i < command->n; i++) {
        HF_AUTOTEXT struct hf_text argument = {0};
        hf_placeholder_expand(command->argv[i], &placeholders, &argument);
        hf_strings_add(&out.argv, argument.p ? argument.p : "");
    }
    *ret = out;
    return 0;
}

void hf_command_done(struct hf_command *c)
{
    hf_strings_done(&c->argv);
    hf_strings_done(&c->environment);
}
