// test_co_switch.c - tests that a switch of stacks keeps all registers and
// values.
//
// The same checks hold for every implementation of co_switch.h. To the
// compiler, co_yield_value() is an ordinary call. So when it returns, every
// callee-saved register must have its old value.

#include <stdint.h>
#include <unistd.h>

#include "../servers/coro/co.h"
#include "../servers/coro/co_switch.h"
#include "tap.h"

enum { ROUNDS = 50, CROWD = 1000 };

// ---- Registers

// Does nothing, but the compiler must assume that it may change as many
// registers as co_yield_value().
__attribute__((noinline)) static void *stay(void *value)
{
    __asm__ volatile("" ::: "memory");
    return value;
}

// Computes with more values than any machine has callee-saved registers. All of
// them are needed after each call of pause(). So the compiler keeps some in
// each of these registers, and a lost register changes the result.
static uint64_t mix_integers(uint64_t seed, void *(*pause)(void *value))
{
    uint64_t a = seed, b = a * 3 + 1, c = b * 3 + 1, d = c * 3 + 1;
    uint64_t e = d * 3 + 1, f = e * 3 + 1, g = f * 3 + 1, h = g * 3 + 1;
    uint64_t i = h * 3 + 1, j = i * 3 + 1, k = j * 3 + 1, l = k * 3 + 1;

    for (int round = 0; round < ROUNDS; round++) {
        pause(NULL);
        a += b ^ l, b += c ^ a, c += d ^ b, d += e ^ c;
        e += f ^ d, f += g ^ e, g += h ^ f, h += i ^ g;
        i += j ^ h, j += k ^ i, k += l ^ j, l += a ^ k;
    }
    return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k ^ l;
}

// Does the same with floating-point values, which have their own registers. All
// values stay below 2^53, so the sums are exact.
static double mix_doubles(double seed, void *(*pause)(void *value))
{
    double a = seed, b = a + 1, c = b + 2, d = c + 3, e = d + 4, f = e + 5;
    double g = f + 6, h = g + 7, i = h + 8, j = i + 9, k = j + 10, l = k + 11;

    for (int round = 0; round < ROUNDS; round++) {
        pause(NULL);
        a += 1, b += 2, c += 3, d += 4, e += 5, f += 6;
        g += 7, h += 8, i += 9, j += 10, k += 11, l += 12;
    }
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i +
           10 * j + 11 * k + 12 * l;
}

struct mixture {
    uint64_t seed, integer;
    double floating;
};

static void mix(struct mixture *m, void *(*pause)(void *value))
{
    m->integer = mix_integers(m->seed, pause);
    m->floating = mix_doubles((double)m->seed, pause);
}

static void *mix_and_yield(void *arg)
{
    mix(arg, co_yield_value);
    return NULL;
}

static void test_registers(void)
{
    struct mixture expected[2] = {{.seed = 12345}, {.seed = 99999}};
    struct mixture result[2] = {{.seed = 12345}, {.seed = 99999}};
    struct co *co[2];

    for (int i = 0; i < 2; i++) {
        mix(&expected[i], stay);
        co[i] = co_new(mix_and_yield, &result[i]);
    }
    // The coroutines alternate, so that each finds the registers of the other.
    // The first is one round ahead, so that their round counters differ, too.
    co_resume(co[0], NULL);
    while (!co_done(co[1]))
        for (int i = 0; i < 2; i++)
            if (!co_done(co[i]))
                co_resume(co[i], NULL);
    ok(result[0].integer == expected[0].integer &&
           result[1].integer == expected[1].integer,
       "the registers for integers survive");
    ok(result[0].floating == expected[0].floating &&
           result[1].floating == expected[1].floating,
       "the registers for floating point survive");
    co_free(co[0]);
    co_free(co[1]);
}

static struct co *generator;

static void *resume_generator(void *value)
{
    return co_resume(generator, value);
}

static void *spoil(void *arg)
{
    struct mixture other = {.seed = *(uint64_t *)arg};
    for (;;)
        mix(&other, co_yield_value);
    return NULL;
}

