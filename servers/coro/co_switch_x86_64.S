// co_switch_x86_64.S - switching from one stack to another on x86-64.
//
// For the compiler, co_switch() is an ordinary call. It expects that the call
// changes the registers rax, rcx, rdx, rsi, rdi, r8-r11 and all of xmm, and
// itself saves those that it needs. So co_switch() saves only the registers
// that a call must keep (callee-saved, System V ABI, section 3.2.1): rbp, rbx,
// r12-r15 and rsp.
//
// According to the ABI, the control bits of MXCSR and of the x87 unit (rounding
// and exception masks) are callee-saved, too. This file does not save them,
// because a switch would take three times as long. So if a program changes
// them, it changes them for all coroutines of the thread.
//
// The .cfi lines tell debuggers, at every instruction, where the caller's
// registers are.

        .macro  save register
        pushq   \register
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \register, 0
        .endm

        .macro  restore register
        popq    \register
        .cfi_adjust_cfa_offset -8
        .cfi_restore \register
        .endm

        .text
        .globl  co_switch
        .hidden co_switch       // Only called directly: see the end.
        .type   co_switch, @function
        .p2align 6              // All of it lies in one cache line.

// void *co_switch(void **save /* rdi */, void *load /* rsi */,
//                 void *value /* rdx */)
co_switch:
        .cfi_startproc
        save    %rbp
        save    %rbx
        save    %r12
        save    %r13
        save    %r14
        save    %r15

        movq    %rsp, (%rdi)    // From here on, we use the other stack,
        movq    %rsi, %rsp      // which has the same layout as the first.
co_switch_suspended:            // Debuggers show suspended coroutines here.

        restore %r15
        restore %r14
        restore %r13
        restore %r12
        restore %rbx
        restore %rbp

        movq    %rdx, %rax
        // Not ret: the processor predicts that a ret returns to the place of
        // the last call. Here this is wrong every time, and a wrong prediction
        // takes longer than all instructions above.
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        notrack jmp *%rcx
        .cfi_endproc
        .size   co_switch, . - co_switch

        .globl  co_switch_prepare
        .hidden co_switch_prepare
        .type   co_switch_prepare, @function
        .p2align 4

// void *co_switch_prepare(void *low /* rdi */, size_t size /* rsi */,
//                         void (*entry)(void *) /* rdx */)
//
// Makes the stack look as if co_first() had called co_switch() just before the
// second instruction of co_first(). So the first co_switch() to this stack
// continues at that instruction.
co_switch_prepare:
        .cfi_startproc
        leaq    (%rdi,%rsi), %rax
        andq    $-16, %rax              // At a call, rsp is a multiple of 16.
        leaq    co_first+1(%rip), %rcx
        movq    %rcx, -8(%rax)          // the address to jump to
        movq    $0, -16(%rax)           // rbp: the chain of frames ends here
        movq    %rdx, -24(%rax)         // rbx: entry
        leaq    -56(%rax), %rax         // r12-r15: anything
        ret
        .cfi_endproc
        .size   co_switch_prepare, . - co_switch_prepare

        .type   co_first, @function
        .p2align 4

// The first instructions of a coroutine. No function has called co_first(), so
// a backtrace ends here. The coroutine starts after the nop, at the address
// that co_switch_prepare() has stored. A debugger treats this address as a
// return address, so it looks up the byte before it. The nop makes this byte a
// part of co_first.
co_first:
        .cfi_startproc
        .cfi_undefined %rip
        nop
        movq    %rax, %rdi
        call    *%rbx
        ud2                             // entry() must not return.
        .cfi_endproc
        .size   co_first, . - co_first

// This note tells the linker which parts of Intel's CET this file allows.
// Indirect branch tracking: yes, because the indirect jump above has the prefix
// notrack, and no indirect branch leads into this file. Shadow stacks: no,
// because each coroutine would need a shadow stack of its own. So the whole
// program runs without shadow stacks.
        .section .note.gnu.property, "a"
        .p2align 3
        .long   4, 16, 5                // sizes of name and content, type
        .asciz  "GNU"
        .long   0xc0000002, 4, 1, 0     // X86_FEATURE_1_AND: IBT

        .section .note.GNU-stack, "", @progbits  // No executable stack.
