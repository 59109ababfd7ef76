/* Calls that fail as the environment says: FAULT_CALL write|read|create|open with FAULT_ERRNO, on paths that hold
   FAULT_PATH, after FAULT_SKIP of them; FAULT_CLOCK moves the clock by so many seconds after FAULT_SKIP looks at it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int seen;

static int fails(const char *call, const char *path) {
    const char *wanted = getenv("FAULT_CALL"), *part = getenv("FAULT_PATH"), *number = getenv("FAULT_ERRNO"), *skip = getenv("FAULT_SKIP");
    if (!wanted || !part || !number || strcmp(wanted, call) || !strstr(path, part)) return 0;
    if (seen++ < (skip ? atoi(skip) : 0)) return 0;
    errno = atoi(number);
    return 1;
}

static int fails_on(const char *call, int fd) {
    if (!getenv("FAULT_CALL")) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(call, path);
}

#define ON_FD(type, name, parameters, arguments, call) \
    type name parameters { \
        static type(*real) parameters; \
        if (!real) real = dlsym(RTLD_NEXT, #name); \
        return fails_on(call, fd) ? -1 : real arguments; \
    }
ON_FD(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), "write")
ON_FD(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), "write")
ON_FD(ssize_t, writev, (int fd, const struct iovec *data, int count), (fd, data, count), "write")
ON_FD(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size), "read")
ON_FD(ssize_t, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at), "read")
ON_FD(ssize_t, pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at), "read")

static int fails_opening(const char *path, int flags) {
    return ((flags & (O_WRONLY | O_RDWR)) && fails("create", path)) || fails("open", path);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        static int (*real)(const char *, int, ...); \
        if (!real) real = dlsym(RTLD_NEXT, #name); \
        va_list list; \
        va_start(list, flags); \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0; \
        va_end(list); \
        char whole[4096] = ""; \
        if (path[0] != '/' && getenv("FAULT_CALL") && getcwd(whole, sizeof whole - 1)) strncat(whole, "/", 2); \
        strncat(whole, path, sizeof whole - strlen(whole) - 1); \
        return fails_opening(whole, flags) ? -1 : real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    static int looks;
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, now);
    const char *jump = getenv("FAULT_CLOCK"), *skip = getenv("FAULT_SKIP");
    if (jump && id == CLOCK_REALTIME && looks++ >= (skip ? atoi(skip) : 0)) now->tv_sec += atol(jump);
    return code;
}
