#include "net/pass.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* As large as one descriptor needs, and not padded: the kernel passes no second one then. */
union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

int hf_pass_pair(int ret[2], struct hf_error *e)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return hf_error_errno(e, HF_EIO, "cannot make a pair of sockets");
    ret[0] = pair[0];
    ret[1] = pair[1];
    return 0;
}

int hf_pass_send(int socket, const void *message, size_t n, int fd)
{
    struct iovec piece = {.iov_base = (void *)message, .iov_len = n};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
    union control control = {0};
    ssize_t sent;

    if (fd >= 0) {
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        m.msg_control = &control;
        m.msg_controllen = sizeof(control.space);
    }
    do
        sent = sendmsg(socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent == (ssize_t)n)
        return 0;
    return sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS) ? HF_EAGAIN
                                                                                      : HF_EIO;
}

static int passed(struct msghdr *m)
{
    const struct cmsghdr *c = CMSG_FIRSTHDR(m);
    int fd;

    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof(int)))
        return -1;
    memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

/* Returns the length of the message, 0 at the end, or HF_EAGAIN or HF_EIO. */
static ssize_t receive(int socket, void *message, size_t size, bool *ret_longer, int *ret_fd)
{
    struct iovec piece = {.iov_base = message, .iov_len = size};
    union control control;
    struct msghdr m = {.msg_iov = &piece,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t n;

    do
        n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? HF_EAGAIN : HF_EIO;
    *ret_fd = passed(&m);
    *ret_longer = m.msg_flags & MSG_TRUNC;
    return n;
}

static int refuse(ssize_t n, int fd)
{
    if (fd >= 0)
        close(fd);
    return n == 0 ? HF_EIO : HF_EINVAL;
}

int hf_pass_receive(int socket, void *message, size_t size, int *ret_fd)
{
    bool longer;
    int fd;
    ssize_t n = receive(socket, message, size, &longer, &fd);

    if (n < 0)
        return (int)n;
    if ((size_t)n != size || longer)
        return refuse(n, fd);
    *ret_fd = fd;
    return 0;
}

int hf_pass_receive_part(int socket, void *message, size_t least, size_t size, int *ret_fd)
{
    bool longer;
    int fd;
    ssize_t n = receive(socket, message, size, &longer, &fd);

    if (n < 0)
        return (int)n;
    if ((size_t)n < least)
        return refuse(n, fd);
    *ret_fd = fd;
    return 0;
}

bool hf_pass_sealed(int fd, size_t most)
{
    const int needed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    return seals >= 0 && (seals & needed) == needed && fstat(fd, &st) == 0 && st.st_size > 0 &&
           (size_t)st.st_size <= most;
}
