#include "orchestrator/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { SECRET_MAX = 65536 };

void hf_strings_done(struct hf_strings *s)
{
    for (size_t i = 0; i < s->n; i++) {
        explicit_bzero(s->p[i], strlen(s->p[i]));
        hf_free(s->p[i]);
    }
    s->p = hf_free(s->p);
    s->n = 0;
}

static void add_take(struct hf_strings *s, char *text_take)
{
    s->p = hf_realloc(s->p, s->n + 2, sizeof(*s->p));
    s->p[s->n++] = text_take;
    s->p[s->n] = NULL;
}

void hf_strings_add(struct hf_strings *s, const char *text)
{
    add_take(s, hf_strdup(text));
}

void hf_environment_set(struct hf_strings *env, const char *name, const char *value)
{
    size_t n = strlen(name);
    char *pair = hf_asprintf("%s=%s", name, value);

    for (size_t i = 0; i < env->n; i++) {
        if (strncmp(env->p[i], name, n) == 0 && env->p[i][n] == '=') {
            explicit_bzero(env->p[i], strlen(env->p[i]));
            hf_free(env->p[i]);
            env->p[i] = pair;
            return;
        }
    }
    add_take(env, pair);
}

int hf_secret_read(const char *path, char **ret, struct hf_error *e)
{
    HF_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *buf;
    size_t n = 0;
    ssize_t got = 0;
    int rc = 0;

    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot read the secret file %s", path);
    buf = hf_alloc(SECRET_MAX + 2);
    while (n <= SECRET_MAX && (got = read(fd, buf + n, SECRET_MAX + 1 - n)) > 0)
        n += (size_t)got;
    if (got < 0)
        rc = hf_error_errno(e, HF_EIO, "cannot read the secret file %s", path);
    else if (n > SECRET_MAX)
        rc = hf_error_set(e, HF_ELIMIT, "the secret file %s is over 64 KiB", path);
    else if (memchr(buf, '\0', n))
        rc = hf_error_set(e, HF_EINVAL, "the secret file %s holds a NUL byte", path);
    if (rc) {
        explicit_bzero(buf, n);
        hf_free(buf);
        return rc;
    }
    if (n && buf[n - 1] == '\n')
        buf[n - 1] = '\0';
    *ret = buf;
    return 0;
}
