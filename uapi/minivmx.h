/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * minivmx: virtual machines on Intel VMX, for programs that want to see how.
 *
 * SDM = Intel 64 and IA-32 Architectures Software Developer's Manual, edition
 * 085 (October 2024); cited by volume and section title.
 */
#ifndef _UAPI_MINIVMX_H
#define _UAPI_MINIVMX_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: Three kinds of file
 *
 * Opening /dev/minivmx, which is root's (EACCES for others), gives the device
 * file. MINIVMX_CREATE_VM on it gives a VM file, MINIVMX_CREATE_VCPU on that
 * gives a vCPU file. A vCPU keeps its VM alive, and every file keeps the driver
 * loaded: the order of closing does not matter.
 *
 *  - device: MINIVMX_GET_INFO, MINIVMX_CREATE_VM
 *  - VM: MINIVMX_MAP_MEMORY, MINIVMX_UNMAP_MEMORY, MINIVMX_CREATE_VCPU,
 *    MINIVMX_GET_STATS, MINIVMX_READ_TABLE; mmap() of guest memory at offset =
 *    guest-physical address
 *  - vCPU: all others; mmap() of struct minivmx_run at offset 0
 */

/**
 * DOC: Mappings
 *
 * mmap() takes MAP_SHARED only (else EINVAL), and of a vCPU file one page at
 * offset 0 only (EINVAL); the device file cannot be mapped (ENODEV). Guest
 * memory can be mapped before it is there: who touches an address that is in no
 * region, or whose page cannot be had, gets SIGBUS. A mapping stays true while
 * regions come and go but for pages that the program has touched already: see
 * MINIVMX_UNMAP_MEMORY.
 */

/**
 * DOC: Form of the calls
 *
 * Each call but MINIVMX_RUN and MINIVMX_KICK takes a pointer to a structure whose first member,
 * a __u32, is the structure's size as the program knows it. A shorter structure
 * than the driver knows is completed with zeroes and gets as many results as
 * fit; it must reach as far as the first version of the structure did. In a
 * longer one, of a page at most, what the driver does not know must be zero.
 * Members named __reserved must be zero, those named out_... are written by the
 * driver only. Structures and calls are the same in 32-bit programs.
 *
 * Errors have one meaning each:
 *
 *  - ENOTTY: no such call on this kind of file
 *  - E2BIG: more than this driver takes: bytes are set beyond what it knows of
 *    the structure, or an amount is over a limit of MINIVMX_GET_INFO or a
 *    MINIVMX_MAX_...
 *  - EOPNOTSUPP: understood, but this CPU or this driver does not support it
 *  - EINVAL: a member has a value that it can never have
 *  - ENOENT: what is named is not there
 *  - EEXIST: what is to be made is there already
 *  - EPERM: this VMCS field is not the caller's to read or write
 *  - EBUSY: VMX is held, and for more than a moment, by somebody that the driver
 *    cannot share it with (see enum minivmx_vmx), or another thread is in a call
 *    on the vCPU, such as MINIVMX_RUN. Only MINIVMX_KICK is never refused.
 *  - EINTR: MINIVMX_RUN ended for a signal, or for @immediate_exit; or a signal
 *    ended MINIVMX_MAP_MEMORY
 *  - ENOMEM: memory is short, or all VMs together have as much as
 *	@out_max_memory says
 *  - EFAULT: a pointer does not lead to memory of the program
 *  - EIO: the CPU refused a VMX instruction that it should have carried out
 */

/** define MINIVMX_API_VERSION - raised when a call changes its meaning. */
#define MINIVMX_API_VERSION	1

/** define MINIVMX_TYPE - the ioctl type of all calls. */
#define MINIVMX_TYPE		0xBB

enum minivmx_cmd {
	MINIVMX_CMD_GET_INFO		= 0x00,
	MINIVMX_CMD_CREATE_VM		= 0x01,

	MINIVMX_CMD_MAP_MEMORY		= 0x10,
	MINIVMX_CMD_UNMAP_MEMORY	= 0x11,
	MINIVMX_CMD_CREATE_VCPU		= 0x12,
	MINIVMX_CMD_READ_TABLE		= 0x13,
	MINIVMX_CMD_GET_STATS		= 0x14,

	MINIVMX_CMD_RUN			= 0x20,
	MINIVMX_CMD_GET_REGS		= 0x21,
	MINIVMX_CMD_SET_REGS		= 0x22,
	MINIVMX_CMD_GET_SREGS		= 0x23,
	MINIVMX_CMD_SET_SREGS		= 0x24,
	MINIVMX_CMD_GET_MSRS		= 0x25,
	MINIVMX_CMD_SET_MSRS		= 0x26,
	MINIVMX_CMD_SET_CPUID		= 0x27,
	MINIVMX_CMD_SET_TRAPS		= 0x28,
	MINIVMX_CMD_TRANSLATE		= 0x29,
	MINIVMX_CMD_VMREAD		= 0x2a,
	MINIVMX_CMD_VMWRITE		= 0x2b,
	MINIVMX_CMD_CHECK		= 0x2c,
	MINIVMX_CMD_GET_FPU		= 0x2d,
	MINIVMX_CMD_SET_FPU		= 0x2e,
	MINIVMX_CMD_KICK		= 0x2f,
};

/* ------------------------------------------------------------------ device */

/**
 * enum minivmx_mmu - how guest-physical memory is translated
 * @MINIVMX_MMU_EPT: by the CPU, through extended page tables
 * @MINIVMX_MMU_VTLB: shadow paging, virtual TLB: one set of shadow tables for
 *	each vCPU, filled by page faults, dropped when the guest loads CR3
 * @MINIVMX_MMU_WP: shadow paging, write protection: shadows are kept across
 *	loads of CR3; the guest's tables are read-only, and each write to them
 *	is trapped and synchronised at once
 * @MINIVMX_MMU_UNSYNC: shadow paging, as MINIVMX_MMU_WP, but a last-level table
 *	becomes writable at its first write, and is synchronised when the guest
 *	invalidates translations
 * @MINIVMX_MMU_PV: shadow paging, as MINIVMX_MMU_WP, for guests that change
 *	their tables by hypercalls, many entries at a time; see minivmx_pv.h
 *
 * A guest that invalidates translations where the SDM asks for it cannot tell
 * these apart but by time. With shadow paging a guest cannot leave protected
 * mode (CR0.PE is 1), and CPUID shows no PCID, no 5-level paging and no
 * protection keys. A VM has one vCPU then, except with MINIVMX_MMU_VTLB, where
 * each has shadow tables of its own. A program that changes the guest's
 * page tables through mmap() calls MINIVMX_SET_SREGS, of each vCPU, before the
 * next MINIVMX_RUN. The numbers 6 and 7 are kept for other policies.
 */
enum minivmx_mmu {
	MINIVMX_MMU_EPT		= 1,
	MINIVMX_MMU_VTLB	= 2,
	MINIVMX_MMU_WP		= 3,
	MINIVMX_MMU_UNSYNC	= 4,
	MINIVMX_MMU_PV		= 5,
};

/**
 * enum minivmx_cap - what the CPU can do, as bits of a mask
 * @MINIVMX_CAP_EPT: extended page tables, 4-level, write-back
 * @MINIVMX_CAP_EPT_AD: accessed and dirty flags in EPT entries
 * @MINIVMX_CAP_EPT_EXEC_ONLY: pages that can be executed but not read
 * @MINIVMX_CAP_EPT_2M: 2 MiB pages in EPT
 * @MINIVMX_CAP_EPT_1G: 1 GiB pages in EPT
 * @MINIVMX_CAP_INVEPT_SINGLE: INVEPT of one EPT pointer
 * @MINIVMX_CAP_INVEPT_GLOBAL: INVEPT of all EPT pointers
 * @MINIVMX_CAP_VPID: virtual-processor identifiers
 * @MINIVMX_CAP_INVVPID_SINGLE: INVVPID of one VPID
 * @MINIVMX_CAP_INVVPID_ALL: INVVPID of all VPIDs
 * @MINIVMX_CAP_UNRESTRICTED_GUEST: guests in real mode and without paging
 * @MINIVMX_CAP_MTF: monitor trap flag
 * @MINIVMX_CAP_PREEMPTION_TIMER: VMX-preemption timer
 * @MINIVMX_CAP_VIRTUAL_NMIS: virtual NMIs
 * @MINIVMX_CAP_MSR_BITMAPS: MSR bitmaps
 * @MINIVMX_CAP_LOAD_EFER: IA32_EFER is switched by VM entries and exits
 * @MINIVMX_CAP_LOAD_PAT: IA32_PAT is switched by VM entries and exits
 * @MINIVMX_CAP_TRUE_CONTROLS: the default-1 controls can be cleared
 * @MINIVMX_CAP_XSAVE: the guest can use XSAVE, as the host does
 */
enum minivmx_cap {
	MINIVMX_CAP_EPT			= 1 << 0,
	MINIVMX_CAP_EPT_AD		= 1 << 1,
	MINIVMX_CAP_EPT_EXEC_ONLY	= 1 << 2,
	MINIVMX_CAP_EPT_2M		= 1 << 3,
	MINIVMX_CAP_EPT_1G		= 1 << 4,
	MINIVMX_CAP_INVEPT_SINGLE	= 1 << 5,
	MINIVMX_CAP_INVEPT_GLOBAL	= 1 << 6,
	MINIVMX_CAP_VPID		= 1 << 7,
	MINIVMX_CAP_INVVPID_SINGLE	= 1 << 8,
	MINIVMX_CAP_INVVPID_ALL		= 1 << 9,
	MINIVMX_CAP_UNRESTRICTED_GUEST	= 1 << 10,
	MINIVMX_CAP_MTF			= 1 << 11,
	MINIVMX_CAP_PREEMPTION_TIMER	= 1 << 12,
	MINIVMX_CAP_VIRTUAL_NMIS	= 1 << 13,
	MINIVMX_CAP_MSR_BITMAPS		= 1 << 14,
	MINIVMX_CAP_LOAD_EFER		= 1 << 15,
	MINIVMX_CAP_LOAD_PAT		= 1 << 16,
	MINIVMX_CAP_TRUE_CONTROLS	= 1 << 17,
	MINIVMX_CAP_XSAVE		= 1 << 18,
};

