// text.c - numbers as people read them.

#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KIB_PER_MIB = 1024, BEYOND_MIN = 10 };

struct text text_number(uint64_t value)
{
    char digits[TEXT_SIZE];
    struct text text = {""};
    int len = snprintf(digits, sizeof digits, "%" PRIu64, value);
    char *to = text.s;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

struct text text_count(uint64_t count, const char *one, const char *many)
{
    struct text text;
    snprintf(text.s, sizeof text.s, "%.26s %.32s", text_number(count).s,
             count == 1 ? one : many);
    return text;
}

struct text text_duration(double ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    struct text text;
    unsigned unit = 0;
    for (; ns >= 999.5 && unit < 3; unit++)
        ns /= 1000;
    int decimals = unit == 0 || ns >= 99.95 ? 0 : ns >= 9.995 ? 1 : 2;
    snprintf(text.s, sizeof text.s, "%.*f %s", decimals, ns, units[unit]);
    return text;
}

struct text text_memory(uint64_t kib, uint64_t scale_kib)
{
    struct text text;
    if (scale_kib < (uint64_t)10 * KIB_PER_MIB)
        snprintf(text.s, sizeof text.s, "%" PRIu64 " KiB", kib);
    else
        snprintf(text.s, sizeof text.s, "%.1f MiB", (double)kib / KIB_PER_MIB);
    return text;
}

struct text text_percentile(const struct histogram *h, double percent)
{
    if ((double)h->count * (100 - percent) / 100 < BEYOND_MIN)
        return (struct text){"too few"};
    return text_duration((double)histogram_percentile(h, percent));
}

// What may happen to a connection.
static const struct error_text {
    int error;
    const char *name, *meaning;
} error_texts[] = {
    {EADDRNOTAVAIL, "EADDRNOTAVAIL", "we are out of ports"},
    {ECONNABORTED, "ECONNABORTED", "the connection was aborted"},
    {ECONNREFUSED, "ECONNREFUSED", "nobody was listening"},
    {ECONNRESET, "ECONNRESET", "the server broke it off"},
    {EHOSTUNREACH, "EHOSTUNREACH", "there is no way to the host"},
    {EMFILE, "EMFILE", "we are out of descriptors (ulimit -n)"},
    {ENETUNREACH, "ENETUNREACH", "there is no way to the network"},
    {ENFILE, "ENFILE", "the machine is out of descriptors"},
    {ENOBUFS, "ENOBUFS", "the kernel is out of buffers"},
    {ENOMEM, "ENOMEM", "the kernel is out of memory"},
    {EPIPE, "EPIPE", "the server had closed it already"},
    {ETIMEDOUT, "ETIMEDOUT", "the server did not accept it in time"},
};

static const struct error_text *find_error(int error)
{
    static const struct error_text other = {0, "other", NULL};
    for (size_t i = 0; i < sizeof error_texts / sizeof error_texts[0]; i++)
        if (error_texts[i].error == error)
            return &error_texts[i];
    return &other;
}

const char *text_errno(int error)
{
    return find_error(error)->name;
}

const char *text_meaning(int error)
{
    const char *meaning = find_error(error)->meaning;
    return meaning != NULL ? meaning : strerror(error);
}
