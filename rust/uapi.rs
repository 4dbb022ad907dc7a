// SPDX-License-Identifier: GPL-2.0

//! The structures and numbers of `uapi/minivmx.h`.

use kernel::{
    ioctl::{
        _IO, //
        _IOC_NR,
    },
    prelude::*, //
};

/// Number of a call, of [`cmd`]; `ENOTTY` if it is not one of this driver.
pub(crate) fn command(command: u32) -> Result<u32> {
    let number = _IOC_NR(command);
    if command != _IO(MINIVMX_TYPE, number) {
        return Err(ENOTTY);
    }
    Ok(number)
}

pub(crate) use super::bindings::{
    minivmx_access as access,
    minivmx_answer as answer,
    minivmx_cap as cap,
    minivmx_check,
    minivmx_cmd as cmd,
    minivmx_cpuid,
    minivmx_cpuid_entry,
    minivmx_cpuid_flags as cpuid_flags,
    minivmx_create_vcpu,
    minivmx_create_vm,
    minivmx_end as end,
    minivmx_exit as exit,
    minivmx_fpu,
    minivmx_info,
    minivmx_io,
    minivmx_io_flags as io_flags,
    minivmx_map_flags as map_flags,
    minivmx_map_memory,
    minivmx_memory_exit,
    minivmx_memory_type as memory_type,
    minivmx_mitigation as mitigation,
    minivmx_mmu as mmu,
    minivmx_msr,
    minivmx_msr_exit,
    minivmx_msrs,
    minivmx_pte,
    minivmx_pte_flags as pte_flags,
    minivmx_pv_call as pv_call,
    minivmx_pv_update,
    minivmx_read_table,
    minivmx_regs,
    minivmx_regs_arg,
    minivmx_run,
    minivmx_run_flags as run_flags,
    minivmx_segment,
    minivmx_sregs,
    minivmx_sregs_flags as sregs_flags,
    minivmx_stats,
    minivmx_table,
    minivmx_tables as tables,
    minivmx_translate,
    minivmx_translate_flags as translate_flags,
    minivmx_traps,
    minivmx_unmap_memory,
    minivmx_violation,
    minivmx_vmcs_field, //
    minivmx_vmx as vmx,
    minivmx_window as window,
};

pub(crate) use super::bindings::{
    MINIVMX_API_VERSION,
    MINIVMX_MAX_CPUID,
    MINIVMX_MAX_MSRS,
    MINIVMX_MAX_PTES,
    MINIVMX_MAX_REFERENCES,
    MINIVMX_PV_MAX_UPDATES,
    MINIVMX_STATS_EXITS,
    MINIVMX_TYPE, //
};
