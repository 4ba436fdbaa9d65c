#include "base/boot.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hf_boot_id(uint8_t ret[16])
{
    HF_AUTOCLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    uint8_t id[16] = {0};
    unsigned digits = 0;
    char text[64];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

    for (ssize_t i = 0; i < n && digits < 32; i++) {
        int v = digit(text[i]);
        if (v < 0)
            continue; /* the hyphens */
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | v);
        digits++;
    }
    if (digits != 32)
        return HF_EIO;
    memcpy(ret, id, sizeof(id));
    return 0;
}
