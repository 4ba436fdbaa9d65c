#include "http/h1_error.h"

static const struct {
    unsigned status;
    const char *text;
} errors[HF_H1_ERROR_COUNT] = {[HF_H1_OK] = {500, "no error"},
#define X(id, status_, text_) [HF_H1_##id] = {status_, text_},
                               HF_H1_ERRORS(X)
#undef X
};

unsigned hf_h1_error_status(enum hf_h1_error err)
{
    return err < HF_H1_ERROR_COUNT ? errors[err].status : 500;
}

const char *hf_h1_error_text(enum hf_h1_error err)
{
    return err < HF_H1_ERROR_COUNT ? errors[err].text : "unknown error";
}
