/* board/layout.h - capacities of the board and the types that its files share.
 * The board is shared memory between processes of one machine that may be of different builds:
 * fixed-width fields, offsets instead of pointers, a layout version that each reader checks. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#define HF_BOARD_MAGIC UINT64_C(0x31647261426648) /* "HfBoard1" less its last digit */
/* Rises when an older reader would misunderstand what a newer writer writes; a reader refuses what
 * has a higher one than its own. It does not rise when an entry or a header grows at its end: those
 * say their sizes, readers take what they know, and what a smaller one lacks reads as 0. */
#define HF_BOARD_LAYOUT 2u

enum {
    HF_BOARD_SLOTS = 32, /* gateway generations that can be alive at once */
    HF_BOARD_WORKERS_MAX = 64,
    HF_BOARD_SERVICES_MAX = 1024,
    HF_BOARD_ENDPOINTS_MAX = 8192,
    HF_BOARD_ROUTES_MAX = 4096,
    HF_LISTENERS_MAX = 16,
};

/* Fixed when the keeper makes the board; a configuration that exceeds one is refused. workers: of
 * one gateway; of a board, the most that one may have. */
struct hf_board_capacity {
    uint32_t workers, services, endpoints, routes;
};

/* Counters with one writer: plain loads and stores that may not tear, no locked instruction. */
static inline void hf_count_add(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline uint64_t hf_count_get(const _Atomic uint64_t *c)
{
    return atomic_load_explicit((_Atomic uint64_t *)c, memory_order_relaxed);
}
