/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text over the serial port, which is all that a guest needs to tell us.
 */
#ifndef _GUESTS_SERIAL_H
#define _GUESTS_SERIAL_H

#include "guest.h"

#define COM1			0x3f8
#define COM1_LINE_STATUS	(COM1 + 5)
#define TRANSMITTER_EMPTY	0x20

static inline void write_port(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 read_port(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void put_char(char c)
{
	while (!(read_port(COM1_LINE_STATUS) & TRANSMITTER_EMPTY))
		;
	write_port(COM1, c);
}

static inline void put(const char *text)
{
	while (*text)
		put_char(*text++);
}

static inline void put_hex(u64 value)
{
	int shift = 60;

	put("0x");
	while (shift && !(value >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[value >> shift & 15]);
}

static inline void put_decimal(u64 value)
{
	if (value >= 10)
		put_decimal(value / 10);
	put_char('0' + value % 10);
}

#endif /* _GUESTS_SERIAL_H */
