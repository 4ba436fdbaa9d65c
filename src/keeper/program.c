#include "keeper/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "keeper/child.h"

#define SELF "/proc/self/exe"

/* The folder that this executable is in; also after it was replaced or removed. */
static int own_folder(char ret[PATH_MAX], struct hf_error *e)
{
    char path[PATH_MAX];
    ssize_t n = readlink(SELF, path, sizeof(path) - 1);
    char *end;

    if (n < 0)
        return hf_error_errno(e, HF_EIO, "cannot read " SELF);
    path[n] = 0;
    end = strrchr(path, '/');
    if (!end)
        return hf_error_set(e, HF_EIO, SELF " names no file");
    *end = 0;
    memcpy(ret, path, (size_t)(end - path) + 1);
    return 0;
}

/* Beside this one, as after a build; else where it is installed. ret_path: which one it is. */
static int open_gateway(char ret_path[PATH_MAX], struct hf_error *e)
{
    char own[PATH_MAX];
    const char *const folders[] = {own, HF_LIBEXEC};
    int rc = own_folder(own, e);

    for (size_t i = 0; !rc && i < HF_COUNT(folders); i++) {
        char path[PATH_MAX];
        int fd, n = snprintf(path, sizeof(path), "%s/" HF_PROGRAM_GATEWAY, folders[i]);

        if (n >= PATH_MAX)
            continue;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
            return hf_error_errno(e, HF_EIO, "cannot open %s", path);
        if (fd >= 0) {
            memcpy(ret_path, path, (size_t)n + 1);
            return fd;
        }
    }
    return rc ? rc
              : hf_error_set(e, HF_ENOENT,
                             "there is no " HF_PROGRAM_GATEWAY " in %s nor in " HF_LIBEXEC, own);
}

static int check_gateway(int fd, const char *path, const char *build, struct hf_error *e)
{
    char found[HF_BUILD_SIZE];

    if (hf_child_build(fd, found, e)) {
        hf_error_prefix(e, "%s is no gateway of this holdfast", path);
        return HF_EREFUSED;
    }
    if (strcmp(found, build) != 0)
        return hf_error_set(e, HF_EREFUSED,
                            "%s is of build %s; expected %s, as this holdfast is: install both "
                            "from one build",
                            path, found, build);
    return 0;
}

int hf_programs_open(const char *build, struct hf_programs *ret, struct hf_error *e)
{
    struct hf_programs p = {.own = open(SELF, O_RDONLY | O_CLOEXEC), .gateway = -1};
    char path[PATH_MAX];
    int rc = 0;

    hf_str_copy(hf_str(build), p.build, sizeof(p.build));
    if (p.own < 0)
        return hf_error_errno(e, HF_EIO, "cannot open " SELF);
    p.gateway = open_gateway(path, e);
    rc = p.gateway < 0 ? p.gateway : check_gateway(p.gateway, path, build, e);
    if (rc) {
        hf_programs_close(&p);
        return rc;
    }
    *ret = p;
    return 0;
}

void hf_programs_close(struct hf_programs *p)
{
    close(p->own);
    if (p->gateway >= 0)
        close(p->gateway);
    p->own = p->gateway = -1;
}
