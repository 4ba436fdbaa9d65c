/* A holdfast that fails where a test says so: for upgrades that must not succeed.
 * Installed under the name of one of the two executables. Beside it, NAME.real is the true one, and
 * NAME.conf has a line for each role: `check exit`, `gateway hang`; what it does not name is done
 * by the true one. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const struct {
    const char *argv0, *name;
} roles[] = {
    {"holdfast: build", "build"},     {"holdfast: self-check", "check"},
    {"holdfast: gateway", "gateway"}, {"holdfast: controller", "controller"},
    {"holdfast: keeper", "keeper"},
};

/* What the role shall do; "" if nothing is said of it. */
static void read_action(const char *path, const char *role, char ret[32])
{
    char line_role[32], action[32];
    FILE *file = fopen(path, "re");

    ret[0] = 0;
    while (file && fscanf(file, "%31s %31s", line_role, action) == 2) {
        if (strcmp(line_role, role) == 0)
            memcpy(ret, action, sizeof(action));
    }
    if (file)
        fclose(file);
}

int main(int argc, char **argv)
{
    char own[PATH_MAX - 8] = "", path[PATH_MAX], action[32] = "";
    const char *role = "";

    (void)argc;
    if (readlink("/proc/self/exe", own, sizeof(own) - 1) < 0)
        return 9;
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strcmp(argv[0], roles[i].argv0) == 0)
            role = roles[i].name;
    }
    snprintf(path, sizeof(path), "%s.conf", own);
    read_action(path, role, action);
    if (strcmp(action, "exit") == 0)
        return 7;
    if (strcmp(action, "abort") == 0)
        abort();
    if (strcmp(action, "hang") == 0) {
        for (;;)
            pause();
    }
    snprintf(path, sizeof(path), "%s.real", own);
    execv(path, argv);
    return 8;
}
