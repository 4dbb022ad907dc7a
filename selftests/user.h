/* SPDX-License-Identifier: GPL-2.0 */
/* Code at CPL 3, in guests of load_program(). */
#ifndef MINIVMX_USER_H
#define MINIVMX_USER_H

/* Lets CPL 3 execute the program where it stands, and use all of it: once. */
void open_program_to_users(void);

/* Executes @code at CPL 3, on the same stack. */
void run_as_user(void (*code)(void));

/* Executes @code at CPL 1, which is a supervisor's to paging. */
void run_at_cpl_1(void (*code)(void));

#endif /* MINIVMX_USER_H */
