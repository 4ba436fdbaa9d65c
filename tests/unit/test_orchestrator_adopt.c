#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "orchestrator/adopt.h"
#include "orchestrator/spawn.h"

static char *const argv_wait[] = {(char *)(uintptr_t) "/bin/sleep", (char *)(uintptr_t) "600",
                                  NULL};

static struct hf_spawned start(char *const *argv, char *const *envp)
{
    struct hf_spawn spawn = {.argv = argv, .envp = envp, .output = STDERR_FILENO};
    struct hf_spawned spawned;

    assert_int_equal(hf_spawn(&spawn, &spawned, NULL), 0);
    return spawned;
}

static int end(struct hf_spawned *spawned)
{
    int status;

    assert_int_equal(waitpid(spawned->pid, &status, 0), spawned->pid);
    close(spawned->pidfd);
    return status;
}

static void a_process_is_known_by_its_start_time(void **state)
{
    char *envp[] = {NULL};
    struct hf_spawned spawned = start(argv_wait, envp);
    struct hf_proc self, child, again;
    char boot[HF_BOOT_ID] = "";

    (void)state;
    assert_int_equal(hf_proc_boot_id(boot, NULL), 0);
    assert_int_equal(strlen(boot), 36);
    assert_int_equal(hf_proc_read(getpid(), &self), 0);
    assert_int_equal(hf_proc_read(spawned.pid, &child), 0);
    assert_int_equal(hf_proc_read(spawned.pid, &again), 0);
    assert_int_equal(self.session, getsid(0));
    assert_int_equal(child.session, spawned.pid);
    assert_true(child.start >= self.start);
    assert_int_equal(child.start, again.start);
    kill(spawned.pid, SIGKILL);
    end(&spawned);
    assert_int_equal(hf_proc_read(spawned.pid, &child), HF_ENOENT);
}

static void the_name_of_a_process_may_hold_anything(void **state)
{
    struct hf_proc before, after;

    (void)state;
    assert_int_equal(hf_proc_read(getpid(), &before), 0);
    FILE *f = fopen("/proc/self/comm", "w");
    assert_non_null(f);
    fputs(") Z 1 (x", f);
    fclose(f);
    assert_int_equal(hf_proc_read(getpid(), &after), 0);
    assert_int_equal(after.start, before.start);
    assert_int_equal(after.state, 'R');
}

static void a_token_finds_what_was_started(void **state)
{
    static char big[20000];
    char *envp[] = {(char *)(uintptr_t) "A=1", big,
                    (char *)(uintptr_t) "HOLDFAST_TOKEN=0123456789abcdef0123456789abcdef", NULL};
    struct hf_spawned spawned;
    struct hf_proc found;

    (void)state;
    memset(big, 'b', sizeof(big) - 1); /* the token is behind several reads */
    big[1] = '=';
    spawned = start(argv_wait, envp);
    assert_true(hf_proc_has_token(spawned.pid, "0123456789abcdef0123456789abcdef"));
    assert_false(hf_proc_has_token(spawned.pid, "0123456789abcdef0123456789abcde"));
    assert_false(hf_proc_has_token(getpid(), "0123456789abcdef0123456789abcdef"));
    assert_int_equal(hf_proc_find_token("0123456789abcdef0123456789abcdef", &found), 0);
    assert_int_equal(found.pid, spawned.pid);
    assert_int_equal(hf_proc_find_token("no-such-token", &found), HF_ENOENT);
    kill(spawned.pid, SIGKILL);
    end(&spawned);
    assert_int_equal(hf_proc_find_token("0123456789abcdef0123456789abcdef", &found), HF_ENOENT);
}

/* The end of a value that looks like the token, begun just there by the size of a read. */
static void a_value_cannot_pass_for_the_token(void **state)
{
    static char value[4096 + 64];
    char *envp[] = {value, NULL};
    struct hf_spawned spawned;
    int n;

    (void)state;
    for (int shift = -2; shift <= 2; shift++) {
        memset(value, 'v', sizeof(value));
        value[1] = '=';
        n = 4096 + shift;
        snprintf(value + n, sizeof(value) - (size_t)n, "HOLDFAST_TOKEN=tttt");
        spawned = start(argv_wait, envp);
        assert_false(hf_proc_has_token(spawned.pid, "tttt"));
        kill(spawned.pid, SIGKILL);
        end(&spawned);
    }
}

static void the_whole_tree_is_signalled(void **state)
{
    char *argv[] = {(char[]){INSTANCE_HELPER}, (char *)(uintptr_t) "tree", NULL};
    char *envp[] = {(char *)(uintptr_t) "HOLDFAST_TOKEN=tree-of-the-test", NULL};
    struct hf_spawned spawned = start(argv, envp);
    struct hf_mono limit = hf_mono_add(hf_mono_now(), hf_seconds(20));
    struct hf_proc found;

    (void)state;
    while (hf_proc_signal_all("tree-of-the-test", 0, 0) < 2)
        assert_true(hf_mono_before(hf_mono_now(), limit));
    assert_int_equal(hf_proc_find_token("tree-of-the-test", &found), 0);
    assert_int_equal(found.pid, spawned.pid); /* the leader, not its child */
    kill(spawned.pid, SIGKILL);
    assert_true(WIFSIGNALED(end(&spawned)));
    assert_int_equal(hf_proc_find_token("tree-of-the-test", &found), HF_ENOENT);
    assert_int_equal(hf_proc_signal_all("tree-of-the-test", spawned.pid, SIGKILL), 1);
    while (hf_proc_signal_all("tree-of-the-test", 0, 0) > 0)
        assert_true(hf_mono_before(hf_mono_now(), limit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_is_known_by_its_start_time),
        cmocka_unit_test(the_name_of_a_process_may_hold_anything),
        cmocka_unit_test(a_token_finds_what_was_started),
        cmocka_unit_test(a_value_cannot_pass_for_the_token),
        cmocka_unit_test(the_whole_tree_is_signalled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
