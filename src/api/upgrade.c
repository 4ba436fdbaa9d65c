/* /v1/upgrade: asking for other executables, and how far that is. */
#include <string.h>

#include "api/internal.h"

enum { DRAIN_MOST_MS = 24 * 3600 * 1000 };

/* Returns NULL, or what is wrong. Borrows *ret_program from body. */
static const char *read_body(json_t *body, const char **ret_program, uint32_t *ret_drain_ms)
{
    const char *key;
    json_t *value;

    if (!json_is_object(body))
        return "expected a JSON object like {\"program\": \"/usr/bin/holdfast\"}";
    json_object_foreach(body, key, value)
    {
        if (strcmp(key, "program") == 0) {
            *ret_program = json_string_value(value);
            if (!*ret_program || json_string_length(value) != strlen(*ret_program) ||
                (*ret_program)[0] != '/')
                return "program has to be an absolute path";
        } else if (strcmp(key, "drain_ms") == 0) {
            json_int_t ms = json_integer_value(value);
            if (!json_is_integer(value) || ms < 0 || ms > DRAIN_MOST_MS)
                return "drain_ms has to be a number from 0 to 86400000";
            *ret_drain_ms = (uint32_t)ms;
        } else {
            return "there is a member other than program, drain_ms";
        }
    }
    return NULL;
}

void hf_api_upgrade_post(struct hf_api_call *c)
{
    json_t *body =
        json_loadb(c->x->body.p ? c->x->body.p : "", c->x->body.n, JSON_REJECT_DUPLICATES, NULL);
    const char *program = "";
    uint32_t drain_ms = 0;
    const char *wrong = body ? read_body(body, &program, &drain_ms) : "the body is no JSON";

    if (wrong)
        hf_api_problem(c->x, 400, "%s", wrong);
    else
        c->api->handlers.upgrade(c->api->handlers.ctx, program, drain_ms, hf_api_reply_new(c->x));
    json_decref(body);
}

void hf_api_upgrade_show(struct hf_api_call *c)
{
    json_t *latest = c->api->handlers.upgrade_get(c->api->handlers.ctx);

    if (latest)
        hf_api_answer(c->x, 200, latest);
    else
        hf_api_problem(c->x, 404, "the gateway was not changed yet");
}
