/* cli/command.h - one call of `holdfast`, as it was understood, and its commands.
 * Each returns an exit status of cli/cli.h and has said on standard error what is wrong. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"

struct hf_command {
    const char *arguments[2]; /* behind the command's name; as many as it takes */
    const char *state;        /* folder */
    const char *config;       /* run */
    int year;                 /* report; 0: this one */
    uint32_t drain_ms;        /* upgrade; 0: none */
    bool json, watch, follow, keep_instances;
    int (*run)(const char *config, bool keep_instances);
};

int hf_command_check(const struct hf_command *c);
int hf_command_events(const struct hf_command *c);
int hf_command_logs(const struct hf_command *c);
int hf_command_release(const struct hf_command *c);
int hf_command_reload(const struct hf_command *c);
int hf_command_report(const struct hf_command *c);
int hf_command_services(const struct hf_command *c);
int hf_command_status(const struct hf_command *c);
int hf_command_upgrade(const struct hf_command *c);
