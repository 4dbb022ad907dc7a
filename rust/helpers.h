/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions for what Rust cannot call: inline functions, macros, and functions
 * that no binding of the kernel crate declares. No logic here.
 */
#ifndef _MINIVMX_HELPERS_H
#define _MINIVMX_HELPERS_H

#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <asm/desc_defs.h>
#include <asm/extable_fixup_types.h>

extern long ext_page_references;

struct page *ext_alloc_zeroed_pages(unsigned int order);
struct page *ext_alloc_zeroed_page_below_4g(void);
void ext_warn_of_lost_pages(long pages);
bool ext_memory_is_short(void);
u64 ext_total_memory(void);
bool ext_cpu_has(unsigned int feature);
bool ext_cpu_has_bug(unsigned int bug);
void ext_cond_resched(void);
bool ext_fatal_signal_pending(void);
void ext_get_page(struct page *page);
bool ext_set_tss_limit_invalid(void);
u64 ext_set_tss_available(void);
unsigned long ext_local_irq_save(void);
void ext_local_irq_restore(unsigned long flags);
void ext_init_wait_queue(struct wait_queue_head *queue);
void ext_load_gs_index(unsigned int selector);
void ext_machine_check(void);
bool ext_may_log_at_length(void);
bool ext_mitigations_off(void);
void *ext_page_address(struct page *page);
void ext_predictor_barrier_before_user(void);
void ext_put_page(struct page *page);
unsigned int ext_smp_processor_id(void);
void ext_send_reschedule(int cpu);
void ext_split_page(struct page *page, unsigned int order);
unsigned int ext_tsc_khz(void);
u64 ext_tss_address(void);
struct page *ext_virt_to_page(void *address);
u64 ext_virt_to_phys(void *address);
int ext_wait_until_set(struct wait_queue_head *queue, const u64 *word);
bool ext_work_is_pending(void);
int ext_do_work(void);

enum {
	ext_EX_TYPE_WRMSR = EX_TYPE_WRMSR,
	ext_EX_TYPE_RDMSR = EX_TYPE_RDMSR,
	ext_X86_FEATURE_FRED = X86_FEATURE_FRED,
	ext_X86_FEATURE_XSAVE = X86_FEATURE_XSAVE,
	ext_X86_FEATURE_SPLIT_LOCK_DETECT = X86_FEATURE_SPLIT_LOCK_DETECT,
	ext_X86_FEATURE_FLUSH_L1D = X86_FEATURE_FLUSH_L1D,
	ext_X86_FEATURE_IBPB = X86_FEATURE_IBPB,
	ext_X86_FEATURE_CLEAR_CPU_BUF_VM = X86_FEATURE_CLEAR_CPU_BUF_VM,
	ext_X86_FEATURE_KERNEL_IBRS = X86_FEATURE_KERNEL_IBRS,
	ext_X86_FEATURE_RSB_VMEXIT = X86_FEATURE_RSB_VMEXIT,
	ext_X86_FEATURE_RSB_VMEXIT_LITE = X86_FEATURE_RSB_VMEXIT_LITE,
	ext_X86_FEATURE_CLEAR_BHB_VMEXIT = X86_FEATURE_CLEAR_BHB_VMEXIT,
	ext_X86_FEATURE_IBPB_EXIT_TO_USER = X86_FEATURE_IBPB_EXIT_TO_USER,
	ext_X86_BUG_L1TF = X86_BUG_L1TF,
	ext_X86_BUG_ITLB_MULTIHIT = X86_BUG_ITLB_MULTIHIT,
	ext_X86_BUG_SPECTRE_V2 = X86_BUG_SPECTRE_V2,
};

/* Declared once more, for bindgen's list of what to make. */
struct file *anon_inode_getfile(const char *name,
				const struct file_operations *fops, void *priv,
				int flags);

#endif
