/* http/grpc.h - what holdfast has to know of gRPC (over HTTP/2): which requests are calls, what
 * became of one, and the messages of the health checking protocol. Pure. Runs in: gateway,
 * controller. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"

/* Those of the 17 statuses that holdfast itself speaks of. */
enum hf_grpc_status {
    HF_GRPC_OK = 0,
    HF_GRPC_UNKNOWN = 2,
    HF_GRPC_INVALID_ARGUMENT = 3,
    HF_GRPC_DEADLINE_EXCEEDED = 4,
    HF_GRPC_PERMISSION_DENIED = 7,
    HF_GRPC_RESOURCE_EXHAUSTED = 8,
    HF_GRPC_UNIMPLEMENTED = 12,
    HF_GRPC_INTERNAL = 13,
    HF_GRPC_UNAVAILABLE = 14,
    HF_GRPC_DATA_LOSS = 15,
    HF_GRPC_UNAUTHENTICATED = 16,
    HF_GRPC_MISSING = 255, /* the response has not said it */
};

/* "application/grpc", with or without a suffix: "application/grpc+proto" */
bool hf_grpc_content_type(struct hf_str value);

/* A grpc-status field's value; UNKNOWN if it is not a number of two digits at most. */
uint8_t hf_grpc_status_parse(struct hf_str value);

/* Does it speak against the service (and not only against the request)? MISSING does. */
bool hf_grpc_failed(uint8_t status);

/* What an HTTP status other than 200 means where no grpc-status says it; also what the gateway's
 * own answer with that status is to a gRPC client. */
uint8_t hf_grpc_from_http(unsigned status);

/* A grpc-timeout field's value, "250m": at most eight digits and a unit. HF_EINVAL. */
HF_MUST_CHECK int hf_grpc_timeout_parse(struct hf_str value, struct hf_duration *ret);

/* ---- grpc.health.v1.Health/Check ---- */

#define HF_GRPC_HEALTH_PATH "/grpc.health.v1.Health/Check"
enum { HF_GRPC_HEALTH_REQUEST = 5 + 3 + 255 };

/* A HealthCheckRequest, framed as a message. service: at most 255 bytes. Returns its size. */
size_t hf_grpc_health_request(struct hf_str service, char buf[HF_GRPC_HEALTH_REQUEST]);

enum hf_grpc_serving {
    HF_GRPC_SERVING_UNKNOWN,
    HF_GRPC_SERVING,
    HF_GRPC_NOT_SERVING,
    HF_GRPC_SERVICE_UNKNOWN,
};

/* "SERVING"; never NULL. */
const char *hf_grpc_serving_name(enum hf_grpc_serving s);

/* What the message in a response's body, a framed HealthCheckResponse, says. HF_ECORRUPT. */
HF_MUST_CHECK int hf_grpc_health_response(struct hf_str body, enum hf_grpc_serving *ret);
