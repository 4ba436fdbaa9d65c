/* tests/unit/config_messages.h - a text, and exactly what is said of it. */
#pragma once
#include "test.h"

#include <stdio.h>

#include "config/config.h"

/* A gateway in the first line, so that a service's first line is the fourth. */
#define GATEWAY "gateway: { listen: [\"127.0.0.1:8080\"] }\n"
#define SERVICE GATEWAY "services:\n  s:\n"
#define ROUTE "    route: [{ path: /s }]\n"
#define COMMAND "    command: [\"./s\", \"{port}\"]\n"
#define VERSION "    version: 1.0.0\n"
#define PROCESS SERVICE ROUTE COMMAND VERSION /* the seventh line is next */

struct message {
    const char *yaml, *expected; /* "": none */
};

static inline void expect_messages(const struct message *m, size_t n)
{
    int wrong = 0;

    for (size_t i = 0; i < n; i++) {
        HF_AUTOTEXT struct hf_text text = {0};
        struct hf_config_errors errors;
        struct hf_config *c = NULL;
        int code = hf_config_parse("f", hf_str(m[i].yaml), &c, &errors);

        hf_config_errors_format(&errors, &text);
        if (strcmp(text.p ? text.p : "", m[i].expected) != 0 || (code == 0) != !*m[i].expected) {
            fprintf(stderr, "--- of\n%s\n--- was said\n%s--- expected\n%s", m[i].yaml,
                    text.p ? text.p : "", m[i].expected);
            wrong++;
        }
        hf_config_unref(c);
    }
    assert_int_equal(wrong, 0);
}

#define EXPECT_MESSAGES(...)                                                                       \
    do {                                                                                           \
        static const struct message messages[] = {__VA_ARGS__};                                    \
        expect_messages(messages, HF_COUNT(messages));                                             \
    } while (0)
