/* Images that other versions have written, or will write. */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "board/board.h"
#include "board/parts.h"
#include "plan_sample.h"

enum { ROOM = 256 * 1024 };

static size_t read_image(const char *name, void *buf)
{
    HF_AUTOFREE char *path = hf_asprintf(SOURCE_ROOT "/tests/layouts/%s", name);
    HF_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    assert_true(fd >= 0);
    n = read(fd, buf, ROOM);
    assert_true(n > 0 && n < ROOM);
    return (size_t)n;
}

/* --- plan --- */

static struct hf_plan *loaded;
static struct hf_plan_builder *builder;

static int setup(void **state)
{
    (void)state;
    loaded = hf_alloc(hf_plan_capacity(&sample_capacity));
    builder = hf_plan_builder_new(&sample_capacity);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loaded = hf_free(loaded);
    builder = hf_plan_builder_free(builder);
    return 0;
}

static int load(const void *image, size_t size)
{
    return hf_plan_load(image, size, &sample_capacity, loaded, NULL);
}

/* Is what was loaded the sample? */
static void assert_sample(void)
{
    const struct hf_plan *s = sample_plan(builder);

    assert_int_equal(loaded->n_services, s->n_services);
    assert_memory_equal(hf_plan_services(loaded), hf_plan_services(s),
                        s->n_services * sizeof(struct hf_plan_service));
    assert_memory_equal(hf_plan_routes(loaded), hf_plan_routes(s),
                        s->n_routes * sizeof(struct hf_plan_route));
    assert_memory_equal(hf_plan_endpoints(loaded), hf_plan_endpoints(s),
                        s->n_endpoints * sizeof(struct hf_plan_endpoint));
    assert_int_equal(loaded->text_size, s->text_size);
    assert_memory_equal((char *)loaded + loaded->text_at, (const char *)s + s->text_at,
                        s->text_size);
    assert_memory_equal(loaded->gateway.trusted, s->gateway.trusted, sizeof(s->gateway.trusted));
}

static void a_plan_of_layout_1_is_loaded(void **state)
{
    HF_AUTOFREE char *image = hf_alloc(ROOM);
    size_t n = read_image("plan-1", image);

    (void)state;
    assert_int_equal(load(image, n), 0);
    assert_int_equal(hf_plan_validate(loaded, loaded->size, &sample_capacity, NULL), 0);
    assert_sample();
    assert_int_equal(loaded->generation, 7);
    assert_int_equal(loaded->gateway.idle_ms, 60000);
    assert_int_equal(loaded->gateway.n_listeners, 0); /* it knew none: all sockets are meant */
    assert_int_equal(loaded->gateway.forwarded, HF_FORWARDED_X);
    for (size_t cut = 0; cut < n; cut += 7)
        assert_int_equal(load(image, cut), HF_ECORRUPT);
}

static void a_plan_of_the_future_is_refused(void **state)
{
    struct hf_plan *p = sample_plan(builder);
    struct hf_error e;

    (void)state;
    hf_plan_seal(p, 3);
    assert_int_equal(load(p, p->size), 0);
    p->layout++;
    hf_plan_seal(p, 3);
    assert_int_equal(hf_plan_load(p, p->size, &sample_capacity, loaded, &e), HF_ECORRUPT);
    assert_non_null(strstr(e.text, "has layout 3, this program reads up to 2"));
}

struct image {
    char *bytes;
    size_t n;
};

static uint32_t put(struct image *to, const void *entries, uint32_t n, size_t size, size_t grown)
{
    size_t at = to->n = (to->n + 7) / 8 * 8;

    for (uint32_t i = 0; i < n; i++) {
        memcpy(to->bytes + to->n, (const char *)entries + i * size, size);
        memset(to->bytes + to->n + size, 0xee, grown - size);
        to->n += grown;
    }
    return (uint32_t)at;
}

/* The sample as a version would write it whose structs have each grown by 8 bytes. */
static void grow(const struct hf_plan *s, struct image *to)
{
    struct hf_plan *p = (void *)to->bytes;

    to->n = s->gateway_at;
    put(to, NULL, 0, 0, 0);
    memcpy(p, s, s->gateway_at);
    to->n += 16; /* of the header itself */
    p->gateway_at = put(to, &s->gateway, 1, sizeof(s->gateway), sizeof(s->gateway) + 8);
    p->gateway_size += 8;
    p->service_size += 8;
    p->route_size += 8;
    p->endpoint_size += 8;
    p->services_at = put(to, hf_plan_services(s), s->n_services, s->service_size, p->service_size);
    p->routes_at = put(to, hf_plan_routes(s), s->n_routes, s->route_size, p->route_size);
    p->endpoints_at =
        put(to, hf_plan_endpoints(s), s->n_endpoints, s->endpoint_size, p->endpoint_size);
    p->text_at = put(to, (const char *)s + s->text_at, s->text_size, 1, 1);
    p->size = to->n;
    hf_plan_seal(p, 9);
}

/* A gateway that was retired takes over the plans of the next version's controller. */
static void larger_entries_are_cut(void **state)
{
    HF_AUTOFREE char *bytes = hf_alloc(ROOM);
    struct image image = {.bytes = bytes};

    (void)state;
    grow(sample_plan(builder), &image);
    assert_int_equal(load(image.bytes, image.n), 0);
    assert_sample();
    assert_int_equal(loaded->generation, 9);
}

