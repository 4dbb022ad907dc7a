// SPDX-License-Identifier: GPL-2.0

//! The FPU, lent to a guest.
//!
//! While a [`GuestFpu`] is loaded, the x87, SSE and AVX registers are the guest's, and XCR0, if the
//! guest can use it. All of it happens with interrupts off, so nobody else comes to see the
//! registers meanwhile: they are swapped for the guest's and swapped back, whosever they were, and
//! the kernel has nothing to know of it. kernel_fpu_begin() would leave it to the way back to user
//! mode to load them again, which takes longer.

use super::{
    cpu::{
        self,
        Feature, //
    },
    irq::IrqsDisabled,
    page::KernelPage, //
};
use core::{
    cell::Cell,
    ops::Range,
    sync::atomic::Ordering, //
};
use kernel::{
    asm,
    bindings::PAGE_SIZE,
    prelude::*, //
};

/// x87, SSE and AVX: the state components that guests may have
/// (SDM Vol. 1, "XSAVE-Supported Features and State-Component Bitmaps").
const GUEST_COMPONENTS: u64 = 0b111;

/// What guests can change: theirs, and the registers of AVX-512, whose low parts those of AVX are.
/// The guest's XCR0 never has the bits by which it could reach others.
const HOST_COMPONENTS: u64 = 0b1110_0111;

/// MXCSR after reset, at byte 24 of the image; the x87 control word after FNINIT, at byte 0.
const MXCSR_INITIAL: u64 = 0x1f80;
const FCW_INITIAL: u64 = 0x37f;

/// 64-bit words of an image: x87 and SSE, the header of XSAVE, AVX
/// (SDM Vol. 1, "Standard Format of the XSAVE Area").
pub(crate) const GUEST_WORDS: usize = 104;
/// The word that has MXCSR and MXCSR_MASK, and those of the header, the first of which is
/// XSTATE_BV.
const MXCSR_WORD: usize = 3;
const HEADER: Range<usize> = 64..72;
/// What FXSAVE stores, as XSTATE_BV has it: x87 and SSE.
const FXSAVE_COMPONENTS: u64 = 0b11;
/// Bits of MXCSR that a CPU has that does not say which.
const MXCSR_MASK_DEFAULT: u32 = 0xffbf;

/// FPU registers in memory: a page with the image of XSAVE64, or of FXSAVE64 on a CPU without it.
struct Image {
    page: KernelPage,
    /// State components in the image; 0 without XSAVE.
    components: u64,
}

impl Image {
    /// The state after reset. `components` are those that the kernel uses; they have so many bytes.
    fn new(components: u64, room: usize) -> Result<Self> {
        if components != 0 && size(components) > room {
            return Err(EOPNOTSUPP);
        }
        let page = KernelPage::new()?;
        page.words()[0].store(FCW_INITIAL, Ordering::Relaxed);
        page.words()[MXCSR_WORD].store(MXCSR_INITIAL, Ordering::Relaxed);
        if components == 0 {
            // FXSAVE has no header: this one makes its image one that XRSTOR loads, elsewhere.
            page.words()[HEADER.start].store(FXSAVE_COMPONENTS, Ordering::Relaxed);
        }
        Ok(Self { page, components })
    }

    /// Can XRSTOR, or FXRSTOR without XSAVE, load this one?
    /// (SDM Vol. 1, "Standard Form of XRSTOR")
    fn can_be(&self, words: &[u64; GUEST_WORDS], mxcsr_mask: u32) -> bool {
        // CAST: The low half; the other one has the mask.
        let mxcsr = words[MXCSR_WORD] as u32;
        let [present, rest @ ..] = &words[HEADER] else {
            return false;
        };
        // FXRSTOR loads what it stores, whatever the header says.
        let can_have = match self.components {
            0 => *present == FXSAVE_COMPONENTS,
            components => present & !components == 0,
        };
        mxcsr & !mxcsr_mask == 0 && can_have && rest.iter().all(|word| *word == 0)
    }
}

