// SPDX-License-Identifier: GPL-2.0

//! minivmx: virtual machines on Intel VMX. `Documentation/reading.md` is the way through it.
//!
//! The modules are floors, of which each knows only those below it. From the lowest:
//!
//!  - `support`, in `rust/`: what the `kernel` crate does not have yet.
//!  - [`x86`]: the architecture, as names of bits and what a processor takes for good.
//!  - [`mmu`]: page tables, EPT and shadow paging.
//!  - [`vmx`]: VMX in types, and how the driver gets into VMX operation for moments at a time.
//!  - [`memory`]: guest memory, with the tables through which a CPU reaches it.
//!  - [`machine`]: what this machine gives to guests.
//!  - [`vm`]: what the vCPUs of a VM have in common.
//!  - [`vcpu`]: running a guest, and the answers to its VM exits.
//!  - [`file`]: the three files that programs see.
//!
//! Where to begin: [`vmx`] for the hardware, [`vcpu`] for the guest, [`file`] for the program.

use kernel::prelude::*;

// A burst takes spinlocks with interrupts off.
#[cfg(CONFIG_PREEMPT_RT)]
compile_error!("minivmx needs a kernel without PREEMPT_RT, where spinlocks sleep");

// The floors, lowest first.
#[path = "../rust/mod.rs"]
mod support;

mod x86;

mod mmu;

mod vmx;

mod memory;

mod machine;

mod vm;

mod vcpu;

mod file;

module! {
    type: MinivmxModule,
    name: "minivmx",
    authors: ["The minivmx authors"],
    description: "Virtual machines on Intel VMX",
    license: "GPL",
    params: {
        max_memory_mib: u32 {
            default: 0,
            description: "MiB of guest memory that a VM may have, and all VMs together (0: half of the machine's)",
        },
        max_shadow_mib: u32 {
            default: 8,
            description: "MiB of shadow tables that one vCPU may have",
        },
        dump_vmcs: bool {
            default: false,
            description: "Log the whole VMCS when a VM entry fails (once a second at most)",
        },
        check_entries: u32 {
            default: 0,
            description: "Check VM entries before the CPU does, and log what breaks a rule: the first after each call that concerns a vCPU, or a change of the run page, and each so many further on (1: all, 0: none)",
        },
    },
}

/// The module: a device node for as long as it is loaded.
#[pin_data]
struct MinivmxModule {
    #[pin]
    _registration: support::file::Registration<machine::Machine>,
    // Goes last: with the machine, all pages must have gone.
    _pages: support::page::NoneIsLost,
}

impl kernel::InPlaceModule for MinivmxModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let machine = machine::Machine::new();
        try_pin_init!(Self {
            _registration <- support::file::Registration::new(machine?),
            _pages: support::page::NoneIsLost,
        })
    }
}
