#include "orchestrator/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    TAIL_MAX = 65536,
    COPY_CHUNK = 65536,
    WORDS_LINE_MAX = 160, /* bytes of one line in a message */
    KEEP_MAX = 100,
};

char *hf_output_path(const char *state, const char *service, const char *instance)
{
    return hf_asprintf("%s/logs/%s/%s.log", state, service, instance);
}

/* mkdir -p for all but the last part of path. */
static int make_folders(const char *path, struct hf_error *e)
{
    HF_AUTOFREE char *folder = hf_strdup(path);

    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
            return hf_error_errno(e, HF_EIO, "cannot make the folder %s", folder);
        *slash = '/';
    }
    return 0;
}

int hf_output_open(const char *path, struct hf_error *e)
{
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    int fd = open(path, flags, 0600);

    if (fd < 0 && errno == ENOENT) {
        int rc = make_folders(path, e);
        if (rc)
            return rc;
        fd = open(path, flags, 0600);
    }
    return fd >= 0 ? fd : hf_error_errno(e, HF_EIO, "cannot open the log file %s", path);
}

static void numbered(const char *path, unsigned n, char *buf, size_t size)
{
    snprintf(buf, size, "%s.%u", path, n);
}

static int copy_all(int from, int to)
{
    HF_AUTOFREE char *buf = hf_alloc(COPY_CHUNK);
    ssize_t got;

    while ((got = read(from, buf, COPY_CHUNK)) > 0) {
        for (ssize_t done = 0, n; done < got; done += n) {
            n = write(to, buf + done, (size_t)(got - done));
            if (n < 0)
                return -1;
        }
    }
    return got < 0 ? -1 : 0;
}

static int copy(int from, const char *path, struct hf_error *e)
{
    HF_AUTOCLOSE int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc;

    if (to >= 0 && copy_all(from, to) == 0)
        return 0;
    rc = hf_error_errno(e, HF_EIO, "cannot copy the log file to %s", path);
    unlink(path); /* a full disk is not mended by half a copy */
    return rc;
}

/* The older ones move on only once there is a new one: a full disk must not cost them. */
static int copy_and_empty(const char *path, unsigned keep, struct hf_error *e)
{
    char to_path[4096], from_path[4096];
    HF_AUTOCLOSE int from = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (from < 0)
        return hf_error_errno(e, HF_EIO, "cannot open the log file %s", path);
    numbered(path, 0, from_path, sizeof(from_path));
    if (keep && copy(from, from_path, e))
        return HF_EIO;
    for (unsigned n = keep; n > 0; n--) {
        numbered(path, n - 1, from_path, sizeof(from_path));
        numbered(path, n, to_path, sizeof(to_path));
        if (rename(from_path, to_path) < 0 && errno != ENOENT)
            return hf_error_errno(e, HF_EIO, "cannot rename the log file %s", from_path);
    }
    return ftruncate(from, 0) < 0 ? hf_error_errno(e, HF_EIO, "cannot empty the log file %s", path)
                                  : 1;
}

int hf_output_rotate(const char *path, uint64_t size, unsigned keep, struct hf_error *e)
{
    struct stat st;

    if (stat(path, &st) < 0 || (uint64_t)st.st_size <= size)
        return 0;
    return copy_and_empty(path, keep < KEEP_MAX ? keep : KEEP_MAX, e);
}

/* Reads the end of the file into buf and returns the last lines of it; sets *count to how many. */
static struct hf_str read_end(const char *path, char *buf, size_t size, unsigned lines,
                              unsigned *count)
{
    HF_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    ssize_t n;
    size_t at;

    *count = 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return (struct hf_str){0};
    n = pread(fd, buf, size, st.st_size > (off_t)size ? st.st_size - (off_t)size : 0);
    if (n <= 0)
        return (struct hf_str){0};
    for (at = (size_t)n; at > 0; at--) {
        bool ends_line = buf[at - 1] == '\n';
        if ((ends_line || at == (size_t)n) && (*count)++ == lines) {
            *count = lines;
            break;
        }
    }
    return (struct hf_str){buf + at, (size_t)n - at};
}

void hf_output_tail(const char *path, unsigned lines, struct hf_text *ret)
{
    HF_AUTOFREE char *buf = hf_alloc(TAIL_MAX), *older = hf_alloc(TAIL_MAX), *older_path = NULL;
    unsigned count, older_count;
    struct hf_str end;

    if (!lines)
        return;
    end = read_end(path, buf, TAIL_MAX, lines, &count);
    if (count < lines && end.n < TAIL_MAX) {
        older_path = hf_asprintf("%s.1", path);
        hf_text_add(ret,
                    read_end(older_path, older, TAIL_MAX - end.n, lines - count, &older_count));
    }
    hf_text_add(ret, end);
}

