/* SPDX-License-Identifier: MIT */
/* registers_lost for the machines that have an own switch. A register's value is seed + its place in the list. */
	.text
	.globl	registers_lost
#if defined(__x86_64__)
	.macro	put register, place
	leaq	\place(%rdi), \register
	.endm
	.macro	look register, place
	leaq	\place(%rdi), %rcx
	xorl	%edx, %edx
	cmpq	%rcx, \register
	setne	%dl
	addq	%rdx, %rax
	.endm
	.macro	each action
	\action	%rbx, 1
	\action	%rbp, 2
	\action	%r12, 3
	\action	%r13, 4
	\action	%r14, 5
	\action	%r15, 6
	.endm

	.type	registers_lost, @function
registers_lost:
	.cfi_startproc
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdi
	.cfi_adjust_cfa_offset 56
	each	put
	call	*%rsi
	movq	(%rsp), %rdi
	xorl	%eax, %eax
	each	look
	popq	%rdi
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -56
	ret
	.cfi_endproc
	.size	registers_lost, .-registers_lost
	.section .note.GNU-stack, "", @progbits
#elif defined(__aarch64__)
	.macro	put register, place
	add	\register, x0, #\place
	.endm
	.macro	put_float register, place
	add	x9, x0, #\place
	fmov	\register, x9
	.endm
	.macro	look register, place
	add	x9, x10, #\place
	cmp	x9, \register
	cinc	x0, x0, ne
	.endm
	.macro	look_float register, place
	fmov	x11, \register
	look	x11, \place
	.endm
	.macro	each action, action_float
	\action	x19, 1
	\action	x20, 2
	\action	x21, 3
	\action	x22, 4
	\action	x23, 5
	\action	x24, 6
	\action	x25, 7
	\action	x26, 8
	\action	x27, 9
	\action	x28, 10
	\action_float	d8, 11
	\action_float	d9, 12
	\action_float	d10, 13
	\action_float	d11, 14
	\action_float	d12, 15
	\action_float	d13, 16
	\action_float	d14, 17
	\action_float	d15, 18
	.endm

	.type	registers_lost, %function
registers_lost:
	.cfi_startproc
	stp	x29, x30, [sp, #-176]!
	.cfi_def_cfa_offset 176
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	str	x0, [sp, #160]
	each	put, put_float
	blr	x1
	ldr	x10, [sp, #160]
	mov	x0, #0
	each	look, look_float
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	ldp	x29, x30, [sp], #176
	ret
	.cfi_endproc
	.size	registers_lost, .-registers_lost
	.section .note.GNU-stack, "", %progbits
#else
#error "no registers_lost for this machine"
#endif
