/* controller/change.h - what the controller asks of the keeper: a gateway with other listeners or
 * workers in place of the present one, or other executables. The keeper does it step by step
 * (board/handover.h) and reports; the latest report survives controllers, and with it what is in
 * force. Runs in: controller. */
#pragma once
#include <jansson.h>

#include "board/handover.h"

struct hf_changes {
    int keeper_fd;
    struct hf_keeper_report report; /* the latest; kind 0: there was none */
    struct hf_setup setup;          /* what is in force */
    uint64_t awaited;               /* id of the request whose end is called back; 0: none */
    void (*on_end)(void *ctx, const struct hf_keeper_report *r);
    void *ctx;
};

/* setup: as the keeper handed it over. */
void hf_changes_init(struct hf_changes *c, int keeper_fd, const struct hf_setup *setup);

/* The admin API answers: the keeper may go on, and says where it is. */
void hf_changes_started(const struct hf_changes *c);

/* Does a gateway by `wanted` differ from what is in force, in what a switch can change? */
bool hf_changes_differ(const struct hf_changes *c, const struct hf_setup *wanted);

/* Asks for it; on_end(ctx) is called once, when it is done or has failed. HF_EAGAIN: another change
 * is under way; HF_EIO: the keeper cannot be asked. */
HF_MUST_CHECK int hf_changes_switch(struct hf_changes *c, const struct hf_setup *wanted,
                                    void (*on_end)(void *ctx, const struct hf_keeper_report *r),
                                    void *ctx, struct hf_error *e);

/* Asks for other executables: the holdfast at program, an absolute path; "": the one from which the
 * keeper was started. drain_ms: when the replaced gateway ends at the latest; 0: with its last
 * connection. *ret_id will stand in the reports. */
HF_MUST_CHECK int hf_changes_upgrade(struct hf_changes *c, const char *program, uint32_t drain_ms,
                                     uint64_t *ret_id, struct hf_error *e);

/* n bytes came from the keeper: a report, perhaps of an older or newer version. */
void hf_changes_on_report(struct hf_changes *c, const void *bytes, size_t n);

/* {"id", "kind", "step", "outcome", "text", "gateway", "old_gateway", "controller", "program",
 *  "build"}; a new reference. NULL: there was no change yet. */
json_t *hf_changes_json(const struct hf_changes *c);
