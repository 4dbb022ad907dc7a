// SPDX-License-Identifier: GPL-2.0
#include "window.h"

struct page window_pdpt, window_pd, window_pts[2];
struct page page_a, page_b;

void open_window(void)
{
	struct page *pml4 = (struct page *)GUEST_PML4;

	window_pd.words[0] = entry_for(&window_pts[0]);
	window_pd.words[1] = entry_for(&window_pts[1]);
	window_pdpt.words[0] = entry_for(&window_pd);
	pml4->words[WINDOW >> 39] = entry_for(&window_pdpt);
	page_a.words[0] = (uintptr_t)&page_a;
	page_b.words[0] = (uintptr_t)&page_b;
}

u64 try_read(u64 address)
{
	struct gprs gprs = { .b = address };

	return GUEST_TRY("movq (%%rbx), %%rax", &gprs);
}

u64 try_write(u64 address, u64 value)
{
	struct gprs gprs = { .a = value, .b = address };

	return GUEST_TRY("movq %%rax, (%%rbx)", &gprs);
}
