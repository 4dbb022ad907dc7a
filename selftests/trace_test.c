// SPDX-License-Identifier: GPL-2.0
/*
 * Each VM entry, each VM exit and each page fault is an event that ftrace shows: what
 * it was, where, and what was done about it. None is lost, none is there twice, and
 * they are as many as MINIVMX_GET_STATS counts.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "guest.h"
#include "minivmx_util.h"
#include "registers.h"
#include "user.h"
#include "window.h"

#define TRACEFS		"/sys/kernel/tracing"
/* Buffers of its own: the trace of others stays as it is. */
#define INSTANCE	TRACEFS "/instances/minivmx_test"

#define CR0_WP		BIT(16)
#define BASE		(64 * MIB)

/* --------------------------------------------------------------- the trace */

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_TRUNC);

	require(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text),
		"%s: %s", name, strerror(errno));
	close(fd);
}

/* The whole of a file; the caller frees it. */
static char *read_file(const char *name)
{
	size_t length = 0, room = 1 << 16;
	char *text = malloc(room);
	int fd = open(name, O_RDONLY);
	ssize_t got;

	require(fd >= 0, "%s: %s", name, strerror(errno));
	while ((got = read(fd, text + length, room - length - 1)) > 0) {
		length += got;
		if (room - length < 4096)
			text = realloc(text, room *= 2);
	}
	require(!got, "%s: %s", name, strerror(errno));
	close(fd);
	text[length] = '\0';
	return text;
}

/* NULL, or the reason to skip. */
static const char *open_trace(void)
{
	if (mkdir(INSTANCE, 0700) && errno == ENOENT &&
	    mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		return "the kernel has no tracing";
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		return "the kernel has no instances of its trace";
	if (access(INSTANCE "/events", F_OK))
		return "the kernel has no events in its trace";
	write_file(INSTANCE "/buffer_size_kb", "4096");
	return NULL;
}

static void close_trace(void)
{
	write_file(INSTANCE "/events/minivmx/enable", "0");
	rmdir(INSTANCE);
}

static void begin(void)
{
	write_file(INSTANCE "/trace", "");
	write_file(INSTANCE "/events/minivmx/enable", "1");
}

/* Nothing of it may have been lost. The caller frees it. */
static char *end(void)
{
	char name[80], *stats;

	write_file(INSTANCE "/events/minivmx/enable", "0");
	for (int cpu = 0; cpu < online_cpus(); cpu++) {
		snprintf(name, sizeof(name), INSTANCE "/per_cpu/cpu%d/stats", cpu);
		stats = read_file(name);
		require(strstr(stats, "\noverrun: 0\n") && strstr(stats, "dropped events: 0\n"),
			"events were lost: %s", stats);
		free(stats);
	}
	return read_file(INSTANCE "/trace");
}

/* Is @word in the line, with nothing but blanks around it? */
static bool has_word(const char *line, size_t length, const char *word, size_t size)
{
	for (size_t i = 1; i + size <= length; i++) {
		if (line[i - 1] == ' ' && !strncmp(line + i, word, size) &&
		    (i + size == length || line[i + size] == ' '))
			return true;
	}
	return false;
}

/* Events in the trace in which all @words are, with a blank between two. */
static u64 events(const char *trace, const char *words)
{
	u64 count = 0;

	for (const char *line = trace; *line; line += strcspn(line, "\n") + 1) {
		const size_t length = strcspn(line, "\n");
		bool all = *line != '#';

		for (const char *word = words; *word && all; ) {
			const size_t size = strcspn(word, " ");

			all = has_word(line, length, word, size);
			word += size + strspn(word + size, " ");
		}
		count += all;
		if (!line[length])
			break;
	}
	return count;
}

/* Two addresses: guest-virtual and guest-physical. */
#define AT	" gva=0x%lx gpa=0x%lx"

#define EXPECT_EVENTS(count, trace, ...) do {				\
	char words[160];						\
									\
	snprintf(words, sizeof(words), __VA_ARGS__);			\
	EXPECT_EQ(count, events(trace, words)) TH_LOG("%s", words);	\
} while (0)

/* ------------------------------------------------------------ the fixture */

FIXTURE(trace)
{
	struct vm vm;
	struct minivmx_stats before;
};

FIXTURE_SETUP(trace)
{
	const char *reason = create_vm(&self->vm);

	if (!reason)
		reason = open_trace();
	if (reason)
		SKIP(return, "%s", reason);
}

FIXTURE_TEARDOWN(trace)
{
	close_trace();
	close_vm(&self->vm);
}

/* What was counted since. */
static struct minivmx_stats since(const struct vm *vm, const struct minivmx_stats *before)
{
	struct minivmx_stats after = get_stats(vm);
	const u64 *from = (const u64 *)&before->out_runs;
	u64 *to = (u64 *)&after.out_runs;

