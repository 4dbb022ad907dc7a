// SPDX-License-Identifier: GPL-2.0

//! Atomics whose operations are steps that can come in any order, and be left out.

pub(crate) use core::sync::atomic::Ordering;

use crate::{engine, omission};

/// A memory order, or none, if the order is what is left out.
#[track_caller]
fn order(order: Ordering) -> Ordering {
    let left_out = match order {
        Ordering::Acquire => omission::leaves_out("acquire"),
        Ordering::Release => omission::leaves_out("release"),
        Ordering::AcqRel => omission::leaves_out("acquire and release"),
        _ => false,
    };
    if left_out {
        Ordering::Relaxed
    } else {
        order
    }
}

macro_rules! atomic {
    ($name:ident, $integer:ty) => {
        /// An integer that several CPUs reach.
        pub(crate) enum $name {
            Loom(loom::sync::atomic::$name),
            Dice(core::sync::atomic::$name),
        }

        impl $name {
            pub(crate) fn new(value: $integer) -> Self {
                if engine::is_loom() {
                    Self::Loom(loom::sync::atomic::$name::new(value))
                } else {
                    Self::Dice(core::sync::atomic::$name::new(value))
                }
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $integer {
                let order = self::order(order);
                match self {
                    Self::Loom(atomic) => atomic.load(order),
                    Self::Dice(atomic) => {
                        engine::step();
                        atomic.load(order)
                    }
                }
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $integer, order: Ordering) {
                if omission::leaves_out("store") {
                    return;
                }
                let order = self::order(order);
                match self {
                    Self::Loom(atomic) => atomic.store(value, order),
                    Self::Dice(atomic) => {
                        engine::step();
                        atomic.store(value, order);
                    }
                }
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $integer, order: Ordering) -> $integer {
                let value = if omission::leaves_out("addition") {
                    0
                } else {
                    value
                };
                let order = self::order(order);
                match self {
                    Self::Loom(atomic) => atomic.fetch_add(value, order),
                    Self::Dice(atomic) => {
                        engine::step();
                        atomic.fetch_add(value, order)
                    }
                }
            }
        }
    };
}

impl AtomicU64 {
    #[track_caller]
    pub(crate) fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        let bits = match omission::leaves_out("setting of bits") {
            true => 0,
            false => bits,
        };
        let order = self::order(order);
        match self {
            Self::Loom(atomic) => atomic.fetch_or(bits, order),
            Self::Dice(atomic) => {
                engine::step();
                atomic.fetch_or(bits, order)
            }
        }
    }

    #[track_caller]
    pub(crate) fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        let bits = match omission::leaves_out("clearing of bits") {
            true => u64::MAX,
            false => bits,
        };
        let order = self::order(order);
        match self {
            Self::Loom(atomic) => atomic.fetch_and(bits, order),
            Self::Dice(atomic) => {
                engine::step();
                atomic.fetch_and(bits, order)
            }
        }
    }
}

atomic!(AtomicI32, i32);
atomic!(AtomicU64, u64);

/// A barrier.
#[track_caller]
pub(crate) fn fence(order: Ordering) {
    if omission::leaves_out("barrier") {
        return;
    }
    let order = match order {
        Ordering::SeqCst if omission::leaves_out("barrier's being full") => Ordering::AcqRel,
        order => order,
    };
    if engine::is_loom() {
        loom::sync::atomic::fence(order);
    }
}
