// SPDX-License-Identifier: GPL-2.0

#include "pages.h"
#include "single.h"
#include "update.h"

struct address_space single;

void single_map(unsigned int first, unsigned int count)
{
	unsigned int page;

	for (page = first; page < first + count; page++)
		update_entry(entry_of(&single, page), page_new() | PRESENT | WRITABLE);
}

void single_make(unsigned int pages)
{
	address_space_make(&single);
	single_map(0, pages);
	address_space_enter(&single);
}
