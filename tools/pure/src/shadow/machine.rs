// SPDX-License-Identifier: GPL-2.0

//! A machine with a hypervisor: the CPU runs by shadow tables, and this does with its exits what
//! the driver does.

use super::{
    architecture::Architecture,
    coverage::Coverage,
    cpu::{self, Op, Outcome, Registers, Touch},
    hardware::Hardware,
    host::{Host, TablePage, RANDOM},
    layout,
    ram::Ram,
    reference::carry_out,
};
use crate::{
    dice::Dice,
    mmu::{
        address::{Gpa, Gva},
        guest_walk::PhysicalMemory,
        inspect::{self, Address, Answer, End},
        pte::Trail,
        shadow::{
            Fault, GuestMemory, Renewal, Shadow, ShadowPolicy, Unfinished, Written,
            PAGES_FOR_ONE_FILL, PAGES_PER_TABLE,
        },
    },
};
use std::rc::Rc;

/// Exits that one instruction may have, and attempts at a root.
const PATIENCE: u32 = 300;

/// The policy of a machine.
#[derive(Clone, Copy)]
pub(super) struct Policy {
    pub(super) name: &'static str,
    pub(super) policy: &'static dyn ShadowPolicy<TablePage>,
    /// Are shadows always what the tables say?
    pub(super) in_step: bool,
    /// Does INVLPG exit?
    pub(super) traps_invlpg: bool,
}

/// A machine under one policy.
pub(super) struct Machine<'a> {
    policy: Policy,
    host: Rc<Host>,
    ram: Ram,
    registers: Registers,
    hardware: Hardware,
    shadow: Shadow<TablePage>,
    stock: Vec<TablePage>,
    stepping: bool,
    /// What the instruction in progress may write.
    writes: Written,
    work: u32,
    /// Says whether what the CPU does is what an architecture allows; not needed where it is known
    /// what it must do.
    architecture: Option<Architecture>,
    /// Where other threads of the program come in between two exits of an instruction: what they
    /// do.
    others: Option<Dice>,
    coverage: &'a mut Coverage,
}

impl<'a> Machine<'a> {
    /// With the contents of this memory.
    pub(super) fn new(
        policy: Policy,
        tables: usize,
        image: &Ram,
        registers: Registers,
        architecture: Option<Architecture>,
        coverage: &'a mut Coverage,
    ) -> Self {
        let host = Rc::new(Host::default());
        let pae = [(); PAGES_PER_TABLE].map(|()| host.allocate_table());
        Self {
            policy,
            ram: image.copy(host.clone()),
            registers,
            hardware: Hardware::new(host.clone()),
            shadow: Shadow::new(policy.policy, tables, RANDOM, pae).unwrap(),
            stock: Vec::new(),
            stepping: false,
            writes: Written::Anything,
            work: u32::MAX,
            architecture,
            others: None,
            coverage,
            host,
        }
    }

    /// Other threads of the program do what they like from now on.
    pub(super) fn disturb(&mut self, others: Dice) {
        self.others = Some(others);
    }

    /// The driver may change so many entries in one operation from now on.
    pub(super) fn limit_work(&mut self, most: u32) {
        self.work = most;
        self.shadow.limit_work(most);
    }

    pub(super) fn ram(&self) -> &Ram {
        &self.ram
    }

    /// Carries out an operation.
    pub(super) fn run(&mut self, op: &Op) -> Outcome {
        let outcome = match op {
            Op::Instruction(touches) => self.instruction(touches),
            Op::Invlpg(linear) => self.invlpg(*linear),
            Op::Remove(frame) => self.remove(*frame),
            Op::HostWrite(gpa, value) => self.host_write(*gpa, *value),
            _ => self.change(op),
        };
        if self.shadow.glance().work > self.work {
            self.coverage.count("too much work");
        }
        self.observe();
        self.shadow.check(&self.ram);
        outcome
    }

    /// Looks closer than after each operation.
    pub(super) fn check_closely(&self) {
        self.shadow.check_closely();
    }

    fn observe(&mut self) {
        if let Some(architecture) = &mut self.architecture {
            architecture.observe(&self.registers.paging, &self.ram);
        }
    }

    fn instruction(&mut self, touches: &[Touch]) -> Outcome {
        self.writes = cpu::writes(touches);
        for _ in 0..PATIENCE {
            self.enter();
            if self.let_others() {
                continue;
            }
            let outcome = match self.translate(touches) {
                Ok(hpas) => {
                    self.check_translated(touches);
                    self.carry_out(touches, &hpas)
                }
                Err((touch, present)) => match self.page_fault(touch, present) {
                    None => continue,
                    Some(outcome) => outcome,
                },
            };
            self.end_step();
            return outcome;
        }
        panic!(
            "{}: {touches:x?} does not come to its end",
            self.policy.name
        );
    }

