/* /v1/logs/SERVICE: what the service's instances wrote. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/mem.h"
#include "orchestrator/output.h"

enum { LINES = 20, LINES_MAX = 1000, FILES_MAX = 64 };

static int is_log(const struct dirent *d)
{
    size_t n = strlen(d->d_name);

    return d->d_name[0] != '.' && n > 4 && strcmp(d->d_name + n - 4, ".log") == 0;
}

static void add_file(json_t *out, const struct hf_api *api, const char *service, const char *name,
                     unsigned lines)
{
    HF_AUTOFREE char *instance = hf_strndup(name, strlen(name) - strlen(".log"));
    HF_AUTOFREE char *path = hf_output_path(api->state, service, instance);
    HF_AUTOTEXT struct hf_text tail = {0};
    json_t *text;

    hf_output_tail(path, lines, &tail);
    /* What an instance writes need not be UTF-8. */
    for (size_t i = 0; i < tail.n; i++) {
        if (((unsigned char)tail.p[i] < 0x20 && tail.p[i] != '\n' && tail.p[i] != '\t') ||
            tail.p[i] == 0x7f)
            tail.p[i] = '?';
    }
    text = json_stringn(tail.p ? tail.p : "", tail.n);
    for (size_t i = 0; !text && i < tail.n; i++) {
        if ((unsigned char)tail.p[i] >= 0x80)
            tail.p[i] = '?';
    }
    if (!text)
        text = json_stringn(tail.p, tail.n);
    json_array_append_new(out, json_pack("{s:s, s:o}", "instance", instance, "text", text));
}

/* ?lines=N of each instance; {"logs": [{"instance", "text"}]}. */
void hf_api_logs(struct hf_api_call *c)
{
    char service[HF_API_NAME];
    HF_AUTOFREE char *folder = NULL;
    struct dirent **names;
    json_t *logs = json_array();
    uint64_t lines;
    int n;

    if (hf_api_query_number(c->x, "lines", 1, LINES_MAX, LINES, &lines)) {
        json_decref(logs);
        return;
    }
    n = hf_api_name_copy(c->argument, service) ? 0 : -1;
    if (n == 0) {
        folder = hf_asprintf("%s/logs/%s", c->api->state, service);
        n = scandir(folder, &names, is_log, alphasort);
    }
    if (n < 0) {
        json_decref(logs);
        hf_api_problem(c->x, 404, "no instance of " HF_STR_FMT " has written anything here",
                       HF_STR_ARG(c->argument));
        return;
    }
    for (int i = 0; i < n; i++) {
        if (i < FILES_MAX)
            add_file(logs, c->api, service, names[i]->d_name, (unsigned)lines);
        free(names[i]);
    }
    free(names);
    hf_api_answer(c->x, 200, json_pack("{s:o}", "logs", logs));
}