/**
 * enum minivmx_vmx - how the driver gets into VMX operation at present
 * @MINIVMX_VMX_OWN: nobody holds VMX; the driver executes VMXON for each burst
 * @MINIVMX_VMX_BORROW: KVM holds VMX; the driver borrows it for each burst
 * @MINIVMX_VMX_UNAVAILABLE: somebody else holds VMX, or KVM does with enlightened
 *	VMCSs of Hyper-V, which cannot be shared, or Intel PT traces the host on a CPU
 *	whose VMX would stop that: MINIVMX_CREATE_VM fails with EBUSY, and so do all
 *	calls on a vCPU but MINIVMX_GET_REGS, MINIVMX_SET_REGS, MINIVMX_GET_FPU,
 *	MINIVMX_SET_FPU, MINIVMX_SET_CPUID and MINIVMX_KICK
 */
enum minivmx_vmx {
	MINIVMX_VMX_OWN		= 0,
	MINIVMX_VMX_BORROW	= 1,
	MINIVMX_VMX_UNAVAILABLE	= 2,
};

/**
 * enum minivmx_mitigation - against speculative execution, as bits of a mask
 * @MINIVMX_MITIGATION_CLEAR_BUFFERS: VERW before each VM entry: a guest finds
 *	nothing in the CPU's buffers (MDS, TAA, MMIO stale data, RFDS)
 * @MINIVMX_MITIGATION_RETURN_STACK: the return stack is filled after each VM
 *	exit
 * @MINIVMX_MITIGATION_IBRS: IA32_SPEC_CTRL.IBRS is set anew after each VM exit,
 *	on CPUs without enhanced IBRS
 * @MINIVMX_MITIGATION_BRANCH_HISTORY: the branch history is overwritten after
 *	each VM exit, on CPUs that cannot keep it apart (BHI)
 * @MINIVMX_MITIGATION_IBPB_GUEST: IBPB before a vCPU runs where another one ran
 * @MINIVMX_MITIGATION_IBPB_USER: IBPB before the program goes on where a vCPU
 *	ran (VMSCAPE)
 * @MINIVMX_MITIGATION_FLUSH_L1D: the L1 data cache is empty when a vCPU begins
 *	to run (L1 terminal fault)
 * @MINIVMX_MITIGATION_ITLB_MULTIHIT: EPT guests have no pages of 2 MiB, which
 *	could be executed, so that they cannot stop the CPU
 */
enum minivmx_mitigation {
	MINIVMX_MITIGATION_CLEAR_BUFFERS	= 1 << 0,
	MINIVMX_MITIGATION_RETURN_STACK		= 1 << 1,
	MINIVMX_MITIGATION_IBRS			= 1 << 2,
	MINIVMX_MITIGATION_BRANCH_HISTORY	= 1 << 3,
	MINIVMX_MITIGATION_IBPB_GUEST		= 1 << 4,
	MINIVMX_MITIGATION_IBPB_USER		= 1 << 5,
	MINIVMX_MITIGATION_FLUSH_L1D		= 1 << 6,
	MINIVMX_MITIGATION_ITLB_MULTIHIT	= 1 << 7,
};

/**
 * struct minivmx_info - ioctl(MINIVMX_GET_INFO)
 * @size: sizeof(struct minivmx_info)
 * @__reserved: must be 0
 * @out_api_version: MINIVMX_API_VERSION of the driver
 * @out_vmx: how VMX is obtained now, &enum minivmx_vmx
 * @out_capabilities: what this CPU can do, &enum minivmx_cap
 * @out_mmus: what MINIVMX_CREATE_VM takes: bit n stands for mmu n of
 *	&enum minivmx_mmu
 * @out_ept_missing: what MINIVMX_MMU_EPT needs and this CPU lacks,
 *	&enum minivmx_cap
 * @out_traps: the exits that MINIVMX_SET_TRAPS takes: bit n of word w stands
 *	for basic exit reason 64 w + n
 * @out_max_memory: bytes of guest memory that a VM may have, and all VMs
 *	together: the module's parameter max_memory_mib, or half of the
 *	machine's memory
 * @out_max_regions: ranges of guest memory that one VM may have
 * @out_max_vcpus: vCPUs that one VM may have; with shadow paging it is one, except
 *	with MINIVMX_MMU_VTLB
 * @out_physical_bits: width of a guest-physical address where memory can be: at
 *	most 48, even if CPUID tells the guest of more
 * @__reserved2: must be 0
 * @out_mitigations: what the driver does against speculative execution, &enum
 *	minivmx_mitigation
 * @out_unmitigated: what would have to be done on this machine and a module
 *	cannot do. What is in neither mask is not needed on this CPU, or the
 *	kernel was told to leave it out.
 */
struct minivmx_info {
	__u32 size;
	__u32 __reserved;
	__u32 out_api_version;
	__u32 out_vmx;
	__aligned_u64 out_capabilities;
	__aligned_u64 out_mmus;
	__aligned_u64 out_ept_missing;
	__aligned_u64 out_traps[2];
	__aligned_u64 out_max_memory;
	__u32 out_max_regions;
	__u32 out_max_vcpus;
	__u32 out_physical_bits;
	__u32 __reserved2;
	__aligned_u64 out_mitigations;
	__aligned_u64 out_unmitigated;
};

/**
 * define MINIVMX_GET_INFO - what this CPU and this driver can do
 *
 * Return: 0, or E2BIG, EFAULT, EINVAL.
 */
#define MINIVMX_GET_INFO	_IO(MINIVMX_TYPE, MINIVMX_CMD_GET_INFO)

/**
 * struct minivmx_create_vm - ioctl(MINIVMX_CREATE_VM)
 * @size: sizeof(struct minivmx_create_vm)
 * @mmu: &enum minivmx_mmu
 * @flags: must be 0
 * @__reserved: must be 0
 */
struct minivmx_create_vm {
	__u32 size;
	__u32 mmu;
	__u32 flags;
	__u32 __reserved;
};

/**
 * define MINIVMX_CREATE_VM - make a VM without memory and vCPUs
 *
 * Return: a VM file (close-on-exec), or EOPNOTSUPP where the CPU lacks what
 * @mmu needs (the kernel log and @out_ept_missing say what) and for an @mmu
 * that is kept for later, EBUSY, E2BIG, EFAULT, EINVAL, EIO, ENOMEM, or what an
 * open() can fail with (EMFILE, ENFILE).
 */
#define MINIVMX_CREATE_VM	_IO(MINIVMX_TYPE, MINIVMX_CMD_CREATE_VM)

/* ---------------------------------------------------------------------- VM */

/**
 * enum minivmx_map_flags - properties of a range of guest memory
 * @MINIVMX_MAP_READONLY: the guest cannot write it; a write is a
 *	MINIVMX_EXIT_MEMORY. The program can, through mmap().
 * @MINIVMX_MAP_2M: made of 2 MiB pages, or of 4 KiB pages where the kernel has
 *	no free block of 2 MiB left; address and length are multiples of 2 MiB
 * @MINIVMX_MAP_POPULATE: all pages are allocated now, not at their first use
 */
enum minivmx_map_flags {
	MINIVMX_MAP_READONLY	= 1 << 0,
	MINIVMX_MAP_2M		= 1 << 1,
	MINIVMX_MAP_POPULATE	= 1 << 2,
};

/**
 * struct minivmx_map_memory - ioctl(MINIVMX_MAP_MEMORY)
 * @size: sizeof(struct minivmx_map_memory)
 * @flags: &enum minivmx_map_flags
 * @gpa: guest-physical address, a multiple of 4096
 * @length: bytes, a multiple of 4096, not 0
 */
struct minivmx_map_memory {
	__u32 size;
	__u32 flags;
	__aligned_u64 gpa;
	__aligned_u64 length;
};

/**
 * define MINIVMX_MAP_MEMORY - give the VM a range of zeroed memory
 *
 * Also while its vCPUs run. The pages are the kernel's, charged to the memory
 * cgroup of the program that first uses them; mmap() of the VM file at offset
 * @gpa shows the same pages to the program.
 *
 * Where memory is short, nobody is killed for a page of a VM: with
 * MINIVMX_MAP_POPULATE this call fails; else MINIVMX_RUN does when the guest
 * comes to the page, and a program that touches its mapping gets SIGBUS.
 *
 * Return: 0, or EEXIST if a byte of the range is mapped already, E2BIG if that
 * would be more memory or more ranges than a VM may have, EINVAL for a range
 * that is empty, misaligned or beyond @out_physical_bits, EINTR if a signal
 * came while the range was populated (nothing of it is mapped then), EFAULT,
 * ENOMEM.
 */
#define MINIVMX_MAP_MEMORY	_IO(MINIVMX_TYPE, MINIVMX_CMD_MAP_MEMORY)

/**
 * struct minivmx_unmap_memory - ioctl(MINIVMX_UNMAP_MEMORY)
 * @size: sizeof(struct minivmx_unmap_memory)
 * @__reserved: must be 0
 * @gpa: guest-physical address, a multiple of 4096
 * @length: bytes, a multiple of 4096, not 0
 */
struct minivmx_unmap_memory {
	__u32 size;
	__u32 __reserved;
	__aligned_u64 gpa;
	__aligned_u64 length;
};

