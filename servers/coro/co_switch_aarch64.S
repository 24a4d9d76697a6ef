// co_switch_aarch64.S - exchanging one stack for another on 64-bit Arm.
//
// To the compiler co_switch() is an ordinary call, so it expects the registers
// that a call may change (x0-x17, v0-v7, v16-v31) to be lost, and has saved
// what it needs of them. Left to us are the callee-saved ones of the procedure
// call standard (AAPCS64, section 6.1): x19-x28, the frame pointer x29, sp, and
// the lower halves of v8-v15, which are d8-d15. Our own return address is in
// x30. x18 belongs to the platform, and Linux makes no use of it.
//
// FPCR, which holds the rounding mode, is not saved: reading and writing it is
// slow. A program that changes it sets it for all its coroutines.
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
        str     x9, [x0]        // From here on we stand on the other stack,
        mov     sp, x1          // which looks just like the one we left.
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
        // We use ret, although the processor predicts that it goes back to the
        // place of the last call, which is wrong here every time. A br would
        // not be predicted like this. But with branch target identification, a
        // br may lead only to a "bti" instruction. This jump leads to the
        // instruction after a call of co_switch(), which is no "bti".
        ret
        .cfi_endproc
        .size   co_switch, . - co_switch

        .globl  co_switch_prepare
        .type   co_switch_prepare, %function
        .p2align 4

// void *co_switch_prepare(void *low /* x0 */, size_t size /* x1 */,
//                         void (*entry)(void *) /* x2 */)
//
// Lays out the stack as if co_first() had called co_switch() right before its
// second instruction. So the first co_switch() to this stack continues there.
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

// The first instructions of a coroutine. No function has called them, so a
// backtrace ends here. The coroutine starts after the nop, at the address that
// co_switch_prepare() stored. A debugger takes that for a return address, and
// looks up the byte before it. The nop makes that byte a part of co_first.
co_first:
        .cfi_startproc
        .cfi_undefined x30
        nop
        blr     x19                     // The value is in x0 already.
        brk     0                       // entry() must not return.
        .cfi_endproc
        .size   co_first, . - co_first

// This note tells the linker what this file allows. Branch target
// identification (BTI): yes, because the functions that may be called
// indirectly begin with "bti c". Signed return addresses (PAC): no, because
// co_switch() stores return addresses that are not signed.
        .section .note.gnu.property, "a"
        .p2align 3
        .long   4, 16, 5                // sizes of name and content, type
        .asciz  "GNU"
        .long   0xc0000000, 4, 1, 0     // AARCH64_FEATURE_1_AND: BTI

        .section .note.GNU-stack, "", %progbits  // No executable stack.
