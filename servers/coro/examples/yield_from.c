// yield_from.c - a generator that delegates to another one.
//
// walk() yields the words of a tree in order. For each subtree it creates
// another walk(), and co_delegate() yields all words of that one. When that one
// is done, co_delegate() returns how many words there were.
//
//     make examples && bin/examples/yield_from
//
// Notice that walk() reads like the recursive function in any textbook. Without
// coroutines, an iterator must also stop in the middle and continue later: it
// would have to store the path from the root itself. The program prints:
//
//     ant bee cat dog emu (5 words)

#include <stdint.h>
#include <stdio.h>

#include "../co.h"

struct tree {
    struct tree *left, *right;
    char word[8];
};

static void *walk(void *arg);

static intptr_t walk_all_of(struct tree *t)
{
    struct co *inner = co_new(walk, t);
    intptr_t word_count = (intptr_t)co_delegate(inner);
    co_free(inner);
    return word_count;
}

// Yields the words of a tree in order. Returns how many there were.
static void *walk(void *arg)
{
    struct tree *t = arg;
    if (t == NULL)
        return NULL;
    intptr_t before = walk_all_of(t->left);
    co_yield_value(t->word);
    intptr_t after = walk_all_of(t->right);
    return (void *)(before + 1 + after);
}

int main(void)
{
    struct tree ant = {.word = "ant"}, cat = {.word = "cat"};
    struct tree bee = {&ant, &cat, "bee"}, emu = {.word = "emu"};
    struct tree dog = {&bee, &emu, "dog"};

    struct co *words = co_new(walk, &dog);
    const void *result = co_resume(words, NULL);
    while (!co_done(words)) {
        printf("%s ", (const char *)result);
        result = co_resume(words, NULL);
    }
    printf("(%d words)\n", (int)(intptr_t)result);
    co_free(words);
    return 0;
}
