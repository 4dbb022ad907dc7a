// SPDX-License-Identifier: GPL-2.0

//! All that there is in a run: CPUs, and the host's memory.

use crate::{
    cpu::Tlb,
    engine::{self, Engine, Mutex},
    mmu::address::Level,
    omission::Step,
};
use core::{
    cell::RefCell,
    mem::ManuallyDrop,
    ptr::NonNull,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};
use std::{collections::BTreeSet, rc::Rc, sync::Arc};

/// The contents of a page.
pub(crate) type Words = [AtomicU64; Level::ENTRIES];

/// What is in a page that was freed.
const POISON: u64 = 0xdead_dead_dead_dead;

thread_local! {
    /// All threads of a world are one of the system.
    ///
    /// Not dropped with a thread that failed: what is loom's cannot be dropped outside of its
    /// model.
    static CURRENT: RefCell<Option<ManuallyDrop<Rc<World>>>> = const { RefCell::new(None) };
}

/// A CPU.
pub(crate) struct Processor {
    /// Held while interrupts are off.
    pub(crate) interrupts: Mutex<()>,
    /// For the holder of the above.
    pub(crate) tlb: std::sync::Mutex<Tlb>,
}

/// A world.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) processors: Vec<Processor>,
    host: std::sync::Mutex<Host>,
    /// Interrupts that were sent.
    pub(crate) interrupts: AtomicUsize,
    /// Flushes that the driver asked for.
    pub(crate) flushes: AtomicUsize,
    omission: Option<Step>,
    met: std::sync::Mutex<BTreeSet<Step>>,
}

impl World {
    /// A world with so many CPUs, where this step is left out. The thread is in it.
    pub(crate) fn enter(engine: Engine, processors: usize, omission: Option<Step>) -> Rc<Self> {
        engine::begin(&engine);
        let world = Rc::new(Self {
            processors: (0..processors)
                .map(|_| Processor {
                    interrupts: Mutex::new(()),
                    tlb: Default::default(),
                })
                .collect(),
            engine,
            host: Default::default(),
            interrupts: AtomicUsize::new(0),
            flushes: AtomicUsize::new(0),
            omission,
            met: Default::default(),
        });
        world.clone().set_current();
        world
    }

    /// The thread is in this world from now on.
    pub(crate) fn set_current(self: Rc<Self>) {
        CURRENT.set(Some(ManuallyDrop::new(self)));
    }

    /// The thread is in no world any more.
    pub(crate) fn leave() {
        drop(CURRENT.take().map(ManuallyDrop::into_inner));
        engine::end();
    }

    /// The world that the thread is in; a small one, if it is a test of the driver's own.
    pub(crate) fn current() -> Rc<Self> {
        match CURRENT.with_borrow(Clone::clone) {
            Some(current) => ManuallyDrop::into_inner(current),
            None => Self::enter(Engine::dice(0), 1, None),
        }
    }

    /// The host's memory.
    pub(crate) fn host(&self) -> std::sync::MutexGuard<'_, Host> {
        lock(&self.host)
    }

    /// Somebody lets go of a page.
    pub(crate) fn put(&self, phys: u64) {
        if std::thread::panicking() {
            return;
        }
        let freed = self.host().put(phys);
        if let Some(freed) = freed {
            freed.end();
        }
    }

    /// A CPU uses a page that it knew as this life of it; [`None`] if it reads it anew.
    pub(crate) fn use_page(&self, phys: u64, life: Option<u64>, what: &str) -> Life {
        let now = self.host().life(phys);
        let now = now.unwrap_or_else(|| panic!("{what}: {phys:#x} was freed"));
        if let Some(life) = life {
            assert_eq!(
                now.number, life,
                "{what}: {phys:#x} was freed, and is another's now"
            );
        }
        now.touch();
        now
    }

    /// A word of a table, by what a CPU knows of it.
    pub(crate) fn read(&self, table: (u64, u64), index: u64) -> u64 {
        self.use_page(table.0, Some(table.1), "a table");
        // SAFETY: It exists: it was just found to be in use.
        let words = unsafe { self.host().words(table.0).as_ref() };
        words[index as usize & 511].load(Relaxed)
    }

    /// The driver comes to a step. Is it left out?
    pub(crate) fn meets(&self, step: Step) -> bool {
        match self.omission {
            Some(omission) => omission == step,
            None => {
                lock(&self.met).insert(step);
                false
            }
        }
    }

    /// Steps that the driver came to.
    pub(crate) fn met(&self) -> BTreeSet<Step> {
        lock(&self.met).clone()
    }
}

