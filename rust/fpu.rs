// SPDX-License-Identifier: GPL-2.0

//! The FPU, lent to a guest.
//!
//! While a [`GuestFpu`] is loaded, the x87, SSE and AVX registers and XCR0 are the guest's. What the
//! program had in them is in the kernel's own image of it by then, and comes back on its way to user
//! mode. State components beyond these three cannot be reached by the guest: its XCR0 never has
//! their bits.

use super::{
    cpu::{
        self,
        Feature, //
    },
    irq::IrqsDisabled,
    page::KernelPage, //
};
use core::sync::atomic::Ordering;
use kernel::{
    alloc::AllocError,
    asm,
    bindings, //
};

/// x87, SSE and AVX: the state components that guests may have.
/// (SDM Vol. 1, "XSAVE-Supported Features and State-Component Bitmaps").
const COMPONENTS: u64 = 0b111;

/// MXCSR after reset, at byte 24 of the image; the x87 control word after FNINIT, at byte 0.
const MXCSR_INITIAL: u64 = 0x1f80;
const FCW_INITIAL: u64 = 0x37f;

/// The guest's FPU registers while they are not in the CPU.
pub(crate) struct GuestFpu {
    /// XSAVE or FXSAVE image. In the XSAVE form all of it is at most 832 bytes long.
    image: KernelPage,
    /// XCR0 of the guest; meaningful with XSAVE only.
    xcr0: u64,
    xsave: bool,
}

impl GuestFpu {
    /// FPU state after reset.
    pub(crate) fn new() -> core::result::Result<Self, AllocError> {
        let image = KernelPage::new()?;
        image.words()[0].store(FCW_INITIAL, Ordering::Relaxed);
        image.words()[3].store(MXCSR_INITIAL, Ordering::Relaxed);
        Ok(Self {
            image,
            xcr0: 1,
            xsave: cpu::has(Feature::Xsave),
        })
    }

    /// XCR0 as the guest reads it.
    pub(crate) fn xcr0(&self) -> u64 {
        self.xcr0
    }

    /// Bits that the guest may have in XCR0; 0 without XSAVE.
    pub(crate) fn xcr0_allowed(&self) -> u64 {
        if !self.xsave {
            return 0;
        }
        u64::from(cpu::cpuid(0xd, 0).eax) & COMPONENTS
    }

    /// Can XSETBV set XCR0 to this value?
    /// (SDM Vol. 2, "XSETBV - Set Extended Control Register").
    pub(crate) fn xcr0_valid(&self, value: u64) -> bool {
        let avx_without_sse = value & 0b110 == 0b100;
        value & 1 != 0 && value & !self.xcr0_allowed() == 0 && !avx_without_sse
    }

    /// Puts the guest's registers into the CPU until the returned guard is dropped.
    #[inline]
    pub(crate) fn load<'a>(&'a mut self, _irqs: &'a IrqsDisabled) -> LoadedFpu<'a> {
        // SAFETY: Interrupts are off in process context, where the FPU can be used; paired with
        // `kernel_fpu_end` in the guard's drop.
        unsafe { bindings::kernel_fpu_begin_mask(0) };
        let host_xcr0 = if self.xsave { xgetbv() } else { 0 };
        self.restore();
        let mut loaded = LoadedFpu {
            fpu: self,
            host_xcr0,
            current: host_xcr0,
        };
        loaded.switch_xcr0(loaded.fpu.xcr0);
        loaded
    }

    fn restore(&self) {
        let image = self.image.address();
        if self.xsave {
            // SAFETY: The image is in the standard form that `save` wrote, or `new`, and 64-byte
            // aligned; the host's XCR0 has all of `COMPONENTS` that the CPU has.
            unsafe {
                asm!("xrstor64 ({})"; in(reg) image,
                     in("eax") COMPONENTS as u32, in("edx") 0, options(nostack, preserves_flags))
            };
        } else {
            // SAFETY: The image is one that FXSAVE wrote, or `new`, and 16-byte aligned.
            unsafe { asm!("fxrstor64 ({})"; in(reg) image, options(nostack, preserves_flags)) };
        }
    }

    fn save(&self) {
        let image = self.image.address();
        if self.xsave {
            // SAFETY: The image has room for all of `COMPONENTS`.
            unsafe {
                asm!("xsave64 ({})"; in(reg) image,
                     in("eax") COMPONENTS as u32, in("edx") 0, options(nostack, preserves_flags))
            };
        } else {
            // SAFETY: The image has room for 512 bytes.
            unsafe { asm!("fxsave64 ({})"; in(reg) image, options(nostack, preserves_flags)) };
        }
    }
}

/// Guard: the guest's FPU registers and XCR0 are in the CPU.
#[must_use = "the guest's FPU is saved when the guard is dropped"]
pub(crate) struct LoadedFpu<'a> {
    fpu: &'a mut GuestFpu,
    host_xcr0: u64,
    current: u64,
}

impl LoadedFpu<'_> {
    /// The FPU, to look at XCR0.
    pub(crate) fn fpu(&self) -> &GuestFpu {
        self.fpu
    }

    /// Changes the guest's XCR0 to a value that [`GuestFpu::xcr0_valid`] found good.
    pub(crate) fn set_xcr0(&mut self, value: u64) {
        self.fpu.xcr0 = value;
        self.switch_xcr0(value);
    }

    #[inline]
    fn switch_xcr0(&mut self, value: u64) {
        if self.host_xcr0 != 0 && self.current != value {
            xsetbv(value);
            self.current = value;
        }
    }
}

impl Drop for LoadedFpu<'_> {
    #[inline]
    fn drop(&mut self) {
        self.switch_xcr0(self.host_xcr0);
        self.fpu.save();
        // SAFETY: Paired with `kernel_fpu_begin_mask` in `load`; interrupts are still off.
        unsafe { bindings::kernel_fpu_end() };
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
    // SAFETY: The value is the host's own, or one that `xcr0_valid` found good. The kernel's comes
    // back before interrupts do.
    unsafe {
        asm!("xsetbv"; in("ecx") 0, in("eax") value as u32, in("edx") (value >> 32) as u32,
             options(nomem, nostack, preserves_flags))
    };
}
