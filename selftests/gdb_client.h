/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of gdb as speaks its remote protocol (its manual, "gdb Remote Serial
 * Protocol"), at a socket in the file system.
 */
#ifndef GDB_CLIENT_H
#define GDB_CLIENT_H

#include "minivmx_util.h"

struct gdb {
	int fd;
	char answer[4096];	/* the last one, without what frames it */
};

/* Connects to a server that may still have to begin; false if none does. */
bool gdb_connect(struct gdb *gdb, const char *path);
void gdb_close(struct gdb *gdb);

/* Sends a packet, and waits for the answer. */
const char *gdb_ask(struct gdb *gdb, const char *fmt, ...) __printf(2, 3);
/* The same in two steps, for a packet that lets the guest run. */
void gdb_say(struct gdb *gdb, const char *fmt, ...) __printf(2, 3);
const char *gdb_hear(struct gdb *gdb);
/* Ctrl-C, which is no packet. */
void gdb_interrupt(struct gdb *gdb);

/* Some of the registers that 'g' gives. */
u64 gdb_rax(struct gdb *gdb);
u64 gdb_rsp(struct gdb *gdb);
u64 gdb_rip(struct gdb *gdb);
u32 gdb_eflags(struct gdb *gdb);
/* As many bytes of memory as there is room for, less one for a zero. */
void gdb_read(struct gdb *gdb, u64 address, char *bytes, size_t room);
u64 gdb_read_u64(struct gdb *gdb, u64 address);

#endif /* GDB_CLIENT_H */
