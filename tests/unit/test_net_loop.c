#include "test.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "net/loop.h"

static struct hf_loop *loop;
static int fired;
static struct hf_timer timers[3];
static struct hf_watch watches[2];

static void on_fire(struct hf_timer *t)
{
    assert_true(hf_loop_now(loop).ns > 0);
    fired |= 1 << (t - timers);
    if (t == &timers[1])
        hf_timer_after(loop, &timers[0], hf_ms(1)); /* sets another one from within */
}

static void timers_fire_once_and_not_early(void **state)
{
    struct hf_mono start = hf_mono_now();

    (void)state;
    for (int i = 0; i < 3; i++)
        hf_timer_init(&timers[i], on_fire);
    hf_timer_set(loop, &timers[1], hf_mono_add(start, hf_ms(20)));
    hf_timer_set(loop, &timers[1], hf_mono_add(start, hf_ms(60))); /* lazily moved */
    hf_timer_set(loop, &timers[2], hf_mono_add(start, hf_seconds(100)));
    hf_timer_stop(&timers[2]);
    fired = 0;
    while (!(fired & 2)) {
        hf_loop_turn(loop, hf_seconds(5));
        assert_true(!(fired & 2) || hf_mono_now().ns >= start.ns + 60 * HF_NS_PER_MS);
    }
    while (!(fired & 1))
        hf_loop_turn(loop, hf_seconds(5));
    assert_int_equal(fired, 3);
    assert_false(hf_timer_armed(&timers[1]));
    hf_timer_set(loop, &timers[2], hf_mono_add(start, hf_seconds(100)));
    hf_timer_set(loop, &timers[2], hf_mono_now()); /* an earlier deadline moves it */
    while (!(fired & 4))
        hf_loop_turn(loop, hf_seconds(5));
    for (int i = 0; i < 3; i++)
        hf_timer_done(&timers[i]);
}

static void on_event(struct hf_watch *w, uint32_t events)
{
    int other = w == &watches[0];

    assert_true(events & EPOLLIN);
    fired++;
    hf_loop_unwatch(loop, &watches[other]);
    hf_loop_unwatch(loop, w);
}

static void unwatch_forgets_events_of_this_turn(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        watches[i] = (struct hf_watch){.fd = eventfd(1, EFD_CLOEXEC), .on_event = on_event};
        assert_int_equal(hf_loop_watch(loop, &watches[i], EPOLLIN), 0);
    }
    fired = 0;
    assert_int_equal(hf_loop_turn(loop, hf_seconds(5)), 2);
    assert_int_equal(fired, 1);
    assert_int_equal(hf_loop_turn(loop, (struct hf_duration){0}), 0);
    close(watches[0].fd);
    close(watches[1].fd);
}

static void on_event_forget(struct hf_watch *w, uint32_t events)
{
    (void)w;
    assert_true(events & EPOLLIN);
    fired++;
    for (int i = 0; i < 2; i++) {
        hf_loop_forget(loop, &watches[i]);
        close(watches[i].fd);
    }
}

static void forget_and_close_end_events(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        watches[i] = (struct hf_watch){.fd = eventfd(1, EFD_CLOEXEC), .on_event = on_event_forget};
        assert_int_equal(hf_loop_watch(loop, &watches[i], EPOLLIN), 0);
    }
    fired = 0;
    assert_int_equal(hf_loop_turn(loop, hf_seconds(5)), 2);
    assert_int_equal(fired, 1);
    assert_int_equal(hf_loop_turn(loop, (struct hf_duration){0}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_once_and_not_early),
        cmocka_unit_test(unwatch_forgets_events_of_this_turn),
        cmocka_unit_test(forget_and_close_end_events),
    };
    int rc;

    if (hf_loop_new(&loop, NULL))
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    hf_loop_free(loop);
    return rc;
}
