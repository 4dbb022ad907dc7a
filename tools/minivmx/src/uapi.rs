// SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note

//! The interface as C sees it. `make bindings` writes this file from `uapi/minivmx.h`.

#![allow(non_camel_case_types)]
// Zeroes are a value of every structure here.
#![allow(clippy::undocumented_unsafe_blocks)]

/// Raised when a call changes its meaning.
pub const MINIVMX_API_VERSION: u32 = 1;
/// The ioctl type of all calls.
pub const MINIVMX_TYPE: u32 = 187;
/// Number of exit reasons that are counted.
pub const MINIVMX_STATS_EXITS: u32 = 80;
/// Entries of a table, and of `MINIVMX_READ_TABLE`.
pub const MINIVMX_MAX_PTES: u32 = 512;
/// Bytes to mmap() of a vCPU file.
pub const MINIVMX_RUN_SIZE: u32 = 4096;
/// 64-bit words of `area` of struct `minivmx_fpu`.
pub const MINIVMX_FPU_WORDS: u32 = 104;
/// Most MSRs in one call.
pub const MINIVMX_MAX_MSRS: u32 = 256;
/// Most entries of `MINIVMX_SET_CPUID`.
pub const MINIVMX_MAX_CPUID: u32 = 64;
/// Most entries that a translation meets.
pub const MINIVMX_MAX_REFERENCES: u32 = 24;
/// Number of `MINIVMX_GET_INFO`.
pub const MINIVMX_CMD_GET_INFO: minivmx_cmd = 0;
/// Number of `MINIVMX_CREATE_VM`.
pub const MINIVMX_CMD_CREATE_VM: minivmx_cmd = 1;
/// Number of `MINIVMX_MAP_MEMORY`.
pub const MINIVMX_CMD_MAP_MEMORY: minivmx_cmd = 16;
/// Number of `MINIVMX_UNMAP_MEMORY`.
pub const MINIVMX_CMD_UNMAP_MEMORY: minivmx_cmd = 17;
/// Number of `MINIVMX_CREATE_VCPU`.
pub const MINIVMX_CMD_CREATE_VCPU: minivmx_cmd = 18;
/// Number of `MINIVMX_READ_TABLE`.
pub const MINIVMX_CMD_READ_TABLE: minivmx_cmd = 19;
/// Number of `MINIVMX_GET_STATS`.
pub const MINIVMX_CMD_GET_STATS: minivmx_cmd = 20;
/// Number of `MINIVMX_RUN`.
pub const MINIVMX_CMD_RUN: minivmx_cmd = 32;
/// Number of `MINIVMX_GET_REGS`.
pub const MINIVMX_CMD_GET_REGS: minivmx_cmd = 33;
/// Number of `MINIVMX_SET_REGS`.
pub const MINIVMX_CMD_SET_REGS: minivmx_cmd = 34;
/// Number of `MINIVMX_GET_SREGS`.
pub const MINIVMX_CMD_GET_SREGS: minivmx_cmd = 35;
/// Number of `MINIVMX_SET_SREGS`.
pub const MINIVMX_CMD_SET_SREGS: minivmx_cmd = 36;
/// Number of `MINIVMX_GET_MSRS`.
pub const MINIVMX_CMD_GET_MSRS: minivmx_cmd = 37;
/// Number of `MINIVMX_SET_MSRS`.
pub const MINIVMX_CMD_SET_MSRS: minivmx_cmd = 38;
/// Number of `MINIVMX_SET_CPUID`.
pub const MINIVMX_CMD_SET_CPUID: minivmx_cmd = 39;
/// Number of `MINIVMX_SET_TRAPS`.
pub const MINIVMX_CMD_SET_TRAPS: minivmx_cmd = 40;
/// Number of `MINIVMX_TRANSLATE`.
pub const MINIVMX_CMD_TRANSLATE: minivmx_cmd = 41;
/// Number of `MINIVMX_VMREAD`.
pub const MINIVMX_CMD_VMREAD: minivmx_cmd = 42;
/// Number of `MINIVMX_VMWRITE`.
pub const MINIVMX_CMD_VMWRITE: minivmx_cmd = 43;
/// Number of `MINIVMX_CHECK`.
pub const MINIVMX_CMD_CHECK: minivmx_cmd = 44;
/// Number of `MINIVMX_GET_FPU`.
pub const MINIVMX_CMD_GET_FPU: minivmx_cmd = 45;
/// Number of `MINIVMX_SET_FPU`.
pub const MINIVMX_CMD_SET_FPU: minivmx_cmd = 46;
/// Number of `MINIVMX_KICK`.
pub const MINIVMX_CMD_KICK: minivmx_cmd = 47;
/// Numbers of the calls.
pub type minivmx_cmd = u32;
/// By the CPU, through extended page tables.
pub const MINIVMX_MMU_EPT: minivmx_mmu = 1;
/// Shadow paging, virtual TLB: one set of shadow tables for each vCPU, filled by page faults, dropped when the guest loads CR3.
pub const MINIVMX_MMU_VTLB: minivmx_mmu = 2;
/// Shadow paging, write protection: shadows are kept across loads of CR3; the guest's tables are read-only, and each write to them is trapped and synchronised at once.
pub const MINIVMX_MMU_WP: minivmx_mmu = 3;
/// Shadow paging, as `MINIVMX_MMU_WP`, but a last-level table becomes writable at its first write, and is synchronised when the guest invalidates translations.
pub const MINIVMX_MMU_UNSYNC: minivmx_mmu = 4;
/// Shadow paging, as `MINIVMX_MMU_WP`, for guests that change their tables by hypercalls, many entries at a time; see `minivmx_pv`.h.
pub const MINIVMX_MMU_PV: minivmx_mmu = 5;
/// How guest-physical memory is translated.
pub type minivmx_mmu = u32;
/// Extended page tables, 4-level, write-back.
pub const MINIVMX_CAP_EPT: minivmx_cap = 1;
/// Accessed and dirty flags in EPT entries.
pub const MINIVMX_CAP_EPT_AD: minivmx_cap = 2;
/// Pages that can be executed but not read.
pub const MINIVMX_CAP_EPT_EXEC_ONLY: minivmx_cap = 4;
/// 2 MiB pages in EPT.
pub const MINIVMX_CAP_EPT_2M: minivmx_cap = 8;
/// 1 GiB pages in EPT.
pub const MINIVMX_CAP_EPT_1G: minivmx_cap = 16;
/// INVEPT of one EPT pointer.
pub const MINIVMX_CAP_INVEPT_SINGLE: minivmx_cap = 32;
/// INVEPT of all EPT pointers.
pub const MINIVMX_CAP_INVEPT_GLOBAL: minivmx_cap = 64;
/// Virtual-processor identifiers.
pub const MINIVMX_CAP_VPID: minivmx_cap = 128;
/// INVVPID of one VPID.
pub const MINIVMX_CAP_INVVPID_SINGLE: minivmx_cap = 256;
/// INVVPID of all VPIDs.
pub const MINIVMX_CAP_INVVPID_ALL: minivmx_cap = 512;
/// Guests in real mode and without paging.
pub const MINIVMX_CAP_UNRESTRICTED_GUEST: minivmx_cap = 1024;
/// Monitor trap flag.
pub const MINIVMX_CAP_MTF: minivmx_cap = 2048;
/// VMX-preemption timer.
pub const MINIVMX_CAP_PREEMPTION_TIMER: minivmx_cap = 4096;
/// Virtual NMIs.
pub const MINIVMX_CAP_VIRTUAL_NMIS: minivmx_cap = 8192;
/// MSR bitmaps.
pub const MINIVMX_CAP_MSR_BITMAPS: minivmx_cap = 16384;
/// IA32_EFER is switched by VM entries and exits.
pub const MINIVMX_CAP_LOAD_EFER: minivmx_cap = 32768;
/// IA32_PAT is switched by VM entries and exits.
pub const MINIVMX_CAP_LOAD_PAT: minivmx_cap = 65536;
/// The default-1 controls can be cleared.
pub const MINIVMX_CAP_TRUE_CONTROLS: minivmx_cap = 131072;
/// The guest can use XSAVE, as the host does.
pub const MINIVMX_CAP_XSAVE: minivmx_cap = 262144;
/// What the CPU can do, as bits of a mask.
pub type minivmx_cap = u32;
/// Nobody holds VMX; the driver executes VMXON for each burst.
pub const MINIVMX_VMX_OWN: minivmx_vmx = 0;
/// KVM holds VMX; the driver borrows it for each burst.
pub const MINIVMX_VMX_BORROW: minivmx_vmx = 1;
/// Somebody else holds VMX, or KVM does with enlightened VMCSs of Hyper-V, which cannot be shared, or Intel PT traces the host on a CPU whose VMX would stop that: `MINIVMX_CREATE_VM` fails with EBUSY, and so do all calls on a vCPU but `MINIVMX_GET_REGS`, `MINIVMX_SET_REGS`, `MINIVMX_GET_FPU`, `MINIVMX_SET_FPU`, `MINIVMX_SET_CPUID` and `MINIVMX_KICK`.
pub const MINIVMX_VMX_UNAVAILABLE: minivmx_vmx = 2;
/// How the driver gets into VMX operation at present.
pub type minivmx_vmx = u32;
/// VERW before each VM entry: a guest finds nothing in the CPU's buffers (MDS, TAA, MMIO stale data, RFDS).
pub const MINIVMX_MITIGATION_CLEAR_BUFFERS: minivmx_mitigation = 1;
/// The return stack is filled after each VM exit.
pub const MINIVMX_MITIGATION_RETURN_STACK: minivmx_mitigation = 2;
/// IA32_SPEC_CTRL.IBRS is set anew after each VM exit, on CPUs without enhanced IBRS.
pub const MINIVMX_MITIGATION_IBRS: minivmx_mitigation = 4;
/// The branch history is overwritten after each VM exit, on CPUs that cannot keep it apart (BHI).
pub const MINIVMX_MITIGATION_BRANCH_HISTORY: minivmx_mitigation = 8;
/// IBPB before a vCPU runs where another one ran.
pub const MINIVMX_MITIGATION_IBPB_GUEST: minivmx_mitigation = 16;
/// IBPB before the program goes on where a vCPU ran (VMSCAPE).
pub const MINIVMX_MITIGATION_IBPB_USER: minivmx_mitigation = 32;
/// The L1 data cache is empty when a vCPU begins to run (L1 terminal fault).
pub const MINIVMX_MITIGATION_FLUSH_L1D: minivmx_mitigation = 64;
/// EPT guests have no pages of 2 MiB, which could be executed, so that they cannot stop the CPU.
pub const MINIVMX_MITIGATION_ITLB_MULTIHIT: minivmx_mitigation = 128;
/// Against speculative execution, as bits of a mask.
pub type minivmx_mitigation = u32;
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_GET_INFO`).
pub struct minivmx_info {
    /// Sizeof(struct `minivmx_info`).
    pub size: u32,
    /// Must be 0.
    pub __reserved: u32,
    /// `MINIVMX_API_VERSION` of the driver.
    pub out_api_version: u32,
    /// How VMX is obtained now, `minivmx_vmx`.
    pub out_vmx: u32,
    /// What this CPU can do, `minivmx_cap`.
    pub out_capabilities: u64,
    /// What `MINIVMX_CREATE_VM` takes: bit n stands for mmu n of `minivmx_mmu`.
    pub out_mmus: u64,
    /// What `MINIVMX_MMU_EPT` needs and this CPU lacks, `minivmx_cap`.
    pub out_ept_missing: u64,
    /// The exits that `MINIVMX_SET_TRAPS` takes: bit n of word w stands for basic exit reason 64 w + n.
    pub out_traps: [u64; 2usize],
    /// Bytes of guest memory that a VM may have, and all VMs together: the module's parameter max_memory_mib, or half of the machine's memory.
    pub out_max_memory: u64,
    /// Ranges of guest memory that one VM may have.
    pub out_max_regions: u32,
    /// VCPUs that one VM may have; with shadow paging it is one, except with `MINIVMX_MMU_VTLB`.
    pub out_max_vcpus: u32,
    /// Width of a guest-physical address where memory can be: at most 48, even if CPUID tells the guest of more.
    pub out_physical_bits: u32,
    /// Must be 0.
    pub __reserved2: u32,
    /// What the driver does against speculative execution, `minivmx_mitigation`.
    pub out_mitigations: u64,
    /// What would have to be done on this machine and a module cannot do. What is in neither mask is not needed on this CPU, or the kernel was told to leave it out.
    pub out_unmitigated: u64,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_CREATE_VM`).
