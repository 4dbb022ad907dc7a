// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gdb_client.h"

/* Seconds that an answer may take, in which a guest boots. */
#define PATIENCE	120

/* Numbers of the registers that are 64 bits wide, each 16 digits, in 'g'. */
#define GDB_RAX		0
#define GDB_RSP		7
#define GDB_RIP		16

static u8 checksum(const char *text)
{
	u8 sum = 0;

	while (*text)
		sum += *text++;
	return sum;
}

static char get_byte(const struct gdb *gdb)
{
	char byte;
	ssize_t count = recv(gdb->fd, &byte, 1, 0);

	require(count == 1, "gdb hears nothing any more: %s",
		count ? strerror(errno) : "the server is gone");
	return byte;
}

static void put(const struct gdb *gdb, const char *bytes, size_t count)
{
	require(send(gdb->fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count,
		"gdb cannot say %s: %s", bytes, strerror(errno));
}

bool gdb_connect(struct gdb *gdb, const char *path)
{
	const struct timeval patience = { .tv_sec = PATIENCE };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	gdb->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	require(gdb->fd >= 0, "socket: %s", strerror(errno));
	setsockopt(gdb->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int i = 0; i < 10 * PATIENCE; i++) {
		if (!connect(gdb->fd, (void *)&address, sizeof(address)))
			return true;
		usleep(100 * 1000);
	}
	return false;
}

void gdb_close(struct gdb *gdb)
{
	close(gdb->fd);
	gdb->fd = -1;
}

static void say(const struct gdb *gdb, const char *fmt, va_list args)
{
	char text[1024], packet[sizeof(text) + 8];

	vsnprintf(text, sizeof(text), fmt, args);
	snprintf(packet, sizeof(packet), "$%s#%02x", text, checksum(text));
	put(gdb, packet, strlen(packet));
	require(get_byte(gdb) == '+', "the server does not take %s", packet);
}

void gdb_say(struct gdb *gdb, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(gdb, fmt, args);
	va_end(args);
}

/* "0*!" is five zeros: behind the star is how many more, and 29. */
static size_t repeat(char *end, char last, char count)
{
	memset(end, last, count - 29);
	return count - 29;
}

const char *gdb_hear(struct gdb *gdb)
{
	size_t length = 0;
	char byte;

	while (get_byte(gdb) != '$')
		;
	while ((byte = get_byte(gdb)) != '#') {
		char *end = &gdb->answer[length];

		require(length + 128 < sizeof(gdb->answer), "a long answer");
		if (byte == '*' && length)
			length += repeat(end, end[-1], get_byte(gdb));
		else
			gdb->answer[length++] = *end = byte;
	}
	gdb->answer[length] = 0;
	get_byte(gdb);
	get_byte(gdb);
	/* After its last answer the server may be gone. */
	send(gdb->fd, "+", 1, MSG_NOSIGNAL);
	return gdb->answer;
}

const char *gdb_ask(struct gdb *gdb, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(gdb, fmt, args);
	va_end(args);
	return gdb_hear(gdb);
}

void gdb_interrupt(struct gdb *gdb)
{
	put(gdb, "\3", 1);
}

static int digit(char character)
{
	const char *digits = "0123456789abcdef";
	const char *found = character ? strchr(digits, character) : NULL;

	require(found, "not a number in what gdb hears: '%c'", character);
	return found - digits;
}

/* From two digits each. */
static void get_bytes(const char *digits, u8 *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = digit(digits[2 * i]) << 4 | digit(digits[2 * i + 1]);
}

/* @count bytes behind as many registers of 64 bits. */
static void get_register(struct gdb *gdb, int number, u8 *bytes, size_t count)
{
	const char *digits = gdb_ask(gdb, "g");

	require(strlen(digits) >= 16 * number + 2 * count,
		"for registers gdb hears %s", digits);
	get_bytes(digits + 16 * number, bytes, count);
}

static u64 get_wide_register(struct gdb *gdb, int number)
{
	u64 value;

	get_register(gdb, number, (u8 *)&value, sizeof(value));
	return value;
}

u64 gdb_rax(struct gdb *gdb)
{
	return get_wide_register(gdb, GDB_RAX);
}

u64 gdb_rsp(struct gdb *gdb)
{
	return get_wide_register(gdb, GDB_RSP);
}

u64 gdb_rip(struct gdb *gdb)
{
	return get_wide_register(gdb, GDB_RIP);
}

u32 gdb_eflags(struct gdb *gdb)
{
	u32 value;

	get_register(gdb, GDB_RIP + 1, (u8 *)&value, sizeof(value));
	return value;
}

static void read_memory(struct gdb *gdb, u64 address, u8 *bytes, size_t count)
{
	const char *digits = gdb_ask(gdb, "m%llx,%zx", address, count);

	require(strlen(digits) == 2 * count, "at %#llx gdb hears %s", address,
		digits);
	get_bytes(digits, bytes, count);
}

void gdb_read(struct gdb *gdb, u64 address, char *bytes, size_t room)
{
	read_memory(gdb, address, (u8 *)bytes, room - 1);
	bytes[room - 1] = 0;
}

u64 gdb_read_u64(struct gdb *gdb, u64 address)
{
	u64 value;

	read_memory(gdb, address, (u8 *)&value, sizeof(value));
	return value;
}
