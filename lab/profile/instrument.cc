// SPDX-License-Identifier: GPL-2.0
//
// Counts what the host executes in a window: instructions by address, and by name those
// that are dear on a chip. What runs in VMX non-root operation is the guest's, and only
// counted as a whole.
//
// A window is opened and closed by PREFETCHT0 of an address that no program has; see
// tools/minivmx-cli/src/bench/mark.rs. Each is a block of lines in the file that
// MINIVMX_PROFILE names: "window ID EVENTS", "NAME COUNT" and "@ADDRESS COUNT".

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <unordered_map>

#include "bochs.h"
#include "cpu/cpu.h"
#include "cpu/decoder/ia_opcodes.h"

namespace {

const Bit64u MARK = 0x6d76;

FILE *out;
bool is_open;
std::map<std::string, Bit64u> names;
std::unordered_map<bx_address, Bit64u> addresses;

const char *dear(bxInstruction_c *i)
{
	switch (i->getIaOpcode()) {
	case BX_IA_VMLAUNCH:
	case BX_IA_VMRESUME:
		return "vm_entry";
	case BX_IA_VMREAD_EqGq:
		return "vmread";
	case BX_IA_VMWRITE_GqEq:
		return "vmwrite";
	case BX_IA_VMPTRLD_Mq:
		return "vmptrld";
	case BX_IA_VMCLEAR_Mq:
		return "vmclear";
	case BX_IA_VMXON_Mq:
		return "vmxon";
	case BX_IA_VMXOFF:
		return "vmxoff";
	case BX_IA_INVEPT:
		return "invept";
	case BX_IA_INVVPID:
		return "invvpid";
	case BX_IA_MOV_CR0Rq:
	case BX_IA_MOV_CR3Rq:
	case BX_IA_MOV_CR4Rq:
		return "mov_to_cr";
	case BX_IA_RDMSR:
		return "rdmsr";
	case BX_IA_WRMSR:
		return "wrmsr";
	case BX_IA_LGDT_Op64_Ms:
	case BX_IA_LIDT_Op64_Ms:
	case BX_IA_LLDT_Ew:
	case BX_IA_LTR_Ew:
		return "descriptor_table";
	case BX_IA_XSETBV:
		return "xsetbv";
	case BX_IA_RDTSC:
	case BX_IA_RDTSCP:
		return "rdtsc";
	case BX_IA_XCHG_EbGb:
	case BX_IA_XCHG_EwGw:
	case BX_IA_XCHG_EdGd:
	case BX_IA_XCHG_EqGq:
		return i->modC0() ? NULL : "atomic";
	default:
		return i->getLock() ? "atomic" : NULL;
	}
}

void close_window(Bit64u id, Bit64u events)
{
	fprintf(out, "window %u %u\n", (unsigned) id, (unsigned) events);
	for (const auto &name : names)
		fprintf(out, "%s %llu\n", name.first.c_str(), (unsigned long long) name.second);
	for (const auto &address : addresses)
		fprintf(out, "@%llx %llu\n", (unsigned long long) address.first,
		(unsigned long long) address.second);
	fflush(out);
}

} // namespace

void profile_open(void)
{
	const char *path = getenv("MINIVMX_PROFILE");
	out = path ? fopen(path, "w") : NULL;
}

void profile_instruction(unsigned cpu, bxInstruction_c *i)
{
	if (!is_open)
		return;
	if (BX_CPU(cpu)->in_vmx_guest) {
		names["guest"]++;
		return;
	}
	names["instructions"]++;
	addresses[BX_CPU(cpu)->get_instruction_pointer()]++;
	if (const char *name = dear(i))
		names[name]++;
}

// Bits 63:48 say that it is a mark, 47:32 what the window is, 31:0 how many events.
void profile_mark(bx_address address)
{
	if (!out || address >> 48 != MARK)
		return;
	Bit64u id = address >> 32 & 0xffff;
	if (is_open)
		close_window(id, address & 0xffffffff);
	is_open = !is_open;
	names.clear();
	addresses.clear();
}