    /// Before the CPU gets to the guest other threads can take memory away or write to it, and a
    /// signal can end the step; then the program can set registers. Returns whether that was so.
    fn let_others(&mut self) -> bool {
        let Some(others) = &mut self.others else {
            return false;
        };
        let what = others.below(16);
        let frame = match others.one_in(2) {
            true => self.registers.paging.cr3 >> 12,
            false => layout::TABLES.start + others.below(16),
        };
        let (gpa, index) = (frame << 12 | others.below(256) << 3, others.below(256));
        match what {
            0 => self.end_step(),
            1 => {
                self.end_step();
                self.shadow.drop_all();
            }
            2 => {
                let value = self.ram.read(Gpa::new(frame << 12 | index << 3));
                self.host_write(gpa, value.unwrap_or(0));
                self.observe();
                self.coverage.count("memory written in mid-instruction");
            }
            3 => {
                self.remove(frame);
                self.observe();
                self.coverage.count("memory taken away in mid-instruction");
            }
            _ => return false,
        }
        self.shadow.check(&self.ram);
        true
    }

    /// Before a VM entry: a root, if there is none, and a flush, if it must be.
    fn enter(&mut self) {
        let renewal = (0..PATIENCE).find_map(|_| self.try_renew());
        let renewal = renewal.unwrap_or_else(|| panic!("{}: no root", self.policy.name));
        if let Some(root) = renewal.root {
            self.hardware.set_root(root);
        }
        if renewal.flush.is_needed() {
            self.hardware.flush();
        }
        self.hardware.enter(&self.registers.paging);
    }

    /// Does as much of it as can be done at once.
    fn try_renew(&mut self) -> Option<Renewal> {
        let renewed = self.renew();
        if renewed.is_err() {
            self.fill_stock();
            self.shadow.check(&self.ram);
            self.let_others();
        }
        renewed.ok()
    }

    fn renew(&mut self) -> Result<Renewal, Unfinished> {
        let before = self.shadow.glance();
        let stock = &mut self.stock;
        let renewed = self
            .shadow
            .renew(&self.registers.paging, &self.ram, &mut || stock.pop());
        if self.shadow.glance().unsync < before.unsync {
            self.coverage.count("resync");
        }
        renewed
    }

    /// The driver could not finish: for want of pages, or because it would have taken long.
    fn fill_stock(&mut self) {
        let is_full = self.stock.len() >= PAGES_FOR_ONE_FILL;
        self.coverage.count(match is_full {
            true => "work left for later",
            false => "out of pages",
        });
        while self.stock.len() < PAGES_FOR_ONE_FILL {
            self.stock.push(self.host.allocate_table());
        }
    }