	for (size_t i = 0; i < (sizeof(after) - 8) / sizeof(*to); i++)
		to[i] -= from[i];
	return after;
}

/* The trace from here to the guest's GUEST_SYNC(@value); the caller frees it. */
static char *trace_to_sync(const struct vm *vm, u64 value, struct minivmx_stats *stats)
{
	const struct minivmx_stats before = get_stats(vm);
	char *trace;

	begin();
	run_to_sync(&vm->vcpu, value);
	trace = end();
	*stats = since(vm, &before);
	return trace;
}

/* Page faults are all there, each once, whatever they were. */
static void expect_all_page_faults(struct __test_metadata *_metadata, const char *trace,
				   const struct minivmx_stats *stats)
{
	const u64 kinds[] = {
		stats->out_guest_faults, stats->out_shadow_misses + stats->out_ept_fills,
		stats->out_table_writes, stats->out_supervisor_writes,
		stats->out_allocations, stats->out_absences,
	};
	static const char * const names[] = {
		"guest", "miss", "table_write", "supervisor_write", "allocate", "absent",
	};
	u64 sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EVENTS(kinds[i], trace, "page_fault: kind=%s", names[i]);
		sum += kinds[i];
	}
	EXPECT_EVENTS(sum, trace, "page_fault:");
	EXPECT_EQ(sum, stats->out_exits[EXIT_EPT_VIOLATION] + stats->out_exits[EXIT_EXCEPTION]);
	EXPECT_EVENTS(stats->out_table_writes, trace, "table_write:");
}

/* -------------------------------------------------------- entries and exits */

#define TIMES	20

static void guest_exits(void)
{
	GUEST_SYNC(0);
	for (int i = 0; i < TIMES; i++) {
		u32 a = 0, c = 0;

		asm volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
	}
	GUEST_SYNC(1);
	GUEST_SYNC(2);
}

TEST_F(trace, entries_and_exits)
{
	struct minivmx_stats stats;
	u64 exits = 0;
	char *trace;

	start_guest(&self->vm, guest_exits);
	run_to_sync(&self->vm.vcpu, 0);
	trace = trace_to_sync(&self->vm, 1, &stats);
	for (int i = 0; i < MINIVMX_STATS_EXITS; i++)
		exits += stats.out_exits[i];
	EXPECT_EVENTS(stats.out_entries, trace, "entry: vcpu=0");
	EXPECT_EVENTS(exits, trace, "exit: vcpu=0");
	EXPECT_EVENTS(TIMES, trace, "exit: reason=CPUID info=0x0");
	/* OUT of 32 bits to an immediate port. */
	EXPECT_EVENTS(1, trace, "exit: reason=IO_INSTRUCTION qualification=0x%x rip=0x%llx",
		      UCALL_PORT << 16 | 0x43,
		      vmread(&self->vm.vcpu, 0x681e));
	EXPECT_EVENTS(stats.out_flushes, trace, "flush: vcpu=0");
	free(trace);

	/* Whoever does not look, sees nothing. */
	write_file(INSTANCE "/trace", "");
	run_to_sync(&self->vm.vcpu, 2);
	trace = end();
	EXPECT_EVENTS(0, trace, "vcpu=0");
	free(trace);
}

TEST_F(trace, failed_entry)
{
	struct minivmx_sregs sregs;
	char *trace;

	start_guest(&self->vm, guest_exits);
	run_to_sync(&self->vm.vcpu, 0);
	sregs = get_sregs(&self->vm.vcpu);
	sregs.tr.access_rights &= ~BIT(7);
	set_sregs(&self->vm.vcpu, &sregs);
	begin();
	run_to_exit(&self->vm.vcpu, EXIT_INVALID_GUEST);
	trace = end();
	EXPECT_EVENTS(1, trace, "entry:");
	EXPECT_EVENTS(1, trace, "exit: reason=INVALID_STATE(entry failed)");
	free(trace);
}

/* --------------------------------------------------------------- page faults */

/* Each phase ends with the number of the next. */
enum phase {
	PHASE_BEGIN,
	PHASE_TOUCHED,
	PHASE_FAULTED,
	PHASE_TABLE_WRITTEN,
	PHASE_WRITTEN_BY_SUPERVISOR,
	PHASE_BEYOND,
};

