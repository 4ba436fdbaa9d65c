#include "board/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Two images: the writer fills the one that is not current, then makes it so. */
struct plan_file {
    _Atomic uint64_t generation; /* the current image is [generation % 2] */
    uint64_t zero[7];
};

struct slots_file {
    int64_t made_wall_ns;
    _Atomic uint64_t claims;
    struct hf_slot slot[HF_BOARD_SLOTS];
};

struct hf_board {
    struct hf_board_capacity capacity;
    size_t plan_size, live_size; /* of the files, which another version may have made */
    struct hf_board_fds fds;
    struct plan_file *plan;
    struct slots_file *slots;
    struct hf_live *live[HF_BOARD_SLOTS];
};

/* With room for what later versions may add. */
static size_t plan_size(const struct hf_board_capacity *c)
{
    return sizeof(struct plan_file) + 2 * ((hf_plan_capacity(c) / 4 * 5 + 63) / 64 * 64);
}

static size_t image_size(const struct hf_board *b)
{
    return (b->plan_size - sizeof(struct plan_file)) / 2 / 64 * 64;
}

static struct hf_plan *image_at(const struct hf_board *b, uint64_t generation)
{
    return (void *)((char *)b->plan + sizeof(struct plan_file) + generation % 2 * image_size(b));
}

/* ---- making and attaching ---- */

