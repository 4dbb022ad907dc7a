// SPDX-License-Identifier: GPL-2.0

//! All that a vCPU is: read from one and written to another, it makes the same guest go on there.

use crate::{
    errno::Errno,
    error::{
        Error,
        Result, //
    },
    fpu::Fpu,
    uapi::{
        minivmx_event,
        minivmx_msr,
        minivmx_regs,
        minivmx_sregs,
        MINIVMX_SREGS_KEEP, //
    },
    vcpu::Vcpu, //
};

/// All that a vCPU is (`uapi/minivmx.h`, "The state of a vCPU"), but for what
/// [`Vcpu::set_cpuid`] and [`Vcpu::set_traps`] said.
///
/// With the feature `serde` it can be kept in whatever form that has.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VcpuState {
    /// The system registers.
    pub sregs: minivmx_sregs,
    /// The general registers.
    pub regs: minivmx_regs,
    /// The event that waits for delivery.
    pub event: minivmx_event,
    /// The MSRs that the driver keeps: those whose values are not among the others.
    pub msrs: Vec<minivmx_msr>,
    /// The x87, SSE and AVX registers.
    pub fpu: Fpu,
}

/// IA32_PAT, which on some CPUs is the program's.
const PAT: u32 = 0x277;

impl VcpuState {
    /// The MSRs that the driver keeps, but for those that are in the system registers.
    pub const MSRS: [u32; 11] = [
        0x10,        // IA32_TIME_STAMP_COUNTER
        0x174,       // IA32_SYSENTER_CS
        0x175,       // IA32_SYSENTER_ESP
        0x176,       // IA32_SYSENTER_EIP
        0x1a0,       // IA32_MISC_ENABLE
        0xc000_0081, // IA32_STAR
        0xc000_0082, // IA32_LSTAR
        0xc000_0083, // IA32_CSTAR
        0xc000_0084, // IA32_FMASK
        0xc000_0102, // IA32_KERNEL_GS_BASE
        PAT,
    ];
}

impl Vcpu {
    /// Reads all that it is. An exit that waits for its answer gets that first, as in a run that
    /// ends at once; what [`ImmediateExit`](crate::ImmediateExit) asked for meanwhile is forgotten.
    ///
    /// # Errors
    ///
    /// Those of [`Self::run`], and of the calls that read registers; [`Error::Exited`] where
    /// [`Self::exit`] has another exit now, which is to be handled first.
    pub fn state(&mut self) -> Result<VcpuState> {
        self.end_exit()?;
        Ok(VcpuState {
            sregs: self.sregs()?,
            regs: *self.regs(),
            event: *self.event(),
            msrs: self.kept_msrs()?,
            fpu: self.fpu()?,
        })
    }

    /// Makes it another guest, in this state. Its memory is to be there already. IA32_PAT stays
    /// with the program where the driver leaves it to that.
    ///
    /// # Errors
    ///
    /// EINVAL for what no CPU can be in, [`Error::Msr`] for an MSR that is refused, EIO.
    pub fn set_state(&mut self, state: &VcpuState) -> Result<()> {
        self.set_sregs(&minivmx_sregs {
            flags: state.sregs.flags & !MINIVMX_SREGS_KEEP,
            ..state.sregs
        })?;
        *self.regs_mut() = state.regs;
        *self.event_mut() = state.event;
        match self.set_msrs(&state.msrs) {
            Err(error) if is_pat_of_the_program(&error) => {}
            other => other?,
        }
        self.set_fpu(&state.fpu)
    }

    fn end_exit(&mut self) -> Result<()> {
        let now = self.immediate_exit();
        now.request();
        let ended = self.run().map(drop);
        now.clear();
        match ended {
            Err(error) if error.is_interrupted() => Ok(()),
            Err(error) => Err(error),
            Ok(()) => Err(Error::Exited),
        }
    }

    fn kept_msrs(&self) -> Result<Vec<minivmx_msr>> {
        let mut msrs = VcpuState::MSRS.map(|index| minivmx_msr {
            index,
            ..Default::default()
        });
        let kept = match self.msrs(&mut msrs) {
            // The last of them.
            Err(error) if is_pat_of_the_program(&error) => VcpuState::MSRS.len() - 1,
            other => other.map(|()| VcpuState::MSRS.len())?,
        };
        Ok(msrs.into_iter().take(kept).collect())
    }
}

/// The last MSR of a call, so that the others have been read or written.
fn is_pat_of_the_program(error: &Error) -> bool {
    matches!(
        error,
        Error::Msr {
            index: PAT,
            errno: Errno(libc::ENOENT),
            ..
        }
    )
}
