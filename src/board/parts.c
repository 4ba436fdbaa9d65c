#include "board/parts.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct head {
    uint64_t magic;
    uint32_t layout, n; /* parts */
};

/* Before each part's entries, which follow at once; parts are 8-aligned. */
struct part_head {
    uint32_t name, n, size, zero;
};

static size_t padding(size_t n)
{
    return (8 - n % 8) % 8;
}

static bool put(int fd, const void *bytes, size_t n)
{
    return n == 0 || write(fd, bytes, n) == (ssize_t)n;
}

static bool put_part(int fd, const struct hf_part *p)
{
    static const char zero[8];
    const struct part_head h = {.name = p->name, .n = p->n, .size = p->size};
    size_t bytes = (size_t)p->n * p->size;

    return put(fd, &h, sizeof(h)) && put(fd, p->entries, bytes) && put(fd, zero, padding(bytes));
}

int hf_parts_write(uint64_t magic, uint32_t layout, const struct hf_part *parts, size_t n,
                   struct hf_error *e)
{
    const struct head h = {.magic = magic, .layout = layout, .n = (uint32_t)n};
    int fd = memfd_create("holdfast-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool fine;

    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot make the hand-over file");
    fine = put(fd, &h, sizeof(h));
    for (size_t i = 0; fine && i < n; i++)
        fine = put_part(fd, &parts[i]);
    if (!fine ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
        hf_error_errno(e, HF_EIO, "cannot write the hand-over file");
        close(fd);
        return HF_EIO;
    }
    return fd;
}

/* The part that begins at *at, of which all lies within the file; moves *at behind it. */
static const struct part_head *next_part(const struct hf_parts *p, size_t *at)
{
    const struct part_head *h = (const void *)(p->bytes + *at);
    size_t room;
    uint64_t bytes;

    if (p->size - *at < sizeof(*h))
        return NULL;
    room = p->size - *at - sizeof(*h);
    bytes = (uint64_t)h->n * h->size;
    if (bytes > room || padding(bytes) > room - bytes)
        return NULL;
    *at += sizeof(*h) + bytes + padding(bytes);
    return h;
}

static bool whole(const struct hf_parts *p)
{
    const struct head *h = (const void *)p->bytes;
    size_t at = sizeof(*h);

    for (uint32_t i = 0; i < h->n; i++) {
        if (!next_part(p, &at))
            return false;
    }
    return at == p->size;
}

int hf_parts_open(int fd, uint64_t magic, struct hf_parts *ret, struct hf_error *e)
{
    struct hf_parts p;
    struct stat st;
    void *bytes;

    if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct head) || st.st_size > HF_PARTS_MAX)
        return hf_error_set(e, HF_ECORRUPT, "this is no hand-over");
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return hf_error_errno(e, HF_EIO, "cannot map the hand-over");
    p = (struct hf_parts){.bytes = bytes, .size = (size_t)st.st_size};
    p.layout = ((const struct head *)(const void *)p.bytes)->layout;
    if (((const struct head *)(const void *)p.bytes)->magic != magic || !whole(&p)) {
        hf_parts_close(&p);
        return hf_error_set(e, HF_ECORRUPT, "this is no hand-over");
    }
    *ret = p;
    return 0;
}

void hf_parts_close(struct hf_parts *p)
{
    munmap((void *)p->bytes, p->size);
    *p = (struct hf_parts){0};
}

int hf_parts_get(const struct hf_parts *p, uint32_t name, void *entries, size_t size, uint32_t n)
{
    size_t at = sizeof(struct head);
    const struct part_head *h;

    do
        h = at < p->size ? next_part(p, &at) : NULL;
    while (h && h->name != name);
    if (!h)
        return HF_ENOENT;
    for (uint32_t i = 0; i < n && i < h->n; i++)
        memcpy((char *)entries + i * size, (const char *)(h + 1) + (size_t)i * h->size,
               size < h->size ? size : h->size);
    return (int)(h->n < n ? h->n : n);
}
