/* SPDX-License-Identifier: GPL-2.0 */
/* Code at CPL 3, 2 and 1, in guests of load_program(). */
#ifndef MINIVMX_USER_H
#define MINIVMX_USER_H

#include "minivmx_util.h"

/* Lets CPL 3 execute the program where it stands, and use all of it: once. */
void open_program_to_users(void);

/* Executes @code at CPL 3, or at another but 0, on the same stack. */
void run_as_user(void (*code)(void));
void run_at_cpl(u64 cpl, void (*code)(void));

#endif /* MINIVMX_USER_H */