/* The length of the valid UTF-8 sequence at p, 0 if there is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    size_t want = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (!want || want > n || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < want; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0; /* over-long, a surrogate, beyond U+10FFFF */
    return want;
}

/* Copies line as plain text; returns the bytes written, never half a character. */
static size_t plain(struct hf_str line, char *buf, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < line.n;) {
        const unsigned char *p = (const unsigned char *)line.p + i;
        size_t n = utf8_length(p, line.n - i);
        if (at + (n ? n : 1) > size)
            break;
        if (n == 0 || p[0] < 0x20 || p[0] == 0x7f)
            buf[at++] = n ? ' ' : '?';
        else
            memcpy(buf + at, p, n), at += n;
        i += n ? n : 1;
    }
    return at;
}

static struct hf_str take_line(struct hf_str *rest)
{
    const char *end = memchr(rest->p, '\n', rest->n);
    struct hf_str line = {rest->p, end ? (size_t)(end - rest->p) : rest->n};

    rest->p += line.n + (end ? 1 : 0);
    rest->n -= line.n + (end ? 1 : 0);
    return line;
}

/* Returns whether there was room for all of it. */
static bool join_lines(struct hf_str rest, char *buf, size_t size)
{
    size_t at = 0;
    bool whole = true;

    while (rest.n && whole) {
        struct hf_str line = hf_str_trim(take_line(&rest));
        size_t room = size > at + 4 ? size - at - 4 : 0;
        if (!line.n)
            continue;
        whole = (line.n < WORDS_LINE_MAX ? line.n : WORDS_LINE_MAX) <= room;
        if (!room)
            break;
        if (at) {
            memcpy(buf + at, " | ", 3);
            at += 3;
        }
        at += plain(line, buf + at, room < WORDS_LINE_MAX ? room : WORDS_LINE_MAX);
    }
    buf[at] = '\0';
    return whole;
}

char *hf_output_last_words(const char *path, unsigned lines, char *buf, size_t size)
{
    HF_AUTOTEXT struct hf_text tail = {0};
    struct hf_str rest;

    hf_output_tail(path, lines, &tail);
    rest = hf_text_str(&tail);
    while (!join_lines(rest, buf, size)) { /* the last line says most */
        struct hf_str after = rest;
        take_line(&after);
        if (!hf_str_trim(after).n)
            break;
        rest = after;
    }
    return buf;
}

struct log_file {
    char *instance;
    struct timespec changed;
};

static int older_first(const void *a, const void *b)
{
    const struct timespec *x = &((const struct log_file *)a)->changed;
    const struct timespec *y = &((const struct log_file *)b)->changed;

    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static void remove_logs(const char *path)
{
    char older[4096];

    unlink(path);
    for (unsigned n = 0; n <= KEEP_MAX; n++) { /* 0: a copy that was not finished */
        numbered(path, n, older, sizeof(older));
        if (unlink(older) < 0 && n)
            break;
    }
}

void hf_output_prune(const char *state, const char *service, unsigned most,
                     int (*in_use)(void *ctx, const char *instance), void *ctx)
{
    HF_AUTOFREE char *folder = hf_asprintf("%s/logs/%s", state, service);
    DIR *dir = opendir(folder);
    struct log_file *files = NULL;
    struct dirent *entry;
    size_t n = 0;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        size_t length = strlen(entry->d_name);
        HF_AUTOFREE char *instance = NULL;
        struct stat st;
        if (length < 5 || strcmp(entry->d_name + length - 4, ".log") != 0 ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        instance = hf_strndup(entry->d_name, length - 4);
        if (in_use(ctx, instance))
            continue;
        files = hf_realloc(files, n + 1, sizeof(*files));
        files[n++] = (struct log_file){.instance = hf_strdup(instance), .changed = st.st_mtim};
    }
    closedir(dir);
    if (n)
        qsort(files, n, sizeof(*files), older_first);
    for (size_t i = 0; i < n; i++) {
        HF_AUTOFREE char *path = hf_output_path(state, service, files[i].instance);
        if (i + most < n)
            remove_logs(path);
        hf_free(files[i].instance);
    }
    hf_free(files);
}
