// group.c - several coroutines that succeed or fail together.
//
// Four parts of a page are fetched at once. The page is of no use if a part is
// missing. So when one part fails, the others are cancelled: the call in which
// they wait fails with ECANCELED. Then they clean up and return, as after any
// other failure.
//
//     make examples && bin/examples/group
//
// Notice that all members have returned when co_group_join() returns. Try it:
// let no part fail; cancel the group yourself; make a part ignore ECANCELED,
// and see which coroutine waits for which. The program prints:
//
//     text: here, closed
//     style: Connection refused, closed
//     video: Operation canceled, closed
//     image: Operation canceled, closed
//     page: Connection refused

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../co.h"

struct part {
    const char *name;
    int takes_ms;
    int fails_with;  // 0: it arrives
};

// Simulates a request over the network.
static int fetch(const struct part *p)
{
    if (co_sleep(p->takes_ms) != 0)
        return -1;
    errno = p->fails_with;
    return errno == 0 ? 0 : -1;
}

static int fetch_part(void *arg)
{
    const struct part *p = arg;
    int result = fetch(p);
    int reason = errno;
    printf("%s: %s, ", p->name, result == 0 ? "here" : strerror(reason));
    printf("closed\n");  // The only place that cleans up.
    errno = reason;
    return result;
}

static void fetch_page(void *arg)
{
    static struct part parts[] = {{"text", 20, 0},
                                  {"image", 60000, 0},
                                  {"style", 40, ECONNREFUSED},
                                  {"video", 60000, 0}};
    struct co_group page = {0};
    (void)arg;
    for (int i = 0; i < 4; i++)
        co_group_go(&page, fetch_part, &parts[i]);
    if (co_group_join(&page) != 0)
        printf("page: %s\n", strerror(errno));
    else
        printf("page: complete\n");
}

int main(void)
{
    co_go(fetch_page, NULL);
    return co_run();
}
