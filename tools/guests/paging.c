// SPDX-License-Identifier: GPL-2.0
/*
 * A 64-bit guest that makes its own page tables and shows how they translate.
 *
 * It maps its image one to one in 4 KiB pages, and 64 pages of data at a second,
 * high address as well. All that the tables say are guest-physical addresses;
 * where the memory really is, the guest cannot know.
 */
#include <stdalign.h>

#include "guest.h"
#include "serial.h"

#define PAGE		4096ull
#define ENTRIES		512
#define LEVELS		4

#define PRESENT		BIT_ULL(0)
#define WRITABLE	BIT_ULL(1)
#define ACCESSED	BIT_ULL(5)
#define DIRTY		BIT_ULL(6)
#define ADDRESS		0x000ffffffffff000ull

#define MIB		(1024 * 1024ull)
#define IMAGE		(1 * MIB)
#define IMAGE_END	(2 * MIB)
#define DATA		(4 * MIB)
#define HIGH		0xffff800000000000ull
#define DATA_PAGES	64

/* The stack that the tool gave us is below this. */
#define LOW_END		(16 * PAGE)

typedef u64 table_t[ENTRIES];

static alignas(4096) table_t tables[16];
static unsigned int tables_used;

static const char *const level_names[LEVELS] = {
	"page table", "page directory", "PDPT", "PML4"
};

static u64 read_cr3(void)
{
	u64 value;

	asm volatile("mov %%cr3, %0" : "=r"(value));
	return value;
}

static void write_cr3(u64 value)
{
	asm volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static u64 *new_table(void)
{
	return tables[tables_used++];
}

static unsigned int index_of(u64 address, int level)
{
	return address >> (12 + 9 * level) & (ENTRIES - 1);
}

/* Makes the tables on the way that are not there yet. */
static void map(u64 *root, u64 address, u64 physical)
{
	u64 *table = root;
	int level;

	for (level = LEVELS - 1; level > 0; level--) {
		u64 *entry = &table[index_of(address, level)];

		if (!(*entry & PRESENT))
			*entry = (u64)new_table() | PRESENT | WRITABLE;
		table = (u64 *)(*entry & ADDRESS);
	}
	table[index_of(address, 0)] = physical | PRESENT | WRITABLE;
}

static void map_range(u64 *root, u64 address, u64 physical,
		      u64 length)
{
	u64 offset;

	for (offset = 0; offset < length; offset += PAGE)
		map(root, address + offset, physical + offset);
}

static u64 *make_tables(void)
{
	u64 *root = new_table();

	map_range(root, 0, 0, LOW_END);
	map_range(root, IMAGE, IMAGE, IMAGE_END - IMAGE);
	map_range(root, DATA, DATA, DATA_PAGES * PAGE);
	map_range(root, HIGH, DATA, DATA_PAGES * PAGE);
	return root;
}

static void show_entry(int level, unsigned int index, u64 entry)
{
	put("  ");
	put(level_names[level]);
	put("[");
	put_decimal(index);
	put("] = ");
	put_hex(entry);
	put(entry & ACCESSED ? " accessed" : "");
	put(level == 0 && entry & DIRTY ? " dirty" : "");
	put("\n");
}

/* What the CPU does at a TLB miss. */
static void show_walk(const u64 *table, u64 address)
{
	int level;

	put("walk of ");
	put_hex(address);
	put(":\n");
	for (level = LEVELS - 1; level >= 0; level--) {
		unsigned int index = index_of(address, level);
		u64 entry = table[index];

		show_entry(level, index, entry);
		table = (const u64 *)(entry & ADDRESS);
	}
	put("  guest-physical address ");
	put_hex((u64)table | (address & (PAGE - 1)));
	put("\n");
}

/* Writes each page at its high address and reads it at its low one. */
static unsigned int touch(void)
{
	unsigned int page, same = 0;

	for (page = 0; page < DATA_PAGES; page++) {
		u64 *high = (u64 *)(HIGH + page * PAGE);
		u64 *low = (u64 *)(DATA + page * PAGE);

		*high = ~(u64)page;
		barrier();
		same += *low == ~(u64)page;
	}
	return same;
}

static void show_vendor(void)
{
	u32 eax = 0, words[4] = { 0 };

	asm volatile("cpuid"
		     : "+a"(eax), "=b"(words[0]), "=d"(words[1]),
		       "=c"(words[2]));
	put("CPUID says ");
	put((const char *)words);
	put("\n");
}

int main(void)
{
	u64 *root;

	put("paging: a guest in 64-bit mode, CR3 ");
	put_hex(read_cr3());
	put("\n");
	show_vendor();

	root = make_tables();
	write_cr3((u64)root);
	put("own page tables, CR3 ");
	put_hex(read_cr3());
	put(", ");
	put_decimal(tables_used);
	put(" tables\n");

	put_decimal(touch());
	put(" of ");
	put_decimal(DATA_PAGES);
	put(" pages written at one address and read at another\n");
	show_walk(root, (u64)&main);
	show_walk(root, HIGH + 5 * PAGE + 8);
	put("paging: done\n");
	return 0;
}
