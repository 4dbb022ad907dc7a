// SPDX-License-Identifier: GPL-2.0
#include <linux/cpu.h>
#include <linux/entry-virt.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/ratelimit.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/thread_info.h>
#include <linux/wait.h>
#include <trace/events/ipi.h>
#include <asm/gsseg.h>
#include <asm/cpu_entry_area.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/mce.h>
#include <asm/nospec-branch.h>
#include <asm/tsc.h>
#include "helpers.h"

/*
 * For pages that a program may ask for without end: where memory is short they are
 * refused, and the OOM killer is not called, which would end some other program.
 * Blocks never call it, and fail without the effort that a retry would be.
 */
#define GFP_MODEST	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)

struct page *ext_alloc_zeroed_pages(unsigned int order)
{
	return alloc_pages(order ? GFP_MODEST : GFP_MODEST | __GFP_RETRY_MAYFAIL,
			   order);
}

struct page *ext_alloc_zeroed_page_below_4g(void)
{
	return alloc_page(GFP_MODEST | __GFP_RETRY_MAYFAIL | __GFP_DMA32);
}

/* Of Rust's KernelPage, for the selftests; and only where it is counted. */
long ext_page_references;
#ifdef CONFIG_DEBUG_KMEMLEAK
module_param_named(page_references, ext_page_references, long, 0444);
MODULE_PARM_DESC(page_references, "Pages that the module holds, to be read only");
#endif

/* Rust's own form of this takes a file that distributions do not ship. */
void ext_warn_of_lost_pages(long pages)
{
	WARN(1, "minivmx: %ld pages are lost\n", pages);
}

bool ext_cpu_has(unsigned int feature)
{
	return boot_cpu_has(feature);
}

bool ext_cpu_has_bug(unsigned int bug)
{
	return boot_cpu_has_bug(bug);
}

void ext_cond_resched(void)
{
	cond_resched();
}

bool ext_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

void ext_get_page(struct page *page)
{
	get_page(page);
}

bool ext_set_tss_limit_invalid(void)
{
	this_cpu_write(__tss_limit_invalid, true);
	return test_thread_flag(TIF_IO_BITMAP);
}

u64 ext_set_tss_available(void)
{
	struct desc_struct *gdt = get_current_gdt_rw();
	tss_desc tss = *(tss_desc *)&gdt[GDT_ENTRY_TSS];

	tss.type = DESC_TSS;
	write_gdt_entry(gdt, GDT_ENTRY_TSS, &tss, DESC_TSS);
	return (u64)gdt;
}

unsigned long ext_local_irq_save(void)
{
	unsigned long flags;

	local_irq_save(flags);
	return flags;
}

void ext_local_irq_restore(unsigned long flags)
{
	local_irq_restore(flags);
}

void ext_init_wait_queue(struct wait_queue_head *queue)
{
	init_waitqueue_head(queue);
}

void ext_load_gs_index(unsigned int selector)
{
	load_gs_index(selector);
}

void ext_machine_check(void)
{
#ifdef CONFIG_X86_MCE
	struct pt_regs regs = { .cs = __USER_CS, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
#endif
}

bool ext_may_log_at_length(void)
{
	static DEFINE_RATELIMIT_STATE(once_a_second, HZ, 1);

	return __ratelimit(&once_a_second);
}

bool ext_mitigations_off(void)
{
	return cpu_mitigations_off();
}

void *ext_page_address(struct page *page)
{
	return page_address(page);
}

void ext_predictor_barrier_before_user(void)
{
	this_cpu_write(x86_ibpb_exit_to_user, true);
}

void ext_put_page(struct page *page)
{
	put_page(page);
}

unsigned int ext_smp_processor_id(void)
{
	return smp_processor_id();
}

void ext_send_reschedule(int cpu)
{
	if ((unsigned int)cpu < nr_cpu_ids && cpu_online(cpu))
		smp_send_reschedule(cpu);
}

void ext_split_page(struct page *page, unsigned int order)
{
	split_page(page, order);
}

bool ext_memory_is_short(void)
{
	return si_mem_available() < (long)(totalram_pages() / 64);
}

u64 ext_total_memory(void)
{
	return (u64)totalram_pages() << PAGE_SHIFT;
}

unsigned int ext_tsc_khz(void)
{
	return tsc_khz;
}

u64 ext_tss_address(void)
{
	return (u64)&get_cpu_entry_area(smp_processor_id())->tss.x86_tss;
}

struct page *ext_virt_to_page(void *address)
{
	return virt_to_page(address);
}

u64 ext_virt_to_phys(void *address)
{
	return virt_to_phys(address);
}

int ext_wait_until_set(struct wait_queue_head *queue, const u64 *word)
{
	return wait_event_freezable(*queue, READ_ONCE(*word));
}

/*
 * What the kernel leaves for a task's way to user mode, where a task that runs a guest may not
 * come for long: of machine checks, timers of CPU time, quotas. A kernel without any other
 * hypervisor has no way to do it here, and the program has to come back.
 */
#ifdef CONFIG_VIRT_XFER_TO_GUEST_WORK
#define WORK	XFER_TO_GUEST_MODE_WORK
#else
#define WORK	(_TIF_NEED_RESCHED | _TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL | _TIF_NOTIFY_RESUME)
#endif

bool ext_work_is_pending(void)
{
	return read_thread_flags() & WORK;
}

/* 0, or -EINTR if the task has to go to user mode. Tasks RCU learns that it could have slept. */
int ext_do_work(void)
{
	cond_resched_tasks_rcu_qs();
#ifdef CONFIG_VIRT_XFER_TO_GUEST_WORK
	return xfer_to_guest_mode_handle_work();
#else
	return read_thread_flags() & WORK & ~_TIF_NEED_RESCHED ? -EINTR : 0;
#endif
}
