#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/time.h"

static const char *log_process = "holdfast";
static _Atomic int log_least = HF_LOG_INFO;

void hf_log_init(const char *process, enum hf_log_level least)
{
    log_process = process;
    hf_log_level_set(least);
}

void hf_log_level_set(enum hf_log_level least)
{
    atomic_store_explicit(&log_least, (int)least, memory_order_relaxed);
}

void hf_log(enum hf_log_level level, const char *fmt, ...)
{
    static const char *const names[] = {[HF_LOG_DEBUG] = "debug",
                                        [HF_LOG_INFO] = "info",
                                        [HF_LOG_WARN] = "warn",
                                        [HF_LOG_ERROR] = "error"};
    char line[2048], when[HF_WALL_TEXT];
    va_list ap;
    int n, m;

    if ((int)level < atomic_load_explicit(&log_least, memory_order_relaxed))
        return;
    n = snprintf(line, sizeof(line), "%s %s %s[%d]: ", hf_wall_format(hf_wall_now(), when),
                 names[level], log_process, (int)getpid());
    va_start(ap, fmt);
    m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
    va_end(ap);
    if (m > (int)sizeof(line) - n - 2)
        m = (int)sizeof(line) - n - 2;
    for (int i = n; i < n + m; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    }
    line[n + m] = '\n';
    /* A lost log line must not stop the program: nothing useful can be done with a failed write. */
    if (write(STDERR_FILENO, line, (size_t)n + (size_t)m + 1) < 0)
        return;
}