pub struct minivmx_create_vm {
    /// Sizeof(struct `minivmx_create_vm`).
    pub size: u32,
    /// `minivmx_mmu`.
    pub mmu: u32,
    /// Must be 0.
    pub flags: u32,
    /// Must be 0.
    pub __reserved: u32,
}
/// The guest cannot write it; a write is a `MINIVMX_EXIT_MEMORY`. The program can, through mmap().
pub const MINIVMX_MAP_READONLY: minivmx_map_flags = 1;
/// Made of 2 MiB pages, or of 4 KiB pages where the kernel has no free block of 2 MiB left; address and length are multiples of 2 MiB.
pub const MINIVMX_MAP_2M: minivmx_map_flags = 2;
/// All pages are allocated now, not at their first use.
pub const MINIVMX_MAP_POPULATE: minivmx_map_flags = 4;
/// Properties of a range of guest memory.
pub type minivmx_map_flags = u32;
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_MAP_MEMORY`).
pub struct minivmx_map_memory {
    /// Sizeof(struct `minivmx_map_memory`).
    pub size: u32,
    /// `minivmx_map_flags`.
    pub flags: u32,
    /// Guest-physical address, a multiple of 4096.
    pub gpa: u64,
    /// Bytes, a multiple of 4096, not 0.
    pub length: u64,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_UNMAP_MEMORY`).
