/* gateway/attempt.h - the endpoint's side of an exchange: pick, connect, send, fail, try elsewhere.
 */
#pragma once
#include "core/eject.h"
#include "gateway/exchange.h"
#include "gateway/outcome.h"

/* Picks an endpoint and sends, or holds, or answers. The pick is counted in flight before this
 * returns, in the turn and by the plan that made it. */
void hf_attempt_begin(struct hf_exchange *x);

/* Sends what is there of the request. */
void hf_attempt_send(struct hf_exchange *x);

/* Bytes moved while streaming: timeout.idle begins anew. */
void hf_attempt_progress(struct hf_exchange *x);

/* The attempt is over, if one is under way: books the result, keeps or closes the connection, and
 * only then takes the request off the endpoint's in-flight count. */
void hf_attempt_end(struct hf_exchange *x, enum hf_result result, bool keep);

/* It failed without a byte passed on: tries again, holds, or answers. */
void hf_attempt_failed(struct hf_exchange *x, enum hf_failure failure);

/* The response's status, or grpc-status, is a failure. True: it was dropped, the request went
 * elsewhere. */
bool hf_attempt_retry_status(struct hf_exchange *x);

void hf_attempt_timeout(struct hf_exchange *x); /* while waiting for the response's head */
void hf_attempt_stalled(struct hf_exchange *x); /* while streaming */

/* ---- in exchange.c, for the parts of an exchange ---- */

void hf_exchange_state_set(struct hf_exchange *x, enum hf_exchange_state next);
void hf_exchange_finish(struct hf_exchange *x, enum hf_ending ending);
void hf_exchange_answer(struct hf_exchange *x, unsigned status, const char *detail,
                        unsigned retry_after);
void hf_exchange_give_up(struct hf_exchange *x, unsigned status, const char *detail);
void hf_exchange_break(struct hf_exchange *x);