/**
 * define MINIVMX_UNMAP_MEMORY - take a range of memory away from the VM
 *
 * Whatever is mapped in the range goes; it may be a part of a region, or
 * several regions. When the call returns, no vCPU can reach the pages any more.
 * Mappings that a program made by mmap() stay, with their pages: those are the
 * program's alone from then on, charged to the same memory cgroup, and no longer
 * count for @out_max_memory. Only munmap() frees them.
 *
 * Return: 0, or ENOENT if nothing is mapped in the range, E2BIG if a region
 * had to be split and there are as many as there may be, ENOMEM if there is no
 * memory to split a region or a 2 MiB page, EINVAL, EFAULT.
 */
#define MINIVMX_UNMAP_MEMORY	_IO(MINIVMX_TYPE, MINIVMX_CMD_UNMAP_MEMORY)

/**
 * struct minivmx_create_vcpu - ioctl(MINIVMX_CREATE_VCPU)
 * @size: sizeof(struct minivmx_create_vcpu)
 * @id: its number in the VM, below @out_max_vcpus; the guest reads it as its
 *	initial APIC ID
 * @flags: must be 0
 * @__reserved: must be 0
 */
struct minivmx_create_vcpu {
	__u32 size;
	__u32 id;
	__u32 flags;
	__u32 __reserved;
};

/**
 * define MINIVMX_CREATE_VCPU - make a vCPU in its state after power-up
 *
 * That is real mode at the reset vector FFFFFFF0H (SDM Vol. 3A, "Processor
 * State After Reset"). Time-stamp counters of all vCPUs count from when the VM
 * was made.
 *
 * Return: a vCPU file (close-on-exec), or EEXIST if the VM has had a vCPU of
 * that number, EOPNOTSUPP for a second vCPU with shadow paging other than
 * MINIVMX_MMU_VTLB, E2BIG if @id is @out_max_vcpus or more, EINVAL, EFAULT,
 * ENOMEM, EMFILE, ENFILE.
 */
#define MINIVMX_CREATE_VCPU	_IO(MINIVMX_TYPE, MINIVMX_CMD_CREATE_VCPU)

/** define MINIVMX_STATS_EXITS - number of exit reasons that are counted. */
#define MINIVMX_STATS_EXITS	80

/**
 * struct minivmx_stats - ioctl(MINIVMX_GET_STATS)
 * @size: sizeof(struct minivmx_stats)
 * @__reserved: must be 0
 * @out_runs: calls of MINIVMX_RUN
 * @out_bursts: stays in VMX operation
 * @out_entries: VM entries, failed ones too
 * @out_returns: exits that were handed to the program
 * @out_injections: exceptions that the driver injected
 * @out_flushes: flushes of stale translations (INVEPT, INVVPID)
 * @out_kicks: interrupts sent to stop a running vCPU
 * @out_pages: guest pages that are allocated, in units of 4 KiB
 * @out_tables: pages that page tables for the guest take
 * @out_exits: VM exits by basic exit reason (SDM Vol. 3D, "VMX Basic Exit
 *	Reasons"). Of greater ones than are here there are two, of forms of RDMSR
 *	and WRMSR that guests do not have; these are not counted.
 *
 * @out_guest_faults: page faults that were the guest's own (with shadow paging;
 *	under EPT they do not exit)
 * @out_shadow_misses: page faults that were answered by a shadow entry
 * @out_table_writes: writes to a guest page table that were trapped
 * @out_syncs: shadow entries that were found to differ from the guest's entry
 * @out_reclaims: shadow tables that were dropped for want of room
 * @out_shadow_tables: tables that shadow guest tables at present; the pages they
 *	take are among @out_tables
 * @out_supervisor_writes: page faults for a write of the supervisor to a
 *	read-only page, which CR0.WP = 0 allows (with shadow paging)
 * @out_ept_fills: EPT violations that were answered by an entry
 * @out_allocations: page faults and EPT violations whose page had to be
 *	allocated; then the guest tries again
 * @out_absences: page faults and EPT violations of memory that is not there, or
 *	not for writing: each was a MINIVMX_EXIT_MEMORY
 *
 * All count from the creation of the VM, over all its vCPUs, but @out_pages,
 * @out_tables and @out_shadow_tables, which say how many there are.
 */
struct minivmx_stats {
	__u32 size;
	__u32 __reserved;
	__aligned_u64 out_runs;
	__aligned_u64 out_bursts;
	__aligned_u64 out_entries;
	__aligned_u64 out_returns;
	__aligned_u64 out_injections;
	__aligned_u64 out_flushes;
	__aligned_u64 out_kicks;
	__aligned_u64 out_pages;
	__aligned_u64 out_tables;
	__aligned_u64 out_exits[MINIVMX_STATS_EXITS];
	__aligned_u64 out_guest_faults;
	__aligned_u64 out_shadow_misses;
	__aligned_u64 out_table_writes;
	__aligned_u64 out_syncs;
	__aligned_u64 out_reclaims;
	__aligned_u64 out_shadow_tables;
	__aligned_u64 out_supervisor_writes;
	__aligned_u64 out_ept_fills;
	__aligned_u64 out_allocations;
	__aligned_u64 out_absences;
};

/**
 * define MINIVMX_GET_STATS - what the VM did so far
 *
 * Return: 0, or E2BIG, EFAULT, EINVAL.
 */
#define MINIVMX_GET_STATS	_IO(MINIVMX_TYPE, MINIVMX_CMD_GET_STATS)

/**
 * DOC: Numbers for others
 *
 * /proc/PID/fdinfo/FD has the members of struct minivmx_stats for a VM file, and
 * for a vCPU file those that vCPUs count, of this one alone: also while it runs. A
 * line is a name, a colon, a tabulator and a decimal number: "runs" is @out_runs,
 * "exits[10]" is @out_exits of reason 10, and has a line if there was one. Lines
 * "mmu" (ept, vtlb, wp, unsync or pv) and "vcpu" (@id of struct minivmx_create_vcpu)
 * say what the file is. More lines may come. Each number is true by itself, but
 * those of vCPUs that run are not of one moment.
 */

/**
 * enum minivmx_tables - whose page tables
 * @MINIVMX_TABLES_GUEST: the guest's own, in its memory
 * @MINIVMX_TABLES_EPT: extended page tables, of guest-physical addresses
 * @MINIVMX_TABLES_SHADOW: shadow tables, of guest-linear addresses
 */
enum minivmx_tables {
	MINIVMX_TABLES_GUEST	= 1,
	MINIVMX_TABLES_EPT	= 2,
	MINIVMX_TABLES_SHADOW	= 3,
};

/**
 * enum minivmx_pte_flags - what an entry of a page table says
 * @MINIVMX_PTE_PRESENT: it means something
 * @MINIVMX_PTE_READ: it allows reads, as far as it is concerned
 * @MINIVMX_PTE_WRITE: it allows writes
 * @MINIVMX_PTE_EXECUTE: it allows instruction fetches
 * @MINIVMX_PTE_USER: it allows accesses at CPL 3; no matter of EPT, whose entries
 *	do not have it
 * @MINIVMX_PTE_ACCESSED: accessed flag. EPT keeps none here; in a shadow entry it
 *	is always set: the guest's own entries have those that count.
 * @MINIVMX_PTE_DIRTY: dirty flag, of an entry that maps a page; as above
 * @MINIVMX_PTE_LEAF: it maps a page, and refers to no table
 * @MINIVMX_PTE_RESERVED: it says what no entry may say: the CPU reports a page fault
 *	for reserved bits, or an EPT misconfiguration
 * @MINIVMX_PTE_REGISTER: the CPU has it in a PDPTE register (PAE paging): what the
 *	guest's last load of CR3 read, or for the shadow, the last VM entry
 * @MINIVMX_PTE_OUT_OF_DATE: the guest's entry is not @source any more, but for
 *	flags that were set in it; the shadow notices when the guest invalidates
 *	the address
 * @MINIVMX_PTE_HOLDS_TABLE: the shadow does not allow writes, because the page holds
 *	a page table of the guest that has a shadow
 * @MINIVMX_PTE_NOT_DIRTY: the shadow does not allow writes, because @source does, but
 *	is not dirty: the first write has to set the flag
 * @MINIVMX_PTE_READ_ONLY_MEMORY: the shadow does not allow writes, because of
 *	MINIVMX_MAP_READONLY
 *
 * PDPTEs of PAE paging have no rights of their own: they allow everything.
 */
enum minivmx_pte_flags {
	MINIVMX_PTE_PRESENT		= 1 << 0,
	MINIVMX_PTE_READ		= 1 << 1,
	MINIVMX_PTE_WRITE		= 1 << 2,
	MINIVMX_PTE_EXECUTE		= 1 << 3,
	MINIVMX_PTE_USER		= 1 << 4,
	MINIVMX_PTE_ACCESSED		= 1 << 5,
	MINIVMX_PTE_DIRTY		= 1 << 6,
	MINIVMX_PTE_LEAF		= 1 << 7,
	MINIVMX_PTE_RESERVED		= 1 << 8,
	MINIVMX_PTE_REGISTER		= 1 << 9,
	MINIVMX_PTE_OUT_OF_DATE		= 1 << 16,
	MINIVMX_PTE_HOLDS_TABLE		= 1 << 17,
	MINIVMX_PTE_NOT_DIRTY		= 1 << 18,
	MINIVMX_PTE_READ_ONLY_MEMORY	= 1 << 19,
};

/**
 * struct minivmx_pte - an entry of a page table, as it was when it was read
 * @tables: whose it is, &enum minivmx_tables
 * @level: level of its table: 4 to 1, the lowest
 * @index: its place in the table
 * @flags: &enum minivmx_pte_flags
 * @input: the address that it is on the way to: guest-physical in EPT, else
 *	guest-linear
 * @address: where it is: guest-physical in the guest's tables, else host-physical
 * @value: its bits: 32 or 64 in the guest's tables, else 64
 * @source: in shadow tables, the guest's entry that it was made from; 0 if there is
 *	none: where the guest's tables have fewer levels, or a large page
 *
 * Host-physical addresses are for callers with CAP_SYS_ADMIN; for others they are
 * 0, in @address and among the bits of @value.
 */