pub struct minivmx_unmap_memory {
    /// Sizeof(struct `minivmx_unmap_memory`).
    pub size: u32,
    /// Must be 0.
    pub __reserved: u32,
    /// Guest-physical address, a multiple of 4096.
    pub gpa: u64,
    /// Bytes, a multiple of 4096, not 0.
    pub length: u64,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_CREATE_VCPU`).
pub struct minivmx_create_vcpu {
    /// Sizeof(struct `minivmx_create_vcpu`).
    pub size: u32,
    /// Its number in the VM, below `out_max_vcpus`; the guest reads it as its initial APIC ID.
    pub id: u32,
    /// Must be 0.
    pub flags: u32,
    /// Must be 0.
    pub __reserved: u32,
}
#[repr(C)]
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_GET_STATS`).
pub struct minivmx_stats {
    /// Sizeof(struct `minivmx_stats`).
    pub size: u32,
    /// Must be 0.
    pub __reserved: u32,
    /// Calls of `MINIVMX_RUN`.
    pub out_runs: u64,
    /// Stays in VMX operation.
    pub out_bursts: u64,
    /// VM entries, failed ones too.
    pub out_entries: u64,
    /// Exits that were handed to the program.
    pub out_returns: u64,
    /// Exceptions that the driver injected.
    pub out_injections: u64,
    /// Flushes of stale translations (INVEPT, INVVPID).
    pub out_flushes: u64,
    /// Interrupts sent to stop a running vCPU.
    pub out_kicks: u64,
    /// Guest pages that are allocated, in units of 4 KiB.
    pub out_pages: u64,
    /// Pages that page tables for the guest take.
    pub out_tables: u64,
    /// VM exits by basic exit reason (SDM Vol. 3D, "VMX Basic Exit Reasons"). Of greater ones than are here there are two, of forms of RDMSR and WRMSR that guests do not have; these are not counted.
    pub out_exits: [u64; 80usize],
    /// Page faults that were the guest's own (with shadow paging; under EPT they do not exit).
    pub out_guest_faults: u64,
    /// Page faults that were answered by a shadow entry.
    pub out_shadow_misses: u64,
    /// Writes to a guest page table that were trapped.
    pub out_table_writes: u64,
    /// Shadow entries that were found to differ from the guest's entry.
    pub out_syncs: u64,
    /// Shadow tables that were dropped for want of room.
    pub out_reclaims: u64,
    /// Tables that shadow guest tables at present; the pages they take are among `out_tables`.
    pub out_shadow_tables: u64,
    /// Page faults for a write of the supervisor to a read-only page, which CR0.WP = 0 allows (with shadow paging).
    pub out_supervisor_writes: u64,
    /// EPT violations that were answered by an entry.
    pub out_ept_fills: u64,
    /// Page faults and EPT violations whose page had to be allocated; then the guest tries again.
    pub out_allocations: u64,
    /// Page faults and EPT violations of memory that is not there, or not for writing: each was a `MINIVMX_EXIT_MEMORY`.
    pub out_absences: u64,
}
impl Default for minivmx_stats {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// The guest's own, in its memory.
pub const MINIVMX_TABLES_GUEST: minivmx_tables = 1;
/// Extended page tables, of guest-physical addresses.
pub const MINIVMX_TABLES_EPT: minivmx_tables = 2;
/// Shadow tables, of guest-linear addresses.
pub const MINIVMX_TABLES_SHADOW: minivmx_tables = 3;
/// Whose page tables.
pub type minivmx_tables = u32;
/// It means something.
pub const MINIVMX_PTE_PRESENT: minivmx_pte_flags = 1;
/// It allows reads, as far as it is concerned.
pub const MINIVMX_PTE_READ: minivmx_pte_flags = 2;
/// It allows writes.
pub const MINIVMX_PTE_WRITE: minivmx_pte_flags = 4;
/// It allows instruction fetches.
pub const MINIVMX_PTE_EXECUTE: minivmx_pte_flags = 8;
/// It allows accesses at CPL 3; no matter of EPT, whose entries do not have it.
pub const MINIVMX_PTE_USER: minivmx_pte_flags = 16;
/// Accessed flag. EPT keeps none here; in a shadow entry it is always set: the guest's own entries have those that count.
pub const MINIVMX_PTE_ACCESSED: minivmx_pte_flags = 32;
/// Dirty flag, of an entry that maps a page; as above.
pub const MINIVMX_PTE_DIRTY: minivmx_pte_flags = 64;
/// It maps a page, and refers to no table.
pub const MINIVMX_PTE_LEAF: minivmx_pte_flags = 128;
/// It says what no entry may say: the CPU reports a page fault for reserved bits, or an EPT misconfiguration.
pub const MINIVMX_PTE_RESERVED: minivmx_pte_flags = 256;
/// The CPU has it in a PDPTE register (PAE paging): what the guest's last load of CR3 read, or for the shadow, the last VM entry.
pub const MINIVMX_PTE_REGISTER: minivmx_pte_flags = 512;
/// The guest's entry is not `source` any more, but for flags that were set in it; the shadow notices when the guest invalidates the address.
pub const MINIVMX_PTE_OUT_OF_DATE: minivmx_pte_flags = 65536;
/// The shadow does not allow writes, because the page holds a page table of the guest that has a shadow.
pub const MINIVMX_PTE_HOLDS_TABLE: minivmx_pte_flags = 131072;
/// The shadow does not allow writes, because `source` does, but is not dirty: the first write has to set the flag.
pub const MINIVMX_PTE_NOT_DIRTY: minivmx_pte_flags = 262144;
/// The shadow does not allow writes, because of `MINIVMX_MAP_READONLY`.
pub const MINIVMX_PTE_READ_ONLY_MEMORY: minivmx_pte_flags = 524288;
/// What an entry of a page table says.
pub type minivmx_pte_flags = u32;
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// An entry of a page table, as it was when it was read.
pub struct minivmx_pte {
    /// Whose it is, `minivmx_tables`.
    pub tables: u32,
    /// Level of its table: 4 to 1, the lowest.
    pub level: u32,
    /// Its place in the table.
    pub index: u32,
    /// `minivmx_pte_flags`.
    pub flags: u32,
    /// The address that it is on the way to: guest-physical in EPT, else guest-linear.
    pub input: u64,
    /// Where it is: guest-physical in the guest's tables, else host-physical.
    pub address: u64,
    /// Its bits: 32 or 64 in the guest's tables, else 64.
    pub value: u64,
    /// In shadow tables, the guest's entry that it was made from; 0 if there is none: where the guest's tables have fewer levels, or a large page.
    pub source: u64,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_READ_TABLE`).
pub struct minivmx_read_table {
    /// Sizeof(struct `minivmx_read_table`).
    pub size: u32,
    /// Level of the table: 4 to 1, the lowest; 0 stands for the table that the CPU begins with, whatever its level.
    pub level: u32,
    /// An address that it is on the way to: guest-physical with EPT, else guest-linear.
    pub address: u64,
    /// Address of an array of `MINIVMX_MAX_PTES` struct `minivmx_pte`.
    pub entries: u64,
    /// Entries that are there; `input` of each is the first address that it is on the way to.
    pub out_count: u32,
    /// With shadow paging the number of the vCPU that uses the table, else 0.
    pub vcpu: u32,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// The general registers.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct minivmx_regs {
    /// And so on, in the order of their numbers in instructions.
    pub rax: u64,
    /// Register 1.
    pub rcx: u64,
    /// Register 2.
    pub rdx: u64,
    /// Register 3.
    pub rbx: u64,
    /// Register 4.
    pub rsp: u64,
    /// Register 5.
    pub rbp: u64,
    /// Register 6.
    pub rsi: u64,
    /// Register 7.
    pub rdi: u64,
    /// Register 8.
    pub r8: u64,
    /// Register 9.
    pub r9: u64,
    /// Register 10.
    pub r10: u64,
    /// Register 11.
    pub r11: u64,
    /// Register 12.
    pub r12: u64,
    /// Register 13.
    pub r13: u64,
    /// Register 14.
    pub r14: u64,
    /// Register 15.
    pub r15: u64,
    /// Instruction pointer.
    pub rip: u64,
    /// Flags.
    pub rflags: u64,
}
/// The guest touched guest-physical memory that is in no region, or wrote to a read-only one; see `memory` of struct `minivmx_run`.
pub const MINIVMX_EXIT_MEMORY: minivmx_exit = 65536;
/// The CPU refused VMLAUNCH or VMRESUME; `qualification` is the VM-instruction error, `cause` says it in words.
pub const MINIVMX_EXIT_ENTRY_FAILED: minivmx_exit = 65537;
/// The driver cannot go on with this guest, such as one in real mode with shadow paging; `cause` says why.
pub const MINIVMX_EXIT_INTERNAL: minivmx_exit = 65538;
/// `MINIVMX_KICK` was called. Nothing has happened to the guest, which goes on with the next `MINIVMX_RUN`: it is between two instructions, or waits at HLT (`activity` of struct `minivmx_sregs`).
pub const MINIVMX_EXIT_KICK: minivmx_exit = 65539;
/// `deadline` of struct `minivmx_run` is over; else as `MINIVMX_EXIT_KICK`.
pub const MINIVMX_EXIT_DEADLINE: minivmx_exit = 65540;
/// Exit reasons that are the driver's own.
pub type minivmx_exit = u32;
/// The guest goes on at `regs`.rip. An I/O instruction, RDMSR and WRMSR are finished first, with what the program left in `io` or `msr`, provided that `regs`.rip is still that of the instruction.
pub const MINIVMX_ANSWER_FINISH: minivmx_answer = 0;
/// The guest goes on behind the instruction that exited. This is for exits of an instruction that want an answer: those that `MINIVMX_SET_TRAPS` asked for, but no EPT violations and no faults, whose instruction may have any length; I/O; RDMSR and WRMSR. EINVAL for all others, such as `MINIVMX_EXIT_MEMORY`, and HLT, which the guest is behind already.
pub const MINIVMX_ANSWER_SKIP: minivmx_answer = 1;
/// The driver answers the exit as if it were not trapped by `MINIVMX_SET_TRAPS`; the same as `MINIVMX_ANSWER_FINISH` where the driver has no answer. If the exit is an exception, that takes the place of `event`, or is a double fault with it. So it is EINVAL if `event` is another one than that whose delivery the exception cut short (`vectoring_info`).
pub const MINIVMX_ANSWER_DEFAULT: minivmx_answer = 2;
/// What becomes of the exit that was reported last.
pub type minivmx_answer = u32;
/// Data read.
pub const MINIVMX_ACCESS_READ: minivmx_access = 1;
/// Data write.
pub const MINIVMX_ACCESS_WRITE: minivmx_access = 2;
/// Instruction fetch.
pub const MINIVMX_ACCESS_FETCH: minivmx_access = 4;
/// Kinds of memory access, as bits of a mask.
pub type minivmx_access = u32;
/// The guest reads from the port.
pub const MINIVMX_IO_IN: minivmx_io_flags = 1;
/// INS or OUTS. The driver moves the data between `io`.data and guest memory, one element an exit. The exit comes when the access to memory has raised no fault and memory is there: else the guest has the exception, or the program `MINIVMX_EXIT_MEMORY`, before the port is touched. What the program answers to INS goes where the destination was then. If the program has removed that memory in the meantime, `MINIVMX_RUN` ends in `MINIVMX_EXIT_MEMORY`, and the next one in the same place goes on with the first answer.
pub const MINIVMX_IO_STRING: minivmx_io_flags = 2;
/// With a REP prefix.
pub const MINIVMX_IO_REP: minivmx_io_flags = 4;
/// Form of an I/O instruction.
pub type minivmx_io_flags = u32;
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// An I/O instruction (exit reason 30).
pub struct minivmx_io {
    /// Port number.
    pub port: u16,
    /// Bytes: 1, 2 or 4.
    pub width: u8,
    /// `minivmx_io_flags`.
    pub flags: u8,
    /// What the guest writes; with `MINIVMX_IO_IN`, what the program answers.
    pub data: u32,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// RDMSR or WRMSR (exit reasons 31 and 32).
pub struct minivmx_msr_exit {
    /// Number of the MSR.
    pub index: u32,
    /// Set by the program: not 0 for #GP(0) in the guest.
    pub fault: u32,
    /// What the guest writes; for RDMSR, what the program answers.
    pub value: u64,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// An access that no memory answers (`MINIVMX_EXIT_MEMORY`).
pub struct minivmx_memory_exit {
    /// Guest-physical address.
    pub gpa: u64,
    /// `minivmx_access`.
    pub access: u32,
    /// How many bytes of `instruction` are valid; 0 if they could not be read.
    pub instruction_bytes: u8,
    /// The bytes at `regs`.rip.
    pub instruction: [u8; 15usize],
    /// 0.
    pub __reserved: u32,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// An event for the guest.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct minivmx_event {
    /// Which event, in the form of VM-entry interruption information (SDM Vol. 3C, "VM-Entry Controls for Event Injection"): vector in bits 7:0, kind in bits 10:8, bit 11 if it has an error code, bit 31; 0 if there is none.
    pub info: u32,
    /// Its error code, if it has one.
    pub error: u32,
    /// Bytes of the instruction that raised it, if it is of a kind that an instruction raises: 1 to 15; 0, too, where the CPU has bit 30 of IA32_VMX_MISC.
    pub length: u32,
    /// Must be 0.
    pub __reserved: u32,
}
#[repr(C)]
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
/// A rule of VM entries that a vCPU breaks.
pub struct minivmx_violation {
    /// Name of the rule, zero-terminated; empty if none is known to be broken. The rules are those of the SDM (Vol. 3C, "Checks on VMX Controls and Host-State Area" and "Checks on the Guest State Area"), and src/vmx/check/ has them by their names. Names are for people: a driver may come to split a rule or word it better. Where several are broken, it is one of them.
    pub rule: [::core::ffi::c_char; 64usize],
    /// Encoding of the VMCS field that is to blame.
    pub field: u32,
    /// 0.
    pub __reserved: u32,
    /// What that field holds; 0 for the fields that `MINIVMX_VMREAD` keeps for callers with CAP_SYS_ADMIN.
    pub value: u64,
}
impl Default for minivmx_violation {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// An external interrupt: RFLAGS.IF is 1, and interrupts are not blocked by STI or MOV SS.
pub const MINIVMX_WINDOW_INTERRUPT: minivmx_window = 1;
/// An NMI: NMIs are not blocked, nor events by STI or MOV SS.
pub const MINIVMX_WINDOW_NMI: minivmx_window = 2;
/// Events that a guest can take at some times only, as bits of a mask.
pub type minivmx_window = u32;
/// It does not end at HLT, if RFLAGS.IF is 1 there: it waits in the guest's place, without using the CPU, until it ends for another reason; so `MINIVMX_KICK` is how a device has it wake the guest. A guest that waits is in activity state 1 (`activity` of struct `minivmx_sregs`), and stays there until it gets what a CPU would wake for: `event`, or a debug trap of its last instruction. Without one of these, the next `MINIVMX_RUN` with this flag waits on. It does not wait if a window is open that `windows` asks for. Who sets RFLAGS.TF meanwhile sets `activity` to 0, too: a CPU in HLT that steps has its trap pending, and a VM entry insists on it.
pub const MINIVMX_RUN_WAIT: minivmx_run_flags = 1;
/// It ends at `deadline`, whether the guest runs or waits.
pub const MINIVMX_RUN_DEADLINE: minivmx_run_flags = 2;
/// What else a `MINIVMX_RUN` does and does not end for, as bits of a mask.
pub type minivmx_run_flags = u32;
#[repr(C)]
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
/// The page that program and driver share for a vCPU.
pub struct minivmx_run {
    /// The registers. While the vCPU does not run, they are here and nowhere else: what the program writes is what the guest goes on with.
    pub regs: minivmx_regs,
    /// Set by the program: not 0 makes `MINIVMX_RUN` answer EINTR before the guest is entered; a signal handler can set it.
    pub immediate_exit: u32,
    /// Set by the program: `minivmx_answer`; the driver resets it to 0 when the exit is ended; if `MINIVMX_RUN` fails before that, it stays.
    pub answer: u32,
    /// Basic exit reason, or `minivmx_exit`.
    pub reason: u32,
    /// 1 if the VM entry failed while loading guest state (bit 31 of the exit reason; `cause` says why).
    pub entry_failure: u32,
    /// Exit qualification.
    pub qualification: u64,
    /// Guest-linear address, where the exit has one.
    pub linear_address: u64,
    /// Guest-physical address, where the exit has one; with shadow paging, of `MINIVMX_EXIT_MEMORY` only.
    pub physical_address: u64,
    /// VM-exit instruction length, bytes; 0 for an exit that is not of an instruction, and for a fault (SDM Vol. 3C, "Information for VM Exits Due to Instruction Execution").
    pub instruction_length: u32,
    /// VM-exit instruction information.
    pub instruction_info: u32,
    /// VM-exit interruption information.
    pub interruption_info: u32,
    /// VM-exit interruption error code.
    pub interruption_error: u32,
    /// IDT-vectoring information.
    pub vectoring_info: u32,
    /// IDT-vectoring error code.
    pub vectoring_error: u32,
    /// Decoded form of exit reason 30.
    pub io: minivmx_io,
    /// Decoded form of exit reasons 31 and 32.
    pub msr: minivmx_msr_exit,
    /// Decoded form of `MINIVMX_EXIT_MEMORY`.
    pub memory: minivmx_memory_exit,
    /// The exit in words where it needs some, zero-terminated.
    pub cause: [::core::ffi::c_char; 128usize],
    /// What the guest gets at its next VM entry, before its next instruction. Like the registers it is here and nowhere else while the vCPU does not run: an event whose delivery an exit cut short, or one that the driver raised and that was not delivered yet, can be seen, replaced and cancelled, and the program can leave one of its own.
    pub event: minivmx_event,
    /// Of a failed VM entry (`entry_failure`, `MINIVMX_EXIT_ENTRY_FAILED`): the rule that it broke; `cause` says the same in words.
    pub violation: minivmx_violation,
    /// Set by the program, `minivmx_window`: `MINIVMX_RUN` ends as soon as the guest can take one of these, before its next instruction, with exit reason 7 (interrupt window) or 8 (NMI window). An event that waits comes first.
    pub windows: u32,
    /// Set by the program, `minivmx_run_flags`.
    pub flags: u32,
    /// `minivmx_window`: which of these the guest can take where it is now. None while an event waits, or a debug trap of the last instruction, which comes first; nor before an instruction whose exit waits for its answer, if it is going to have one or ends what blocks them. Ask for the window then. It is what holds for `MINIVMX_ANSWER_FINISH`: an exception that is left to the driver's answer has no room for another event.
    pub ready: u32,
    /// 0.
    pub __reserved: u32,
    /// Set by the program, with `MINIVMX_RUN_DEADLINE`: nanoseconds of the host's CLOCK_MONOTONIC. `MINIVMX_RUN` ends in `MINIVMX_EXIT_DEADLINE` when these have passed, not earlier, and before the guest is entered if they have passed already. It is a moment and no length of time, so that a `MINIVMX_RUN` which was interrupted is just called again; and of this clock, by which programs set their timers and the kernel its own, since that of the guest is the guest's to change and differs between vCPUs. To be told the same moment again costs nothing.
    pub deadline: u64,
}
impl Default for minivmx_run {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_GET_REGS`, `MINIVMX_SET_REGS`).
pub struct minivmx_regs_arg {
    /// Sizeof(struct `minivmx_regs_arg`).
    pub size: u32,
    /// Must be 0.
    pub __reserved: u32,
    /// The registers.
    pub regs: minivmx_regs,
}
#[repr(C)]
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_GET_FPU`, `MINIVMX_SET_FPU`).
pub struct minivmx_fpu {
    /// Sizeof(struct `minivmx_fpu`).
    pub size: u32,
    /// Must be 0.
    pub __reserved: u32,
    /// X87, SSE and AVX registers, as XSAVE64 writes them (SDM Vol. 1, "Standard Format of the XSAVE Area"): the legacy region in bytes 511:0, the header in bytes 575:512, AVX in bytes 831:576. A component whose bit is clear in XSTATE_BV, the header's first word, is in its initial state, whatever stands here for it; but MXCSR always counts. Without `MINIVMX_CAP_XSAVE` it is what FXSAVE64 writes, XSTATE_BV is 3, since x87 and SSE are always there, and the rest is 0.
    pub area: [u64; 104usize],
}
impl Default for minivmx_fpu {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// A segment register with its hidden part.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct minivmx_segment {
    /// Linear base address.
    pub base: u64,
    /// Limit in bytes.
    pub limit: u32,
    /// Visible part.
    pub selector: u16,
    /// Must be 0.
    pub __reserved: u16,
    /// In the VMCS's form: bits 7:0 and 15:12 as in a descriptor, bit 16 set for a segment that cannot be used (SDM Vol. 3C, "Guest Register State").
    pub access_rights: u32,
    /// Must be 0.
    pub __reserved2: u32,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// GDTR or IDTR.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct minivmx_table {
    /// Linear base address.
    pub base: u64,
    /// Limit in bytes.
    pub limit: u32,
    /// Must be 0.
    pub __reserved: u32,
}
/// For the same guest as before, some of whose registers may have changed. What waits stays: the exit that was reported last, if it wants an answer, and `event` of struct `minivmx_run`. Without it, `MINIVMX_SET_SREGS` makes another guest, for which nothing waits: the exit gets no answer any more, and `event` becomes 0. `MINIVMX_GET_SREGS` always sets it.
pub const MINIVMX_SREGS_KEEP: minivmx_sregs_flags = 1;
/// For what the CPU has in its PDPTE registers, too. `MINIVMX_GET_SREGS` sets it if the guest has PAE paging. Without it, `MINIVMX_SET_SREGS` does not look at `pdptes`, but reads them from guest memory as a load of `cr3` does, if the guest has PAE paging then. (Where no memory is, they are 0.).
pub const MINIVMX_SREGS_PDPTES: minivmx_sregs_flags = 2;
/// What a struct `minivmx_sregs` is to be taken for.
pub type minivmx_sregs_flags = u32;
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_GET_SREGS`, `MINIVMX_SET_SREGS`).
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct minivmx_sregs {
    /// Sizeof(struct `minivmx_sregs`).
    pub size: u32,
    /// Must be 0.
    pub __reserved: u32,
    /// Extra segment.
    pub es: minivmx_segment,
    /// Code segment.
    pub cs: minivmx_segment,
    /// Stack segment.
    pub ss: minivmx_segment,
    /// Data segment.
    pub ds: minivmx_segment,
    /// FS.
    pub fs: minivmx_segment,
    /// GS.
    pub gs: minivmx_segment,
    /// Local descriptor table.
    pub ldtr: minivmx_segment,
    /// Task register.
    pub tr: minivmx_segment,
    /// Global descriptor table.
    pub gdtr: minivmx_table,
    /// Interrupt descriptor table.
    pub idtr: minivmx_table,
    /// As the guest reads it.
    pub cr0: u64,
    /// Page-fault linear address.
    pub cr2: u64,
    /// As the guest reads it.
    pub cr3: u64,
    /// As the guest reads it.
    pub cr4: u64,
    /// IA32_EFER as the guest reads it.
    pub efer: u64,
    /// Extended control register 0.
    pub xcr0: u64,
    /// DR0 to DR3, then DR6 and DR7; of these two, bits that are the same in every CPU are what they always are, whatever is written.
    pub dr: [u64; 6usize],
    /// Interruptibility state (SDM Vol. 3C, "Guest Non-Register State").
    pub interruptibility: u32,
    /// Must be 0.
    pub __reserved2: u32,
    /// Task priority, 0 to 15.
    pub cr8: u64,
    /// With PAE paging (CR0.PG and CR4.PAE are 1, IA32_EFER.LMA is 0), the four entries that the guest's last load of CR3 read (SDM Vol. 3A, "PDPTE Registers"), whatever stands in its memory by now; else 0.
    pub pdptes: [u64; 4usize],
    /// Debug exceptions that wait for the end of the present instruction: bits 3:0 and 14 as in DR6, bit 12 if a breakpoint among them is enabled (SDM Vol. 3C, "Guest Non-Register State").
    pub pending_debug: u64,
    /// Activity state: 0 active, 1 HLT.
    pub activity: u32,
    /// `minivmx_sregs_flags`.
    pub flags: u32,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// One MSR.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct minivmx_msr {
    /// Its number.
    pub index: u32,
    /// Must be 0.
    pub __reserved: u32,
    /// Its value.
    pub value: u64,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_GET_MSRS`, `MINIVMX_SET_MSRS`).
pub struct minivmx_msrs {
    /// Sizeof(struct `minivmx_msrs`).
    pub size: u32,
    /// Number of entries, at most `MINIVMX_MAX_MSRS`.
    pub count: u32,
    /// Address of an array of struct `minivmx_msr`.
    pub entries: u64,
    /// Entries that were carried out before the first that was not.
    pub out_done: u32,
    /// Must be 0.
    pub __reserved: u32,
}
/// The entry is for one value of ECX only.
pub const MINIVMX_CPUID_SUBLEAF: minivmx_cpuid_flags = 1;
/// How an entry is matched.
pub type minivmx_cpuid_flags = u32;
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// What CPUID answers for a leaf.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct minivmx_cpuid_entry {
    /// EAX going in.
    pub leaf: u32,
    /// ECX going in, if `flags` has `MINIVMX_CPUID_SUBLEAF`.
    pub subleaf: u32,
    /// `minivmx_cpuid_flags`; 0: the entry is for all values of ECX.
    pub flags: u32,
    /// Answer.
    pub eax: u32,
    /// Answer.
    pub ebx: u32,
    /// Answer.
    pub ecx: u32,
    /// Answer.
    pub edx: u32,
    /// Must be 0.
    pub __reserved: u32,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_SET_CPUID`).
