/* base/file.h - a small file that is replaced as a whole.
 * Owner: the caller. Runs in: any process. Blocks for the disk. */
#pragma once
#include <stddef.h>

#include "base/error.h"

/* What is at path is then either the old file or the whole new one, mode 0600, also after a power
 * cut; PATH.next is used on the way. HF_EIO: nothing has changed, errno says why. */
HF_MUST_CHECK int hf_file_replace(const char *path, const void *bytes, size_t n);
