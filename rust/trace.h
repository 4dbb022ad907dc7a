/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints of minivmx, for perf and ftrace: every VM entry, every VM exit, and every
 * page fault that reaches the driver, with what it was and what is done about it.
 *
 * All addresses are the guest's: where its memory and its tables are is the host's secret,
 * and no event tells it.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM minivmx

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

#if !defined(_MINIVMX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _MINIVMX_TRACE_H

#include <linux/tracepoint.h>
#include <asm/vmx.h>

/* What a page fault was. */
#define MINIVMX_FAULT_GUEST		0
#define MINIVMX_FAULT_MISS		1
#define MINIVMX_FAULT_TABLE_WRITE	2
#define MINIVMX_FAULT_SUPERVISOR_WRITE	3
#define MINIVMX_FAULT_ALLOCATE		4
#define MINIVMX_FAULT_ABSENT		5

/* What is done about it. */
#define MINIVMX_ACTION_DELIVER		0
#define MINIVMX_ACTION_REPORT		1
#define MINIVMX_ACTION_FILL		2
#define MINIVMX_ACTION_STEP		3
#define MINIVMX_ACTION_RETRY		4
#define MINIVMX_ACTION_FAIL		5
#define MINIVMX_ACTION_NAMES				\
	{ MINIVMX_ACTION_DELIVER, "deliver" },		\
	{ MINIVMX_ACTION_REPORT, "report" },		\
	{ MINIVMX_ACTION_FILL, "fill" },		\
	{ MINIVMX_ACTION_STEP, "step" },		\
	{ MINIVMX_ACTION_RETRY, "retry" },		\
	{ MINIVMX_ACTION_FAIL, "fail" }

/* Whose access it was: the guest's own, or that of the CPU to an entry of its tables. */
#define MINIVMX_BY_ACCESS		0
#define MINIVMX_BY_WALK			1
#define MINIVMX_BY_LOAD			2

#define MINIVMX_FLUSH_INVEPT		0
#define MINIVMX_FLUSH_INVVPID		1

/*
 * A VM entry, which delivers an event unless "event" is 0: then it is as in the
 * interruption-information field.
 */
TRACE_EVENT(entry,
	TP_PROTO(u32 vcpu, u64 rip, u32 event),
	TP_ARGS(vcpu, rip, event),

	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u32, event)
		__field(u64, rip)
	),

	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->event = event;
		__entry->rip = rip;
	),

	TP_printk("vcpu=%u rip=0x%llx event=0x%x",
		  __entry->vcpu, __entry->rip, __entry->event)
);

/*
 * A VM exit. Bit 31 of the reason: the entry failed while it loaded guest state. A reason
 * of 0x10001 is none: the CPU refused VMLAUNCH or VMRESUME, and the qualification is the
 * VM-instruction error. "info" is the interruption information, for an exception.
 */
TRACE_EVENT(exit,
	TP_PROTO(u32 vcpu, u32 reason, u64 rip, u64 qualification, u32 info),
	TP_ARGS(vcpu, reason, rip, qualification, info),

	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u32, reason)
		__field(u64, rip)
		__field(u64, qualification)
		__field(u32, info)
	),

	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->reason = reason;
		__entry->rip = rip;
		__entry->qualification = qualification;
		__entry->info = info;
	),

	TP_printk("vcpu=%u reason=%s%s rip=0x%llx qualification=0x%llx info=0x%x",
		  __entry->vcpu,
		  __print_symbolic(__entry->reason & 0x1ffff, VMX_EXIT_REASONS,
				   { 0x10001, "ENTRY_FAILED" }),
		  __entry->reason >> 31 ? "(entry failed)" : "",
		  __entry->rip, __entry->qualification, __entry->info)
);

/*
 * A page fault under shadow paging, an EPT violation, or a page fault that exits for a
 * program that traps it. "code" is the error code that the CPU raised it with, by the
 * tables that it has, or the exit qualification of the EPT violation. The guest-physical
 * address is 0 where the guest's tables lead to none, the guest-virtual one where the CPU
 * loads a register from a table ("by=load").
 */
TRACE_EVENT(page_fault,
	TP_PROTO(u32 vcpu, u32 kind, u32 action, u32 by, u32 access, u64 gva, u64 gpa,
		 u64 code),
	TP_ARGS(vcpu, kind, action, by, access, gva, gpa, code),

	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u8, kind)
		__field(u8, action)
		__field(u8, by)
		__field(u8, access)
		__field(u64, gva)
		__field(u64, gpa)
		__field(u64, code)
	),

	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->kind = kind;
		__entry->action = action;
		__entry->by = by;
		__entry->access = access;
		__entry->gva = gva;
		__entry->gpa = gpa;
		__entry->code = code;
	),

	TP_printk("vcpu=%u kind=%s action=%s by=%s access=%s gva=0x%llx gpa=0x%llx code=0x%llx",
		  __entry->vcpu,
		  __print_symbolic(__entry->kind,
				   { MINIVMX_FAULT_GUEST, "guest" },
				   { MINIVMX_FAULT_MISS, "miss" },
				   { MINIVMX_FAULT_TABLE_WRITE, "table_write" },
				   { MINIVMX_FAULT_SUPERVISOR_WRITE, "supervisor_write" },
				   { MINIVMX_FAULT_ALLOCATE, "allocate" },
				   { MINIVMX_FAULT_ABSENT, "absent" }),
		  __print_symbolic(__entry->action, MINIVMX_ACTION_NAMES),
		  __print_symbolic(__entry->by,
				   { MINIVMX_BY_ACCESS, "access" },
				   { MINIVMX_BY_WALK, "walk" },
				   { MINIVMX_BY_LOAD, "load" }),
		  __print_flags(__entry->access, "", { 1, "r" }, { 2, "w" }, { 4, "x" }),
		  __entry->gva, __entry->gpa, __entry->code)
);

/*
 * A write to a guest page table that shadow paging protects. It is single-stepped, or
 * ("fill") the table may be written from now on.
 */
TRACE_EVENT(table_write,
	TP_PROTO(u32 vcpu, u32 action, u64 gva, u64 gpa),
	TP_ARGS(vcpu, action, gva, gpa),

	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u8, action)
		__field(u64, gva)
		__field(u64, gpa)
	),

	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->action = action;
		__entry->gva = gva;
		__entry->gpa = gpa;
	),

	TP_printk("vcpu=%u action=%s gva=0x%llx gpa=0x%llx",
		  __entry->vcpu,
		  __print_symbolic(__entry->action, MINIVMX_ACTION_NAMES),
		  __entry->gva, __entry->gpa)
);

/*
 * Translations are dropped from the CPU that a vCPU comes to or runs on: those of a VPID,
 * which is its own, or those of its VM's extended page tables, and then the VPID is 0.
 */
TRACE_EVENT(flush,
	TP_PROTO(u32 vcpu, u32 by, u32 vpid),
	TP_ARGS(vcpu, by, vpid),

	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u8, by)
		__field(u16, vpid)
	),

	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->by = by;
		__entry->vpid = vpid;
	),

	TP_printk("vcpu=%u by=%s vpid=%u",
		  __entry->vcpu,
		  __print_symbolic(__entry->by,
				   { MINIVMX_FLUSH_INVEPT, "invept" },
				   { MINIVMX_FLUSH_INVVPID, "invvpid" }),
		  __entry->vpid)
);

#endif /* _MINIVMX_TRACE_H */

/* This part must be outside protection. */
#include <trace/define_trace.h>
