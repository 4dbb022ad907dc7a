// SPDX-License-Identifier: GPL-2.0

//! In which order the steps of several threads come.
//!
//! *Loom* tries all orders, and of each load all values that the C++ memory model lets it have.
//! *Dice* tries one: before each step, another thread may have its turn.

use crate::{dice::Dice, world::World};
use core::{
    cell::{Cell, RefCell},
    ops::{Deref, DerefMut},
};
use generator::{Generator, Gn};
use std::{
    rc::Rc,
    sync::{atomic::Ordering::Relaxed, Arc, OnceLock},
};

/// What decides on the order.
#[derive(Clone)]
pub(crate) enum Engine {
    Loom(Rc<Bus>),
    Dice(Rc<Turns>),
}

/// What steps of loom's threads have in common that are not operations of memory it knows of.
pub(crate) struct Bus(loom::sync::atomic::AtomicUsize);

thread_local! {
    /// Is the thread one of a loom model? Known before there is a world.
    static IS_LOOM: Cell<bool> = const { Cell::new(false) };
}

impl Engine {
    /// To be called in a loom model.
    pub(crate) fn loom() -> Self {
        Self::Loom(Rc::new(Bus(loom::sync::atomic::AtomicUsize::new(0))))
    }

    /// By the dice of this seed.
    pub(crate) fn dice(seed: u64) -> Self {
        Self::Dice(Rc::new(Turns::new(Dice::of_seed(seed))))
    }
}

/// The thread belongs to this engine from now on.
pub(crate) fn begin(engine: &Engine) {
    IS_LOOM.set(matches!(engine, Engine::Loom(_)));
}

/// The thread belongs to no engine any more.
pub(crate) fn end() {
    IS_LOOM.set(false);
}

/// Is the order loom's?
pub(crate) fn is_loom() -> bool {
    IS_LOOM.get()
}

/// A step that others may see, or that may see theirs.
pub(crate) fn step() {
    match &World::current().engine {
        Engine::Loom(bus) => drop(bus.0.fetch_add(1, Relaxed)),
        Engine::Dice(turns) => turns.pause(false),
    }
}

/// A place where another thread can come in between, of which loom needs not be told.
pub(crate) fn pause() {
    if let Engine::Dice(turns) = &World::current().engine {
        turns.pause(false);
    }
}

/// A lock.
pub(crate) enum Mutex<T> {
    Loom(loom::sync::Mutex<T>),
    Dice(std::sync::Mutex<T>),
}

/// The guard of a lock.
pub(crate) enum Guard<'a, T> {
    Loom(loom::sync::MutexGuard<'a, T>),
    Dice(std::sync::MutexGuard<'a, T>),
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        if is_loom() {
            Self::Loom(loom::sync::Mutex::new(value))
        } else {
            Self::Dice(std::sync::Mutex::new(value))
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        match self {
            Self::Loom(mutex) => Guard::Loom(mutex.lock().unwrap()),
            Self::Dice(mutex) => loop {
                step();
                match mutex.try_lock() {
                    Ok(guard) => return Guard::Dice(guard),
                    Err(std::sync::TryLockError::Poisoned(_)) => panic!("another thread failed"),
                    Err(std::sync::TryLockError::WouldBlock) => wait(),
                }
            },
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Loom(guard) => guard,
            Self::Dice(guard) => guard,
        }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Self::Loom(guard) => guard,
            Self::Dice(guard) => guard,
        }
    }
}

/// Another thread has to go on first.
fn wait() {
    if let Engine::Dice(turns) = &World::current().engine {
        turns.pause(true);
    }
}

/// A thread.
pub(crate) enum Thread<T> {
    Loom(loom::thread::JoinHandle<T>),
    Dice(Arc<OnceLock<T>>),
}

/// Starts a thread in this world.
pub(crate) fn spawn<T: Send + Sync + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> Thread<T> {
    match &World::current().engine {
        Engine::Loom(_) => Thread::Loom(loom::thread::spawn(body)),
        Engine::Dice(turns) => {
            let result = Arc::new(OnceLock::new());
            let end = result.clone();
            turns.add(move || drop(end.set(body())));
            Thread::Dice(result)
        }
    }
}

impl<T> Thread<T> {
    /// Waits for the end of the thread; fails if it did.
    pub(crate) fn join(self) -> T {
        match self {
            Self::Loom(thread) => thread.join().unwrap(),
            Self::Dice(mut result) => loop {
                // The thread holds it, too, until it has ended.
                match Arc::try_unwrap(result).map(OnceLock::into_inner) {
                    Ok(result) => return result.expect("the thread has ended"),
                    Err(shared) => result = shared,
                }
                wait();
            },
        }
    }
}

/// Threads that take turns, by dice.
pub(crate) struct Turns {
    dice: RefCell<Dice>,
    /// Those that have not ended, but the one that runs. The thread that threw the dice first is
    /// none of them.
    waiting: RefCell<Vec<Coroutine>>,
    /// How often in a row somebody had to wait.
    waits: Cell<u32>,
}

/// A thread that is one of the system's only while it runs.
type Coroutine = Generator<'static, (), ()>;

/// Words of a thread's stack.
const STACK: usize = 0x8000;

impl Turns {
    fn new(dice: Dice) -> Self {
        Self {
            dice: RefCell::new(dice),
            waiting: RefCell::default(),
            waits: Cell::new(0),
        }
    }

    fn add(&self, body: impl FnOnce() + Send + 'static) {
        self.waiting.borrow_mut().push(Gn::new_opt(STACK, body));
    }

    /// Others may have their turn; `must` if the thread cannot go on without.
    fn pause(&self, must: bool) {
        // Who fails unwinds at once.
        if std::thread::panicking() {
            return;
        }
        self.waits.set(if must { self.waits.get() + 1 } else { 0 });
        assert!(self.waits.get() < 10_000, "each waits for another");
        if !must && !self.dice.borrow_mut().one_in(4) {
            return;
        }
        if generator::is_generator() {
            // The other way to yield wants something to be handed down through all of the driver.
            #[allow(deprecated)]
            generator::yield_with(());
        } else if must {
            self.let_one_run();
        }
    }

    fn let_one_run(&self) {
        let count = self.waiting.borrow().len();
        assert!(count != 0, "nobody is left to wait for");
        let next = self.dice.borrow_mut().word() as usize % count;
        let mut thread = self.waiting.borrow_mut().swap_remove(next);
        thread.resume();
        if !thread.is_done() {
            self.waiting.borrow_mut().push(thread);
        }
    }
}
