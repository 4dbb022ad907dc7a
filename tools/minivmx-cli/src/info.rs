// SPDX-License-Identifier: GPL-2.0

//! `minivmx info`.

use std::fmt::{
    self,
    Write, //
};

use anyhow::Result;
use clap::Args;
use minivmx::{
    Capability,
    Device,
    Info,
    Mitigation,
    Mmu,
    VmxMode, //
};
use serde_json::{
    json,
    Value, //
};

/// Show what this CPU can do, and what would be refused and why
#[derive(Args, Debug)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Shows what this CPU and this driver can do.
pub fn show(arguments: &Arguments) -> Result<()> {
    let info = Device::open()?.info()?;
    if arguments.json {
        println!("{:#}", object(&info));
    } else {
        let mut text = String::new();
        write_text(&mut text, &info)?;
        print!("{text}");
    }
    Ok(())
}

fn write_text(text: &mut String, info: &Info) -> fmt::Result {
    writeln!(text, "minivmx, interface version {}", info.api_version())?;
    writeln!(text, "VMX is {}", vmx(info.vmx()).1)?;
    writeln!(text, "\nThis CPU can do")?;
    for capability in Capability::ALL {
        let mark = if info.capabilities().contains(capability) {
            "yes"
        } else {
            "no"
        };
        writeln!(
            text,
            "  {mark:<4} {:<19} {}",
            capability.name, capability.description
        )?;
    }
    writeln!(text, "\nA VM can have")?;
    for mmu in Mmu::ALL {
        writeln!(text, "  {:<6} {}", mmu.name(), verdict(info, *mmu))?;
    }
    writeln!(text, "\nAgainst speculative execution")?;
    for mitigation in Mitigation::ALL {
        writeln!(
            text,
            "  {:<12} {:<14} {}",
            info.mitigated(mitigation).name(),
            mitigation.name,
            mitigation.description
        )?;
    }
    writeln!(text, "\nLimits of a VM")?;
    writeln!(text, "  memory            {} MiB", info.max_memory() >> 20)?;
    writeln!(text, "  regions           {}", info.max_regions())?;
    writeln!(text, "  vCPUs             {}", info.max_vcpus())?;
    writeln!(text, "  physical address  {} bits", info.physical_bits())?;
    writeln!(text, "\nExits that can be trapped")?;
    for reason in info.trappable() {
        writeln!(text, "  {:>3}  {reason}", reason.0)?;
    }
    Ok(())
}

fn verdict(info: &Info, mmu: Mmu) -> String {
    match (info.supports(mmu), info.missing(mmu).names()) {
        (true, _) => format!("yes: {}", mmu.description()),
        (false, missing) if missing.is_empty() => {
            "no: EOPNOTSUPP, this driver does not offer it".into()
        }
        (false, missing) => format!("no: EOPNOTSUPP, this CPU lacks {}", missing.join(", ")),
    }
}

fn vmx(mode: VmxMode) -> (String, String) {
    match mode {
        VmxMode::Own => (
            "own".into(),
            "the driver's own: nobody else holds it".into(),
        ),
        VmxMode::Borrow => ("borrow".into(), "borrowed from KVM, for each burst".into()),
        VmxMode::Unavailable => (
            "unavailable".into(),
            "held by somebody that the driver cannot share it with: no VM can run".into(),
        ),
        VmxMode::Unknown(mode) => (
            mode.to_string(),
            format!("obtained in an unknown way, {mode}"),
        ),
    }
}

fn object(info: &Info) -> Value {
    let mmus: serde_json::Map<_, _> = Mmu::ALL
        .iter()
        .map(|mmu| {
            let value = json!({
                "supported": info.supports(*mmu),
                "missing": info.missing(*mmu).names(),
            });
            (mmu.name().to_owned(), value)
        })
        .collect();
    let mitigations: serde_json::Map<_, _> = Mitigation::ALL
        .iter()
        .map(|each| {
            let verdict = info.mitigated(each).name();
            (each.name.to_owned(), verdict.into())
        })
        .collect();
    json!({
        "api_version": info.api_version(),
        "vmx": vmx(info.vmx()).0,
        "capabilities": info.capabilities().names(),
        "mmus": mmus,
        "mitigations": mitigations,
        "traps": info.trappable().iter().map(|reason| json!({
            "reason": reason.0,
            "name": reason.to_string(),
        })).collect::<Vec<_>>(),
        "max_memory": info.max_memory(),
        "max_regions": info.max_regions(),
        "max_vcpus": info.max_vcpus(),
        "physical_bits": info.physical_bits(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::uapi::{self, minivmx_info};

    fn penryn() -> Info {
        Info::from(minivmx_info {
            out_api_version: 1,
            out_capabilities: uapi::MINIVMX_CAP_MSR_BITMAPS.into(),
            out_ept_missing: (uapi::MINIVMX_CAP_EPT | uapi::MINIVMX_CAP_UNRESTRICTED_GUEST).into(),
            out_mmus: 1 << uapi::MINIVMX_MMU_VTLB,
            out_traps: [1 << 10, 0],
            out_mitigations: uapi::MINIVMX_MITIGATION_CLEAR_BUFFERS.into(),
            out_unmitigated: uapi::MINIVMX_MITIGATION_FLUSH_L1D.into(),
            ..Default::default()
        })
    }

    #[test]
    fn a_refusal_names_what_is_missing() {
        let mut text = String::new();
        write_text(&mut text, &penryn()).expect("a string takes everything");
        for line in [
            "  ept    no: EOPNOTSUPP, this CPU lacks ept, unrestricted_guest\n",
            "  vtlb   yes: shadow tables",
            "  pv     no: EOPNOTSUPP, this driver does not offer it\n",
            "  done         clear_buffers ",
            "  not needed   ibrs ",
            "  not possible flush_l1d ",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("yes  msr_bitmaps "), "{text}");
        assert!(text.contains(" 10  CPUID\n"), "{text}");
    }

    #[test]
    fn json_says_the_same() {
        let value = object(&penryn());
        assert_eq!(value["vmx"], "own");
        assert_eq!(value["mmus"]["ept"]["supported"], false);
        assert_eq!(value["mmus"]["ept"]["missing"][0], "ept");
        assert_eq!(value["mmus"]["vtlb"]["supported"], true);
        assert_eq!(value["capabilities"], json!(["msr_bitmaps"]));
        assert_eq!(value["mitigations"]["clear_buffers"], "done");
        assert_eq!(value["mitigations"]["ibrs"], "not needed");
        assert_eq!(value["mitigations"]["flush_l1d"], "not possible");
        assert_eq!(value["traps"][0]["reason"], 10);
    }
}
