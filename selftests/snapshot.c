// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>

#include "snapshot.h"

/* No variable of the program: guests have copies of those. */
struct snapshot *new_snapshot(void)
{
	void *memory = mmap(NULL, sizeof(struct snapshot), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	require(memory != MAP_FAILED, "mmap: %s", strerrorname_np(errno));
	return memory;
}

static bool is_zero(const unsigned char *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE_4K - 1);
}

void take_snapshot(const struct vm *vm, struct snapshot *snapshot)
{
	end_exit(&vm->vcpu);
	get_state(&vm->vcpu, &snapshot->state);
	snapshot->nr_pages = 0;
	for (u64 gpa = 0; gpa < GUEST_MEMORY; gpa += PAGE_4K) {
		struct snapshot_page *page = &snapshot->pages[snapshot->nr_pages];

		if (is_zero(vm->memory + gpa))
			continue;
		page->gpa = gpa;
		memcpy(page->bytes, vm->memory + gpa, PAGE_4K);
		snapshot->nr_pages++;
	}
}

/* Memory first: MINIVMX_SET_SREGS reads what CR3 leads to. */
void restore_snapshot(const struct vm *vm, struct snapshot *snapshot)
{
	for (u32 i = 0; i < snapshot->nr_pages; i++) {
		const struct snapshot_page *page = &snapshot->pages[i];

		memcpy(vm->memory + page->gpa, page->bytes, PAGE_4K);
	}
	set_state(&vm->vcpu, &snapshot->state);
}
