/* base/boot.h - which boot of the machine this is: a process of another boot is gone, whatever its
 * number. Linux: /proc/sys/kernel/random/boot_id. */
#pragma once
#include <stdint.h>

#include "base/error.h"

HF_MUST_CHECK int hf_boot_id(uint8_t ret[16]);
