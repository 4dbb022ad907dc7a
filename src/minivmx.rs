// SPDX-License-Identifier: GPL-2.0

//! minivmx: virtual machines on Intel VMX, small enough to be read in an afternoon.
//!
//! Where to begin: [`vmx`] tells how the driver gets into VMX operation for moments at a time,
//! [`vcpu`] runs a guest there, [`memory`] and [`mmu`] give it memory, [`vm`] and [`device`] are the
//! files that programs see. `support` is what the `kernel` crate does not have yet.

use kernel::prelude::*;

// A burst takes spinlocks with interrupts off.
#[cfg(CONFIG_PREEMPT_RT)]
compile_error!("minivmx needs a kernel without PREEMPT_RT, where spinlocks sleep");

mod device;
mod machine;
mod memory;
mod mmu;
#[path = "../rust/mod.rs"]
mod support;
mod vcpu;
mod vm;
mod vmx;
mod x86;

module! {
    type: MinivmxModule,
    name: "minivmx",
    authors: ["The minivmx authors"],
    description: "Virtual machines on Intel VMX",
    license: "GPL",
    params: {
        max_memory_mib: u32 {
            default: 4096,
            description: "MiB of guest memory that one VM may have",
        },
        max_shadow_mib: u32 {
            default: 8,
            description: "MiB of shadow tables that one VM may have",
        },
        dump_vmcs: bool {
            default: false,
            description: "Log the whole VMCS when a VM entry fails (once a second at most)",
        },
    },
}

/// The module: a device node for as long as it is loaded.
#[pin_data]
struct MinivmxModule {
    #[pin]
    _registration: support::file::Registration<machine::Machine>,
}

impl kernel::InPlaceModule for MinivmxModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let machine = machine::Machine::new();
        try_pin_init!(Self {
            _registration <- support::file::Registration::new(machine?),
        })
    }
}