static int make_file(const char *name, size_t size, int *fd, int *read_only, struct hf_error *e)
{
    char path[32];

    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot make the board's file %s", name);
    if (ftruncate(*fd, (off_t)size) < 0 ||
        fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return hf_error_errno(e, HF_EIO, "cannot size the board's file %s", name);
    /* A second open of the same memory that cannot be mapped for writing. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
    *read_only = open(path, O_RDONLY | O_CLOEXEC);
    if (*read_only < 0)
        return hf_error_errno(e, HF_EIO, "cannot open the board's file %s for reading", name);
    return 0;
}

static int map_file(int fd, size_t size, bool writes, void *ret_pointer, struct hf_error *e)
{
    void *p = mmap(NULL, size, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        return hf_error_errno(e, HF_EIO, "cannot map the board");
    memcpy(ret_pointer, &p, sizeof(p));
    return 0;
}

static struct hf_board_fds no_fds(void)
{
    struct hf_board_fds fds;

    memset(&fds, -1, sizeof(fds));
    return fds;
}

static struct hf_board *board_new(const struct hf_board_capacity *c)
{
    struct hf_board *b = hf_alloc(sizeof(*b));

    b->capacity = *c;
    b->fds = no_fds();
    return b;
}

static int make_files(struct hf_board *b, struct hf_error *e)
{
    int rc = make_file("holdfast-plan", b->plan_size, &b->fds.plan, &b->fds.plan_read_only, e);

    if (!rc)
        rc = make_file("holdfast-slots", sizeof(struct slots_file), &b->fds.slots,
                       &b->fds.slots_read_only, e);
    for (int i = 0; !rc && i < HF_BOARD_SLOTS; i++)
        rc =
            make_file("holdfast-live", b->live_size, &b->fds.live[i], &b->fds.live_read_only[i], e);
    if (!rc) {
        b->fds.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (b->fds.bell < 0)
            rc = hf_error_errno(e, HF_EIO, "cannot make the board's bell");
    }
    return rc;
}

static int attach_keeper(struct hf_board *b, struct hf_error *e)
{
    int rc = map_file(b->fds.slots, sizeof(struct slots_file), true, &b->slots, e);

    for (int i = 0; !rc && i < HF_BOARD_SLOTS; i++)
        rc = map_file(b->fds.live[i], b->live_size, true, &b->live[i], e);
    return rc;
}

static int attach_controller(struct hf_board *b, struct hf_error *e)
{
    int rc = map_file(b->fds.plan, b->plan_size, true, &b->plan, e);

    if (!rc)
        rc = map_file(b->fds.slots_read_only, sizeof(struct slots_file), false, &b->slots, e);
    for (int i = 0; !rc && i < HF_BOARD_SLOTS; i++)
        rc = map_file(b->fds.live_read_only[i], b->live_size, false, &b->live[i], e);
    return rc;
}

static int attach_gateway(struct hf_board *b, uint32_t slot, struct hf_error *e)
{
    int rc = map_file(b->fds.plan_read_only, b->plan_size, false, &b->plan, e);

    if (!rc)
        rc = map_file(b->fds.live[slot], b->live_size, true, &b->live[slot], e);
    if (rc)
        return rc;
    if (!hf_live_fits(&b->capacity, b->live_size))
        return hf_error_set(e, HF_ELIMIT,
                            "the board has too little room for the figures of this version; it "
                            "needs a restart");
    hf_live_init(b->live[slot], &b->capacity);
    return 0;
}

int hf_board_create(const struct hf_board_capacity *c, struct hf_board **ret, struct hf_error *e)
{
    struct hf_board *b = board_new(c);
    int rc;

    b->plan_size = plan_size(c);
    b->live_size = hf_live_size(c);
    rc = make_files(b, e);
    if (!rc)
        rc = attach_keeper(b, e);
    if (rc) {
        hf_board_free(b);
        return rc;
    }
    b->slots->made_wall_ns = hf_wall_now().ns;
    *ret = b;
    return 0;
}

static int size_of(int fd, size_t least, size_t *ret, struct hf_error *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return hf_error_errno(e, HF_EIO, "cannot find out how large a file of the board is");
    if (st.st_size < (off_t)least)
        return hf_error_set(e, HF_ECORRUPT, "a file of the board is too small");
    *ret = (size_t)st.st_size;
    return 0;
}

/* The files are as large as whoever made them thought fit. */
static int measure(struct hf_board *b, enum hf_board_role role, uint32_t slot, struct hf_error *e)
{
    bool reads = role == HF_BOARD_CONTROLLER;
    int plan = role == HF_BOARD_GATEWAY ? b->fds.plan_read_only : b->fds.plan;
    int slots = reads ? b->fds.slots_read_only : b->fds.slots;
    int live = reads ? b->fds.live_read_only[0] : b->fds.live[role == HF_BOARD_KEEPER ? 0 : slot];
    size_t slots_size;
    int rc = size_of(plan, sizeof(struct plan_file), &b->plan_size, e);

    if (!rc)
        rc = size_of(live, sizeof(struct hf_live), &b->live_size, e);
    if (!rc && role != HF_BOARD_GATEWAY)
        rc = size_of(slots, sizeof(struct slots_file), &slots_size, e);
    return rc;
}

int hf_board_attach(const struct hf_board_capacity *c, const struct hf_board_fds *fds,
                    enum hf_board_role role, uint32_t slot, struct hf_board **ret,
                    struct hf_error *e)
{
    struct hf_board *b = board_new(c);
    int rc;

    b->fds = *fds;
    rc = measure(b, role, slot, e);
    if (!rc)
        rc = role == HF_BOARD_KEEPER       ? attach_keeper(b, e)
             : role == HF_BOARD_CONTROLLER ? attach_controller(b, e)
                                           : attach_gateway(b, slot, e);
    if (rc) {
        hf_board_free(b);
        return rc;
    }
    *ret = b;
    return 0;
}

static void unmap(void *p, size_t size)
{
    if (p)
        munmap(p, size);
}

static void close_held(int fd)
{
    if (fd >= 0)
        close(fd);
}

struct hf_board *hf_board_free(struct hf_board *b)
{
    if (!b)
        return NULL;
    unmap(b->plan, b->plan_size);
    unmap(b->slots, sizeof(struct slots_file));
    close_held(b->fds.plan);
    close_held(b->fds.plan_read_only);
    close_held(b->fds.slots);
    close_held(b->fds.slots_read_only);
    close_held(b->fds.bell);
    for (int i = 0; i < HF_BOARD_SLOTS; i++) {
        unmap(b->live[i], b->live_size);
        close_held(b->fds.live[i]);
        close_held(b->fds.live_read_only[i]);
    }
    return hf_free(b);
}

const struct hf_board_capacity *hf_board_capacity(const struct hf_board *b)
{
    return &b->capacity;
}

struct hf_board_fds hf_board_fds_for(const struct hf_board *b, enum hf_board_role role,
                                     uint32_t slot)
{
    struct hf_board_fds fds = no_fds();

    fds.bell = b->fds.bell;
    switch (role) {
    case HF_BOARD_KEEPER:
        return b->fds;
    case HF_BOARD_CONTROLLER:
        fds.plan = b->fds.plan;
        fds.slots_read_only = b->fds.slots_read_only;
        memcpy(fds.live_read_only, b->fds.live_read_only, sizeof(fds.live_read_only));
        break;
    case HF_BOARD_GATEWAY:
        fds.plan_read_only = b->fds.plan_read_only;
        fds.live[slot] = b->fds.live[slot];
        break;
    }
    return fds;
}

struct hf_wall hf_board_since(const struct hf_board *b)
{
    return (struct hf_wall){b->slots->made_wall_ns};
}

/* ---- plan ---- */

uint64_t hf_board_generation(const struct hf_board *b)
{
    return atomic_load_explicit(&b->plan->generation, memory_order_acquire);
}

uint64_t hf_board_publish(struct hf_board *b, struct hf_plan *image)
{
    uint64_t generation = hf_board_generation(b) + 1;

    if (image->size > image_size(b))
        return 0;
    hf_plan_seal(image, generation);
    /* A reader of the image that is overwritten now must see that another one became current. */
    atomic_thread_fence(memory_order_release);
    memcpy(image_at(b, generation), image, image->size);
    atomic_store_explicit(&b->plan->generation, generation, memory_order_release);
    hf_board_ring(b);
    return generation;
}

/* All of the current image, as it was written; HF_ENOENT: there is none. */
static int copy_image(const struct hf_board *b, char *to, uint64_t *ret_generation)
{
    for (;;) {
        uint64_t generation = hf_board_generation(b);
        const struct hf_plan *image = image_at(b, generation);
        uint64_t size;

        if (generation == 0)
            return HF_ENOENT;
        size = image->size;
        memcpy(to, image, size < image_size(b) ? size : image_size(b));
        atomic_thread_fence(memory_order_acquire);
        /* While generation + 1 is current, generation + 2 may be written over what was copied. */
        if (hf_board_generation(b) == generation) {
            *ret_generation = generation;
            return 0;
        }
    }
}

int hf_board_read_plan(const struct hf_board *b, void *buf, struct hf_error *e)
{
    HF_AUTOFREE char *image = hf_alloc(image_size(b));
    uint64_t generation;
    int rc = copy_image(b, image, &generation);

    if (rc)
        return hf_error_set(e, rc, "no plan was published yet");
    rc = hf_plan_load(image, image_size(b), &b->capacity, buf, e);
    if (!rc && ((const struct hf_plan *)buf)->generation != generation)
        return hf_error_set(e, HF_ECORRUPT, "the board holds a plan of another generation");
    return rc;
}

int hf_board_bell(const struct hf_board *b)
{
    return b->fds.bell;
}

void hf_board_ring(const struct hf_board *b)
{
    uint64_t one = 1;

    /* Only a full counter could fail, after 2^64 rings; its watchers were woken then, too. */
    if (write(b->fds.bell, &one, sizeof(one)) < 0)
        return;
}

int hf_board_check(const struct hf_board *b, uint32_t workers, struct hf_error *e)
{
    HF_AUTOFREE void *plan = hf_alloc(hf_plan_capacity(&b->capacity));
    struct hf_board_capacity c = b->capacity;
    int rc = hf_board_read_plan(b, plan, e);

    if (rc && rc != HF_ENOENT)
        return rc;
    c.workers = workers;
    if (!hf_live_fits(&c, b->live_size))
        return hf_error_set(e, HF_ELIMIT, "the board has too little room for what it counts");
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++) {
        const struct hf_live *live = b->live[i];
        if (atomic_load(&b->slots->slot[i].state) == HF_SLOT_CLAIMED &&
            atomic_load(&live->magic) == HF_BOARD_MAGIC && !hf_board_live(b, i).capacity.workers)
            return hf_error_set(e, HF_ECORRUPT, "it cannot read what gateway %d counts",
                                atomic_load(&b->slots->slot[i].pid));
    }
    return 0;
}

/* ---- slots ---- */

int hf_board_claim(struct hf_board *b, uint32_t *ret_slot)
{
    uint32_t best = HF_BOARD_SLOTS;
    struct hf_slot *slot;

    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++) {
        if (atomic_load(&b->slots->slot[i].state) != HF_SLOT_FREE)
            continue;
        if (best == HF_BOARD_SLOTS ||
            atomic_load(&b->slots->slot[i].claim) < atomic_load(&b->slots->slot[best].claim))
            best = i;
    }
    if (best == HF_BOARD_SLOTS)
        return HF_ELIMIT;
    slot = &b->slots->slot[best];
    /* Zero by giving the pages back: the file may be large, and mostly untouched. */
    if (fallocate(b->fds.live[best], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)b->live_size) < 0)
        return HF_EIO;
    atomic_store(&slot->pid, 0);
    atomic_store(&slot->claim, atomic_fetch_add(&b->slots->claims, 1) + 1);
    atomic_store(&b->live[best]->claim, atomic_load(&slot->claim));
    atomic_store(&slot->state, HF_SLOT_CLAIMED);
    *ret_slot = best;
    return 0;
}

void hf_board_claim_pid(struct hf_board *b, uint32_t slot, int32_t pid)
{
    atomic_store(&b->slots->slot[slot].pid, pid);
}

void hf_board_release(struct hf_board *b, uint32_t slot)
{
    atomic_store(&b->slots->slot[slot].state, HF_SLOT_FREE);
}

const struct hf_slot *hf_board_slot(const struct hf_board *b, uint32_t slot)
{
    return &b->slots->slot[slot];
}

struct hf_live_view hf_board_live(const struct hf_board *b, uint32_t slot)
{
    return hf_live_view(b->live[slot], b->live_size, &b->capacity);
}
