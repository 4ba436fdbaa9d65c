/* config/user.h - who the gateway is, where holdfast runs as root.
 * The names of users are looked up here, so that the gateway needs no name service. Not to be used
 * outside of config/. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The ids of a user, by name or number. NULL: nobody, also where no such user is known. */
HF_MUST_CHECK int hf_gateway_user_find(const char *name, uint32_t *uid, uint32_t *gid,
                                       struct hf_error *e);

/* The check of a row. */
bool hf_gateway_user_check(const char *text, char *why, size_t size);
