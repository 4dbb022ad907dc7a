// SPDX-License-Identifier: GPL-2.0

//! gdb's breakpoints by INT3 in the guest's code. The guest can have it at several addresses, and
//! can write over it: only what is still an INT3 is undone.

use std::mem;

/// What stands for a breakpoint.
const OPCODE: u8 = 0xcc;

/// The guest's code, as far as it is there.
pub trait Code {
    /// Where a linear address is in guest-physical memory.
    fn physical(&self, linear: u64) -> Option<u64>;
    fn byte(&self, gpa: u64) -> Option<u8>;
    fn put(&mut self, gpa: u64, byte: u8) -> Option<()>;
}

#[derive(Clone, Copy, Debug)]
struct Int3 {
    address: u64,
    /// Where it is, whatever the guest's tables say by now.
    gpa: u64,
    /// What is there without it.
    byte: u8,
}

/// All that are set.
#[derive(Debug, Default)]
pub struct Int3s(Vec<Int3>);

impl Int3s {
    /// Sets one, if it is not set yet; `None` if no memory is there.
    pub fn add(&mut self, code: &mut impl Code, address: u64) -> Option<()> {
        let gpa = code.physical(address)?;
        let byte = match self.0.iter().find(|int3| int3.gpa == gpa) {
            Some(int3) if int3.address == address => return Some(()),
            Some(int3) => int3.byte,
            None => {
                let byte = code.byte(gpa)?;
                code.put(gpa, OPCODE)?;
                byte
            }
        };
        self.0.push(Int3 { address, gpa, byte });
        Some(())
    }

    /// Takes one away; `None` if it is not set.
    pub fn remove(&mut self, code: &mut impl Code, address: u64) -> Option<()> {
        let all = mem::take(&mut self.0).into_iter();
        let (removed, rest): (Vec<_>, _) = all.partition(|int3| int3.address == address);
        self.0 = rest;
        removed.first()?;
        for int3 in removed {
            if !self.is_in(int3.gpa) {
                undo(code, int3);
            }
        }
        Some(())
    }

    /// Takes all away.
    pub fn clear(&mut self, code: &mut impl Code) {
        for int3 in mem::take(&mut self.0) {
            undo(code, int3);
        }
    }

    /// Is the instruction at this address one of them, under whatever address gdb has set it?
    pub fn is_at(&self, code: &impl Code, address: u64) -> bool {
        !self.0.is_empty() && code.physical(address).is_some_and(|gpa| self.is_in(gpa))
    }

    fn is_in(&self, gpa: u64) -> bool {
        self.0.iter().any(|int3| int3.gpa == gpa)
    }
}

fn undo(code: &mut impl Code, int3: Int3) {
    if code.byte(int3.gpa) == Some(OPCODE) {
        // It is there, as it was read.
        let _ = code.put(int3.gpa, int3.byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixteen bytes, which are at 0x1000 and once more at 0x2000.
    struct Page([u8; 16]);

    impl Code for Page {
        fn physical(&self, linear: u64) -> Option<u64> {
            matches!(linear & !0xf, 0x1000 | 0x2000).then_some(linear & 0xf)
        }

        fn byte(&self, gpa: u64) -> Option<u8> {
            self.0.get(gpa as usize).copied()
        }

        fn put(&mut self, gpa: u64, byte: u8) -> Option<()> {
            self.0.get_mut(gpa as usize).map(|place| *place = byte)
        }
    }

    fn page_and_none() -> (Page, Int3s) {
        (Page([0x90; 16]), Int3s::default())
    }

    #[test]
    fn one_is_set_once() {
        let (mut page, mut int3s) = page_and_none();
        assert_eq!(int3s.add(&mut page, 0x1003), Some(()));
        assert_eq!(int3s.add(&mut page, 0x1003), Some(()));
        assert_eq!(page.0[3], OPCODE);
        assert_eq!(int3s.remove(&mut page, 0x1003), Some(()));
        assert_eq!(page.0, [0x90; 16]);
        assert_eq!(int3s.remove(&mut page, 0x1003), None);
        assert_eq!(int3s.add(&mut page, 0x3000), None);
    }

    #[test]
    fn one_page_at_two_addresses_is_whole_again_after_both() {
        let (mut page, mut int3s) = page_and_none();
        assert_eq!(int3s.add(&mut page, 0x1003), Some(()));
        assert_eq!(int3s.add(&mut page, 0x2003), Some(()));
        assert_eq!(int3s.remove(&mut page, 0x1003), Some(()));
        assert_eq!(page.0[3], OPCODE);
        assert!(int3s.is_at(&page, 0x1003) && !int3s.is_at(&page, 0x1004));
        int3s.clear(&mut page);
        assert_eq!(page.0, [0x90; 16]);
        assert!(!int3s.is_at(&page, 0x2003));
    }

    #[test]
    fn what_the_guest_has_written_there_since_stays() {
        let (mut page, mut int3s) = page_and_none();
        for address in [0x1003, 0x1004] {
            assert_eq!(int3s.add(&mut page, address), Some(()));
        }
        page.0[3] = 0x55;
        page.0[4] = 0x56;
        assert_eq!(int3s.remove(&mut page, 0x1003), Some(()));
        int3s.clear(&mut page);
        assert_eq!(page.0[3..5], [0x55, 0x56]);
    }
}