struct minivmx_pte {
	__u32 tables;
	__u32 level;
	__u32 index;
	__u32 flags;
	__aligned_u64 input;
	__aligned_u64 address;
	__aligned_u64 value;
	__aligned_u64 source;
};

/** define MINIVMX_MAX_PTES - entries of a table, and of MINIVMX_READ_TABLE. */
#define MINIVMX_MAX_PTES	512

/**
 * struct minivmx_read_table - ioctl(MINIVMX_READ_TABLE)
 * @size: sizeof(struct minivmx_read_table)
 * @level: level of the table: 4 to 1, the lowest; 0 stands for the table that the
 *	CPU begins with, whatever its level
 * @address: an address that it is on the way to: guest-physical with EPT, else
 *	guest-linear
 * @entries: address of an array of MINIVMX_MAX_PTES struct minivmx_pte
 * @out_count: entries that are there; @input of each is the first address that it
 *	is on the way to
 * @vcpu: with shadow paging the number of the vCPU that uses the table, else 0
 */
struct minivmx_read_table {
	__u32 size;
	__u32 level;
	__aligned_u64 address;
	__aligned_u64 entries;
	__u32 out_count;
	__u32 vcpu;
};

/**
 * define MINIVMX_READ_TABLE - read one of the tables that the CPU translates by
 *
 * That is one of EPT, or with shadow paging one of the shadow that @vcpu uses
 * at present. Entries that are not present are left out. All tables can be read: the
 * first with @level 0, then each by the @level below and the @input of the entry
 * that leads there. The first of a shadow is of level 3 for a guest without IA-32e
 * mode, and has no entries while the guest has no shadow. vCPUs may run, and change
 * what was read.
 *
 * The guest's own tables are in its memory, for the program to read.
 *
 * Return: 0, or ENOENT if there is no such table or vCPU, EINVAL for a @level over 4,
 * for an address that no table is on the way to (beyond 48 bits, or not canonical),
 * and for a @vcpu with EPT, E2BIG, EFAULT, ENOMEM.
 */
#define MINIVMX_READ_TABLE	_IO(MINIVMX_TYPE, MINIVMX_CMD_READ_TABLE)

/* -------------------------------------------------------------------- vCPU */

/**
 * struct minivmx_regs - the general registers
 * @rax: and so on, in the order of their numbers in instructions
 * @rcx: register 1
 * @rdx: register 2
 * @rbx: register 3
 * @rsp: register 4
 * @rbp: register 5
 * @rsi: register 6
 * @rdi: register 7
 * @r8: register 8
 * @r9: register 9
 * @r10: register 10
 * @r11: register 11
 * @r12: register 12
 * @r13: register 13
 * @r14: register 14
 * @r15: register 15
 * @rip: instruction pointer
 * @rflags: flags
 */
struct minivmx_regs {
	__aligned_u64 rax;
	__aligned_u64 rcx;
	__aligned_u64 rdx;
	__aligned_u64 rbx;
	__aligned_u64 rsp;
	__aligned_u64 rbp;
	__aligned_u64 rsi;
	__aligned_u64 rdi;
	__aligned_u64 r8;
	__aligned_u64 r9;
	__aligned_u64 r10;
	__aligned_u64 r11;
	__aligned_u64 r12;
	__aligned_u64 r13;
	__aligned_u64 r14;
	__aligned_u64 r15;
	__aligned_u64 rip;
	__aligned_u64 rflags;
};

/**
 * enum minivmx_exit - exit reasons that are the driver's own
 * @MINIVMX_EXIT_MEMORY: the guest touched guest-physical memory that is in no
 *	region, or wrote to a read-only one; see @memory of struct minivmx_run
 * @MINIVMX_EXIT_ENTRY_FAILED: the CPU refused VMLAUNCH or VMRESUME;
 *	@qualification is the VM-instruction error, @cause says it in words
 * @MINIVMX_EXIT_INTERNAL: the driver cannot go on with this guest, such as one
 *	in real mode with shadow paging; @cause says why
 * @MINIVMX_EXIT_KICK: MINIVMX_KICK was called. Nothing has happened to the guest,
 *	which goes on with the next MINIVMX_RUN: it is between two instructions, or
 *	waits at HLT (@activity of struct minivmx_sregs).
 * @MINIVMX_EXIT_DEADLINE: @deadline of struct minivmx_run is over; else as
 *	MINIVMX_EXIT_KICK
 *
 * All other reasons are basic exit reasons of the CPU (SDM Vol. 3D, "VMX Basic
 * Exit Reasons").
 */
enum minivmx_exit {
	MINIVMX_EXIT_MEMORY		= 0x10000,
	MINIVMX_EXIT_ENTRY_FAILED	= 0x10001,
	MINIVMX_EXIT_INTERNAL		= 0x10002,
	MINIVMX_EXIT_KICK		= 0x10003,
	MINIVMX_EXIT_DEADLINE		= 0x10004,
};

/**
 * enum minivmx_answer - what becomes of the exit that was reported last
 * @MINIVMX_ANSWER_FINISH: the guest goes on at @regs.rip. An I/O instruction,
 *	RDMSR and WRMSR are finished first, with what the program left in @io or
 *	@msr, provided that @regs.rip is still that of the instruction.
 * @MINIVMX_ANSWER_SKIP: the guest goes on behind the instruction that exited.
 *	This is for exits of an instruction that want an answer: those that
 *	MINIVMX_SET_TRAPS asked for, but no EPT violations and no faults, whose
 *	instruction may have any length; I/O; RDMSR and WRMSR. EINVAL for all
 *	others, such as MINIVMX_EXIT_MEMORY, and HLT, which the guest is behind
 *	already.
 * @MINIVMX_ANSWER_DEFAULT: the driver answers the exit as if it were not
 *	trapped by MINIVMX_SET_TRAPS; the same as MINIVMX_ANSWER_FINISH where the
 *	driver has no answer. If the exit is an exception, that takes the place of
 *	@event, or is a double fault with it. So it is EINVAL if @event is another
 *	one than that whose delivery the exception cut short (@vectoring_info).
 */
enum minivmx_answer {
	MINIVMX_ANSWER_FINISH	= 0,
	MINIVMX_ANSWER_SKIP	= 1,
	MINIVMX_ANSWER_DEFAULT	= 2,
};

/**
 * enum minivmx_access - kinds of memory access, as bits of a mask
 * @MINIVMX_ACCESS_READ: data read
 * @MINIVMX_ACCESS_WRITE: data write
 * @MINIVMX_ACCESS_FETCH: instruction fetch
 */
enum minivmx_access {
	MINIVMX_ACCESS_READ	= 1 << 0,
	MINIVMX_ACCESS_WRITE	= 1 << 1,
	MINIVMX_ACCESS_FETCH	= 1 << 2,
};

/**
 * enum minivmx_io_flags - form of an I/O instruction
 * @MINIVMX_IO_IN: the guest reads from the port
 * @MINIVMX_IO_STRING: INS or OUTS. The driver moves the data between @io.data
 *	and guest memory, one element an exit. The exit comes when the access to
 *	memory has raised no fault and memory is there: else the guest has the
 *	exception, or the program MINIVMX_EXIT_MEMORY, before the port is touched.
 *	What the program answers to INS goes where the destination was then. If the
 *	program has removed that memory in the meantime, MINIVMX_RUN ends in
 *	MINIVMX_EXIT_MEMORY, and the next one in the same place goes on with the
 *	first answer.
 * @MINIVMX_IO_REP: with a REP prefix
 */
enum minivmx_io_flags {
	MINIVMX_IO_IN		= 1 << 0,
	MINIVMX_IO_STRING	= 1 << 1,
	MINIVMX_IO_REP		= 1 << 2,
};

/**
 * struct minivmx_io - an I/O instruction (exit reason 30)
 * @port: port number
 * @width: bytes: 1, 2 or 4
 * @flags: &enum minivmx_io_flags
 * @data: what the guest writes; with MINIVMX_IO_IN, what the program answers
 */
struct minivmx_io {
	__u16 port;
	__u8 width;
	__u8 flags;
	__u32 data;
};

/**
 * struct minivmx_msr_exit - RDMSR or WRMSR (exit reasons 31 and 32)
 * @index: number of the MSR
 * @fault: set by the program: not 0 for #GP(0) in the guest
 * @value: what the guest writes; for RDMSR, what the program answers
 */
struct minivmx_msr_exit {
	__u32 index;
	__u32 fault;
	__aligned_u64 value;
};

/**
 * struct minivmx_memory_exit - an access that no memory answers
 *	(MINIVMX_EXIT_MEMORY)
 * @gpa: guest-physical address
 * @access: &enum minivmx_access
 * @instruction_bytes: how many bytes of @instruction are valid; 0 if they could
 *	not be read
 * @instruction: the bytes at @regs.rip
 * @__reserved: 0
 */
struct minivmx_memory_exit {
	__aligned_u64 gpa;
	__u32 access;
	__u8 instruction_bytes;
	__u8 instruction[15];
	__u32 __reserved;
};

/**
 * struct minivmx_event - an event for the guest
 * @info: which event, in the form of VM-entry interruption information (SDM
 *	Vol. 3C, "VM-Entry Controls for Event Injection"): vector in bits 7:0, kind
 *	in bits 10:8, bit 11 if it has an error code, bit 31; 0 if there is none
 * @error: its error code, if it has one
 * @length: bytes of the instruction that raised it, if it is of a kind that an
 *	instruction raises: 1 to 15; 0, too, where the CPU has bit 30 of
 *	IA32_VMX_MISC
 * @__reserved: must be 0
 */
struct minivmx_event {
	__u32 info;
	__u32 error;
	__u32 length;
	__u32 __reserved;
};

