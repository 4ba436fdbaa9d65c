/* tests/unit/scratch.h - a private folder for a test of stored things. */
#pragma once
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void scratch_make(char *folder, size_t size)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(folder, size, "%s/holdfast-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        abort();
}

static inline void scratch_remove(const char *folder)
{
    nftw(folder, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
