#include "http/grpc.h"

enum {
    FRAME = 5,            /* of a message: not compressed, its length */
    TIMEOUT_DIGITS = 8,   /* of grpc-timeout, by its specification */
    FIELD_SERVICE = 0x0a, /* HealthCheckRequest: field 1, of a length */
    FIELD_STATUS = 0x08,  /* HealthCheckResponse: field 1, a varint */
    VARINT_MOST = 10,     /* bytes */
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_LENGTH = 2,
    WIRE_32 = 5,
};

bool hf_grpc_content_type(struct hf_str value)
{
    static const struct hf_str type = {"application/grpc", 16};

    if (value.n < type.n || !hf_str_eq_nocase((struct hf_str){value.p, type.n}, type))
        return false;
    return value.n == type.n || value.p[type.n] == '+' || value.p[type.n] == ';' ||
           value.p[type.n] == ' ';
}

uint8_t hf_grpc_status_parse(struct hf_str value)
{
    unsigned status = 0;

    if (value.n < 1 || value.n > 2)
        return HF_GRPC_UNKNOWN;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return HF_GRPC_UNKNOWN;
        status = 10 * status + (unsigned)(value.p[i] - '0');
    }
    return (uint8_t)status;
}

bool hf_grpc_failed(uint8_t status)
{
    switch (status) {
    case HF_GRPC_UNKNOWN:
    case HF_GRPC_DEADLINE_EXCEEDED:
    case HF_GRPC_INTERNAL:
    case HF_GRPC_UNAVAILABLE:
    case HF_GRPC_DATA_LOSS:
    case HF_GRPC_MISSING:
        return true;
    default:
        return false;
    }
}

uint8_t hf_grpc_from_http(unsigned status)
{
    switch (status) {
    case 400:
    case 408:
        return HF_GRPC_INVALID_ARGUMENT;
    case 401:
        return HF_GRPC_UNAUTHENTICATED;
    case 403:
        return HF_GRPC_PERMISSION_DENIED;
    case 404:
        return HF_GRPC_UNIMPLEMENTED;
    case 413:
    case 431:
        return HF_GRPC_RESOURCE_EXHAUSTED;
    case 429:
    case 502:
    case 503:
        return HF_GRPC_UNAVAILABLE;
    case 504:
        return HF_GRPC_DEADLINE_EXCEEDED;
    default:
        return HF_GRPC_UNKNOWN;
    }
}

static int64_t unit_ns(char unit)
{
    switch (unit) {
    case 'H':
        return 3600 * HF_NS_PER_S;
    case 'M':
        return 60 * HF_NS_PER_S;
    case 'S':
        return HF_NS_PER_S;
    case 'm':
        return HF_NS_PER_MS;
    case 'u':
        return 1000;
    case 'n':
        return 1;
    default:
        return 0;
    }
}

int hf_grpc_timeout_parse(struct hf_str value, struct hf_duration *ret)
{
    int64_t digits = 0, unit, most = INT64_MAX / 2;

    if (value.n < 2 || value.n > TIMEOUT_DIGITS + 1)
        return HF_EINVAL;
    unit = unit_ns(value.p[value.n - 1]);
    for (size_t i = 0; i < value.n - 1; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return HF_EINVAL;
        digits = 10 * digits + (value.p[i] - '0');
    }
    if (!unit)
        return HF_EINVAL;
    *ret = (struct hf_duration){digits > most / unit ? most : digits * unit};
    return 0;
}

/* ---- health ---- */

size_t hf_grpc_health_request(struct hf_str service, char buf[HF_GRPC_HEALTH_REQUEST])
{
    size_t n = 0;

    if (service.n) {
        buf[FRAME + n++] = FIELD_SERVICE;
        if (service.n >= 0x80) { /* a varint, the low seven bits first */
            buf[FRAME + n++] = (char)(0x80 | (service.n & 0x7f));
            buf[FRAME + n++] = (char)(service.n >> 7);
        } else {
            buf[FRAME + n++] = (char)service.n;
        }
        memcpy(buf + FRAME + n, service.p, service.n);
        n += service.n;
    }
    memset(buf, 0, FRAME);
    buf[3] = (char)(n >> 8);
    buf[4] = (char)n;
    return FRAME + n;
}

const char *hf_grpc_serving_name(enum hf_grpc_serving s)
{
    switch (s) {
    case HF_GRPC_SERVING:
        return "SERVING";
    case HF_GRPC_NOT_SERVING:
        return "NOT_SERVING";
    case HF_GRPC_SERVICE_UNKNOWN:
        return "SERVICE_UNKNOWN";
    case HF_GRPC_SERVING_UNKNOWN:
        break;
    }
    return "UNKNOWN";
}

static bool varint(struct hf_str *rest, uint64_t *ret)
{
    uint64_t v = 0;

    for (size_t i = 0; i < rest->n && i < VARINT_MOST; i++) {
        v |= (uint64_t)(rest->p[i] & 0x7f) << (7 * i);
        if (!(rest->p[i] & 0x80)) {
            *rest = (struct hf_str){rest->p + i + 1, rest->n - i - 1};
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool skip(struct hf_str *rest, unsigned wire)
{
    uint64_t n;

    switch (wire) {
    case WIRE_VARINT:
        return varint(rest, &n);
    case WIRE_64:
        n = 8;
        break;
    case WIRE_32:
        n = 4;
        break;
    case WIRE_LENGTH:
        if (!varint(rest, &n))
            return false;
        break;
    default:
        return false;
    }
    if (n > rest->n)
        return false;
    *rest = (struct hf_str){rest->p + n, rest->n - (size_t)n};
    return true;
}

int hf_grpc_health_response(struct hf_str body, enum hf_grpc_serving *ret)
{
    const unsigned char *p = (const unsigned char *)body.p;
    uint64_t key, status = HF_GRPC_SERVING_UNKNOWN;
    struct hf_str rest;

    if (body.n < FRAME || p[0] != 0)
        return HF_ECORRUPT;
    if (body.n - FRAME !=
        ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | (size_t)p[4]))
        return HF_ECORRUPT;
    rest = (struct hf_str){body.p + FRAME, body.n - FRAME};
    while (rest.n) {
        if (!varint(&rest, &key))
            return HF_ECORRUPT;
        if (key == FIELD_STATUS ? !varint(&rest, &status) : !skip(&rest, key & 7))
            return HF_ECORRUPT;
    }
    *ret =
        status <= HF_GRPC_SERVICE_UNKNOWN ? (enum hf_grpc_serving)status : HF_GRPC_SERVING_UNKNOWN;
    return 0;
}
