#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "orchestrator/spawn.h"

static char output_path[64];
static int output;

static int set_up(void **state)
{
    (void)state;
    snprintf(output_path, sizeof(output_path), "/tmp/hf-spawn-XXXXXX");
    output = mkostemp(output_path, O_APPEND | O_CLOEXEC);
    return output < 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(output);
    unlink(output_path);
    return 0;
}

/* Runs it to its end; returns what it wrote, to be freed. */
static char *run(const struct hf_spawn *spawn)
{
    struct hf_spawned spawned;
    struct hf_error e = {0};
    struct pollfd end;
    char *text = hf_alloc(65536);
    int status;

    assert_int_equal(hf_spawn(spawn, &spawned, &e), 0);
    end = (struct pollfd){.fd = spawned.pidfd, .events = POLLIN};
    assert_int_equal(poll(&end, 1, 20000), 1);
    assert_int_equal(waitpid(spawned.pid, &status, 0), spawned.pid);
    assert_int_equal(status, 0);
    close(spawned.pidfd);
    assert_true(pread(output, text, 65535, 0) >= 0);
    return text;
}

static void nothing_of_ours_is_inherited(void **state)
{
    char *argv[] = {(char[]){INSTANCE_HELPER}, (char *)(uintptr_t) "report",
                    (char *)(uintptr_t) "a b;$(c)", NULL};
    char *envp[] = {(char *)(uintptr_t) "ONLY=this", NULL};
    struct hf_spawn spawn = {.argv = argv, .envp = envp, .directory = "/usr", .output = output};
    int low = open("/dev/null", O_RDONLY), high = fcntl(low, F_DUPFD, 200); /* not CLOEXEC */
    HF_AUTOFREE char *text = NULL;
    sigset_t some;

    (void)state;
    assert_true(low >= 0 && high >= 200);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&some);
    sigaddset(&some, SIGTERM);
    sigprocmask(SIG_BLOCK, &some, NULL);
    setenv("HF_LEAK", "leaked", 1);
    text = run(&spawn);
    assert_string_equal(text, strstr(text, "argument"));
    assert_non_null(
        strstr(text, "argument a b;$(c)\nenvironment ONLY=this\nfd 0\nfd 1\nfd 2\nfiles"));
    assert_non_null(strstr(text, "session own\nfolder /usr\n"));
    assert_null(strstr(text, "leaked"));
    assert_null(strstr(text, "ignored"));
    assert_null(strstr(text, "blocked"));
    sigprocmask(SIG_UNBLOCK, &some, NULL);
    close(low);
    close(high);
}

static void argv0_is_found_in_the_given_path(void **state)
{
    char *argv[] = {(char *)(uintptr_t) "true", NULL};
    char *envp[] = {(char *)(uintptr_t) "PATH=/nowhere:/etc/passwd:/usr/bin", NULL};
    struct hf_spawn spawn = {.argv = argv, .envp = envp, .output = output};
    HF_AUTOFREE char *text = run(&spawn);

    (void)state;
    assert_string_equal(text, "");
}

static void fails_with(const struct hf_spawn *spawn, const char *expected)
{
    struct hf_spawned spawned = {.pid = -7, .pidfd = -7};
    struct hf_error e = {0};

    assert_int_equal(hf_spawn(spawn, &spawned, &e), HF_EIO);
    assert_string_equal(e.text, expected);
    assert_int_equal(spawned.pid, -7);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void failures_say_exactly_what(void **state)
{
    char *envp[] = {(char *)(uintptr_t) "PATH=/usr/bin", NULL};
    char *argv[] = {(char *)(uintptr_t) "./orders", NULL};
    struct hf_spawn spawn = {.argv = argv, .envp = envp, .output = output, .directory = "/usr"};
    char script[] = "/tmp/hf-script-XXXXXX", expected[160];
    int fd = mkstemp(script);

    (void)state;
    fails_with(&spawn, "cannot run ./orders: No such file or directory");
    spawn.directory = "/nowhere";
    fails_with(&spawn, "cannot enter the folder /nowhere: No such file or directory");
    spawn.directory = NULL;
    argv[0] = (char *)(uintptr_t) "no-such-program";
    fails_with(&spawn, "cannot run no-such-program: No such file or directory");
    argv[0] = (char *)(uintptr_t) "/etc/passwd";
    fails_with(&spawn, "cannot run /etc/passwd: Permission denied");
    argv[0] = script;
    assert_int_equal(write(fd, "#!/no/interpreter\n", 18), 18);
    assert_int_equal(fchmod(fd, 0755), 0);
    close(fd);
    snprintf(expected, sizeof(expected), "cannot run %s: the interpreter that it names is missing",
             script);
    fails_with(&spawn, expected);
    unlink(script);
}

static void another_user_needs_root(void **state)
{
    char *argv[] = {(char[]){INSTANCE_HELPER}, (char *)(uintptr_t) "report", NULL};
    char *envp[] = {NULL};
    struct hf_spawn spawn = {.argv = argv, .envp = envp, .output = output};
    struct hf_user user;
    struct hf_error e = {0};

    (void)state;
    assert_int_equal(hf_user_find("no-such-user", &user, &e), HF_ENOENT);
    assert_string_equal(e.text, "no user no-such-user on this machine");
    if (geteuid() != 0) {
        assert_int_equal(hf_user_find("root", &user, &e), HF_EREFUSED);
        return;
    }
    assert_int_equal(hf_user_find("nobody", &user, &e), 0);
    spawn.user = &user;
    argv[0] = (char *)(uintptr_t) "/usr/bin/id"; /* the helper's folder may be closed to nobody */
    argv[1] = (char *)(uintptr_t) "-u";
    {
        HF_AUTOFREE char *text = run(&spawn);
        char expected[16];
        snprintf(expected, sizeof(expected), "%d\n", (int)user.uid);
        assert_string_equal(text, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_of_ours_is_inherited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(argv0_is_found_in_the_given_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_say_exactly_what, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_user_needs_root, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