/**
 * struct minivmx_violation - a rule of VM entries that a vCPU breaks
 * @rule: name of the rule, zero-terminated; empty if none is known to be broken.
 *	The rules are those of the SDM (Vol. 3C, "Checks on VMX Controls and
 *	Host-State Area" and "Checks on the Guest State Area"), and src/vmx/check/
 *	has them by their names. Names are for people: a driver may come to split
 *	a rule or word it better. Where several are broken, it is one of them.
 * @field: encoding of the VMCS field that is to blame
 * @__reserved: 0
 * @value: what that field holds; 0 for the fields that MINIVMX_VMREAD keeps for
 *	callers with CAP_SYS_ADMIN
 */
struct minivmx_violation {
	char rule[64];
	__u32 field;
	__u32 __reserved;
	__aligned_u64 value;
};

/**
 * enum minivmx_window - events that a guest can take at some times only, as bits of
 *	a mask
 * @MINIVMX_WINDOW_INTERRUPT: an external interrupt: RFLAGS.IF is 1, and interrupts
 *	are not blocked by STI or MOV SS
 * @MINIVMX_WINDOW_NMI: an NMI: NMIs are not blocked, nor events by STI or MOV SS
 */
enum minivmx_window {
	MINIVMX_WINDOW_INTERRUPT	= 1 << 0,
	MINIVMX_WINDOW_NMI		= 1 << 1,
};

/**
 * enum minivmx_run_flags - what else a MINIVMX_RUN does and does not end for, as bits
 *	of a mask
 * @MINIVMX_RUN_WAIT: it does not end at HLT, if RFLAGS.IF is 1 there: it waits in the
 *	guest's place, without using the CPU, until it ends for another reason; so
 *	MINIVMX_KICK is how a device has it wake the guest. A guest that waits is in
 *	activity state 1 (@activity of struct minivmx_sregs), and stays there until it
 *	gets what a CPU would wake for: @event, or a debug trap of its last
 *	instruction. Without one of these, the next MINIVMX_RUN with this flag waits
 *	on. It does not wait if a window is open that @windows asks for. Who sets
 *	RFLAGS.TF meanwhile sets @activity to 0, too: a CPU in HLT that steps has its
 *	trap pending, and a VM entry insists on it.
 * @MINIVMX_RUN_DEADLINE: it ends at @deadline, whether the guest runs or waits
 *
 * With interrupts off, HLT comes back (exit reason 12) as without MINIVMX_RUN_WAIT: no
 * interrupt would end it, and the program may want to know. If the guest is to wait
 * there, too, the program sets @activity.
 */
enum minivmx_run_flags {
	MINIVMX_RUN_WAIT	= 1 << 0,
	MINIVMX_RUN_DEADLINE	= 1 << 1,
};

/**
 * struct minivmx_run - the page that program and driver share for a vCPU
 * @regs: the registers. While the vCPU does not run, they are here and nowhere
 *	else: what the program writes is what the guest goes on with.
 * @immediate_exit: set by the program: not 0 makes MINIVMX_RUN answer EINTR
 *	before the guest is entered; a signal handler can set it
 * @answer: set by the program: &enum minivmx_answer; the driver resets it to 0
 *	when the exit is ended; if MINIVMX_RUN fails before that, it stays
 * @reason: basic exit reason, or &enum minivmx_exit
 * @entry_failure: 1 if the VM entry failed while loading guest state (bit 31 of
 *	the exit reason; @cause says why)
 * @qualification: exit qualification
 * @linear_address: guest-linear address, where the exit has one
 * @physical_address: guest-physical address, where the exit has one; with shadow
 *	paging, of MINIVMX_EXIT_MEMORY only
 * @instruction_length: VM-exit instruction length, bytes; 0 for an exit that is
 *	not of an instruction, and for a fault (SDM Vol. 3C, "Information for VM
 *	Exits Due to Instruction Execution")
 * @instruction_info: VM-exit instruction information
 * @interruption_info: VM-exit interruption information
 * @interruption_error: VM-exit interruption error code
 * @vectoring_info: IDT-vectoring information
 * @vectoring_error: IDT-vectoring error code
 * @io: decoded form of exit reason 30
 * @msr: decoded form of exit reasons 31 and 32
 * @memory: decoded form of MINIVMX_EXIT_MEMORY
 * @cause: the exit in words where it needs some, zero-terminated
 * @event: what the guest gets at its next VM entry, before its next instruction.
 *	Like the registers it is here and nowhere else while the vCPU does not
 *	run: an event whose delivery an exit cut short, or one that the driver
 *	raised and that was not delivered yet, can be seen, replaced and
 *	cancelled, and the program can leave one of its own.
 * @violation: of a failed VM entry (@entry_failure, MINIVMX_EXIT_ENTRY_FAILED):
 *	the rule that it broke; @cause says the same in words
 * @windows: set by the program, &enum minivmx_window: MINIVMX_RUN ends as soon as the
 *	guest can take one of these, before its next instruction, with exit reason 7
 *	(interrupt window) or 8 (NMI window). An event that waits comes first.
 * @flags: set by the program, &enum minivmx_run_flags
 * @ready: &enum minivmx_window: which of these the guest can take where it is now.
 *	None while an event waits, or a debug trap of the last instruction, which
 *	comes first; nor before an instruction whose exit waits for its answer, if
 *	it is going to have one or ends what blocks them. Ask for the window then.
 *	It is what holds for MINIVMX_ANSWER_FINISH: an exception that is left to
 *	the driver's answer has no room for another event.
 * @__reserved: 0
 * @deadline: set by the program, with MINIVMX_RUN_DEADLINE: nanoseconds of the
 *	host's CLOCK_MONOTONIC. MINIVMX_RUN ends in MINIVMX_EXIT_DEADLINE when
 *	these have passed, not earlier, and before the guest is entered if they have
 *	passed already. It is a moment and no length of time, so that a MINIVMX_RUN
 *	which was interrupted is just called again; and of this clock, by which
 *	programs set their timers and the kernel its own, since that of the guest is
 *	the guest's to change and differs between vCPUs. To be told the same moment
 *	again costs nothing.
 *
 * The driver reads what the program sets once, at the beginning of MINIVMX_RUN,
 * and writes the rest at its end.
 *
 * An exit that waits for its answer is ended before the event is delivered. If
 * that raises an exception in the guest, the event comes first all the same, and
 * the instruction is carried out again after it.
 *
 * The guest must be able to take the event. If it cannot take an external
 * interrupt or an NMI (&enum minivmx_window), the VM entry fails as the SDM says
 * (Vol. 3C, "Checks on Guest Non-Register State"; exit reason 33), and the event
 * waits on. So a program that has an interrupt for the guest leaves it in @event if
 * @ready says so; else it asks for the window, and the guest runs until then.
 */
struct minivmx_run {
	struct minivmx_regs regs;
	__u32 immediate_exit;
	__u32 answer;
	__u32 reason;
	__u32 entry_failure;
	__aligned_u64 qualification;
	__aligned_u64 linear_address;
	__aligned_u64 physical_address;
	__u32 instruction_length;
	__u32 instruction_info;
	__u32 interruption_info;
	__u32 interruption_error;
	__u32 vectoring_info;
	__u32 vectoring_error;
	struct minivmx_io io;
	struct minivmx_msr_exit msr;
	struct minivmx_memory_exit memory;
	char cause[128];
	struct minivmx_event event;
	struct minivmx_violation violation;
	__u32 windows;
	__u32 flags;
	__u32 ready;
	__u32 __reserved;
	__aligned_u64 deadline;
};

/** define MINIVMX_RUN_SIZE - bytes to mmap() of a vCPU file. */
#define MINIVMX_RUN_SIZE	4096

/**
 * define MINIVMX_RUN - run the guest until something needs the program
 *
 * Takes no argument (0): all is in struct minivmx_run. HLT (but see
 * MINIVMX_RUN_WAIT), I/O, accesses to memory that is not there, MSRs that the driver
 * does not know, task switches, shutdown and failed entries always come back; other
 * exits if MINIVMX_SET_TRAPS asks for them; and MINIVMX_KICK. After HLT, @regs.rip is
 * behind it.
 *
 * At a task switch (exit reason 9, in 32-bit guests only) nothing has been
 * switched yet, and @qualification has the selector of the new task and what
 * asks for it (SDM Vol. 3C, "Exit Qualification for Task Switches"). No CPU does
 * it for a guest, and this driver does not either: a program carries it out in
 * guest memory and by MINIVMX_SET_SREGS (SDM Vol. 3A, "Task Switching"), or gives
 * up the guest. If it just runs on, the same exit comes again: so an event that
 * asks for the switch, by a task gate, is in @event, and the program that carries
 * it out sets that to 0.
 *
 * Return: 0 with an exit in struct minivmx_run, or EINTR (no exit is reported;
 * call again to go on), EBUSY, EINVAL for an argument, an @answer that the exit
 * cannot have (&enum minivmx_answer), @windows and @flags that are not defined, or an @event
 * that no CPU can deliver (a kind that is not defined, an exception vector over 31,
 * an NMI with another vector than 2, an error code where the exception has none or
 * CR0.PE is 0, or none where it has one, bits 31:16 of it, an instruction length out
 * of range), EOPNOTSUPP for an NMI and its window without MINIVMX_CAP_VIRTUAL_NMIS,
 * EIO, ENOMEM.
 */
#define MINIVMX_RUN		_IO(MINIVMX_TYPE, MINIVMX_CMD_RUN)

/**
 * define MINIVMX_KICK - make MINIVMX_RUN of this vCPU return, from another thread
 *
 * Takes no argument (0). It ends a MINIVMX_RUN in MINIVMX_EXIT_KICK: one in which the
 * guest runs or waits, else the next one, before the guest is entered, but when an
 * exit that waits for its answer is ended. So none is lost, whenever it comes: who
 * leaves work for the vCPU's thread, and kicks then, can rely on that thread's looking
 * for it, if it looks after each MINIVMX_EXIT_KICK. Several of them may end one
 * MINIVMX_RUN together. A MINIVMX_RUN that ends for something else first leaves the kick
 * to the next one.
 *
 * It does not wait for that, and comes at any time from any thread, also while another
 * one is in a call on the vCPU. It is a call and no eventfd, since a kick is for one vCPU
 * that whoever kicks has the file of, cannot fail, and counts nothing; who has an
 * eventfd reads it on a thread of the program's and kicks there. It is for threads;
 * a signal for the thread in MINIVMX_RUN, with @immediate_exit set by its handler, still
 * does what it did.
 *
 * Return: 0, or EINVAL for an argument.
 */
