/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel crate has this in a file that is made where the kernel is built, and that
 * packages of kernel headers leave out.
 */
#include <linux/jump_label.h>

// Cut here.

::kernel::concat_literals!(ARCH_STATIC_BRANCH_ASM("{symb} + {off} + {branch}", "{l_yes}"))