/* Sizes that lie are no way out of the image or of the buffer. */
static void odd_sizes_are_refused(void **state)
{
    HF_AUTOFREE char *bytes = hf_alloc(ROOM), *good = hf_alloc(ROOM);
    struct image image = {.bytes = good};
    struct hf_plan *p = (void *)bytes;
    const uint32_t odd[] = {0, 1, 19, 0x7fffffff, 0xffffffff};
    uint32_t *const fields[] = {&p->gateway_at, &p->gateway_size, &p->service_size, &p->route_size,
                                &p->endpoint_size};

    (void)state;
    grow(sample_plan(builder), &image);
    for (size_t f = 0; f < HF_COUNT(fields); f++) {
        for (size_t i = 0; i < HF_COUNT(odd); i++) {
            memcpy(bytes, good, image.n);
            *fields[f] = odd[i];
            hf_plan_seal(p, 9);
            assert_int_equal(load(p, image.n), HF_ECORRUPT);
        }
    }
}

/* --- live --- */

static void a_live_file_of_layout_1_is_read(void **state)
{
    HF_AUTOFREE char *image = aligned_alloc(64, ROOM);
    struct hf_live_view v;

    (void)state;
    memset(image, 0, ROOM);
    read_image("live-1", image);
    v = hf_live_view((void *)image, ROOM, &sample_capacity);
    assert_int_equal(v.capacity.workers, 2);
    assert_int_equal(hf_count_get(&hf_live_worker(&v, 0)->generation), 6);
    assert_int_equal(hf_count_get(&hf_live_worker(&v, 1)->generation), 5);
    assert_int_equal(atomic_load(&hf_live_endpoint(&v, 1, 3)->in_flight), 4);
    assert_int_equal(hf_count_get(&hf_live_service(&v, 1, 2)->requests), 42);
    assert_int_equal(atomic_load(&hf_live_service(&v, 1, 2)->seconds[599].second), 1);
}

/* --- parts --- */

struct small {
    uint32_t a, b;
};
struct large {
    uint32_t a, b, c, d;
};

static void parts_of_other_sizes_are_read(void **state)
{
    const struct small s[] = {{1, 2}, {3, 4}, {5, 6}};
    const struct large l = {7, 8, 9, 10};
    const struct hf_part parts[] = {
        {1, 3, sizeof(s[0]), s}, {9, 0, 4, NULL}, {2, 1, sizeof(l), &l}};
    struct large got[2] = {{0, 0, 99, 0}, {0, 0, 99, 0}};
    struct small cut = {0};
    struct hf_parts p;
    int fd = hf_parts_write(0x1234, 5, parts, HF_COUNT(parts), NULL);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(hf_parts_open(fd, 0x1235, &p, NULL), HF_ECORRUPT);
    assert_int_equal(hf_parts_open(fd, 0x1234, &p, NULL), 0);
    assert_int_equal(p.layout, 5);
    assert_int_equal(hf_parts_get(&p, 1, got, sizeof(got[0]), HF_COUNT(got)), 2);
    assert_int_equal(got[1].a, 3);
    assert_int_equal(got[1].b, 4);
    assert_int_equal(got[1].c, 99); /* the default stays */
    assert_int_equal(hf_parts_get(&p, 2, &cut, sizeof(cut), 1), 1);
    assert_int_equal(cut.b, 8);
    assert_int_equal(hf_parts_get(&p, 9, got, sizeof(got[0]), 2), 0);
    assert_int_equal(hf_parts_get(&p, 3, got, sizeof(got[0]), 2), HF_ENOENT);
    hf_parts_close(&p);
    close(fd);
}

static void parts_that_are_not_whole_are_refused(void **state)
{
    const struct small s = {1, 2};
    const struct hf_part part = {1, 1, sizeof(s), &s};
    int whole = hf_parts_write(1, 1, &part, 1, NULL);
    char bytes[256];
    ssize_t n = pread(whole, bytes, sizeof(bytes), 0);
    struct hf_parts p;

    (void)state;
    assert_true(n > 0);
    for (ssize_t i = 0; i < n; i++) {
        int fd = memfd_create("cut", MFD_CLOEXEC);
        assert_int_equal(write(fd, bytes, (size_t)i), i);
        assert_int_equal(hf_parts_open(fd, 1, &p, NULL), HF_ECORRUPT);
        close(fd);
    }
    memset(bytes + 16, 0xff, 12); /* the part's name, number and size */
    assert_int_equal(ftruncate(whole, 0), -1);
    close(whole);
    whole = memfd_create("odd", MFD_CLOEXEC);
    assert_int_equal(write(whole, bytes, (size_t)n), n);
    assert_int_equal(hf_parts_open(whole, 1, &p, NULL), HF_ECORRUPT);
    close(whole);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plan_of_layout_1_is_loaded),
        TEST(a_plan_of_the_future_is_refused),
        TEST(larger_entries_are_cut),
        TEST(odd_sizes_are_refused),
        TEST(a_live_file_of_layout_1_is_read),
        TEST(parts_of_other_sizes_are_read),
        TEST(parts_that_are_not_whole_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
