/* Parameters of the query, and names. */
#include <string.h>

#include "api/internal.h"
#include "http/url.h"

bool hf_api_name_copy(struct hf_str s, char ret[HF_API_NAME])
{
    if (s.n == 0 || s.n >= HF_API_NAME || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = hf_lower(s.p[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (c == 0 || !strchr("._+-", c)))
            return false;
    }
    hf_str_copy(s, ret, HF_API_NAME);
    return true;
}

int hf_api_query_number(struct hf_http_exchange *x, const char *name, uint64_t least, uint64_t most,
                        uint64_t fallback, uint64_t *ret)
{
    char buf[32];
    struct hf_str text;
    uint64_t value;
    int rc = hf_query_get(x->query, hf_str(name), buf, sizeof(buf), &text);

    if (rc == HF_ENOENT) {
        *ret = fallback;
        return 0;
    }
    if (rc || hf_str_to_u64(text, &value) || value < least || value > most) {
        hf_api_problem(x, 400, "%s has to be a number from %llu to %llu", name,
                       (unsigned long long)least, (unsigned long long)most);
        return HF_EINVAL;
    }
    *ret = value;
    return 0;
}

int hf_api_query_name(struct hf_http_exchange *x, const char *name, char ret[HF_API_NAME])
{
    char buf[HF_API_NAME];
    struct hf_str text;
    int rc = hf_query_get(x->query, hf_str(name), buf, sizeof(buf), &text);

    if (rc == HF_ENOENT) {
        ret[0] = 0;
        return 0;
    }
    if (rc || !hf_api_name_copy(text, ret)) {
        hf_api_problem(x, 400,
                       "%s has to be a name of at most %d letters, digits, '.', '_', '+', "
                       "'-'",
                       name, HF_API_NAME - 1);
        return HF_EINVAL;
    }
    return 0;
}
