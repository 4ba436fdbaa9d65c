/* release/smoke.h - tests one instance before users meet it: its smoke requests, one after the
 * other and straight to its address, then the test command.
 *
 * The command is an argv template, run without a shell in the version's directory and a process
 * group of its own, with PATH, HOME and HOLDFAST_{SERVICE,VERSION,INSTANCE,NODE,ADDRESS} in its
 * environment; its output is STATE/logs/SERVICE/release-test.log. It passes if it exits with 0
 * within `release.timeout`; else all of its group is killed. If the controller dies while it runs,
 * the next one runs it again. Owner: the caller. Runs in: controller, on its loop's thread; nothing
 * blocks. */
#pragma once
#include "catalog/catalog.h"
#include "config/config.h"
#include "net/loop.h"

struct hf_smoke;

struct hf_smoke_options {
    struct hf_loop *loop;
    const struct hf_config_service *config; /* copied as far as needed */
    const struct hf_instance *instance;     /* copied as far as needed */
    const char *state;                      /* folder */

    /* Called once, from the loop, never from within hf_smoke_new(). text is the evidence: "3 smoke
     * requests passed", "GET /orders/1: status 500, expected 200". It may free the hf_smoke. */
    void (*on_done)(void *ctx, bool passed, const char *text);
    void *ctx;
};

struct hf_smoke *hf_smoke_new(const struct hf_smoke_options *options)
    __attribute__((returns_nonnull));

/* Ends what is under way, without on_done. NULL is fine. */
struct hf_smoke *hf_smoke_free(struct hf_smoke *s);