static void guest_faults(void)
{
	const u64 cr0 = read_cr0();

	open_window();
	map_page(5, &page_a);
	(void)read_at(WINDOW_PAGE(5));
	window_pts[0].words[6] = (uintptr_t)&page_b | PTE_P;
	(void)read_at(WINDOW_PAGE(6));
	GUEST_SYNC(PHASE_BEGIN);

	write_at(BASE + 8, 1);
	GUEST_SYNC(PHASE_TOUCHED);

	for (int i = 0; i < TIMES; i++)
		GUEST_ASSERT(try_read(WINDOW_PAGE(7)) == VECTOR_PF);
	GUEST_SYNC(PHASE_FAULTED);

	/* With unsync it can be written until then. */
	write_cr3(read_cr3());
	map_page(5, &page_b);
	GUEST_ASSERT(read_at(WINDOW_PAGE(5)) == (uintptr_t)&page_b);
	GUEST_SYNC(PHASE_TABLE_WRITTEN);

	GUEST_ASSERT(try_cr0(cr0 & ~CR0_WP) == NO_FAULT);
	write_at(WINDOW_PAGE(6) + 16, 1);
	GUEST_ASSERT(try_cr0(cr0 | CR0_WP) == NO_FAULT);
	GUEST_SYNC(PHASE_WRITTEN_BY_SUPERVISOR);

	(void)read_at(BASE + MIB + 24);
	GUEST_SYNC(PHASE_BEYOND);
}

static void prepare(const struct vm *vm)
{
	start_guest(vm, guest_faults);
	map_memory(vm, BASE, PAGE_4K, 0);
	run_to_sync(&vm->vcpu, PHASE_BEGIN);
}

TEST_F(trace, memory_that_is_allocated)
{
	struct minivmx_stats stats;
	char *trace;

	prepare(&self->vm);
	trace = trace_to_sync(&self->vm, PHASE_TOUCHED, &stats);
	expect_all_page_faults(_metadata, trace, &stats);
	EXPECT_EQ(1, stats.out_allocations);
	EXPECT_EVENTS(1, trace, "page_fault: kind=allocate action=retry by=access access=%s" AT,
		      "w", BASE + 8, BASE + 8);
	EXPECT_EVENTS(1, trace, "page_fault: kind=miss action=fill by=access" AT,
		      BASE + 8, BASE + 8);
	free(trace);
}

TEST_F(trace, guests_own_fault)
{
	const u64 times = uses_ept(&self->vm) ? 0 : TIMES;
	struct minivmx_stats stats;
	char *trace;

	prepare(&self->vm);
	run_to_sync(&self->vm.vcpu, PHASE_TOUCHED);
	trace = trace_to_sync(&self->vm, PHASE_FAULTED, &stats);
	expect_all_page_faults(_metadata, trace, &stats);
	EXPECT_EQ(times, stats.out_guest_faults);
	EXPECT_EVENTS(times, trace, "page_fault: kind=guest action=deliver access=r code=0x0" AT,
		      WINDOW_PAGE(7), 0UL);
	free(trace);
}

