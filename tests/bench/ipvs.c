/* A stand-in for IPVS, for measurements only: keepalived does not check anything without it. Preload it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/ip_vs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct nl_sock;

/* There is no such netlink family, so that keepalived asks by socket options. */
int genl_ctrl_resolve(struct nl_sock *sock, const char *name) { return -12; }

int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    static int (*real)(int, int, int, void *, socklen_t *);
    if (level == IPPROTO_IP && name >= IP_VS_BASE_CTL && name <= IP_VS_SO_GET_MAX) {
        memset(value, 0, *length);
        return 0;
    }
    if (!real)
        real = dlsym(RTLD_NEXT, "getsockopt");
    return real(fd, level, name, value, length);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    static int (*real)(int, int, int, const void *, socklen_t);
    if (level == IPPROTO_IP && name >= IP_VS_BASE_CTL && name <= IP_VS_SO_SET_MAX)
        return 0;
    if (!real)
        real = dlsym(RTLD_NEXT, "setsockopt");
    return real(fd, level, name, value, length);
}
