/* store/sqlite.h - the store's backend on this machine: one SQLite file.
 * Write-ahead log, fsync before a commit returns. Runs in: controller, store thread. */
#pragma once
#include "store/backend.h"

/* Opens or creates the file, mode 0600, and checks that it is ours, of a version that we know, and
 * intact: HF_EREFUSED, HF_ECORRUPT or HF_EIO with a text that names the file; it is then left as
 * it was. End with (*ret)->type->close(). */
HF_MUST_CHECK int hf_sqlite_open(const char *path, struct hf_backend **ret, struct hf_error *e);
