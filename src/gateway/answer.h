/* gateway/answer.h - the gateway's own answers, as RFC 9457 problem documents with the request id.
 */
#pragma once
#include "gateway/client.h"

/* Answers and, unless the request was whole and understood, closes the connection. retry_after:
 * seconds; 0: none. detail: a sentence. */
void hf_answer(struct hf_client *c, unsigned status, const char *detail, unsigned retry_after);
