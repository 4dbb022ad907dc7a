// SPDX-License-Identifier: GPL-2.0

//! A vCPU, as `src/vcpu/` puts it together of the VMCS and of exit handlers.

use crate::{
    cpu::{Cpu, Tag, Touch},
    memory::{Outcome, Ram},
    mmu::{
        address::{Gpa, Gva},
        guest_walk::{Access, Mode, Paging},
        page::Stock,
        shadow::{Fault, Renewal, Shadow, ShadowPolicy, Unfinished, Written, PAGES_FOR_ONE_FILL},
        tags::Tags,
    },
    support::{irq::IrqsDisabled, page::KernelPage},
    vm::{Member, Vm},
};
use std::sync::Arc;

/// Bursts that one access may take.
const PATIENCE: u32 = 1000;

/// How an access of the guest ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// This was there.
    Done(u64),
    /// The guest gets a page fault.
    PageFault,
    /// No memory answers.
    NoMemory,
}

/// What comes after a burst.
enum Next {
    End(End),
    Pause,
    Populate(Gpa),
}

/// What shadow paging takes.
struct ShadowState {
    paging: Paging,
    /// CR3 in the VMCS.
    root: u64,
    /// May the CPU have to be told something before the next VM entry?
    changed: bool,
    traps_invlpg: bool,
    stepping: bool,
}

/// A vCPU.
pub(crate) struct Vcpu {
    pub(crate) vm: Arc<Vm>,
    member: Arc<Member>,
    vpid: Option<u16>,
    tags: Tags,
    stock: Stock,
    shadow: Option<ShadowState>,
    /// Where the CPU looks ahead at the next VM entry.
    pub(crate) ahead: Option<u64>,
}

impl Vcpu {
    /// With EPT, and a guest without paging.
    pub(crate) fn with_ept(vm: &Arc<Vm>, vpid: Option<u16>) -> Self {
        Self {
            member: vm.add_member(),
            vpid,
            tags: Tags::new(vm.eptp, vpid),
            stock: Stock::default(),
            shadow: None,
            ahead: None,
            vm: vm.clone(),
        }
    }

    /// With shadow paging by this policy, and a guest with four levels of tables.
    pub(crate) fn with_shadow(
        vm: &Arc<Vm>,
        vpid: Option<u16>,
        policy: &'static dyn ShadowPolicy<KernelPage>,
        cr3: u64,
    ) -> Self {
        let paging = Paging {
            mode: Mode::FourLevels,
            cr3,
            pdptes: None,
            write_protect: true,
            no_execute: true,
            smep: false,
            smap: false,
            physical_bits: 39,
            pages_1g: false,
        };
        Self {
            shadow: Some(ShadowState {
                paging,
                root: 0,
                changed: true,
                traps_invlpg: policy.traps_invlpg(),
                stepping: false,
            }),
            ..Self::with_ept(vm, vpid)
        }
    }

    /// The guest touches an address, on this CPU.
    pub(crate) fn access(&mut self, cpu: usize, address: u64, touch: Touch) -> End {
        for _ in 0..PATIENCE {
            let next = self.burst(cpu, |vcpu, cpu| match vcpu.shadow {
                Some(_) => vcpu.access_by_shadow(cpu, address, touch),
                None => vcpu.access_by_ept(cpu, address, touch),
            });
            match next {
                Next::End(end) => return end,
                // If the region is gone by now, the guest finds out.
                Next::Populate(gpa) => drop(self.vm.populate(gpa)),
                Next::Pause => {}
            }
        }
        panic!("an access to {address:#x} does not come to its end");
    }

