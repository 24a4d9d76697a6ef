// co_switch_aarch64.S - switching from one stack to another on 64-bit Arm.
//
// For the compiler, co_switch() is an ordinary call. It expects that the call
// changes the registers x0-x17, v0-v7 and v16-v31, and itself saves those that
// it needs. So co_switch() saves only the registers that a call must keep
// (callee-saved, AAPCS64, section 6.1): x19-x28, the frame pointer x29, sp, and
// the lower halves of v8-v15, which are d8-d15. It also saves x30, the address
// to which co_switch() returns. x18 belongs to the platform, and Linux does not
// use it.
//
// This file does not save FPCR, which has the rounding mode, because reading
// and writing it is slow. If a program changes FPCR, it changes it for all
// coroutines of the thread.
//
// The .cfi lines tell debuggers, at every instruction, where the caller's
// registers are.

        .macro  save one, two, at
        stp     \one, \two, [sp, \at]
        .cfi_rel_offset \one, \at
        .cfi_rel_offset \two, \at + 8
        .endm

        .macro  restore one, two, at
        ldp     \one, \two, [sp, \at]
        .cfi_restore \one
        .cfi_restore \two
        .endm

        .equ    SAVED_SIZE, 160

        .text
        .globl  co_switch
        .type   co_switch, %function
        .p2align 4

// void *co_switch(void **save /* x0 */, void *load /* x1 */,
//                 void *value /* x2 */)
co_switch:
        .cfi_startproc
        hint    34              // bti c: an indirect call may come here.
        sub     sp, sp, SAVED_SIZE
        .cfi_adjust_cfa_offset SAVED_SIZE
        save    x29, x30, 0
        save    x19, x20, 16
        save    x21, x22, 32
        save    x23, x24, 48
        save    x25, x26, 64
        save    x27, x28, 80
        save    d8, d9, 96
        save    d10, d11, 112
        save    d12, d13, 128
        save    d14, d15, 144

        mov     x9, sp
        str     x9, [x0]        // From here on, we use the other stack,
        mov     sp, x1          // which has the same layout as the first.
co_switch_suspended:            // Debuggers show suspended coroutines here.

        restore x29, x30, 0
        restore x19, x20, 16
        restore x21, x22, 32
        restore x23, x24, 48
        restore x25, x26, 64
        restore x27, x28, 80
        restore d8, d9, 96
        restore d10, d11, 112
        restore d12, d13, 128
        restore d14, d15, 144
        add     sp, sp, SAVED_SIZE
        .cfi_adjust_cfa_offset -SAVED_SIZE

        mov     x0, x2
        // The processor predicts that ret returns to the place of the last
        // call. Here this is wrong every time. A br would have no such
        // prediction. But with branch target identification, a br may lead only
        // to a "bti" instruction. The instruction after a call of co_switch()
        // is no "bti". So we use ret.
        ret
        .cfi_endproc
        .size   co_switch, . - co_switch

        .globl  co_switch_prepare
        .type   co_switch_prepare, %function
        .p2align 4

// void *co_switch_prepare(void *low /* x0 */, size_t size /* x1 */,
//                         void (*entry)(void *) /* x2 */)
//
// Makes the stack look as if co_first() had called co_switch() just before the
// second instruction of co_first(). So the first co_switch() to this stack
// continues at that instruction.
co_switch_prepare:
        .cfi_startproc
        hint    34
        add     x0, x0, x1
        and     x0, x0, -16             // sp must be a multiple of 16.
        sub     x0, x0, SAVED_SIZE
        adr     x9, co_first + 4
        stp     xzr, x9, [x0]           // x29: the chain of frames ends here
        str     x2, [x0, 16]            // x19: entry; the others: anything
        ret
        .cfi_endproc
        .size   co_switch_prepare, . - co_switch_prepare

        .type   co_first, %function
        .p2align 4

// The first instructions of a coroutine. No function has called co_first(), so
// a backtrace ends here. The coroutine starts after the nop, at the address
// that co_switch_prepare() has stored. A debugger treats this address as a
// return address, so it looks up the byte before it. The nop makes this byte a
// part of co_first.
co_first:
        .cfi_startproc
        .cfi_undefined x30
        nop
        blr     x19                     // The value is in x0 already.
        brk     0                       // entry() must not return.
        .cfi_endproc
        .size   co_first, . - co_first

// This note tells the linker what this file allows. Branch target
// identification (BTI): yes, because each function that may be called
// indirectly begins with "bti c". Signed return addresses (PAC): no, because
// co_switch() stores return addresses without a signature.
        .section .note.gnu.property, "a"
        .p2align 3
        .long   4, 16, 5                // sizes of name and content, type
        .asciz  "GNU"
        .long   0xc0000000, 4, 1, 0     // AARCH64_FEATURE_1_AND: BTI

        .section .note.GNU-stack, "", %progbits  // No executable stack.
