// names.c - the names of calls and errnos.

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <string.h>

#include "fault.h"

const struct fault_call_info fault_calls[CALL_COUNT] = {
#define CALL(result, name, failure, errnos, ...) {#name, errnos, false},
#define TRANSFER(name, errnos, ...) {#name, errnos, true},
#include "calls.h"
};

bool fault_is_listed(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') &&
            (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

int fault_errno(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } others[] = {{"EAI_AGAIN", EAI_AGAIN},
                  {"EAI_FAIL", EAI_FAIL},
                  {"EAI_MEMORY", EAI_MEMORY},
                  {"EAI_NONAME", EAI_NONAME}};
    enum { ERRNO_MAX = 133 };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(others[i].name, name) == 0)
            return others[i].number;
    for (int number = 1; number <= ERRNO_MAX; number++) {
        const char *known = strerrorname_np(number);
        if (known != NULL && strcmp(known, name) == 0)
            return number;
    }
    return 0;
}
