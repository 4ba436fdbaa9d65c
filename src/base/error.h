/* base/error.h - error codes, and an error with a text for an operator.
 * Fallible functions return 0 or a negative HF_E*; those whose reason an operator needs to read
 * also fill a struct hf_error. Outputs are untouched on failure. */
#pragma once
#include <stdarg.h>

#define HF_MUST_CHECK __attribute__((warn_unused_result))
#define HF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HF_COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    HF_OK = 0,
    HF_EINVAL = -1,    /* the input is not acceptable */
    HF_ENOENT = -2,    /* no such thing */
    HF_EEXIST = -3,    /* already there */
    HF_ELIMIT = -4,    /* a capacity or limit is reached */
    HF_EIO = -5,       /* the system refused; errno was put into the text */
    HF_ECONFLICT = -6, /* somebody else changed it first */
    HF_ETIMEOUT = -7,  /* a deadline passed */
    HF_EREFUSED = -8,  /* the other side, or a rule, says no */
    HF_ECORRUPT = -9,  /* stored data does not check out */
    HF_EAGAIN = -10,   /* not now; nothing was done */
};

/* A short English word for a code; never NULL. */
const char *hf_error_name(int code);

struct hf_error {
    int code;
    char text[480];
};

/* Each returns code, so that a failing function can end with `return hf_error_set(e, ...)`.
 * e may be NULL. hf_error_errno() appends ": " and strerror of the current errno. */
int hf_error_set(struct hf_error *e, int code, const char *fmt, ...) HF_PRINTF(3, 4);
int hf_error_errno(struct hf_error *e, int code, const char *fmt, ...) HF_PRINTF(3, 4);

/* Puts "prefix: " before the text that is there. Returns e->code. */
int hf_error_prefix(struct hf_error *e, const char *fmt, ...) HF_PRINTF(2, 3);