#define MINIVMX_KICK		_IO(MINIVMX_TYPE, MINIVMX_CMD_KICK)

/**
 * DOC: The state of a vCPU
 *
 * It is struct minivmx_sregs; @regs and @event of struct minivmx_run; the MSRs
 * that the driver keeps; and struct minivmx_fpu. Read from one vCPU and written to
 * another, in this order, it makes the same guest go on there, if memory is the
 * same, and what MINIVMX_SET_CPUID and MINIVMX_SET_TRAPS said. The other vCPU may
 * be of another VM, in another program, and translated by another &enum
 * minivmx_mmu, but for guests in real mode, which want EPT, and those that make the
 * hypercalls of MINIVMX_MMU_PV. Where IA32_PAT is the program's, it has no value
 * here, and MINIVMX_SET_MSRS refuses one.
 *
 * An exit that waits for its answer is not a part of it. So the program ends it
 * first, by MINIVMX_RUN with its answer and @immediate_exit; else the instruction
 * exits again on the other vCPU. If that call returns 0, another exit came of the
 * answer, and is to be ended in the same way.
 */

/**
 * struct minivmx_regs_arg - ioctl(MINIVMX_GET_REGS, MINIVMX_SET_REGS)
 * @size: sizeof(struct minivmx_regs_arg)
 * @__reserved: must be 0
 * @regs: the registers
 */
struct minivmx_regs_arg {
	__u32 size;
	__u32 __reserved;
	struct minivmx_regs regs;
};

/**
 * define MINIVMX_GET_REGS - read @regs of struct minivmx_run without mmap()
 *
 * Return: 0, or EBUSY, E2BIG, EFAULT, EINVAL.
 */
#define MINIVMX_GET_REGS	_IO(MINIVMX_TYPE, MINIVMX_CMD_GET_REGS)

/**
 * define MINIVMX_SET_REGS - write @regs of struct minivmx_run without mmap()
 *
 * Return: 0, or EBUSY, E2BIG, EFAULT, EINVAL.
 */
#define MINIVMX_SET_REGS	_IO(MINIVMX_TYPE, MINIVMX_CMD_SET_REGS)

/** define MINIVMX_FPU_WORDS - 64-bit words of @area of struct minivmx_fpu. */
#define MINIVMX_FPU_WORDS	104

/**
 * struct minivmx_fpu - ioctl(MINIVMX_GET_FPU, MINIVMX_SET_FPU)
 * @size: sizeof(struct minivmx_fpu)
 * @__reserved: must be 0
 * @area: x87, SSE and AVX registers, as XSAVE64 writes them (SDM Vol. 1, "Standard
 *	Format of the XSAVE Area"): the legacy region in bytes 511:0, the header in
 *	bytes 575:512, AVX in bytes 831:576. A component whose bit is clear in
 *	XSTATE_BV, the header's first word, is in its initial state, whatever stands
 *	here for it; but MXCSR always counts. Without MINIVMX_CAP_XSAVE it is what
 *	FXSAVE64 writes, XSTATE_BV is 3, since x87 and SSE are always there, and
 *	the rest is 0.
 *
 * All components that guests can have are here, whatever XCR0 of the guest is.
 */
struct minivmx_fpu {
	__u32 size;
	__u32 __reserved;
	__aligned_u64 area[MINIVMX_FPU_WORDS];
};

/**
 * define MINIVMX_GET_FPU - read the x87, SSE and AVX registers
 *
 * Return: 0, or EBUSY, E2BIG, EFAULT, EINVAL.
 */
#define MINIVMX_GET_FPU		_IO(MINIVMX_TYPE, MINIVMX_CMD_GET_FPU)

/**
 * define MINIVMX_SET_FPU - write the x87, SSE and AVX registers
 *
 * Return: 0, or EINVAL for what XRSTOR would not load (bits in MXCSR that the CPU
 * does not have, a component in XSTATE_BV that a guest cannot have, or without
 * MINIVMX_CAP_XSAVE one that is not there, other bits in the header), EBUSY, E2BIG,
 * EFAULT. Nothing is changed if it fails.
 */
#define MINIVMX_SET_FPU		_IO(MINIVMX_TYPE, MINIVMX_CMD_SET_FPU)

/**
 * struct minivmx_segment - a segment register with its hidden part
 * @base: linear base address
 * @limit: limit in bytes
 * @selector: visible part
 * @__reserved: must be 0
 * @access_rights: in the VMCS's form: bits 7:0 and 15:12 as in a descriptor,
 *	bit 16 set for a segment that cannot be used
 *	(SDM Vol. 3C, "Guest Register State")
 * @__reserved2: must be 0
 */
struct minivmx_segment {
	__aligned_u64 base;
	__u32 limit;
	__u16 selector;
	__u16 __reserved;
	__u32 access_rights;
	__u32 __reserved2;
};

/**
 * struct minivmx_table - GDTR or IDTR
 * @base: linear base address
 * @limit: limit in bytes
 * @__reserved: must be 0
 */
struct minivmx_table {
	__aligned_u64 base;
	__u32 limit;
	__u32 __reserved;
};

/**
 * enum minivmx_sregs_flags - what a struct minivmx_sregs is to be taken for
 * @MINIVMX_SREGS_KEEP: for the same guest as before, some of whose registers may
 *	have changed. What waits stays: the exit that was reported last, if it wants
 *	an answer, and @event of struct minivmx_run. Without it,
 *	MINIVMX_SET_SREGS makes another guest, for which nothing waits: the exit
 *	gets no answer any more, and @event becomes 0. MINIVMX_GET_SREGS always sets it.
 * @MINIVMX_SREGS_PDPTES: for what the CPU has in its PDPTE registers, too.
 *	MINIVMX_GET_SREGS sets it if the guest has PAE paging. Without it,
 *	MINIVMX_SET_SREGS does not look at @pdptes, but reads them from guest memory
 *	as a load of @cr3 does, if the guest has PAE paging then. (Where no memory
 *	is, they are 0.)
 */
enum minivmx_sregs_flags {
	MINIVMX_SREGS_KEEP	= 1 << 0,
	MINIVMX_SREGS_PDPTES	= 1 << 1,
};

/**
 * struct minivmx_sregs - ioctl(MINIVMX_GET_SREGS, MINIVMX_SET_SREGS)
 * @size: sizeof(struct minivmx_sregs)
 * @__reserved: must be 0
 * @es: extra segment
 * @cs: code segment
 * @ss: stack segment
 * @ds: data segment
 * @fs: FS
 * @gs: GS
 * @ldtr: local descriptor table
 * @tr: task register
 * @gdtr: global descriptor table
 * @idtr: interrupt descriptor table
 * @cr0: as the guest reads it
 * @cr2: page-fault linear address
 * @cr3: as the guest reads it
 * @cr4: as the guest reads it
 * @efer: IA32_EFER as the guest reads it
 * @xcr0: extended control register 0
 * @dr: DR0 to DR3, then DR6 and DR7; of these two, bits that are the same in every
 *	CPU are what they always are, whatever is written
 * @interruptibility: interruptibility state (SDM Vol. 3C, "Guest Non-Register
 *	State")
 * @__reserved2: must be 0
 * @cr8: task priority, 0 to 15
 * @pdptes: with PAE paging (CR0.PG and CR4.PAE are 1, IA32_EFER.LMA is 0), the four
 *	entries that the guest's last load of CR3 read (SDM Vol. 3A, "PDPTE
 *	Registers"), whatever stands in its memory by now; else 0
 * @pending_debug: debug exceptions that wait for the end of the present
 *	instruction: bits 3:0 and 14 as in DR6, bit 12 if a breakpoint among them is
 *	enabled (SDM Vol. 3C, "Guest Non-Register State")
 * @activity: activity state: 0 active, 1 HLT
 * @flags: &enum minivmx_sregs_flags
 */
struct minivmx_sregs {
	__u32 size;
	__u32 __reserved;
	struct minivmx_segment es;
	struct minivmx_segment cs;
	struct minivmx_segment ss;
	struct minivmx_segment ds;
	struct minivmx_segment fs;
	struct minivmx_segment gs;
	struct minivmx_segment ldtr;
	struct minivmx_segment tr;
	struct minivmx_table gdtr;
	struct minivmx_table idtr;
	__aligned_u64 cr0;
	__aligned_u64 cr2;
	__aligned_u64 cr3;
	__aligned_u64 cr4;
	__aligned_u64 efer;
	__aligned_u64 xcr0;
	__aligned_u64 dr[6];
	__u32 interruptibility;
	__u32 __reserved2;
	__aligned_u64 cr8;
	__aligned_u64 pdptes[4];
	__aligned_u64 pending_debug;
	__u32 activity;
	__u32 flags;
};

/**
 * define MINIVMX_GET_SREGS - read the system registers
 *
 * Return: 0, or EBUSY, E2BIG, EFAULT, EINVAL, EIO, ENOMEM.
 */
#define MINIVMX_GET_SREGS	_IO(MINIVMX_TYPE, MINIVMX_CMD_GET_SREGS)