/// Stores the registers in one image and loads them from another; with XSAVE, XCR0 is the host's.
#[inline]
fn exchange(_irqs: &IrqsDisabled, save: &Image, load: &Image) {
    let (to, from) = (save.page.address(), load.page.address());
    if save.components == 0 {
        // SAFETY: There is room for 512 bytes; what is loaded is what FXSAVE wrote, or `new`, or
        // what can be loaded by `can_be`. Both are 16-byte aligned.
        unsafe {
            asm!("fxsave64 ({})\n fxrstor64 ({})"; in(reg) to, in(reg) from,
                 options(nostack, preserves_flags))
        };
        return;
    }
    // SAFETY: There is room for all of `components`, as `new` found out; 64-byte aligned.
    unsafe {
        asm!("xsave64 ({})"; in(reg) to, in("eax") save.components as u32, in("edx") 0,
             options(nostack, preserves_flags))
    };
    // SAFETY: The image is in the standard form that XSAVE wrote, or `new`, or can be loaded by
    // `can_be`, and 64-byte aligned; the host's XCR0 has all of `components`.
    unsafe {
        asm!("xrstor64 ({})"; in(reg) from, in("eax") load.components as u32, in("edx") 0,
             options(nostack, preserves_flags))
    };
}

/// Bits that the CPU has in MXCSR (SDM Vol. 1, "Guidelines for Writing to the MXCSR Register"). It
/// says so in an image, for which this one is used that nobody needs.
fn mxcsr_mask(scratch: &Image) -> u32 {
    // SAFETY: There is room for 512 bytes, aligned to 16. The kernel uses the FPU, so that no
    // CR0.TS is in the way; registers are only read, whosever they are.
    unsafe {
        asm!("fxsave64 ({})"; in(reg) scratch.page.address(), options(nostack, preserves_flags))
    };
    // CAST: The high half.
    match (scratch.page.words()[MXCSR_WORD].load(Ordering::Relaxed) >> 32) as u32 {
        0 => MXCSR_MASK_DEFAULT,
        mask => mask,
    }
}

/// Bytes of an image with these components (SDM Vol. 1, "Standard Format of the XSAVE Area").
fn size(components: u64) -> usize {
    const LEGACY_AND_HEADER: u32 = 576;
    (2..u64::BITS)
        .filter(|component| components >> component & 1 != 0)
        .map(|component| cpu::cpuid(0xd, component))
        .map(|place| place.ebx.saturating_add(place.eax))
        .fold(LEGACY_AND_HEADER, u32::max) as usize
}

/// The guest's FPU registers while they are not in the CPU.
pub(crate) struct GuestFpu {
    guest: Image,
    /// Where the registers of others are meanwhile.
    host: Image,
    /// XCR0 of the guest; meaningful with XSAVE only.
    xcr0: Cell<u64>,
    /// XCR0 of the kernel, which never changes; 0 without XSAVE.
    host_xcr0: u64,
}

/// Bits that guests may have in XCR0; 0 without XSAVE.
pub(crate) fn xcr0_allowed() -> u64 {
    kernel_xcr0() & GUEST_COMPONENTS
}

/// XCR0 of the kernel; 0 without XSAVE.
fn kernel_xcr0() -> u64 {
    match cpu::has(Feature::Xsave) {
        true => xgetbv(),
        false => 0,
    }
}

impl GuestFpu {
    /// FPU state after reset.
    pub(crate) fn new() -> Result<Self> {
        let host_xcr0 = kernel_xcr0();
        Ok(Self {
            guest: Image::new(host_xcr0 & GUEST_COMPONENTS, GUEST_WORDS * size_of::<u64>())?,
            host: Image::new(host_xcr0 & HOST_COMPONENTS, PAGE_SIZE)?,
            xcr0: Cell::new(1),
            host_xcr0,
        })
    }

    /// Copies the registers out, as XSAVE64 has stored them, or FXSAVE64.
    pub(crate) fn read(&self, words: &mut [u64; GUEST_WORDS]) {
        for (to, from) in words.iter_mut().zip(self.guest.page.words()) {
            *to = from.load(Ordering::Relaxed);
        }
    }