    fn translate<'t>(&mut self, touches: &'t [Touch]) -> Result<Vec<u64>, (&'t Touch, bool)> {
        let hardware = &mut self.hardware;
        let reach = |touch: &'t Touch| {
            let reached = hardware.reach(touch.linear, touch.access);
            reached.map_err(|present| (touch, present))
        };
        touches.iter().map(reach).collect()
    }

    fn carry_out(&mut self, touches: &[Touch], hpas: &[u64]) -> Outcome {
        self.observe();
        let gpas = hpas.iter().map(|hpa| self.gpa(*hpa)).collect();
        self.explain(touches, &gpas);
        self.check_fetches(touches, &gpas);
        Outcome::Done(carry_out(&self.ram, touches, &gpas))
    }

    /// Where in the guest's memory the CPU came to.
    fn gpa(&self, hpa: u64) -> u64 {
        let frame = self.host.page(hpa).guest_frame;
        frame.expect("a page of the guest") << 12 | hpa & 0xfff
    }

    fn explain(&mut self, touches: &[Touch], gpas: &Vec<u64>) {
        let paging = &self.registers.paging;
        let Some(architecture) = &mut self.architecture else {
            return;
        };
        for (touch, gpa) in touches.iter().zip(gpas) {
            assert!(
                architecture.explains(paging, touch.linear, touch.access, *gpa),
                "{}: {touch:x?} came to {gpa:#x}, which no TLB could have had",
                self.policy.name,
            );
        }
    }

    /// What the driver takes for an instruction is what the CPU executes.
    fn check_fetches(&self, touches: &[Touch], gpas: &Vec<u64>) {
        let fetched = touches.iter().zip(gpas);
        for (touch, gpa) in fetched.filter(|(touch, _)| touch.access.fetch) {
            let known = self.shadow.fetch(Gva::new(touch.linear), &self.ram);
            let bytes = self.ram.read(Gpa::new(*gpa)).unwrap().to_le_bytes();
            assert!(known.take(8).eq(bytes), "{touch:x?} fetches something else");
        }
    }

    /// What the driver does with a page fault; [`None`] if the instruction is to be tried again.
    fn page_fault(&mut self, touch: &Touch, present: bool) -> Option<Outcome> {
        let said = self.inspect(touch);
        let stock = &mut self.stock;
        let before = self.shadow.glance();
        let fault = self.shadow.fault(
            &self.registers.paging,
            Gva::new(touch.reported()),
            touch.access,
            present,
            &self.ram,
            &mut || stock.pop(),
        );
        self.compare(touch, &said, &fault);
        let after = self.shadow.glance();
        self.coverage.fault(
            self.policy.name,
            self.registers.paging.mode,
            touch,
            &fault,
            before,
            after,
        );
        match fault {
            Fault::Guest(code) => Some(self.guest_fault(touch.linear, code)),
            Fault::Filled => None,
            Fault::Step => {
                self.stepping = true;
                None
            }
            Fault::Unfinished => {
                self.fill_stock();
                None
            }
            Fault::Memory(gpa, access) => self.memory(gpa.get(), access.write),
            Fault::NotCanonical => panic!("{}: {touch:x?} is not canonical", self.policy.name),
            Fault::TooMuch => panic!("{}: {touch:x?} is too much", self.policy.name),
        }
    }

    /// What would be shown of this access now, which changes nothing.
    fn inspect(&self, touch: &Touch) -> Answer {
        let (trail, before) = (Trail::new(), self.ram.version());
        let (linear, access) = (Gva::new(touch.linear), touch.access);
        let paging = &self.registers.paging;
        let address = Address::Linear(linear);
        let answer = inspect::with_shadow(&self.shadow, paging, address, access, &self.ram, &trail);
        assert_eq!(self.ram.version(), before);
        answer
    }

    /// What a CPU finds that remembers nothing is what would be shown.
    fn check_translated(&mut self, touches: &[Touch]) {
        for touch in touches {
            let said = self.inspect(touch);
            let found = self.hardware.reach_afresh(touch.linear, touch.access);
            let translated = said.host.filter(|_| said.end == End::Translated);
            assert_eq!(
                translated.map(|page| page.address),
                found,
                "{touch:x?}: {said:x?}"
            );
        }
    }

    /// What was said of an access that faulted is what the driver does with the fault, unless it
    /// only came of what the CPU remembered.
    fn compare(&mut self, touch: &Touch, said: &Answer, fault: &Fault) {
        let told = format!(
            "{}: {touch:x?}: {said:x?}, but {fault:x?}",
            self.policy.name
        );
        if said.end == End::Translated {
            self.coverage
                .count("inspection: the CPU remembered something else");
            return;
        }
        let as_said = match (said.end, *fault) {
            (End::PageFault(said), Fault::Guest(code)) => said == code,
            (
                End::NoMemory | End::NotAllocated | End::ReadOnlyMemory,
                Fault::Memory(gpa, _), //
            ) => said.gpa.map(|said| said.get() & !7) == Some(gpa.get() & !7),
            (End::NotFilled | End::Narrowed, Fault::Filled | Fault::Step | Fault::Unfinished) => {
                true
            }
            _ => false,
        };
        if !as_said {
            // Where tables are not protected, the driver, too, remembers the way to the last of
            // them.
            assert!(!self.policy.in_step, "{told}");
            self.coverage
                .count("inspection: the driver remembered something else");
        }
    }

    fn guest_fault(&mut self, linear: u64, code: u32) -> Outcome {
        self.observe();
        if let Some(architecture) = &mut self.architecture {
            architecture.page_fault(linear);
        }
        Outcome::PageFault { code, cr2: linear }
    }

    /// Memory that is not there is allocated, where there can be some.
    fn memory(&mut self, gpa: u64, write: bool) -> Option<Outcome> {
        let absent = self.ram.host_page(gpa >> 12).is_none();
        if absent && self.ram.populate(gpa >> 12) {
            self.coverage.count("memory allocated");
            return None;
        }
        self.coverage.count("memory outside");
        // Accesses are told by the 8 bytes that they are in.
        let gpa = gpa & !7;
        Some(Outcome::Memory { gpa, write })
    }

    fn end_step(&mut self) {
        if core::mem::take(&mut self.stepping) {
            if self.writes == Written::Once {
                self.coverage.count("step of a single store");
            }
            self.shadow.end_step(self.writes, &self.ram);
        }
    }

    fn invlpg(&mut self, linear: u64) -> Outcome {
        self.enter();
        if let Some(architecture) = &mut self.architecture {
            architecture.invlpg(linear);
        }
        if self.policy.traps_invlpg {
            self.shadow.invlpg(Gva::new(linear), &self.ram);
        } else {
            self.hardware.invlpg(linear);
        }
        Outcome::nothing()
    }

    fn remove(&mut self, frame: u64) -> Outcome {
        let gpa = Gpa::new(frame << 12);
        let page = self.ram.page(gpa).map(|page| (gpa, page));
        self.shadow.remove(page.into_iter(), &self.ram);
        self.ram.remove(frame);
        Outcome::nothing()
    }

    fn host_write(&mut self, gpa: u64, value: u64) -> Outcome {
        self.ram.populate(gpa >> 12);
        self.ram.store(gpa, value, u64::MAX);
        self.shadow.written([Gpa::new(gpa)], &self.ram);
        Outcome::nothing()
    }

    /// A change of registers.
    fn change(&mut self, op: &Op) -> Outcome {
        if self.registers.apply(op, &mut self.ram).is_none() {
            return Outcome::Refused;
        }
        match op {
            Op::LoadCr3(_) => self.shadow.load_cr3(),
            Op::Reset => self.shadow.drop_all(),
            _ => self.shadow.change_mode(),
        }
        if let Some(architecture) = &mut self.architecture {
            architecture.flush(self.registers.paging.mode);
        }
        Outcome::nothing()
    }
}