/// What a failing thread had locked is good enough for the others to fail, too.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A page from allocation to free.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) number: u64,
    order: Option<Arc<Order>>,
}

/// Whether a use and the end of a life are in an order that memory keeps.
struct Order(loom::cell::UnsafeCell<()>);

// SAFETY: All threads of a loom model are one thread of the system.
unsafe impl Send for Order {}
// SAFETY: As above.
unsafe impl Sync for Order {}

impl Life {
    fn new(number: u64) -> Self {
        let order = || Arc::new(Order(loom::cell::UnsafeCell::new(())));
        Self {
            number,
            order: engine::is_loom().then(order),
        }
    }

    fn touch(&self) {
        if let Some(order) = &self.order {
            order.0.with(|_| ());
        }
    }

    fn end(&self) {
        if let Some(order) = &self.order {
            order.0.with_mut(|_| ());
        }
    }
}

struct Frame {
    words: Box<Words>,
    life: Option<Life>,
    references: u32,
}

/// The host's memory. A page that was freed is the first to be allocated again.
#[derive(Default)]
pub(crate) struct Host {
    frames: Vec<Frame>,
    free: Vec<usize>,
    lives: u64,
}

impl Host {
    fn push(&mut self) -> usize {
        self.frames.push(Frame {
            words: Box::new([const { AtomicU64::new(0) }; Level::ENTRIES]),
            life: None,
            references: 0,
        });
        self.frames.len() - 1
    }

    fn begin(&mut self, frame: usize) -> u64 {
        self.lives += 1;
        let frame_data = &mut self.frames[frame];
        frame_data.life = Some(Life::new(self.lives));
        frame_data.references = 1;
        for word in frame_data.words.iter() {
            word.store(0, Relaxed);
        }
        (frame as u64) << 12
    }

    /// A zeroed page.
    pub(crate) fn allocate(&mut self) -> u64 {
        if self.frames.is_empty() {
            // Nothing is at 0.
            self.push();
        }
        let frame = self.free.pop().unwrap_or_else(|| self.push());
        self.begin(frame)
    }

    /// Zeroed pages that are a block of 2 MiB.
    pub(crate) fn allocate_block(&mut self) -> Vec<u64> {
        while self.frames.len() % Level::ENTRIES != 0 || self.frames.is_empty() {
            self.push();
        }
        let block = (0..Level::ENTRIES).map(|_| {
            let frame = self.push();
            self.begin(frame)
        });
        block.collect()
    }

    /// Where the words of a page are, for as long as the host lives.
    pub(crate) fn words(&self, phys: u64) -> NonNull<Words> {
        NonNull::from(&*self.frames[(phys >> 12) as usize].words)
    }

    /// One more reference to a page.
    pub(crate) fn share(&mut self, phys: u64) {
        self.frames[(phys >> 12) as usize].references += 1;
    }

    /// One reference less; with the last, the page is freed.
    fn put(&mut self, phys: u64) -> Option<Life> {
        let index = (phys >> 12) as usize;
        let frame = &mut self.frames[index];
        frame.references = frame.references.checked_sub(1).expect("freed once");
        if frame.references != 0 {
            return None;
        }
        for word in frame.words.iter() {
            word.store(POISON, Relaxed);
        }
        self.free.push(index);
        frame.life.take()
    }

    fn life(&self, phys: u64) -> Option<Life> {
        self.frames.get((phys >> 12) as usize)?.life.clone()
    }

    /// Pages that are allocated.
    pub(crate) fn count(&self) -> usize {
        self.frames
            .iter()
            .filter(|frame| frame.life.is_some())
            .count()
    }
}
