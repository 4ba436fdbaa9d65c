/* `holdfast check FILE`: what run or reload would say of it. */
#include <stdio.h>

#include "cli/ask.h"
#include "config/config.h"

static json_t *errors_json(const struct hf_config_errors *errors)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < errors->n; i++) {
        const struct hf_config_error *e = &errors->error[i];
        json_array_append_new(list, json_pack("{s:i, s:i, s:s}", "line", (int)e->line, "column",
                                              (int)e->column, "text", e->text));
    }
    return json_pack("{s:b, s:s, s:o}", "valid", errors->total == 0, "file", errors->file, "errors",
                     list);
}

int hf_command_check(const struct hf_command *c)
{
    struct hf_config_errors errors = {0};
    struct hf_config *config = NULL;
    int rc = hf_config_load(c->arguments[0], &config, &errors);

    if (c->json) {
        json_t *json = errors_json(&errors);
        hf_ask_print(json);
        json_decref(json);
    } else if (rc) {
        hf_config_errors_print(&errors, stderr);
    } else {
        printf("%s is valid: %zu service%s on %zu node%s\n", c->arguments[0], config->n_services,
               config->n_services == 1 ? "" : "s", config->n_nodes,
               config->n_nodes == 1 ? "" : "s");
    }
    hf_config_unref(config);
    return rc ? HF_EXIT_FAILED : HF_EXIT_DONE;
}
