// SPDX-License-Identifier: GPL-2.0

//! What a policy of shadow paging does where the guest says that its tables have changed: that is
//! left out, too, and each time random programs have to fail.

use super::random::{self, Policy};
use crate::{
    mmu::{
        address::Gva,
        shadow::{
            policy::{TableWrite, Unsync, Vtlb},
            GuestMemory, ShadowPolicy, Tables,
        },
    },
    support::page::KernelPage,
};
use std::{panic, thread};

/// Programs of random steps.
const PROGRAMS: u64 = 1000;

/// A policy that does nothing when the guest loads CR3.
struct WithoutCr3(Policy);

/// A policy that does nothing when the guest executes INVLPG.
struct WithoutInvlpg(Policy);

/// A policy as it is, but for one event.
macro_rules! without {
    ($name:ident, $load_cr3:expr, $invlpg:expr) => {
        impl ShadowPolicy<KernelPage> for $name {
            fn protects_tables(&self) -> bool {
                self.0.protects_tables()
            }

            fn traps_invlpg(&self) -> bool {
                self.0.traps_invlpg()
            }

            fn table_write(
                &self,
                tables: &mut Tables<KernelPage>,
                frame: u64,
                memory: &dyn GuestMemory,
            ) -> TableWrite {
                self.0.table_write(tables, frame, memory)
            }

            fn load_cr3(&self, tables: &mut Tables<KernelPage>) {
                if $load_cr3 {
                    self.0.load_cr3(tables);
                }
            }

            fn invlpg(
                &self,
                tables: &mut Tables<KernelPage>,
                address: Gva,
                memory: &dyn GuestMemory,
            ) {
                if $invlpg {
                    self.0.invlpg(tables, address, memory);
                }
            }
        }
    };
}

without!(WithoutCr3, false, true);
without!(WithoutInvlpg, true, false);

/// The seed of the first program that fails with this policy alone.
fn first_to_fail(policy: &'static [Policy]) -> Option<u64> {
    let fails = |seed: &u64| {
        let program = || random::run_with(policy, *seed, 2, None);
        thread::scope(|scope| scope.spawn(program).join().is_err())
    };
    (0..PROGRAMS).find(fails)
}

#[test]
fn no_event_can_be_ignored() {
    const CASES: [(&str, &[Policy]); 4] = [
        ("vtlb, load of CR3", &[&WithoutCr3(&Vtlb)]),
        ("vtlb, INVLPG", &[&WithoutInvlpg(&Vtlb)]),
        ("unsync, load of CR3", &[&WithoutCr3(&Unsync)]),
        ("unsync, INVLPG", &[&WithoutInvlpg(&Unsync)]),
    ];
    // The failures are what is wanted; nobody needs to read them.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let found = CASES.map(|(name, policy)| (name, first_to_fail(policy)));
    panic::set_hook(hook);
    for (name, seed) in found {
        println!("{name}: {seed:?}");
    }
    assert!(found.iter().all(|(_, seed)| seed.is_some()), "{found:?}");
}
