/* core/eject.h - passive ejection: an endpoint that fails users is left out for a while.
 *
 * `failures` in a row eject it for eject_ms, doubled with each ejection up to eject_max_ms; then it
 * is half open: one request tries it, and its outcome decides. Never below the floor: at least a
 * third of a service's ready endpoints, and always one, stay in; a floor counter per service,
 * changed by compare-and-swap, keeps that true whatever workers decide at once. */
#pragma once
#include "core/view.h"

enum hf_eject_state { HF_EJECT_IN, HF_EJECT_OUT, HF_EJECT_HALF_OPEN };
enum hf_result {
    HF_RESULT_OK,
    HF_RESULT_FAILED,
    HF_RESULT_NONE, /* says nothing of the endpoint: the client left */
};

enum hf_eject_state hf_eject_state(const struct hf_view *v, uint32_t endpoint_slot,
                                   struct hf_mono now);

/* Takes the one trial of a half-open endpoint; false if another request has it. */
bool hf_eject_take_trial(struct hf_view *v, uint32_t endpoint_slot);

/* What became of an attempt. Returns true if this ejected the endpoint now. */
bool hf_eject_result(struct hf_view *v, const struct hf_plan_service *s, uint32_t endpoint_slot,
                     enum hf_result result, struct hf_mono now);

/* The slot is somebody else's now, or nobody's, or its endpoint is not in use: starts afresh and
 * gives the floor back. service_slot is the service that the endpoint belonged to until now;
 * results of an endpoint that is not in use are not to be fed. */
void hf_eject_forget(struct hf_view *v, uint32_t service_slot, uint32_t endpoint_slot,
                     uint32_t incarnation);

/* How many of n ready endpoints may be out at once. */
uint32_t hf_eject_allowed(uint32_t n);
