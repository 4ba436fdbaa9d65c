/* `holdfast check FILE`: what run or reload would say of it. */
#include <stdio.h>

#include "cli/ask.h"
#include "config/certificates.h"

static json_t *places(const struct hf_config_errors *errors)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < errors->n; i++) {
        const struct hf_config_error *e = &errors->error[i];
        json_array_append_new(list, json_pack("{s:i, s:i, s:s}", "line", (int)e->line, "column",
                                              (int)e->column, "text", e->text));
    }
    return list;
}

/* The file, and then the files that it names. */
static int check(const char *path, struct hf_config **ret, struct hf_config_errors *errors,
                 struct hf_config_errors *warnings)
{
    struct hf_certificates *certificates;
    int rc = hf_config_load(path, ret, errors);

    if (rc)
        return rc;
    rc = hf_certificates_load(*ret, &certificates, errors, warnings);
    if (!rc)
        hf_certificates_free(certificates);
    return rc;
}

int hf_command_check(const struct hf_command *c)
{
    struct hf_config_errors errors = {0}, warnings = {0};
    struct hf_config *config = NULL;
    int rc = check(c->arguments[0], &config, &errors, &warnings);

    if (c->json) {
        json_t *json =
            json_pack("{s:b, s:s, s:o, s:o}", "valid", errors.total == 0, "file", errors.file,
                      "errors", places(&errors), "warnings", places(&warnings));
        hf_ask_print(json);
        json_decref(json);
    } else {
        hf_config_warnings_print(&warnings, stderr);
        hf_config_errors_print(&errors, stderr);
        if (!rc)
            printf("%s is valid: %zu service%s on %zu node%s\n", c->arguments[0],
                   config->n_services, config->n_services == 1 ? "" : "s", config->n_nodes,
                   config->n_nodes == 1 ? "" : "s");
    }
    hf_config_unref(config);
    return rc ? HF_EXIT_FAILED : HF_EXIT_DONE;
}
