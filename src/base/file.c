#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"

static int write_whole(const char *path, const void *bytes, size_t n)
{
    HF_AUTOCLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return HF_EIO;
    for (size_t done = 0; done < n;) {
        ssize_t w = write(fd, (const char *)bytes + done, n - done);
        if (w < 0 && errno != EINTR)
            return HF_EIO;
        done += w > 0 ? (size_t)w : 0;
    }
    return fsync(fd) < 0 ? HF_EIO : 0;
}

int hf_file_replace(const char *path, const void *bytes, size_t n)
{
    HF_AUTOFREE char *next = hf_asprintf("%s.next", path);

    if (write_whole(next, bytes, n) || rename(next, path) < 0)
        return HF_EIO;
    return 0;
}