pub struct minivmx_cpuid {
    /// Sizeof(struct `minivmx_cpuid`).
    pub size: u32,
    /// Number of entries, at most `MINIVMX_MAX_CPUID`.
    pub count: u32,
    /// Address of an array of struct `minivmx_cpuid_entry`.
    pub entries: u64,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_SET_TRAPS`).
pub struct minivmx_traps {
    /// Sizeof(struct `minivmx_traps`).
    pub size: u32,
    /// Bit n: exits for exception vector n (exit reason 0), whether the CPU raises the exception, or the driver for an instruction that it carries out, or as a double fault. What the program itself asks for, by `event` or by `fault` of struct `minivmx_msr_exit`, the guest gets without an exit.
    pub exceptions: u32,
    /// Bit n of word w: exits with basic exit reason 64 w + n; see `out_traps` of struct `minivmx_info`.
    pub exits: [u64; 2usize],
}
/// `address` is guest-physical; else guest-linear.
pub const MINIVMX_TRANSLATE_PHYSICAL: minivmx_translate_flags = 1;
/// The access is one of CPL 3; else the supervisor's.
pub const MINIVMX_TRANSLATE_USER: minivmx_translate_flags = 2;
/// What is to be translated.
pub type minivmx_translate_flags = u32;
/// At the page: the access can be made.
pub const MINIVMX_END_TRANSLATED: minivmx_end = 0;
/// The guest's tables do not allow it: the guest gets #PF with `out_error_code`.
pub const MINIVMX_END_PAGE_FAULT: minivmx_end = 1;
/// The guest gets #GP, or #SS.
pub const MINIVMX_END_NOT_CANONICAL: minivmx_end = 2;
/// There is no memory at `out_gpa`: `MINIVMX_EXIT_MEMORY`.
pub const MINIVMX_END_NO_MEMORY: minivmx_end = 3;
/// A write to `MINIVMX_MAP_READONLY` memory at `out_gpa`: `MINIVMX_EXIT_MEMORY`.
pub const MINIVMX_END_READ_ONLY_MEMORY: minivmx_end = 4;
/// The driver allocates the page of `out_gpa` when it is used first.
pub const MINIVMX_END_NOT_ALLOCATED: minivmx_end = 5;
/// The page is there, but there is no entry for it yet: the driver makes it when it is used first (under EPT, that of `out_gpa`).
pub const MINIVMX_END_NOT_FILLED: minivmx_end = 6;
/// The shadow has an entry, which does not allow the access, although the guest does; its flags say why, unless the guest does for CR0.WP is 0 only. The driver answers the page fault.
pub const MINIVMX_END_NARROWED: minivmx_end = 7;
/// An entry of EPT says what no entry may say: a mistake of the driver.
pub const MINIVMX_END_MISCONFIGURED: minivmx_end = 8;
/// How a translation ends.
pub type minivmx_end = u32;
/// Uncacheable.
pub const MINIVMX_MEMORY_UC: minivmx_memory_type = 0;
/// Write combining.
pub const MINIVMX_MEMORY_WC: minivmx_memory_type = 1;
/// Write-through.
pub const MINIVMX_MEMORY_WT: minivmx_memory_type = 4;
/// Write-protected.
pub const MINIVMX_MEMORY_WP: minivmx_memory_type = 5;
/// Write-back.
pub const MINIVMX_MEMORY_WB: minivmx_memory_type = 6;
/// Uncacheable, unless MTRRs say WC.
pub const MINIVMX_MEMORY_UC_MINUS: minivmx_memory_type = 7;
/// It is not known: the translation stops before, or IA32_PAT is the program's (see `MINIVMX_GET_MSRS`).
pub const MINIVMX_MEMORY_UNKNOWN: minivmx_memory_type = 255;
/// How a CPU caches a page (SDM Vol. 3A, "Memory Types and Their Properties").
pub type minivmx_memory_type = u32;
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_TRANSLATE`).
pub struct minivmx_translate {
    /// Sizeof(struct `minivmx_translate`).
    pub size: u32,
    /// `minivmx_translate_flags`.
    pub flags: u32,
    /// What is translated; outside IA-32e mode, of a guest-linear address bits 31:0.
    pub address: u64,
    /// What for: one of `minivmx_access`.
    pub access: u32,
    /// Room in `references`, `MINIVMX_MAX_REFERENCES` or less.
    pub count: u32,
    /// Address of an array of struct `minivmx_pte` for the entries that are met, in order; may be 0 with `count` 0.
    pub references: u64,
    /// Entries that are met, also if there is no room for them.
    pub out_count: u32,
    /// How it ends, `minivmx_end`.
    pub out_end: u32,
    /// Error code of the guest's page fault (`MINIVMX_END_PAGE_FAULT`).
    pub out_error_code: u32,
    /// What the guest's entry asks for by its IA32_PAT, `minivmx_memory_type`; write-back without paging.
    pub out_guest_memory_type: u32,
    /// Where the guest's tables lead, or, where the translation ends in memory before that, where; 0 if there is no such address.
    pub out_gpa: u64,
    /// The host-physical address, for callers with CAP_SYS_ADMIN; else 0.
    pub out_hpa: u64,
    /// Bytes of the page that the guest's tables map: 4 KiB to 1 GiB; 0 if they do not lead to one, and without paging.
    pub out_guest_page: u32,
    /// The same of EPT or the shadow.
    pub out_host_page: u32,
    /// What the guest's entries allow together: `MINIVMX_PTE_READ`, WRITE, EXECUTE and USER; 0 if they do not lead to a page.
    pub out_guest_rights: u32,
    /// The same of EPT or the shadow. EPT has all `MINIVMX_PTE_USER`. What both have, an access can do: apart from CR0.WP, CR4.SMEP and CR4.SMAP.
    pub out_host_rights: u32,
    /// How the CPU caches the page, `minivmx_memory_type`.
    pub out_memory_type: u32,
    /// Must be 0.
    pub __reserved: u32,
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_VMREAD`, `MINIVMX_VMWRITE`).
pub struct minivmx_vmcs_field {
    /// Sizeof(struct `minivmx_vmcs_field`).
    pub size: u32,
    /// Field encoding (SDM Vol. 3D, "Field Encoding in VMCS"), without the access type for high halves.
    pub encoding: u32,
    /// What was read, or is to be written.
    pub value: u64,
}
#[repr(C)]
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
/// Ioctl(`MINIVMX_CHECK`).
pub struct minivmx_check {
    /// Sizeof(struct `minivmx_check`).
    pub size: u32,
    /// Must be 0.
    pub __reserved: u32,
    /// What a VM entry would fail for.
    pub out_violation: minivmx_violation,
}
impl Default for minivmx_check {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
