/* cli/cli.h - the commands of `holdfast`, for people and with --json for programs.
 * A command talks to the admin API over STATE/admin.sock; run and check need none. Runs in: a
 * process of its own. */
#pragma once
#include <stdbool.h>

enum {
    HF_EXIT_DONE = 0,
    HF_EXIT_FAILED = 1, /* refused or failed; standard error says why */
    HF_EXIT_USAGE = 2,
    HF_EXIT_UNREACHABLE = 3,
};

/* serve: what `holdfast run` does. Returns the exit status. */
int hf_cli_main(int argc, char **argv, int (*serve)(const char *config, bool keep_instances));
