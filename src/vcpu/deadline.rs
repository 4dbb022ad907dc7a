// SPDX-License-Identifier: GPL-2.0

//! The deadline of RUN: a timer that calls the vCPU back, wherever it is then.
//!
//! It goes on between two runs, so that a program which waits for the same moment again and again
//! pays for it once.

use crate::{
    support::clock,
    vm::{
        Call,
        Member, //
    }, //
};
use kernel::{
    impl_has_hr_timer,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    time::{
        hrtimer::{
            ArcHrTimerHandle,
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerPointer,
            HrTimerRestart,
            RelativeMode, //
        },
        Delta,
        Monotonic, //
    }, //
};

/// Rings once.
#[pin_data]
struct Alarm {
    #[pin]
    timer: HrTimer<Self>,
    member: Arc<Member>,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Alarm {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

impl HrTimerCallback for Alarm {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        this.member.call_back(Call::Deadline);
        HrTimerRestart::NoRestart
    }
}

/// The deadline of a vCPU.
pub(crate) struct Deadline {
    alarm: Arc<Alarm>,
    time: Option<u64>,
    /// Cancels the timer when it goes.
    running: Option<ArcHrTimerHandle<Alarm>>,
}

impl Deadline {
    /// None, of this vCPU.
    pub(crate) fn new(member: Arc<Member>) -> Result<Self> {
        let alarm = Arc::pin_init(
            pin_init!(Alarm {
                timer <- HrTimer::new(),
                member,
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Self {
            alarm,
            time: None,
            running: None,
        })
    }

    /// Sets it, in nanoseconds of CLOCK_MONOTONIC, or takes it away.
    #[inline]
    pub(crate) fn set(&mut self, time: Option<u64>) {
        if time != self.time {
            self.change(time);
        }
    }

    #[cold]
    fn change(&mut self, time: Option<u64>) {
        self.running = None;
        self.alarm.member.recall.withdraw(Call::Deadline);
        self.time = time;
        let Some(time) = time else {
            return;
        };
        match clock::until(time) {
            None => self.alarm.member.recall.leave(Call::Deadline),
            Some(rest) => self.running = Some(self.alarm.clone().start(Delta::from_nanos(rest))),
        }
    }
}