/**
 * define MINIVMX_SET_SREGS - write the system registers
 *
 * What MINIVMX_GET_SREGS gave, written back, changes nothing; it only drops
 * translations, which were made from tables that the program may have changed. To
 * make another guest of a vCPU, write all members, with @flags 0.
 *
 * Control registers are checked as MOV would check them; combinations of
 * segments and control registers that no CPU can be in, and PDPTEs with reserved
 * bits, are reported by the next MINIVMX_RUN as a failed entry.
 *
 * A structure of the first version ends before @cr8. What it does not have stays
 * as it is, as with MINIVMX_SREGS_KEEP, and PDPTEs are read from memory.
 *
 * Return: 0, or EINVAL for bits that the guest cannot set (and that are not there
 * already, by MINIVMX_VMWRITE), for a @cr8 over 15, an @activity but active and HLT,
 * @flags that are not defined, and blocking by NMI without
 * MINIVMX_CAP_VIRTUAL_NMIS, EBUSY, E2BIG, EFAULT, EIO, ENOMEM. Nothing is changed
 * if it fails.
 */
#define MINIVMX_SET_SREGS	_IO(MINIVMX_TYPE, MINIVMX_CMD_SET_SREGS)

/**
 * struct minivmx_msr - one MSR
 * @index: its number
 * @__reserved: must be 0
 * @value: its value
 */
struct minivmx_msr {
	__u32 index;
	__u32 __reserved;
	__aligned_u64 value;
};

/**
 * struct minivmx_msrs - ioctl(MINIVMX_GET_MSRS, MINIVMX_SET_MSRS)
 * @size: sizeof(struct minivmx_msrs)
 * @count: number of entries, at most MINIVMX_MAX_MSRS
 * @entries: address of an array of struct minivmx_msr
 * @out_done: entries that were carried out before the first that was not
 * @__reserved: must be 0
 */
struct minivmx_msrs {
	__u32 size;
	__u32 count;
	__aligned_u64 entries;
	__u32 out_done;
	__u32 __reserved;
};

/**
 * DOC: MSRs
 *
 * What the driver keeps for a guest, and MINIVMX_GET_MSRS and MINIVMX_SET_MSRS
 * reach, is in the first column. All other MSRs are the program's: RDMSR and
 * WRMSR come back as exit reasons 31 and 32, and @msr of struct minivmx_run has
 * the answer. The last column is what the guest and MINIVMX_SET_MSRS can write;
 * any other value is #GP(0) for the guest and EINVAL for the program. What is
 * canonical goes by the processor: 57 bits if it has five levels of paging.
 *
 * ==================== ================== ====================================
 * MSR                  after power-up     can be written
 * ==================== ================== ====================================
 * IA32_SYSENTER_CS     0                  anything; 32 bits are kept
 * IA32_SYSENTER_ESP    0                  canonical addresses
 * IA32_SYSENTER_EIP    0                  canonical addresses
 * IA32_FS_BASE         0                  canonical addresses
 * IA32_GS_BASE         0                  canonical addresses
 * IA32_KERNEL_GS_BASE  0                  canonical addresses
 * IA32_STAR            0                  anything
 * IA32_LSTAR           0                  canonical addresses
 * IA32_CSTAR           0                  canonical addresses
 * IA32_FMASK           0                  32 bits
 * IA32_EFER            0                  SCE; NXE; LME while CR0.PG is 0;
 *                                         LMA is ignored
 * IA32_PAT             0007040600070406H  eight memory types; with EPT, and
 *                                         without MINIVMX_CAP_LOAD_PAT, it is
 *                                         the program's
 * IA32_TIME_STAMP_     0 when the VM was  anything; the counters of other vCPUs
 * COUNTER              made               stay as they are
 * IA32_MISC_ENABLE     1801H              bits 0, 3, 16, 18 and 23, without
 *                                         effect; bit 22: CPUID has leaves up
 *                                         to 2 only; bit 34: CPUID does not
 *                                         tell of NX, and NXE cannot be set.
 *                                         Bit 7 is ignored
 * IA32_DEBUGCTL        0                  0
 * IA32_BIOS_SIGN_ID    0                  anything, ignored
 * ==================== ================== ====================================
 *
 * The first six are the guest's own while it runs, and it reaches them without an
 * exit where there is MINIVMX_CAP_MSR_BITMAPS, unless MINIVMX_SET_TRAPS names
 * RDMSR or WRMSR (SDM Vol. 4, "IA-32 Architectural MSRs").
 */

/** define MINIVMX_MAX_MSRS - most MSRs in one call. */
#define MINIVMX_MAX_MSRS	256

/**
 * define MINIVMX_GET_MSRS - read MSRs that the driver keeps for the guest
 *
 * Return: 0, or ENOENT for an MSR that it does not keep, EBUSY, E2BIG, EFAULT,
 * EINVAL, EIO, ENOMEM. @out_done tells which entry it was, unless the structure
 * itself was at fault.
 */
#define MINIVMX_GET_MSRS	_IO(MINIVMX_TYPE, MINIVMX_CMD_GET_MSRS)

/**
 * define MINIVMX_SET_MSRS - write MSRs that the driver keeps for the guest
 *
 * Return: 0, or ENOENT for an MSR that it does not keep, EINVAL for a value
 * that WRMSR would refuse (and that is not there already, by MINIVMX_VMWRITE),
 * EBUSY, E2BIG, EFAULT, EIO, ENOMEM. @out_done tells which entry it was, unless
 * the structure itself was at fault. Those before it are written.
 */
#define MINIVMX_SET_MSRS	_IO(MINIVMX_TYPE, MINIVMX_CMD_SET_MSRS)

/**
 * enum minivmx_cpuid_flags - how an entry is matched
 * @MINIVMX_CPUID_SUBLEAF: the entry is for one value of ECX only
 */
enum minivmx_cpuid_flags {
	MINIVMX_CPUID_SUBLEAF	= 1 << 0,
};

/**
 * struct minivmx_cpuid_entry - what CPUID answers for a leaf
 * @leaf: EAX going in
 * @subleaf: ECX going in, if @flags has MINIVMX_CPUID_SUBLEAF
 * @flags: &enum minivmx_cpuid_flags; 0: the entry is for all values of ECX
 * @eax: answer
 * @ebx: answer
 * @ecx: answer
 * @edx: answer
 * @__reserved: must be 0
 */
struct minivmx_cpuid_entry {
	__u32 leaf;
	__u32 subleaf;
	__u32 flags;
	__u32 eax;
	__u32 ebx;
	__u32 ecx;
	__u32 edx;
	__u32 __reserved;
};

/** define MINIVMX_MAX_CPUID - most entries of MINIVMX_SET_CPUID. */
#define MINIVMX_MAX_CPUID	64

/**
 * struct minivmx_cpuid - ioctl(MINIVMX_SET_CPUID)
 * @size: sizeof(struct minivmx_cpuid)
 * @count: number of entries, at most MINIVMX_MAX_CPUID
 * @entries: address of an array of struct minivmx_cpuid_entry
 */
struct minivmx_cpuid {
	__u32 size;
	__u32 count;
	__aligned_u64 entries;
};

/**
 * define MINIVMX_SET_CPUID - say what CPUID answers
 *
 * The entries replace those of an earlier call; the first that matches answers.
 * A leaf that has none answers what the host's CPU does, less what the driver
 * does not give to guests; leaves beyond the highest answer 0. Entries change
 * what the guest is told, not what it has. OSXSAVE of leaf 1 is always what CR4
 * has.
 *
 * Return: 0, or EBUSY, E2BIG, EFAULT, EINVAL, ENOMEM.
 */
#define MINIVMX_SET_CPUID	_IO(MINIVMX_TYPE, MINIVMX_CMD_SET_CPUID)

/**
 * struct minivmx_traps - ioctl(MINIVMX_SET_TRAPS)
 * @size: sizeof(struct minivmx_traps)
 * @exceptions: bit n: exits for exception vector n (exit reason 0), whether the CPU
 *	raises the exception, or the driver for an instruction that it carries out,
 *	or as a double fault. What the program itself asks for, by @event or by
 *	@fault of struct minivmx_msr_exit, the guest gets without an exit.
 * @exits: bit n of word w: exits with basic exit reason 64 w + n; see
 *	@out_traps of struct minivmx_info
 */
struct minivmx_traps {
	__u32 size;
	__u32 exceptions;
	__aligned_u64 exits[2];
};

/**
 * define MINIVMX_SET_TRAPS - choose exits to see that the driver could answer
 *
 * A trapped exit is reported before anything is done about it; @answer of
 * struct minivmx_run says what then becomes of it.
 *
 * With each MMU the same instructions exit. Of control registers (exit reason 28)
 * these are MOV to and from CR3 and CR8, and MOV to CR0 and CR4, CLTS and LMSW if
 * what they load is not what the guest reads there. Only EPT violations (exit
 * reason 48) there are none with shadow paging.
 *
 * Return: 0, or EOPNOTSUPP for an exit that cannot be trapped, EBUSY, E2BIG,
 * EFAULT, EINVAL, EIO, ENOMEM.
 */
#define MINIVMX_SET_TRAPS	_IO(MINIVMX_TYPE, MINIVMX_CMD_SET_TRAPS)

/**
 * enum minivmx_translate_flags - what is to be translated
 * @MINIVMX_TRANSLATE_PHYSICAL: @address is guest-physical; else guest-linear
 * @MINIVMX_TRANSLATE_USER: the access is one of CPL 3; else the supervisor's
 */
enum minivmx_translate_flags {
	MINIVMX_TRANSLATE_PHYSICAL	= 1 << 0,
	MINIVMX_TRANSLATE_USER		= 1 << 1,
};

