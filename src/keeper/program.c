#include "keeper/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "keeper/child.h"

#define SELF "/proc/self/exe"

static int own_path(char ret[PATH_MAX], struct hf_error *e)
{
    ssize_t n = readlink(SELF, ret, PATH_MAX - 1);

    if (n < 0)
        return hf_error_errno(e, HF_EIO, "cannot read " SELF);
    ret[n] = 0;
    return 0;
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The path by which this program was started: where the next one will be found. It may lead over
 * links, which /proc has resolved. */
static void started_from(const char *own, char ret[HF_PATH_SIZE])
{
    const char *name = (const char *)getauxval(AT_EXECFN);
    char path[PATH_MAX], folder[PATH_MAX];
    int n;

    if (name && name[0] == '/')
        n = snprintf(path, sizeof(path), "%s", name);
    else
        n = snprintf(path, sizeof(path), "%s/%s", getcwd(folder, sizeof(folder)) ? folder : "",
                     name ? name : "");
    if (n >= HF_PATH_SIZE || !same_file(path, SELF))
        n = snprintf(path, sizeof(path), "%s", own);
    hf_str_copy((struct hf_str){path, (size_t)n}, ret, HF_PATH_SIZE);
}

/* Beside the program at own, as after a build; else where it is installed. ret_path: which one it
 * is. */
static int open_gateway(const char *own, char ret_path[PATH_MAX], struct hf_error *e)
{
    const char *slash = strrchr(own, '/');
    char beside[PATH_MAX];
    const char *const folders[] = {beside, HF_LIBEXEC};

    hf_str_copy((struct hf_str){own, slash ? (size_t)(slash - own) : 0}, beside, sizeof(beside));
    for (size_t i = 0; i < HF_COUNT(folders); i++) {
        char path[PATH_MAX];
        int fd, n = snprintf(path, sizeof(path), "%s/" HF_PROGRAM_GATEWAY, folders[i]);

        if (n >= PATH_MAX)
            continue;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
            return hf_error_errno(e, HF_EIO, "cannot open %s", path);
        if (fd >= 0) {
            memcpy(ret_path, path, (size_t)n + 1);
            return fd;
        }
    }
    return hf_error_set(e, HF_ENOENT, "there is no " HF_PROGRAM_GATEWAY " in %s nor in " HF_LIBEXEC,
                        beside);
}

int hf_programs_check(const struct hf_programs *p, const char *gateway_path, struct hf_error *e)
{
    char found[HF_BUILD_SIZE];

    if (hf_child_build(p->gateway, found, e)) {
        hf_error_prefix(e, "%s is no gateway of this holdfast", gateway_path);
        return HF_EREFUSED;
    }
    if (strcmp(found, p->build) != 0)
        return hf_error_set(e, HF_EREFUSED,
                            "%s is of build %s; expected %s, as this holdfast is: install both "
                            "from one build",
                            gateway_path, found, p->build);
    return 0;
}

int hf_programs_open(const char *build, struct hf_programs *ret, struct hf_error *e)
{
    struct hf_programs p = {.own = open(SELF, O_RDONLY | O_CLOEXEC), .gateway = -1};
    char own[PATH_MAX], path[PATH_MAX];
    int rc;

    if (p.own < 0)
        return hf_error_errno(e, HF_EIO, "cannot open " SELF);
    rc = own_path(own, e);
    hf_str_copy(hf_str(build), p.build, sizeof(p.build));
    if (!rc)
        p.gateway = rc = open_gateway(own, path, e);
    if (rc >= 0) {
        started_from(own, p.path);
        rc = hf_programs_check(&p, path, e);
    }
    if (rc) {
        hf_programs_close(&p);
        return rc;
    }
    *ret = p;
    return 0;
}

int hf_programs_open_others(const char *path, struct hf_programs *ret, struct hf_error *e)
{
    struct hf_programs p = {.own = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), .gateway = -1};
    char gateway[PATH_MAX];
    struct stat st;
    int rc = 0;

    if (p.own < 0)
        return hf_error_errno(e, HF_ENOENT, "cannot open %s", path);
    if (fstat(p.own, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
        rc = hf_error_set(e, HF_EREFUSED, "%s is no executable", path);
    if (!rc)
        p.gateway = rc = open_gateway(path, gateway, e);
    if (rc < 0) {
        hf_programs_close(&p);
        return rc;
    }
    hf_str_copy(hf_str(path), p.path, sizeof(p.path));
    *ret = p;
    return 0;
}

void hf_programs_close(struct hf_programs *p)
{
    if (p->own >= 0)
        close(p->own);
    if (p->gateway >= 0)
        close(p->gateway);
    p->own = p->gateway = -1;
}
