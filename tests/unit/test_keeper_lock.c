#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/lock.h"

static char folder[] = "/tmp/holdfast-lock-XXXXXX";

static pid_t child(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void one_keeper_a_folder(void **state)
{
    struct hf_lock first, second;
    struct hf_error e = {0};
    char pid[16];

    (void)state;
    snprintf(pid, sizeof(pid), "pid %d)", (int)getpid());
    assert_int_equal(hf_lock_take(folder, &first, &e), 0);
    assert_int_equal(hf_lock_take(folder, &second, &e), HF_EEXIST);
    assert_non_null(strstr(e.text, "another holdfast"));
    assert_non_null(strstr(e.text, pid));
    hf_lock_drop(&first);
    assert_int_equal(hf_lock_take(folder, &second, &e), 0);
    hf_lock_drop(&second);
}

static void who_is_left_of_a_dead_keeper_is_named(void **state)
{
    pid_t gateway = child(), controller = child();
    struct hf_lock lock;
    struct hf_error e = {0};
    char pids[64];

    (void)state;
    assert_int_equal(hf_lock_take(folder, &lock, &e), 0);
    hf_lock_note(&lock, gateway, controller);
    close(lock.fd); /* as if it had been killed */
    assert_int_equal(hf_lock_take(folder, &lock, &e), HF_EEXIST);
    snprintf(pids, sizeof(pids), "`kill %d %d`", (int)gateway, (int)controller);
    assert_non_null(strstr(e.text, pids));
    end(controller);
    assert_int_equal(hf_lock_take(folder, &lock, &e), HF_EEXIST);
    snprintf(pids, sizeof(pids), "`kill %d`", (int)gateway);
    assert_non_null(strstr(e.text, pids));
    kill(gateway, SIGKILL); /* a zombie serves nobody */
    assert_int_equal(waitid(P_PID, (id_t)gateway, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    assert_int_equal(hf_lock_take(folder, &lock, &e), 0);
    end(gateway);
    hf_lock_drop(&lock);
}

static void a_reused_process_id_is_somebody_else(void **state)
{
    struct hf_lock lock;

    (void)state;
    assert_int_equal(hf_lock_take(folder, &lock, NULL), 0);
    hf_lock_note(&lock, getpid(), 0);
    lock.gateway.start++; /* what has this number now was started at another time */
    hf_lock_note(&lock, getpid(), 0);
    close(lock.fd);
    assert_int_equal(hf_lock_take(folder, &lock, NULL), 0);
    hf_lock_drop(&lock);
}

static void rubbish_in_the_file_names_nobody(void **state)
{
    static const char *const rubbish[] = {"", "\n", "keeper", "keeper 1 1\ngateway 1 ",
                                          "keeper x 1\ngateway 1 1\ncontroller 1 1\n"};
    struct hf_lock lock;
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "%s/lock", folder);
    for (size_t i = 0; i < HF_COUNT(rubbish); i++) {
        int fd = open(path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, rubbish[i], strlen(rubbish[i])), strlen(rubbish[i]));
        close(fd);
        assert_int_equal(hf_lock_take(folder, &lock, NULL), 0);
        hf_lock_drop(&lock);
    }
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    struct hf_lock lock;
    struct hf_error e = {0};

    (void)state;
    assert_int_equal(hf_lock_take("/nowhere/at/all", &lock, &e), HF_EIO);
    assert_non_null(strstr(e.text, "/nowhere/at/all/lock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_keeper_a_folder),
        cmocka_unit_test(who_is_left_of_a_dead_keeper_is_named),
        cmocka_unit_test(a_reused_process_id_is_somebody_else),
        cmocka_unit_test(rubbish_in_the_file_names_nobody),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
    };
    char path[64];
    int rc;

    if (!mkdtemp(folder))
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(path, sizeof(path), "%s/lock", folder);
    unlink(path);
    rmdir(folder);
    return rc;
}