/**
 * enum minivmx_end - how a translation ends
 * @MINIVMX_END_TRANSLATED: at the page: the access can be made
 * @MINIVMX_END_PAGE_FAULT: the guest's tables do not allow it: the guest gets #PF
 *	with @out_error_code
 * @MINIVMX_END_NOT_CANONICAL: the guest gets #GP, or #SS
 * @MINIVMX_END_NO_MEMORY: there is no memory at @out_gpa: MINIVMX_EXIT_MEMORY
 * @MINIVMX_END_READ_ONLY_MEMORY: a write to MINIVMX_MAP_READONLY memory at @out_gpa:
 *	MINIVMX_EXIT_MEMORY
 * @MINIVMX_END_NOT_ALLOCATED: the driver allocates the page of @out_gpa when it is
 *	used first
 * @MINIVMX_END_NOT_FILLED: the page is there, but there is no entry for it yet: the
 *	driver makes it when it is used first (under EPT, that of @out_gpa)
 * @MINIVMX_END_NARROWED: the shadow has an entry, which does not allow the access,
 *	although the guest does; its flags say why, unless the guest does for
 *	CR0.WP is 0 only. The driver answers the page fault.
 * @MINIVMX_END_MISCONFIGURED: an entry of EPT says what no entry may say: a mistake of
 *	the driver
 *
 * NO_MEMORY, READ_ONLY_MEMORY, NOT_ALLOCATED and NOT_FILLED may be said of a table of
 * the guest, too: then @out_gpa is where its entry is.
 */
enum minivmx_end {
	MINIVMX_END_TRANSLATED		= 0,
	MINIVMX_END_PAGE_FAULT		= 1,
	MINIVMX_END_NOT_CANONICAL	= 2,
	MINIVMX_END_NO_MEMORY		= 3,
	MINIVMX_END_READ_ONLY_MEMORY	= 4,
	MINIVMX_END_NOT_ALLOCATED	= 5,
	MINIVMX_END_NOT_FILLED		= 6,
	MINIVMX_END_NARROWED		= 7,
	MINIVMX_END_MISCONFIGURED	= 8,
};

/**
 * enum minivmx_memory_type - how a CPU caches a page (SDM Vol. 3A, "Memory Types and
 *	Their Properties")
 * @MINIVMX_MEMORY_UC: uncacheable
 * @MINIVMX_MEMORY_WC: write combining
 * @MINIVMX_MEMORY_WT: write-through
 * @MINIVMX_MEMORY_WP: write-protected
 * @MINIVMX_MEMORY_WB: write-back
 * @MINIVMX_MEMORY_UC_MINUS: uncacheable, unless MTRRs say WC
 * @MINIVMX_MEMORY_UNKNOWN: it is not known: the translation stops before, or
 *	IA32_PAT is the program's (see MINIVMX_GET_MSRS)
 */
enum minivmx_memory_type {
	MINIVMX_MEMORY_UC	= 0,
	MINIVMX_MEMORY_WC	= 1,
	MINIVMX_MEMORY_WT	= 4,
	MINIVMX_MEMORY_WP	= 5,
	MINIVMX_MEMORY_WB	= 6,
	MINIVMX_MEMORY_UC_MINUS	= 7,
	MINIVMX_MEMORY_UNKNOWN	= 255,
};

/** define MINIVMX_MAX_REFERENCES - most entries that a translation meets. */
#define MINIVMX_MAX_REFERENCES	24

/**
 * struct minivmx_translate - ioctl(MINIVMX_TRANSLATE)
 * @size: sizeof(struct minivmx_translate)
 * @flags: &enum minivmx_translate_flags
 * @address: what is translated; outside IA-32e mode, of a guest-linear address bits
 *	31:0
 * @access: what for: one of &enum minivmx_access
 * @count: room in @references, MINIVMX_MAX_REFERENCES or less
 * @references: address of an array of struct minivmx_pte for the entries that are
 *	met, in order; may be 0 with @count 0
 * @out_count: entries that are met, also if there is no room for them
 * @out_end: how it ends, &enum minivmx_end
 * @out_error_code: error code of the guest's page fault (MINIVMX_END_PAGE_FAULT)
 * @out_guest_memory_type: what the guest's entry asks for by its IA32_PAT, &enum
 *	minivmx_memory_type; write-back without paging
 * @out_gpa: where the guest's tables lead, or, where the translation ends in
 *	memory before that, where; 0 if there is no such address
 * @out_hpa: the host-physical address, for callers with CAP_SYS_ADMIN; else 0
 * @out_guest_page: bytes of the page that the guest's tables map: 4 KiB to 1 GiB; 0 if
 *	they do not lead to one, and without paging
 * @out_host_page: the same of EPT or the shadow
 * @out_guest_rights: what the guest's entries allow together:
 *	MINIVMX_PTE_READ, WRITE, EXECUTE and USER; 0 if they do not lead to a page
 * @out_host_rights: the same of EPT or the shadow. EPT has all MINIVMX_PTE_USER.
 *	What both have, an access can do: apart from CR0.WP, CR4.SMEP and CR4.SMAP.
 * @out_memory_type: how the CPU caches the page, &enum minivmx_memory_type
 * @__reserved: must be 0
 */
struct minivmx_translate {
	__u32 size;
	__u32 flags;
	__aligned_u64 address;
	__u32 access;
	__u32 count;
	__aligned_u64 references;
	__u32 out_count;
	__u32 out_end;
	__u32 out_error_code;
	__u32 out_guest_memory_type;
	__aligned_u64 out_gpa;
	__aligned_u64 out_hpa;
	__u32 out_guest_page;
	__u32 out_host_page;
	__u32 out_guest_rights;
	__u32 out_host_rights;
	__u32 out_memory_type;
	__u32 __reserved;
};

/**
 * define MINIVMX_TRANSLATE - show how an address of the guest is translated
 *
 * As the CPU would do it now that remembers nothing (in TLB and paging-structure
 * caches), entry by entry. Nothing comes of it: no accessed or dirty flag is set, no
 * page allocated, no entry made.
 *
 * With EPT each entry of the guest's comes behind those of EPT for the
 * guest-physical address where it is, and last are those of EPT for the page. With n
 * levels of the guest's and m of EPT's these are n·m + n + m entries, 24 for four
 * and four (SDM Vol. 3C, "EPT Translation Mechanism"); a PDPTE register takes none of
 * EPT's.
 *
 * With shadow paging the guest's entries come first, then those of the shadow for
 * the same address. The CPU goes by the shadow alone, so that decides whether the
 * access can be made; else the guest's do what comes of it. For a guest-physical
 * address there is no table.
 *
 * CR0, CR3, CR4, IA32_EFER, the PDPTE registers and RFLAGS.AC are those that the
 * vCPU has.
 *
 * Return: 0, however it ends, or EINVAL for @flags that are not defined, and an
 * @access that is not one of &enum minivmx_access, E2BIG if @count is over
 * MINIVMX_MAX_REFERENCES, EBUSY, EFAULT, EIO, ENOMEM.
 */
#define MINIVMX_TRANSLATE	_IO(MINIVMX_TYPE, MINIVMX_CMD_TRANSLATE)

/**
 * struct minivmx_vmcs_field - ioctl(MINIVMX_VMREAD, MINIVMX_VMWRITE)
 * @size: sizeof(struct minivmx_vmcs_field)
 * @encoding: field encoding (SDM Vol. 3D, "Field Encoding in VMCS"), without
 *	the access type for high halves
 * @value: what was read, or is to be written
 */
struct minivmx_vmcs_field {
	__u32 size;
	__u32 encoding;
	__aligned_u64 value;
};

/**
 * define MINIVMX_VMREAD - read a field of the vCPU's VMCS
 *
 * Fields that can hold addresses of the kernel are for callers with
 * CAP_SYS_ADMIN: the host-state area, all 64-bit control fields, and with shadow
 * paging the guest's CR3 and PDPTEs, which have addresses of the shadow.
 *
 * Return: 0, or ENOENT if this CPU's VMCS has no such field, EPERM, EBUSY,
 * E2BIG, EFAULT, EINVAL for a number that no field can have, EIO, ENOMEM.
 */
#define MINIVMX_VMREAD		_IO(MINIVMX_TYPE, MINIVMX_CMD_VMREAD)

/**
 * define MINIVMX_VMWRITE - write a guest-state field of the vCPU's VMCS
 *
 * Fields that a program can write: segments, GDTR, IDTR, SYSENTER, DR7, RSP,
 * RIP, RFLAGS, pending debug exceptions, interruptibility and activity state;
 * without shadow paging CR3, the PDPTEs and IA32_PAT, too. Values that no CPU
 * can have make the next MINIVMX_RUN report a failed entry.
 *
 * Return: 0, or EPERM for any other field, and for an activity state but active
 * and HLT, EINVAL for a value that does not fit into the field, and for
 * blocking by NMI without MINIVMX_CAP_VIRTUAL_NMIS, ENOENT if this CPU's VMCS
 * has no such field, EBUSY, E2BIG, EFAULT, EIO, ENOMEM.
 */
#define MINIVMX_VMWRITE		_IO(MINIVMX_TYPE, MINIVMX_CMD_VMWRITE)

/**
 * struct minivmx_check - ioctl(MINIVMX_CHECK)
 * @size: sizeof(struct minivmx_check)
 * @__reserved: must be 0
 * @out_violation: what a VM entry would fail for
 */
struct minivmx_check {
	__u32 size;
	__u32 __reserved;
	struct minivmx_violation out_violation;
};

/**
 * define MINIVMX_CHECK - tell whether the guest can be entered
 *
 * Without entering it: the driver holds the vCPU's VMCS, with @regs and @event of
 * struct minivmx_run, against the rules of VM entries. An exit that waits for
 * its answer is not ended. With shadow paging the VMCS has CR0, CR3, CR4 and
 * IA32_EFER as the shadow needs them; what the guest has there is checked by
 * MINIVMX_RUN.
 *
 * Return: 0, whatever is found, or EINVAL, also for an @event that MINIVMX_RUN
 * would refuse, EOPNOTSUPP for an NMI without MINIVMX_CAP_VIRTUAL_NMIS, EBUSY,
 * E2BIG, EFAULT, EIO, ENOMEM.
 */
#define MINIVMX_CHECK		_IO(MINIVMX_TYPE, MINIVMX_CMD_CHECK)

#endif /* _UAPI_MINIVMX_H */