    /// Takes other ones; `EINVAL` for what XRSTOR64 or FXRSTOR64 would not load.
    pub(crate) fn write(&mut self, words: &[u64; GUEST_WORDS]) -> Result {
        if !self.guest.can_be(words, mxcsr_mask(&self.host)) {
            return Err(EINVAL);
        }
        for (to, from) in self.guest.page.words().iter().zip(words) {
            to.store(*from, Ordering::Relaxed);
        }
        Ok(())
    }

    /// XCR0 as the guest reads it.
    pub(crate) fn xcr0(&self) -> u64 {
        self.xcr0.get()
    }

    /// Bits that the guest may have in XCR0; 0 without XSAVE.
    pub(crate) fn xcr0_allowed(&self) -> u64 {
        self.guest.components
    }

    /// A value, if XSETBV can set XCR0 to it
    /// (SDM Vol. 2, "XSETBV - Set Extended Control Register").
    pub(crate) fn check_xcr0(&self, value: u64) -> Option<Xcr0> {
        let avx_without_sse = value & 0b110 == 0b100;
        let valid = value & 1 != 0 && value & !self.xcr0_allowed() == 0 && !avx_without_sse;
        // INVARIANT: By the line above.
        valid.then_some(Xcr0(value))
    }

    /// Puts the guest's registers into the CPU until the returned guard is dropped, and its XCR0 if
    /// `osxsave` is its CR4.OSXSAVE: without that all instructions are #UD that go by XCR0.
    #[inline]
    pub(crate) fn load<'a>(&'a mut self, irqs: &'a IrqsDisabled, osxsave: bool) -> LoadedFpu<'a> {
        exchange(irqs, &self.host, &self.guest);
        if osxsave {
            self.switch_xcr0(self.host_xcr0, self.xcr0());
        }
        LoadedFpu {
            fpu: self,
            has_xcr0: osxsave,
            irqs,
        }
    }

    #[inline]
    fn switch_xcr0(&self, from: u64, to: u64) {
        if self.host_xcr0 != 0 && from != to {
            xsetbv(to);
        }
    }
}

/// A value for the XCR0 of a guest.
///
/// # Invariants
///
/// XSETBV takes it, and no component is in it that [`GuestFpu`] does not swap.
pub(crate) struct Xcr0(u64);

/// Guard: the guest's FPU registers are in the CPU.
#[must_use = "the guest's FPU is saved when the guard is dropped"]
pub(crate) struct LoadedFpu<'a> {
    fpu: &'a GuestFpu,
    /// Is its XCR0, too?
    has_xcr0: bool,
    irqs: &'a IrqsDisabled,
}

impl LoadedFpu<'_> {
    /// The FPU, to look at XCR0.
    pub(crate) fn fpu(&self) -> &GuestFpu {
        self.fpu
    }

    /// Changes the guest's XCR0.
    pub(crate) fn set_xcr0(&self, Xcr0(value): Xcr0) {
        if self.has_xcr0 {
            self.fpu.switch_xcr0(self.fpu.xcr0(), value);
        }
        self.fpu.xcr0.set(value);
    }
}

impl Drop for LoadedFpu<'_> {
    #[inline]
    fn drop(&mut self) {
        let fpu = self.fpu;
        if self.has_xcr0 {
            fpu.switch_xcr0(fpu.xcr0(), fpu.host_xcr0);
        }
        exchange(self.irqs, &fpu.guest, &fpu.host);
    }
}

fn xgetbv() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: Called with XSAVE in use by the kernel, so CR4.OSXSAVE is set.
    unsafe {
        asm!("xgetbv"; in("ecx") 0, out("eax") low, out("edx") high,
             options(nomem, nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

fn xsetbv(value: u64) {
    // SAFETY: The value is the host's own, or by its invariant an `Xcr0`. The kernel's comes
    // back before interrupts do.
    unsafe {
        asm!("xsetbv"; in("ecx") 0, in("eax") value as u32, in("edx") (value >> 32) as u32,
             options(nomem, nostack, preserves_flags))
    };
}
