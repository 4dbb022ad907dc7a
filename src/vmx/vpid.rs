// SPDX-License-Identifier: GPL-2.0

//! Virtual-processor identifiers: tags of translations in the TLB.
//!
//! KVM hands them out from 1 upward on the same CPUs, so this driver does from the top downward.

use kernel::{
    id_pool::IdPool,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// VPIDs that this driver takes at most, which leaves more than half of them to KVM.
const LIMIT: u16 = 0x4000;

/// The VPIDs that are taken, counted down from the highest.
#[pin_data]
pub(crate) struct Vpids {
    #[pin]
    taken: Mutex<IdPool>,
}

impl Vpids {
    /// None is taken.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            taken <- new_mutex!(IdPool::new(), "minivmx::Vpids"),
        })
    }

    /// Takes one; `None` if there is none left. A vCPU without its own uses none at all.
    pub(crate) fn take(&self) -> Result<Option<u16>> {
        let mut taken = self.taken.lock();
        if taken.find_unused_id(0).is_none() {
            if let Some(request) = taken.grow_request() {
                let larger = request.realloc(GFP_KERNEL)?;
                taken.grow(larger);
            }
        }
        let Some(id) = taken.find_unused_id(0) else {
            return Ok(None);
        };
        if id.as_usize() >= usize::from(LIMIT) {
            return Ok(None);
        }
        // CAST: Less than `LIMIT`.
        Ok(Some(u16::MAX - id.acquire() as u16))
    }

    /// Gives one back.
    pub(crate) fn give_back(&self, vpid: u16) {
        self.taken.lock().release_id(usize::from(u16::MAX - vpid));
    }
}
