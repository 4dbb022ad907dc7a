// SPDX-License-Identifier: GPL-2.0

//! What a VM did, and what it takes: for `MINIVMX_GET_STATS`, and as text for whoever looks at a
//! program while its vCPUs run.

use super::mmu;
use crate::{
    memory::CpuTables,
    support::uapi::minivmx_stats,
    vcpu::Vcpu,
    vm::{
        Counters,
        Vm, //
    }, //
};
use kernel::{
    seq_file::SeqFile,
    seq_print, //
};
use zerocopy::FromZeros;

/// What a VM did so far, and what it takes now.
pub(super) fn of_vm(vm: &Vm) -> minivmx_stats {
    let mut stats = minivmx_stats::new_zeroed();
    vm.for_each_member(|member| add_counters(&mut stats, &member.counters));
    add_memory(&mut stats, vm);
    stats
}

/// Shows it in lines of a name and a number; of exits those that there were.
pub(super) fn show_vm(vm: &Vm, text: &SeqFile) {
    let stats = of_vm(vm);
    seq_print!(text, "mmu:\t{}\n", mmu::name(vm.mmu));
    show(&of_memory(&stats), text);
    show(&of_vcpus(&stats), text);
    show_exits(&stats, text);
}

/// The same of a vCPU: what it did itself.
pub(super) fn show_vcpu(vcpu: &Vcpu, text: &SeqFile) {
    let mut stats = minivmx_stats::new_zeroed();
    add_counters(&mut stats, &vcpu.member.counters);
    seq_print!(text, "vcpu:\t{}\n", vcpu.member.id);
    show(&of_vcpus(&stats), text);
    show_exits(&stats, text);
}

fn show(numbers: &[(&str, u64)], text: &SeqFile) {
    for (name, number) in numbers {
        seq_print!(text, "{name}:\t{number}\n");
    }
}

fn show_exits(stats: &minivmx_stats, text: &SeqFile) {
    for (reason, count) in stats.out_exits.iter().enumerate() {
        if *count != 0 {
            seq_print!(text, "exits[{reason}]:\t{count}\n");
        }
    }
}

/// What memory and tables are counted by, with its names.
fn of_memory(stats: &minivmx_stats) -> [(&'static str, u64); 9] {
    [
        ("pages", stats.out_pages),
        ("tables", stats.out_tables),
        ("shadow_tables", stats.out_shadow_tables),
        ("guest_faults", stats.out_guest_faults),
        ("shadow_misses", stats.out_shadow_misses),
        ("table_writes", stats.out_table_writes),
        ("supervisor_writes", stats.out_supervisor_writes),
        ("syncs", stats.out_syncs),
        ("reclaims", stats.out_reclaims),
    ]
}

/// What vCPUs count, but their exits by reason, with its names.
fn of_vcpus(stats: &minivmx_stats) -> [(&'static str, u64); 10] {
    [
        ("runs", stats.out_runs),
        ("bursts", stats.out_bursts),
        ("entries", stats.out_entries),
        ("returns", stats.out_returns),
        ("injections", stats.out_injections),
        ("flushes", stats.out_flushes),
        ("kicks", stats.out_kicks),
        ("ept_fills", stats.out_ept_fills),
        ("allocations", stats.out_allocations),
        ("absences", stats.out_absences),
    ]
}

fn add_memory(stats: &mut minivmx_stats, vm: &Vm) {
    let memory = vm.memory.lock();
    (stats.out_pages, stats.out_tables) = memory.usage();
    let CpuTables::Shadow(shadows) = memory.tables() else {
        return;
    };
    let counts = shadows.counts();
    stats.out_guest_faults = counts.guest_faults;
    stats.out_shadow_misses = counts.misses;
    stats.out_table_writes = counts.table_writes;
    stats.out_supervisor_writes = counts.supervisor_writes;
    stats.out_syncs = counts.syncs;
    stats.out_reclaims = counts.reclaims;
    // CAST: `usize` is 64 bits wide.
    stats.out_shadow_tables = counts.tables as u64;
}

fn add_counters(stats: &mut minivmx_stats, counters: &Counters) {
    let sums = [
        (&mut stats.out_runs, &counters.runs),
        (&mut stats.out_bursts, &counters.bursts),
        (&mut stats.out_entries, &counters.entries),
        (&mut stats.out_returns, &counters.returns),
        (&mut stats.out_injections, &counters.injections),
        (&mut stats.out_flushes, &counters.flushes),
        (&mut stats.out_kicks, &counters.kicks),
        (&mut stats.out_ept_fills, &counters.ept_fills),
        (&mut stats.out_allocations, &counters.allocations),
        (&mut stats.out_absences, &counters.absences),
    ];
    for (sum, counter) in sums {
        *sum = sum.wrapping_add(counter.get());
    }
    for (sum, counter) in stats.out_exits.iter_mut().zip(&counters.exits) {
        *sum = sum.wrapping_add(counter.get());
    }
}