/* One that the program wants to see exits with EPT, too. */
TEST_F(trace, trapped_fault)
{
	struct minivmx_run *run = self->vm.vcpu.run;
	char *trace;

	prepare(&self->vm);
	run_to_sync(&self->vm.vcpu, PHASE_TOUCHED);
	set_traps(&self->vm.vcpu, BIT(VECTOR_PF), 0);
	begin();
	run_to_exit(&self->vm.vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(WINDOW_PAGE(7), run->qualification);
	trace = end();
	EXPECT_EVENTS(1, trace, "page_fault: kind=guest");
	EXPECT_EVENTS(1, trace, "page_fault: kind=guest action=report gva=0x%lx",
		      WINDOW_PAGE(7));
	free(trace);
}

TEST_F(trace, write_to_a_table)
{
	const bool steps = self->vm.mmu == MINIVMX_MMU_WP || self->vm.mmu == MINIVMX_MMU_PV;
	const bool traps = steps || self->vm.mmu == MINIVMX_MMU_UNSYNC;
	const unsigned long entry = (uintptr_t)&window_pts[0].words[5];
	struct minivmx_stats stats;
	char *trace;

	prepare(&self->vm);
	for (u64 phase = PHASE_TOUCHED; phase <= PHASE_FAULTED; phase++)
		run_to_sync(&self->vm.vcpu, phase);
	trace = trace_to_sync(&self->vm, PHASE_TABLE_WRITTEN, &stats);
	expect_all_page_faults(_metadata, trace, &stats);
	EXPECT_EVENTS(traps, trace, "page_fault: kind=table_write action=%s access=w" AT,
		      steps ? "step" : "fill", entry, entry);
	EXPECT_EVENTS(traps, trace, "table_write: action=%s" AT,
		      steps ? "step" : "fill", entry, entry);
	free(trace);
}

TEST_F(trace, write_of_the_supervisor)
{
	const bool steps = !uses_ept(&self->vm);
	struct minivmx_stats stats;
	char *trace;

	prepare(&self->vm);
	for (u64 phase = PHASE_TOUCHED; phase <= PHASE_TABLE_WRITTEN; phase++)
		run_to_sync(&self->vm.vcpu, phase);
	trace = trace_to_sync(&self->vm, PHASE_WRITTEN_BY_SUPERVISOR, &stats);
	expect_all_page_faults(_metadata, trace, &stats);
	EXPECT_EQ(steps, stats.out_supervisor_writes);
	EXPECT_EVENTS(steps, trace, "page_fault: kind=supervisor_write action=step access=w" AT,
		      WINDOW_PAGE(6) + 16, (uintptr_t)&page_b + 16);
	free(trace);
}

TEST_F(trace, memory_that_is_not_there)
{
	struct minivmx_stats before, stats;
	char *trace;

	prepare(&self->vm);
	for (u64 phase = PHASE_TOUCHED; phase <= PHASE_WRITTEN_BY_SUPERVISOR; phase++)
		run_to_sync(&self->vm.vcpu, phase);
	before = get_stats(&self->vm);
	begin();
	run_to_exit(&self->vm.vcpu, MINIVMX_EXIT_MEMORY);
	trace = end();
	stats = since(&self->vm, &before);
	expect_all_page_faults(_metadata, trace, &stats);
	EXPECT_EQ(1, stats.out_absences);
	EXPECT_EVENTS(1, trace, "page_fault: kind=absent action=report access=r" AT,
		      BASE + MIB + 24, BASE + MIB + 24);
	free(trace);
}

/* With EPT it is the CPU that walks the guest's tables, and faults there. */
static void guest_has_a_table_that_is_absent(void)
{
	open_window();
	window_pd.words[1] = BASE | PTE_FLAGS;
	invalidate(WINDOW + PAGE_2M);
	GUEST_SYNC(0);
	GUEST_ASSERT(try_read(WINDOW + PAGE_2M + 3 * PAGE_4K) == VECTOR_PF);
	GUEST_SYNC(1);
}

TEST_F(trace, fault_of_a_walk)
{
	const unsigned long entry = BASE + 3 * 8;
	struct minivmx_stats stats;
	char *trace;

	start_guest(&self->vm, guest_has_a_table_that_is_absent);
	map_memory(&self->vm, BASE, PAGE_4K, 0);
	run_to_sync(&self->vm.vcpu, 0);
	trace = trace_to_sync(&self->vm, 1, &stats);
	expect_all_page_faults(_metadata, trace, &stats);
	EXPECT_EVENTS(1, trace, "page_fault: kind=allocate action=retry by=%s" AT,
		      uses_ept(&self->vm) ? "walk" : "access",
		      WINDOW + PAGE_2M + 3 * PAGE_4K, entry);
	free(trace);
}

/* --------------------------------------------------------- who listens */

#define CR2	0x123456789000UL

/* A page fault of a listener is none of the guest's business. */
static void guest_keeps_cr2(void)
{
	u64 cr2 = CR2;

	asm volatile("movq %0, %%cr2" : : "r"(cr2));
	for (int i = 0; i < TIMES; i++) {
		u32 a = 0, c = 0;

		asm volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
		asm volatile("movq %%cr2, %0" : "=r"(cr2));
		GUEST_ASSERT(cr2 == CR2);
	}
	GUEST_SYNC(1);
}

/* MINIVMX_RUN with a frame pointer to nowhere. */
static long run_with_frame_pointer(int fd, u64 frame)
{
	long result;

	asm volatile("pushq	%%rbp\n\tmovq	%[frame], %%rbp\n\tsyscall\n\tpopq	%%rbp"
		     : "=a"(result)
		     : "a"(SYS_ioctl), "D"(fd), "S"(MINIVMX_RUN), "d"(0), [frame] "r"(frame)
		     : "rcx", "r11", "memory");
	return result;
}

/* Who wants the stack of the program gets it by reads that may fault. */
TEST_F(trace, listener_that_faults)
{
	char *trace;

	start_guest(&self->vm, guest_keeps_cr2);
	write_file(INSTANCE "/options/userstacktrace", "1");
	begin();
	EXPECT_EQ(0, run_with_frame_pointer(self->vm.vcpu.fd, 0x400));
	EXPECT_EQ(UCALL_SYNC, get_ucall(&self->vm.vcpu))
		TH_LOG("%s", describe_ucall(&self->vm.vcpu));
	trace = end();
	EXPECT_EVENTS(TIMES, trace, "exit: reason=CPUID");
	EXPECT_NE(NULL, strstr(trace, "<user stack trace>"));
	free(trace);
}

TEST_HARNESS_MAIN
