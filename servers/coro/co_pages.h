// co_pages.h - what the kernel is told about many pages at once.

#ifndef CO_PAGES_H
#define CO_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

// As madvise(2), for `count` ranges of whole pages. Returns 0, or -1 with errno
// set; some of it may be done then.
int co_pages_advise(const struct iovec *ranges, size_t count, int advice);

// Makes touching any of `count` pages a segmentation fault, the first being at
// `first` and each `stride` bytes above the one before. Returns 0, or -1 with
// ENOMEM, after one line on standard error, when the process has too many
// mappings for that.
int co_pages_guard(char *first, size_t stride, size_t count);

#endif