    /// As `burst.rs`.
    fn burst<R>(&mut self, cpu: usize, body: impl FnOnce(&mut Self, &Cpu<'_>) -> R) -> R {
        let stock = match self.shadow {
            Some(_) => PAGES_FOR_ONE_FILL,
            None => Stock::FOR_ONE_MAPPING,
        };
        self.stock.fill(stock).unwrap();
        let (vm, member) = (self.vm.clone(), self.member.clone());
        IrqsDisabled::with(cpu, |irqs| {
            let here = member.whereabouts.enter(irqs);
            let cpu = Cpu::new(irqs);
            self.tags.arrive(&here, &vm.generation, &cpu);
            body(self, &cpu)
        })
    }

    fn access_by_ept(&mut self, cpu: &Cpu<'_>, gpa: u64, touch: Touch) -> Next {
        let (vpid, eptp) = (self.vpid, self.vm.eptp.unwrap());
        let write = matches!(touch, Touch::Write(_));
        loop {
            cpu.cross(vpid);
            if let Some(ahead) = self.ahead.take() {
                cpu.look_ahead_by_ept(vpid, eptp, ahead);
            }
            let page = cpu.by_ept(vpid, eptp, gpa, touch);
            let done = page.map(|page| cpu.access(page, gpa, touch));
            cpu.cross(vpid);
            if let Some(old) = done {
                return Next::End(End::Done(old));
            }
            // As `ept_violation.rs`.
            let gpa = Gpa::new(gpa);
            let mut memory = self.vm.memory.lock();
            match memory.access(gpa, write, &mut self.stock) {
                Outcome::Mapped => {}
                Outcome::Absent => return Next::Populate(gpa),
                Outcome::OutOfTables => return Next::Pause,
                Outcome::Refused => return Next::End(End::NoMemory),
                Outcome::Inconsistent => panic!("the tables are at odds with memory"),
            }
        }
    }

    fn access_by_shadow(&mut self, cpu: &Cpu<'_>, linear: u64, touch: Touch) -> Next {
        let vpid = self.vpid;
        loop {
            if self.state().changed && self.renew(cpu).is_err() {
                return Next::Pause;
            }
            let root = self.state().root;
            cpu.cross(vpid);
            if let Some(ahead) = self.ahead.take() {
                cpu.look_ahead_by_shadow(vpid, root, ahead);
            }
            let page = cpu.by_shadow(vpid, root, linear, touch);
            let done = page.map(|page| cpu.access(page, linear, touch));
            cpu.cross(vpid);
            let present = match done {
                Ok(old) => {
                    self.end_step(cpu);
                    return Next::End(End::Done(old));
                }
                Err(present) => present,
            };
            if let Some(next) = self.page_fault(cpu, linear, touch, present) {
                return next;
            }
        }
    }

    fn state(&mut self) -> &mut ShadowState {
        self.shadow.as_mut().unwrap()
    }

    /// As `translation/shadow/tables.rs`.
    fn with<R>(
        &mut self,
        cpu: &Cpu<'_>,
        body: impl FnOnce(&mut Shadow<KernelPage>, &Paging, &Ram<'_>, &mut Stock) -> R,
    ) -> R {
        let (result, renewal) = self.with_untold(|shadow, paging, ram, stock| {
            let result = body(shadow, paging, ram, stock);
            (result, shadow.renew_with_root())
        });
        if let Some(renewal) = renewal {
            self.tell_cpu(cpu, renewal);
        }
        result
    }

    fn with_untold<R>(
        &mut self,
        body: impl FnOnce(&mut Shadow<KernelPage>, &Paging, &Ram<'_>, &mut Stock) -> R,
    ) -> R {
        let paging = self.state().paging;
        self.state().changed = true;
        let mut memory = self.vm.memory.lock();
        let (shadow, ram) = memory.shadow(self.member.id).unwrap();
        body(shadow, &paging, &ram, &mut self.stock)
    }

    fn tell_cpu(&mut self, cpu: &Cpu<'_>, renewal: Renewal) {
        if let Some(root) = renewal.root {
            self.state().root = root.get();
        }
        if renewal.flush.is_needed() {
            self.tags.drop_guests(cpu);
        }
        self.state().changed = false;
    }

    /// As `translation/shadow/entry.rs`.
    fn renew(&mut self, cpu: &Cpu<'_>) -> Result<(), Unfinished> {
        let renewal = self.with_untold(|shadow, paging, ram, stock| {
            shadow.renew(paging, ram, &mut || stock.take()) //
        })?;
        self.tell_cpu(cpu, renewal);
        Ok(())
    }

    /// As `translation/shadow/fault.rs`.
    fn page_fault(
        &mut self,
        cpu: &Cpu<'_>,
        linear: u64,
        touch: Touch,
        present: bool,
    ) -> Option<Next> {
        let access = Access {
            write: matches!(touch, Touch::Write(_)),
            fetch: touch == Touch::Fetch,
            ..Access::default()
        };
        let fault = self.with(cpu, |shadow, paging, ram, stock| {
            let pages = &mut || stock.take();
            shadow.fault(paging, Gva::new(linear), access, present, ram, pages)
        });
        match fault {
            Fault::Guest(_) => {
                self.end_step(cpu);
                Some(Next::End(End::PageFault))
            }
            Fault::Filled => None,
            Fault::Step => {
                self.state().stepping = true;
                None
            }
            Fault::Unfinished => Some(Next::Pause),
            Fault::Memory(gpa, access) => Some(self.absent(cpu, gpa, access.write)),
            Fault::NotCanonical => panic!("not canonical"),
            Fault::TooMuch => panic!("too much for one instruction"),
        }
    }

    fn absent(&mut self, cpu: &Cpu<'_>, gpa: Gpa, write: bool) -> Next {
        let region = self.vm.memory.lock().regions.find(gpa).copied();
        match region {
            Some(region) if !(write && region.kind.readonly) => Next::Populate(gpa),
            _ => {
                self.end_step(cpu);
                Next::End(End::NoMemory)
            }
        }
    }

    /// As `translation/shadow/step.rs`.
    fn end_step(&mut self, cpu: &Cpu<'_>) {
        if core::mem::take(&mut self.state().stepping) {
            self.with(cpu, |shadow, _, ram, _| shadow.end_step(Written::Once, ram));
        }
    }

    /// The guest executes INVLPG.
    pub(crate) fn invlpg(&mut self, cpu: usize, linear: u64) {
        self.burst(cpu, |vcpu, cpu| {
            if vcpu.state().traps_invlpg {
                vcpu.with(cpu, |shadow, _, ram, _| {
                    shadow.invlpg(Gva::new(linear), ram)
                });
            } else {
                cpu.cross(vcpu.vpid);
                cpu.invlpg(vcpu.vpid, linear);
                cpu.cross(vcpu.vpid);
            }
        });
    }

    /// The guest loads CR3.
    pub(crate) fn load_cr3(&mut self, cpu: usize, cr3: u64) {
        self.burst(cpu, |vcpu, cpu| {
            vcpu.state().paging.cr3 = cr3;
            let renewal = vcpu.with_untold(|shadow, paging, ram, stock| {
                shadow.load_cr3();
                shadow.renew(paging, ram, &mut || stock.take())
            });
            // If the root is not finished, it is made before the next VM entry, which is in another
            // burst.
            if let Ok(renewal) = renewal {
                vcpu.tell_cpu(cpu, renewal);
            }
        });
    }

    /// An operation on the shadow tables may do less than it usually does.
    pub(crate) fn limit_work(&mut self, most: u32) {
        self.with_untold(|shadow, _, _, _| shadow.limit_work(most));
    }

    /// The driver writes to a table for the guest, as a hypercall asks it to.
    pub(crate) fn update(&mut self, cpu: usize, gpa: u64, value: u64) {
        self.vm.write(gpa, value);
        self.burst(cpu, |vcpu, cpu| {
            vcpu.with(cpu, |shadow, _, ram, _| {
                shadow.written([Gpa::new(gpa)], ram)
            });
        });
    }
}
