#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define STREAM (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

static int family_of(const struct hf_addr *a)
{
    return a->family == HF_ADDR_IP4 ? AF_INET : AF_INET6;
}

int hf_socket_listen(const struct hf_addr *a, int backlog, struct hf_error *e)
{
    struct sockaddr_storage ss;
    socklen_t n = hf_addr_to_sockaddr(a, &ss);
    char text[HF_ADDR_TEXT];
    int one = 1, fd = socket(family_of(a), STREAM, 0);

    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot create a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (a->family == HF_ADDR_IP6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&ss, n) < 0 || listen(fd, backlog) < 0) {
        hf_error_errno(e, HF_EIO, "cannot listen on %s", hf_addr_format(a, text));
        close(fd);
        return HF_EIO;
    }
    return fd;
}

static int unix_address(const char *path, struct sockaddr_un *ret, struct hf_error *e)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(ret->sun_path))
        return hf_error_set(e, HF_EINVAL, "%s: a socket's path can have at most %zu bytes", path,
                            sizeof(ret->sun_path) - 1);
    snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path);
    return 0;
}

int hf_socket_connect_unix(const char *path, struct hf_error *e)
{
    struct sockaddr_un un;
    int fd, rc = unix_address(path, &un, e);

    if (rc)
        return rc;
    fd = socket(AF_UNIX, STREAM, 0);
    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot create a socket");
    if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
        hf_error_errno(e, HF_EREFUSED, "cannot connect to %s", path);
        close(fd);
        return HF_EREFUSED;
    }
    return fd;
}

int hf_socket_listen_unix(const char *path, struct hf_error *e)
{
    struct sockaddr_un un;
    int fd, peer, rc = unix_address(path, &un, e);
    mode_t mask;

    if (rc)
        return rc;
    peer = hf_socket_connect_unix(path, NULL);
    if (peer >= 0) {
        close(peer);
        return hf_error_set(e, HF_EEXIST, "%s is in use: somebody answers on it", path);
    }
    unlink(path);
    fd = socket(AF_UNIX, STREAM, 0);
    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot create a socket");
    mask = umask(0177);
    rc = bind(fd, (struct sockaddr *)&un, sizeof(un));
    umask(mask);
    if (rc < 0 || listen(fd, 64) < 0) {
        hf_error_errno(e, HF_EIO, "cannot listen on %s", path);
        close(fd);
        return HF_EIO;
    }
    return fd;
}

int hf_socket_connect(const struct hf_addr *a, struct hf_error *e)
{
    struct sockaddr_storage ss;
    socklen_t n = hf_addr_to_sockaddr(a, &ss);
    char text[HF_ADDR_TEXT];
    int fd = socket(family_of(a), STREAM, 0);

    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot create a socket");
    hf_socket_nodelay(fd);
    if (connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS) {
        hf_error_errno(e, HF_EREFUSED, "cannot connect to %s", hf_addr_format(a, text));
        close(fd);
        return HF_EREFUSED;
    }
    return fd;
}

int hf_socket_error(int fd)
{
    int err = 0;
    socklen_t n = sizeof(err);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0 ? errno : err;
}

void hf_socket_nodelay(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}
