/* cli/ask.h - questions to the admin API over STATE/admin.sock.
 * Each returns an exit status; when it is not HF_EXIT_DONE, standard error says why. */
#pragma once
#include <jansson.h>

#include "base/str.h"
#include "cli/command.h"
#include "http/h1_parse.h"

/* A whole answer into *ret, which is cleared first. body: JSON, NULL for none. quiet: says nothing
 * on standard error, but leaves its text in *ret. */
struct hf_ask {
    enum hf_method method;
    const char *target;
    json_t *body;
    bool quiet;
};
int hf_ask_text(const struct hf_command *c, const struct hf_ask *ask, struct hf_text *ret);

/* The same, parsed. *ret is a new reference. */
int hf_ask_json(const struct hf_command *c, const struct hf_ask *ask, json_t **ret);

/* An answer in lines of JSON. each() is called with every object (borrowed). Returns when the
 * answer ends: HF_EXIT_DONE if it ended well, HF_EXIT_UNREACHABLE if the connection was lost or not
 * made, HF_EXIT_FAILED if it was refused. Of these it says nothing if quiet and the connection was
 * lost. */
int hf_ask_lines(const struct hf_command *c, const char *target, bool quiet,
                 void (*each)(const json_t *line, void *arg), void *arg);

/* Prints JSON as programs like it. */
void hf_ask_print(const json_t *json);
