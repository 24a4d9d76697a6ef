// calls.h - the calls that the tests make fail, one line each.
//
//     CALL(result, name, result if it fails, errnos, parameters, arguments)
//     TRANSFER(name, errnos, parameters, arguments)  may move fewer bytes
//
// The errnos are those of the man page that a program without bugs can get. The
// list omits EBADF, EFAULT and EINVAL, which come from wrong arguments. It has
// EAGAIN only where the program does not then wait for an event, which would
// never come.
//
// A file that includes this one defines CALL and TRANSFER first. tests/tests.mk
// has the linker wrap all these calls. tests/faults_test checks that the list
// has all calls that the programs make.
//
// In the column "result if it fails", `error` is the errno that the call must
// fail with. The layer also sets errno to it.

CALL(int, accept4, -1,
     "ECONNABORTED EINTR EMFILE ENFILE ENOBUFS ENOMEM EPERM EPROTO ENETDOWN "
     "EHOSTUNREACH",
     (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
CALL(int, bind, -1, "EADDRINUSE EACCES EADDRNOTAVAIL ENOMEM",
     (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
CALL(void *, calloc, NULL, "ENOMEM", (size_t count, size_t size), (count, size))
CALL(int, clock_getcpuclockid, error, "ESRCH", (pid_t pid, clockid_t *id),
     (pid, id))
CALL(int, close, closed(fd), "EINTR EIO", (int fd), (fd))
CALL(int, connect, -1,
     "EACCES EADDRNOTAVAIL EAGAIN ECONNREFUSED EINTR ENETUNREACH EPERM "
     "ETIMEDOUT",
     (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
CALL(int, epoll_create1, -1, "EMFILE ENFILE ENOMEM", (int flags), (flags))
CALL(int, epoll_ctl, -1, "ENOMEM ENOSPC EPERM",
     (int epoll, int what, int fd, struct epoll_event *e), (epoll, what, fd, e))
CALL(int, epoll_wait, -1, "EINTR",
     (int epoll, struct epoll_event *e, int size, int ms), (epoll, e, size, ms))
CALL(int, eventfd, -1, "EMFILE ENFILE ENODEV ENOMEM",
     (unsigned count, int flags), (count, flags))
CALL(int, fclose, file_closed(file), "EIO ENOSPC", (FILE * file), (file))
CALL(int, fcntl, -1, "EPERM", (int fd, int what, long value), (fd, what, value))
CALL(int, ferror, 1, "EIO", (FILE * file), (file))
CALL(int, fflush, purged(file), "EIO ENOSPC EPIPE", (FILE * file), (file))
CALL(char *, fgets, NULL, "EIO", (char *text, int size, FILE *file),
     (text, size, file))
CALL(FILE *, fmemopen, NULL, "ENOMEM",
     (void *buf, size_t size, const char *mode), (buf, size, mode))
CALL(FILE *, fopen, NULL, "EACCES EMFILE ENFILE ENOMEM ENOSPC",
     (const char *path, const char *mode), (path, mode))
CALL(pid_t, fork, -1, "EAGAIN ENOMEM", (void), ())
CALL(size_t, fread, 0, "EIO ESRCH",
     (void *buf, size_t size, size_t count, FILE *file),
     (buf, size, count, file))
CALL(int, fstat, -1, "ENOMEM EOVERFLOW", (int fd, struct stat *s), (fd, s))
CALL(int, ftruncate, -1, "EINTR EIO", (int fd, off_t len), (fd, len))
CALL(int, getaddrinfo, error, "EAI_AGAIN EAI_FAIL EAI_MEMORY EAI_NONAME",
     (const char *host, const char *service, const struct addrinfo *hints,
      struct addrinfo **found),
     (host, service, hints, found))
CALL(int, getnameinfo, error, "EAI_AGAIN EAI_MEMORY",
     (const struct sockaddr *a, socklen_t n, char *host, socklen_t host_size,
      char *port, socklen_t port_size, int flags),
     (a, n, host, host_size, port, port_size, flags))
CALL(int, getpeername, -1, "ENOBUFS ENOTCONN",
     (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
CALL(ssize_t, getrandom, -1, "EAGAIN EINTR ENOSYS",
     (void *buf, size_t size, unsigned flags), (buf, size, flags))
CALL(int, getrlimit, -1, "EPERM", (int which, struct rlimit *limit),
     (which, limit))
CALL(int, getsockname, -1, "ENOBUFS",
     (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
CALL(int, glob, GLOB_NOSPACE, "ENOMEM",
     (const char *pattern, int flags, int (*failed)(const char *, int),
      glob_t *found),
     (pattern, flags, failed, found))
CALL(int, getsockopt, -1, "ENOBUFS ENOPROTOOPT",
     (int fd, int level, int name, void *value, socklen_t *n),
     (fd, level, name, value, n))
CALL(int, ioctl, -1, "ENOTTY", (int fd, unsigned long what, void *value),
     (fd, what, value))
CALL(int, listen, -1, "EADDRINUSE", (int fd, int backlog), (fd, backlog))
CALL(int, madvise, -1, "EAGAIN EINVAL ENOMEM",
     (void *at, size_t size, int advice), (at, size, advice))
CALL(int, mincore, -1, "EAGAIN ENOMEM",
     (void *at, size_t size, unsigned char *resident), (at, size, resident))
CALL(void *, mmap, MAP_FAILED, "EAGAIN ENOMEM",
     (void *at, size_t size, int access, int flags, int fd, off_t offset),
     (at, size, access, flags, fd, offset))
CALL(int, mprotect, -1, "ENOMEM", (void *at, size_t size, int access),
     (at, size, access))
CALL(int, munmap, -1, "ENOMEM", (void *at, size_t size), (at, size))
CALL(int, nanosleep, -1, "EINTR",
     (const struct timespec *t, struct timespec *left), (t, left))
CALL(int, open, -1, "EMFILE ENFILE ENOENT ENOMEM",
     (const char *path, int flags, int mode), (path, flags, mode))
CALL(DIR *, opendir, NULL, "EMFILE ENFILE ENOMEM", (const char *path), (path))
CALL(int, pipe, -1, "EMFILE ENFILE", (int ends[2]), (ends))
CALL(int, poll, -1, "EINTR ENOMEM", (struct pollfd * p, nfds_t count, int ms),
     (p, count, ms))
CALL(int, ppoll, -1, "EINTR ENOMEM",
     (struct pollfd * p, nfds_t count, const struct timespec *t,
      const sigset_t *mask),
     (p, count, t, mask))
CALL(int, prctl, -1, "EINVAL", (int what, long a, long b, long c, long d),
     (what, a, b, c, d))
CALL(int, pthread_attr_init, error, "ENOMEM", (pthread_attr_t * a), (a))
CALL(int, pthread_attr_setstacksize, error, "EINVAL",
     (pthread_attr_t * a, size_t size), (a, size))
CALL(int, pthread_create, error, "EAGAIN EPERM",
     (pthread_t * thread, const pthread_attr_t *a, void *(*fn)(void *),
      void *arg),
     (thread, a, fn, arg))
CALL(int, pthread_key_create, error, "EAGAIN ENOMEM",
     (pthread_key_t * key, void (*fn)(void *)), (key, fn))
CALL(int, pthread_setspecific, error, "ENOMEM",
     (pthread_key_t key, const void *value), (key, value))
CALL(struct dirent *, readdir, NULL, "ENOENT", (DIR * directory), (directory))
CALL(void *, realloc, NULL, "ENOMEM", (void *at, size_t size), (at, size))
CALL(int, select, -1, "EINTR ENOMEM",
     (int count, fd_set *in, fd_set *out, fd_set *special, struct timeval *t),
     (count, in, out, special, t))
CALL(int, sem_init, -1, "ENOSYS", (sem_t * s, int shared, unsigned count),
     (s, shared, count))
CALL(int, sem_wait, -1, "EINTR", (sem_t * s), (s))
CALL(int, setrlimit, -1, "EPERM", (int which, const struct rlimit *limit),
     (which, limit))
CALL(int, setsockopt, -1, "ENOBUFS ENOMEM ENOPROTOOPT",
     (int fd, int level, int name, const void *value, socklen_t n),
     (fd, level, name, value, n))
CALL(int, shutdown, shut(fd, how), "ENOTCONN", (int fd, int how), (fd, how))
CALL(int, sigaltstack, -1, "ENOMEM", (const stack_t *now, stack_t *before),
     (now, before))
CALL(int, sigtimedwait, -1, "EINTR",
     (const sigset_t *set, siginfo_t *info, const struct timespec *t),
     (set, info, t))
CALL(int, socket, -1, "EACCES EAFNOSUPPORT EMFILE ENFILE ENOBUFS ENOMEM",
     (int domain, int type, int protocol), (domain, type, protocol))
CALL(int, stat, -1, "EACCES ENOENT ENOMEM", (const char *path, struct stat *s),
     (path, s))
CALL(long, syscall, -1, "EBADF ENOSYS EPERM",
     (long number, long a, long b, long c, long d, long e, long f),
     (number, a, b, c, d, e, f))

TRANSFER(recv, "ECONNREFUSED ECONNRESET EHOSTUNREACH EINTR ENOMEM ETIMEDOUT",
         (int fd, void *buf, size_t size, int flags), (fd, buf, size, flags))
TRANSFER(recvmsg, "ECONNREFUSED ECONNRESET EINTR ENOMEM ETIMEDOUT",
         (int fd, struct msghdr *message, int flags), (fd, message, flags))
TRANSFER(send,
         "EACCES ECONNRESET EINTR ENETDOWN ENOBUFS ENOMEM EPIPE ETIMEDOUT",
         (int fd, const void *buf, size_t size, int flags),
         (fd, buf, size, flags))
TRANSFER(write, "EAGAIN EINTR EIO ENOSPC EPIPE",
         (int fd, const void *buf, size_t size), (fd, buf, size))
