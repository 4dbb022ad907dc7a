/* SPDX-License-Identifier: GPL-2.0 */
/* What compat_blob.S has of the compat test's 32-bit part. */
#ifndef COMPAT_H
#define COMPAT_H

#include "minivmx_util.h"

/* A program to execute, and its sizes of compat_structures.h. */
extern const char compat_program[], compat_program_end[];
extern const u32 compat_sizes[], compat_sizes_end[];

#endif /* COMPAT_H */
