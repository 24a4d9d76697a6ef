// co_switch_x86_64.S - exchanging one stack for another on x86-64.
//
// To the compiler co_switch() is an ordinary call, so it expects the registers
// that a call may change (rax, rcx, rdx, rsi, rdi, r8-r11, all of xmm) to be
// lost, and has saved what it needs of them. Left to us are the callee-saved
// ones of the System V ABI (section 3.2.1): rbp, rbx, r12-r15 and rsp.
//
// Also callee-saved by the letter are the control bits of MXCSR and of the x87
// unit: rounding and exception masks. They are not saved here, as a switch
// would take three times as long; a program that changes them sets them for all
// its coroutines.
//
// The .cfi lines tell debuggers, at every instruction, where the caller's
// registers are.

        .text
        .globl  co_switch
        .type   co_switch, @function
        .p2align 4

// void *co_switch(void **save /* rdi */, void *load /* rsi */,
//                 void *value /* rdx */)
co_switch:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0

        movq    %rsp, (%rdi)    // From here on we stand on the other stack,
        movq    %rsi, %rsp      // which looks just like the one we left.

        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp

        movq    %rdx, %rax
        // Not ret: the processor predicts that a ret goes back to where the
        // last call came from, which is wrong here every time, and costs more
        // than all the lines above.
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        jmp     *%rcx
        .cfi_endproc
        .size   co_switch, . - co_switch

        .globl  co_switch_prepare
        .type   co_switch_prepare, @function
        .p2align 4

// void *co_switch_prepare(void *low /* rdi */, size_t size /* rsi */,
//                         void (*entry)(void *) /* rdx */)
//
// Lays out the stack as if co_switch() had been called at `first`.
co_switch_prepare:
        .cfi_startproc
        leaq    (%rdi,%rsi), %rax
        andq    $-16, %rax              // The ABI wants calls aligned to 16.
        leaq    first(%rip), %rcx
        movq    %rcx, -8(%rax)          // the address to jump to
        movq    $0, -16(%rax)           // rbp: the chain of frames ends here
        movq    %rdx, -24(%rax)         // rbx: entry
        leaq    -56(%rax), %rax         // r12-r15: anything
        ret
        .cfi_endproc
        .size   co_switch_prepare, . - co_switch_prepare

// Where a coroutine begins. Nobody called this, and so debuggers stop here.
// They look up the byte before a return address, hence the nop.
        .p2align 4
        .cfi_startproc
        .cfi_undefined %rip
        nop
first:
        movq    %rax, %rdi
        call    *%rbx
        ud2                             // entry() must not return.
        .cfi_endproc

        .section .note.GNU-stack, "", @progbits  // No executable stack, please.
