// SPDX-License-Identifier: GPL-2.0
/* What a round must leave as it was. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../alarm.h"
#include "fuzz.h"

#define CPUS		4

/*
 * Those that a guest has a counterpart of, or that decide how the host's kernel works;
 * but the bases of FS and GS, which are each program's own: see host.c.
 */
static const u32 msrs[] = {
	0x1b,		/* IA32_APIC_BASE */
	0x3a,		/* IA32_FEATURE_CONTROL */
	0x174, 0x175, 0x176,	/* IA32_SYSENTER_CS, _ESP, _EIP */
	0x1a0,		/* IA32_MISC_ENABLE */
	0x1d9,		/* IA32_DEBUGCTL */
	0x277,		/* IA32_PAT */
	0xda0,		/* IA32_XSS */
	0xc0000080,	/* IA32_EFER */
	0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084,	/* IA32_STAR, _LSTAR, _CSTAR, _FMASK */
	0xc0000103,	/* IA32_TSC_AUX */
};

static struct {
	int kmsg;
	int device;
	int cpus;
	int msr_file[CPUS];
	u64 msr[CPUS][ARRAY_SIZE(msrs)];
} before;

/* ------------------------------------------------------------- the kernel's log */

/*
 * With check_entries the module tells of a guest that cannot be entered, which may be, and
 * the kernel of how often it did not, where there were many in a second.
 */
static const char *const harmless[] = {
	"minivmx: VM entry: ", "ext_may_log_at_length: "
};

/* A record is "PRIORITY,…;TEXT"; 4 is a warning, and more is less. */
static bool is_report(const char *record, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (!strncmp(text, harmless[i], strlen(harmless[i])))
			return false;
	return strtoul(record, NULL, 10) <= 4;
}

static bool is_quiet(void)
{
	char record[2048];
	bool quiet = true;
	ssize_t length;

	while ((length = read(before.kmsg, record, sizeof(record) - 1)) > 0 ||
	       (length < 0 && errno == EPIPE)) {
		const char *text;

		if (length < 0)
			continue;
		record[length] = 0;
		text = strchr(record, ';');
		if (text && is_report(record, text + 1)) {
			printf("# the kernel reports: %.*s\n", (int)strcspn(text + 1, "\n"),
			       text + 1);
			quiet = false;
		}
	}
	return quiet;
}

/* ------------------------------------------------------------------------ MSRs */

static bool read_msr(int cpu, size_t i, u64 *value)
{
	return pread(before.msr_file[cpu], value, sizeof(*value), msrs[i]) == sizeof(*value);
}

static void remember_msrs(int cpu)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/cpu/%d/msr", cpu);
	before.msr_file[cpu] = open(path, O_RDONLY | O_CLOEXEC);
	require(before.msr_file[cpu] >= 0, "%s: %s", path, strerrorname_np(errno));
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++)
		read_msr(cpu, i, &before.msr[cpu][i]);
}

/* One that the CPU does not have keeps the 0 that it had. */
static bool msrs_are_the_same(int cpu)
{
	bool same = true;

	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		u64 value = 0;

		read_msr(cpu, i, &value);
		if (value == before.msr[cpu][i])
			continue;
		printf("# MSR %#x of CPU %d was %#llx and is %#llx\n", msrs[i], cpu,
		       before.msr[cpu][i], value);
		same = false;
	}
	return same;
}

/* ----------------------------------------------------------------------- ticks */

/* Interrupts of the local timer, from the line "LOC: CPU0 CPU1 …". */
static u64 timer_interrupts(int cpu)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[512], *at = NULL;
	u64 interrupts = 0;

	require(file, "/proc/interrupts: %s", strerrorname_np(errno));
	while (!at && fgets(line, sizeof(line), file))
		at = strstr(line, "LOC:");
	fclose(file);
	require(at, "/proc/interrupts has no LOC");
	at += strlen("LOC:");
	for (int i = 0; i <= cpu; i++)
		interrupts = strtoull(at, &at, 10);
	return interrupts;
}

/* A CPU that is busy has a tick every few milliseconds. */
static bool ticks(int cpu)
{
	double start = now();
	u64 interrupts;

	require(pin_to_cpu(cpu), "CPU %d cannot be had", cpu);
	interrupts = timer_interrupts(cpu);
	while (now() - start < 1) {
		double pause = now();

		while (now() - pause < 0.002)
			;
		if (timer_interrupts(cpu) != interrupts)
			return true;
	}
	printf("# CPU %d takes no interrupts of its timer\n", cpu);
	return false;
}

/* ---------------------------------------------------------- memory of all guests */

static bool can_have_all_memory(u64 bytes)
{
	int vm = ioctl(before.device, MINIVMX_CREATE_VM, ARG(create_vm, .mmu = chosen_mmu()));
	bool fine = vm >= 0 && !ioctl(vm, MINIVMX_MAP_MEMORY,
				      ARG(map_memory, .length = bytes));

	if (!fine)
		printf("# a VM with %llu bytes cannot be had: %s\n", bytes, strerrorname_np(errno));
	close(vm);
	return fine;
}

/* ------------------------------------------------------------------- the whole */

void health_init(void)
{
	const char *reason = open_device(&before.device);

	require(!reason, "%s", reason);
	before.kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	require(before.kmsg >= 0, "/dev/kmsg: %s", strerrorname_np(errno));
	lseek(before.kmsg, 0, SEEK_END);
	before.cpus = online_cpus() < CPUS ? online_cpus() : CPUS;
	for (int cpu = 0; cpu < before.cpus; cpu++)
		remember_msrs(cpu);
}

static void unpin(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
}

bool healthy(void)
{
	bool fine = is_quiet() &
		    can_have_all_memory(get_info(before.device).out_max_memory & -PAGE_4K);

	for (int cpu = 0; cpu < before.cpus; cpu++)
		fine &= ticks(cpu) & msrs_are_the_same(cpu);
	unpin();
	return fine;
}