static void test_resumer(void)
{
    uint64_t seed = 777;
    struct mixture expected = {.seed = 4711}, result = {.seed = 4711};

    mix(&expected, stay);
    generator = co_new(spoil, &seed);
    co_resume(generator, NULL);
    mix(&result, resume_generator);
    ok(result.integer == expected.integer &&
           result.floating == expected.floating,
       "the registers of the resumer survive");
    co_free(generator);
}

// ---- The first function on a stack

// Returns whether a 16-byte aligned variable really is aligned. Compilers rely
// on a stack that was aligned at the call, so a misaligned stack shows here.
static bool aligned(void)
{
    _Alignas(16) char local[16];
    uintptr_t address = (uintptr_t)local;
    __asm__("" : "+r"(address));  // The compiler must not know the value.
    return address % 16 == 0;
}

static void *tell_alignment(void *arg)
{
    bool *right = arg;
    for (;;) {
        *right = aligned();
        co_yield_value(NULL);
    }
    return NULL;
}

// This test uses co_switch.h directly. The sanitizers do not know of these
// switches, but a few of them do no harm.
static void *main_stack, *other_stack;
static void *first_value;
static bool entry_aligned;

static void enter(void *value)
{
    first_value = value;
    entry_aligned = aligned();
    co_switch(&other_stack, main_stack, NULL);
}

// Switches to the other stack and back. Returns whether the frame pointer is
// the same. Every function restores its caller's frame pointer, so the check
// must be in the function that switches.
static bool enter_and_return(void *load, void *value)
{
    uintptr_t old = (uintptr_t)__builtin_frame_address(0);
    __asm__("" : "+r"(old));  // The compiler must not know the value.
    co_switch(&main_stack, load, value);
    return old == (uintptr_t)__builtin_frame_address(0);
}

static void test_prepare(void)
{
    static char stack[16384];
    int right = 0, kept = 0;

    for (size_t odd = 0; odd < 64; odd++) {
        void *load = co_switch_prepare(stack, sizeof stack - odd, enter);
        kept += enter_and_return(load, &right);
        right += entry_aligned && first_value == &right;
    }
    ok(right == 64, "the first call on a stack of any size is aligned");
    ok(kept == 64, "the frame pointer survives");
}

static void test_alignment(void)
{
    bool right = false;
    struct co *c = co_new(tell_alignment, &right);
    co_resume(c, NULL);
    ok(right, "a coroutine begins on an aligned stack");
    right = false;
    co_resume(c, NULL);
    ok(right, "a coroutine continues on an aligned stack");
    co_free(c);
}

// ---- Values

static void *echo(void *arg)
{
    void *value = arg;
    for (;;)
        value = co_yield_value(value);
    return NULL;
}

static void test_values(void)
{
    static const uint64_t values[] = {
        0, 1, UINT32_MAX, UINT64_MAX, 0x123456789abcdef0, 0x8000000000000000};
    enum { COUNT = sizeof values / sizeof values[0] };
    struct co *c = co_new(echo, NULL);
    int right = 0;

    co_resume(c, NULL);
    for (int i = 0; i < COUNT; i++) {
        void *value = (void *)(uintptr_t)values[i];
        right += co_resume(c, value) == value;
    }
    ok(right == COUNT, "all bits of a value pass, in both directions");
    co_free(c);
}

static void *accumulate(void *arg)
{
    uintptr_t sum = (uintptr_t)arg;
    for (;;)
        sum += (uintptr_t)co_yield_value((void *)sum);
    return NULL;
}

static void test_crowd(void)
{
    static struct co *all[CROWD];
    uintptr_t right = 0;

    for (uintptr_t i = 0; i < CROWD; i++) {
        all[i] = co_new(accumulate, (void *)i);
        co_resume(all[i], NULL);
    }
    for (uintptr_t turn = 1; turn <= 10; turn++)
        for (uintptr_t i = 0; i < CROWD; i++)
            right += co_resume(all[i], (void *)i) == (void *)(i + turn * i);
    ok(right == (uintptr_t)10 * CROWD,
       "%d coroutines in turn keep their own sums", CROWD);
    for (int i = 0; i < CROWD; i++)
        co_free(all[i]);
}

int main(void)
{
    alarm(TAP_HANG_S);  // With a lost loop counter it might never end.
    test_registers();
    test_resumer();
    test_prepare();
    test_alignment();
    test_values();
    test_crowd();
    return done_testing();
}
