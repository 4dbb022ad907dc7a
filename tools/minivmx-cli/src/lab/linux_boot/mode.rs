// SPDX-License-Identifier: GPL-2.0

//! What runs the Linux of a boot.

use std::{
    path::Path,
    str::FromStr, //
};

use anyhow::Result;
use minivmx::{
    Device,
    Mmu, //
};

/// What runs the Linux of a boot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// KVM, in the way that it was loaded for.
    Kvm,
    /// This driver.
    Minivmx(Mmu),
}

impl Mode {
    /// All that this machine has for a guest that knows no hypervisor.
    pub fn here() -> Result<Vec<Self>> {
        let kvm = Path::new("/dev/kvm").exists().then_some(Self::Kvm);
        let mmus = Device::open()?.info()?.mmus().into_iter();
        let ours = mmus.filter(|mmu| *mmu != Mmu::Pv).map(Self::Minivmx);
        Ok(kvm.into_iter().chain(ours).collect())
    }

    /// As options of `minivmx boot`.
    pub fn options(self) -> [&'static str; 2] {
        match self {
            Self::Kvm => ["--accel", "kvm"],
            Self::Minivmx(mmu) => ["--mmu", mmu.name()],
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match (name, name.parse()) {
            ("kvm", _) => Ok(Self::Kvm),
            (_, Ok(Mmu::Pv)) => Err("Linux does not call the hypervisor, as pv asks for".into()),
            (_, Ok(mmu)) => Ok(Self::Minivmx(mmu)),
            (_, Err(_)) => Err("it is none of kvm, ept, vtlb, wp, unsync".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_kvm_or_an_mmu_for_linux() {
        assert_eq!("kvm".parse(), Ok(Mode::Kvm));
        assert_eq!("wp".parse(), Ok(Mode::Minivmx(Mmu::Wp)));
        assert!("pv"
            .parse::<Mode>()
            .is_err_and(|error| error.contains("does not call")));
        assert!("epd"
            .parse::<Mode>()
            .is_err_and(|error| error.contains("unsync")));
    }
}
