/* instance_helper MODE ... - a process for the tests of the orchestrator to start.
 *   report           prints what it was started with, a line each
 *   describe         the same, then waits to be killed
 *   wait             says "ready" and waits to be killed
 *   stubborn         the same, deaf to SIGTERM
 *   tree             the same, with a child in its session that is deaf to SIGTERM
 *   exit STATUS      prints three lines and exits */
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void report_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != dirfd(dir))
            printf("fd %d\n", fd);
    }
    if (dir)
        closedir(dir);
}

static void report_signals(void)
{
    sigset_t blocked;

    sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int sig = 1; sig < 32; sig++) {
        struct sigaction now = {0};
        sigaction(sig, NULL, &now);
        if (now.sa_handler == SIG_IGN)
            printf("ignored %d\n", sig);
        if (sigismember(&blocked, sig) == 1)
            printf("blocked %d\n", sig);
    }
}

static int report(int argc, char **argv)
{
    char cwd[4096] = "";
    struct rlimit files;

    for (int i = 2; i < argc; i++)
        printf("argument %s\n", argv[i]);
    for (char **p = environ; *p; p++)
        printf("environment %s\n", *p);
    report_descriptors();
    report_signals();
    getrlimit(RLIMIT_NOFILE, &files);
    printf("files %llu\n", (unsigned long long)files.rlim_cur);
    printf("session %s\n", getsid(0) == getpid() && getpgrp() == getpid() ? "own" : "shared");
    printf("folder %s\n", getcwd(cwd, sizeof(cwd)) ? cwd : "?");
    printf("user %d %d\n", (int)getuid(), (int)getgid());
    return 0;
}

static _Noreturn void wait_for_signal(void)
{
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    if (strcmp(mode, "report") == 0)
        return report(argc, argv);
    if (strcmp(mode, "describe") == 0) {
        report(argc, argv);
        wait_for_signal();
    }
    if (strcmp(mode, "wait") == 0)
        wait_for_signal();
    if (strcmp(mode, "stubborn") == 0) {
        signal(SIGTERM, SIG_IGN);
        wait_for_signal();
    }
    if (strcmp(mode, "tree") == 0) {
        if (fork() == 0)
            signal(SIGTERM, SIG_IGN);
        wait_for_signal();
    }
    if (strcmp(mode, "exit") == 0) {
        printf("one\ntwo\nthree\n");
        return argc > 2 ? atoi(argv[2]) : 0;
    }
    return 2;
}
