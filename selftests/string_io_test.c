// SPDX-License-Identifier: GPL-2.0
/*
 * INS and OUTS. Their exit comes before the checks of segments, alignment and pages
 * (SDM Vol. 3C, "Relative Priority of Faults and VM Exits"), which come before the
 * port is touched: a guest gets the fault, and the program one exit an element. After
 * each element comes what comes after an instruction.
 */
#include <cpuid.h>
#include <pthread.h>

#include "minivmx_harness.h"
#include "user.h"
#include "window.h"

#define PORT		0x30
#define RFLAGS_TF	BIT(8)
#define RFLAGS_IOPL	(3UL << 12)
#define RFLAGS_RF	BIT(16)
#define CR0_AM		BIT(18)
#define CR0_PG		BIT(31)
#define CR4_PAE		BIT(5)
#define CR4_SMAP	BIT(21)
#define IA32_FS_BASE	0xc0000100
#define IA32_GS_BASE	0xc0000101
#define NOT_CANONICAL	0x800000000000UL
#define HOLE		0x10000000UL

/* Error codes of page faults. */
#define FAULT_P		1
#define FAULT_W		2
#define FAULT_U		4

static void set_io(struct minivmx_run *run, const void *data)
{
	run->io.data = 0;
	memcpy(&run->io.data, data, run->io.width);
}

/* --------------------------------------------------- 64-bit: faults of pages */

static void assert_page_fault(u64 error, u64 cr2)
{
	GUEST_ASSERT(guest_fault.error == error);
	GUEST_ASSERT(guest_fault.cr2 == cr2);
}

static void guest_reads_into_nowhere(void)
{
	struct gprs gprs = { .d = PORT };

	open_window();
	map_page(0, &page_a);
	map_page(2, &page_b);
	window_pts[0].words[2] &= ~PTE_W;
	window_pts[0].words[0] &= ~(PTE_A | PTE_D);

	gprs.di = WINDOW_PAGE(1) + 8;
	GUEST_ASSERT(GUEST_TRY("insb", &gprs) == VECTOR_PF);
	assert_page_fault(FAULT_W, WINDOW_PAGE(1) + 8);
	gprs.di = WINDOW_PAGE(2) + 8;
	GUEST_ASSERT(GUEST_TRY("insl", &gprs) == VECTOR_PF);
	assert_page_fault(FAULT_P | FAULT_W, WINDOW_PAGE(2) + 8);
	GUEST_ASSERT(!(window_pts[0].words[2] & PTE_D));
	gprs.c = 3;
	GUEST_ASSERT(GUEST_TRY("rep insb", &gprs) == VECTOR_PF);
	assert_page_fault(FAULT_P | FAULT_W, WINDOW_PAGE(2) + 8);
	/* Half of it could be written. */
	gprs.di = WINDOW_PAGE(1) - 2;
	GUEST_ASSERT(GUEST_TRY("insl", &gprs) == VECTOR_PF);
	assert_page_fault(FAULT_W, WINDOW_PAGE(1));
	GUEST_ASSERT(!page_a.words[ENTRIES - 1]);
	gprs.di = NOT_CANONICAL;
	GUEST_ASSERT(GUEST_TRY("insb", &gprs) == VECTOR_GP);
	GUEST_ASSERT(!guest_fault.error);
	gprs.di = NOT_CANONICAL - 2;
	GUEST_ASSERT(GUEST_TRY("insl", &gprs) == VECTOR_GP);
	GUEST_ASSERT(!guest_fault.error);
	GUEST_SYNC(1);

	window_pts[0].words[0] &= ~(PTE_A | PTE_D);
	invalidate(WINDOW_PAGE(0));
	gprs.di = WINDOW_PAGE(0) + 8;
	GUEST_ASSERT(GUEST_TRY("insl", &gprs) == NO_FAULT);
	GUEST_ASSERT(page_a.words[1] == 0x12345678);
	GUEST_ASSERT((window_pts[0].words[0] & (PTE_A | PTE_D)) ==
		     (PTE_A | PTE_D));
	/* Over the end of a page. */
	map_page(1, &page_b);
	gprs.di = WINDOW_PAGE(1) - 2;
	GUEST_ASSERT(GUEST_TRY("insl", &gprs) == NO_FAULT);
	GUEST_ASSERT(page_a.words[ENTRIES - 1] == 0x5678UL << 48);
	GUEST_ASSERT((page_b.words[0] & 0xffff) == 0x1234);
}

MINIVMX_TEST(ins_faults_before_the_port, guest_reads_into_nowhere)
{
	run_to_sync(vcpu, 1);
	for (int i = 0; i < 2; i++) {
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(PORT, run->io.port);
		run->io.data = 0x12345678;
	}
	run_to_done(vcpu);
}

static void guest_reads_into_the_hole(void)
{
	u64 to = HOLE + 8, count = 2;

	asm volatile("rep insb"
		     : "+D"(to), "+c"(count) : "d"(PORT) : "memory");
	GUEST_ASSERT(to == HOLE + 10 && !count);
}

/* No memory: the program hears of that first, and of the port once it has mended it. */
MINIVMX_TEST(ins_into_missing_memory, guest_reads_into_the_hole)
{
	const u8 *hole;

	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE + 8, run->memory.gpa);
	EXPECT_EQ(MINIVMX_ACCESS_WRITE, run->memory.access);
	map_memory(vm, HOLE, PAGE_4K, 0);
	for (u8 i = 1; i <= 2; i++) {
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(MINIVMX_IO_IN | MINIVMX_IO_STRING | MINIVMX_IO_REP,
			  run->io.flags);
		set_io(run, &i);
	}
	run_to_done(vcpu);
	hole = mmap_memory(vm, HOLE, PAGE_4K);
	EXPECT_EQ(1, hole[8]);
	EXPECT_EQ(2, hole[9]);
}

/* Memory that can only be read is none for INS. */
MINIVMX_TEST(ins_into_read_only_memory, guest_reads_into_the_hole)
{
	map_memory(vm, HOLE, PAGE_4K, MINIVMX_MAP_READONLY);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE + 8, run->memory.gpa);
	EXPECT_EQ(MINIVMX_ACCESS_WRITE, run->memory.access);
}

/* The memory goes away between the exit and the answer: that is not lost. */
MINIVMX_TEST(ins_keeps_its_data, guest_reads_into_the_hole)
{
	const u8 *hole;

	map_memory(vm, HOLE, PAGE_4K, 0);
	run_to_exit(vcpu, EXIT_IO);
	unmap_memory(vm, HOLE, PAGE_4K);
	run->io.data = 0x11;
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE + 8, run->memory.gpa);
	EXPECT_EQ(MINIVMX_ACCESS_WRITE, run->memory.access);
	run->io.data = 0x22;
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	map_memory(vm, HOLE, PAGE_4K, 0);
	run_to_exit(vcpu, EXIT_IO);
	run->io.data = 0x33;
	run_to_done(vcpu);
	hole = mmap_memory(vm, HOLE, PAGE_4K);
	EXPECT_EQ(0x11, hole[8]);
	EXPECT_EQ(0x33, hole[9]);
}

static void guest_reads_into_the_window(void)
{
	u64 to = WINDOW_PAGE(0) + 8;

	open_window();
	map_page(0, &page_a);
	asm volatile("insb" : "+D"(to) : "d"(PORT) : "memory");
	GUEST_ASSERT(page_a.words[1] == 0x11);
}

/* The destination is translated once: what becomes of the tables is too late. */
MINIVMX_TEST(ins_translates_once, guest_reads_into_the_window)
{
	run_to_exit(vcpu, EXIT_IO);
	(*guest_copy(vm, window_pts))[0].words[0] = 0;
	run->io.data = 0x11;
	run_to_done(vcpu);
}

static u32 destination;

static void guest_reads_for_ever(void)
{
	for (;;) {
		void *to = &destination;

		asm volatile("insl" : "+D"(to) : "d"(PORT) : "memory");
	}
}

struct observer {
	const volatile u32 *at;
	bool over;
	u64 looks, halves;
};

/* Looks on from another CPU. */
static void *look_on(void *argument)
{
	struct observer *observer = argument;

	pin_to_cpu(1);
	while (!__atomic_load_n(&observer->over, __ATOMIC_RELAXED)) {
		const u32 seen = *observer->at;

		observer->halves += seen && seen != ~0U;
		observer->looks++;
	}
	return NULL;
}

/* An element is stored at once, as by a CPU (SDM Vol. 3A, "Guaranteed Atomic Operations"). */
MINIVMX_TEST(ins_stores_at_once, guest_reads_for_ever)
{
	struct observer observer = { .at = guest_copy(vm, destination) };
	pthread_t thread;

	if (online_cpus() < 2)
		SKIP(return, "one CPU cannot look on");
	pin_to_cpu(0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, look_on, &observer));
	for (int i = 0; i < 1000; i++) {
		run_to_exit(vcpu, EXIT_IO);
		run->io.data = i & 1 ? ~0U : 0;
	}
	__atomic_store_n(&observer.over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_LT(1000, observer.looks);
	EXPECT_EQ(0, observer.halves);
}

/* ----------------------------------------------------- 64-bit: segments and sizes */

static void wrmsr(u32 index, u64 value)
{
	asm volatile("wrmsr" : : "c"(index), "a"((u32)value), "d"(value >> 32));
}

static u8 letters[16] = "abcdefghijklmno";

static void guest_uses_segments(void)
{
	const u64 base = (uintptr_t)letters;
	struct gprs gprs = { .d = PORT };
	const u32 usual = GUEST_DS;

	/* Only the bases of FS and GS count, and null selectors are as good. */
	asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0));
	gprs.si = base;
	GUEST_ASSERT(GUEST_TRY("outsb", &gprs) == NO_FAULT);
	gprs.di = base + 1;
	GUEST_ASSERT(GUEST_TRY("insb", &gprs) == NO_FAULT);
	asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(usual));
	GUEST_ASSERT(letters[1] == '!');

	wrmsr(IA32_FS_BASE, base);
	wrmsr(IA32_GS_BASE, base - 0x1000);
	gprs.si = 2;
	GUEST_ASSERT(GUEST_TRY("fs outsb", &gprs) == NO_FAULT);
	GUEST_ASSERT(gprs.si == 3);
	gprs.si = 0x1003;
	GUEST_ASSERT(GUEST_TRY("gs outsb", &gprs) == NO_FAULT);
	/* INS has no override. */
	gprs.di = base + 4;
	GUEST_ASSERT(GUEST_TRY("fs insb", &gprs) == NO_FAULT);
	GUEST_ASSERT(letters[4] == '!');

	/* Addresses of 32 bits: the rest of the registers does not count. */
	wrmsr(IA32_FS_BASE, base - 0xfffffff0);
	gprs.si = 0xabcdef00fffffff5;
	GUEST_ASSERT(GUEST_TRY("addr32 fs outsb", &gprs) == NO_FAULT);
	GUEST_ASSERT(gprs.si == 0xfffffff6);
	gprs.si = 0xabcdef0000000000 | (base + 6);
	gprs.c = 0xabcdef0000000002;
	GUEST_ASSERT(GUEST_TRY("addr32 rep outsb", &gprs) == NO_FAULT);
	GUEST_ASSERT(gprs.si == base + 8 && !gprs.c);
	gprs.di = 0xabcdef0000000000 | (base + 8);
	GUEST_ASSERT(GUEST_TRY("addr32 insb", &gprs) == NO_FAULT);
	GUEST_ASSERT(gprs.di == base + 9 && letters[8] == '!');
	/* The sum may leave the addresses that there are. */
	wrmsr(IA32_FS_BASE, NOT_CANONICAL - 0x1000);
	gprs.si = 0x1000;
	GUEST_ASSERT(GUEST_TRY("fs outsb", &gprs) == VECTOR_GP);
	GUEST_ASSERT(!guest_fault.error && gprs.si == 0x1000);
	gprs.si = NOT_CANONICAL - 1;
	GUEST_ASSERT(GUEST_TRY("outsw", &gprs) == VECTOR_GP);
	GUEST_ASSERT(guest_fault.count == 2);
}

MINIVMX_TEST(segments_in_64_bit_mode, guest_uses_segments)
{
	const char *expected = "a.cd.fgh.";

	for (; *expected; expected++) {
		run_to_exit(vcpu, EXIT_IO);
		ASSERT_EQ(PORT, run->io.port)
			TH_LOG("%s", describe_exit(vcpu));
		if (run->io.flags & MINIVMX_IO_IN) {
			EXPECT_EQ('.', *expected);
			set_io(run, "!");
		} else {
			EXPECT_EQ(*expected, run->io.data);
		}
	}
	run_to_done(vcpu);
}

/* ------------------------------------------------------------------ after elements */

/* With TF. */
#define STEP_STRING(instruction)					\
	"pushfq; orq $0x100, (%%rsp); popfq; " instruction

#define DR6_BS		BIT(14)

static u64 take_dr6(void)
{
	u64 value;

	asm volatile("movq %%dr6, %0" : "=r"(value));
	asm volatile("movq %0, %%dr6" : : "r"(0UL));
	return value;
}

/* The trap came between two elements of an instruction of 2 bytes. */
static void assert_trap_within(void)
{
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume - 2);
	GUEST_ASSERT(guest_fault.rflags & RFLAGS_TF);
	GUEST_ASSERT(guest_fault.rflags & RFLAGS_RF);
	GUEST_ASSERT(take_dr6() & DR6_BS);
}

static void assert_trap_after(void)
{
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
	GUEST_ASSERT(guest_fault.rflags & RFLAGS_TF);
	GUEST_ASSERT(!(guest_fault.rflags & RFLAGS_RF));
	GUEST_ASSERT(take_dr6() & DR6_BS);
}

static void guest_steps_strings(void)
{
	struct gprs gprs = {
		.c = 3, .d = PORT, .si = (uintptr_t)letters,
		.di = (uintptr_t)letters,
	};

	take_dr6();
	GUEST_ASSERT(GUEST_TRY(STEP_STRING("rep outsb"), &gprs) == VECTOR_DB);
	assert_trap_within();
	GUEST_ASSERT(gprs.c == 2 && gprs.si == (uintptr_t)letters + 1);
	GUEST_SYNC(1);
	GUEST_ASSERT(GUEST_TRY(STEP_STRING("rep insb"), &gprs) == VECTOR_DB);
	assert_trap_within();
	GUEST_ASSERT(gprs.c == 1 && gprs.di == (uintptr_t)letters + 1);
	GUEST_SYNC(2);
	/* The last one, and none. */
	GUEST_ASSERT(GUEST_TRY(STEP_STRING("rep outsb"), &gprs) == VECTOR_DB);
	assert_trap_after();
	GUEST_ASSERT(gprs.c == 0 && gprs.si == (uintptr_t)letters + 2);
	GUEST_SYNC(3);
	GUEST_ASSERT(GUEST_TRY(STEP_STRING("rep outsb"), &gprs) == VECTOR_DB);
	assert_trap_after();
	GUEST_ASSERT(gprs.c == 0 && gprs.si == (uintptr_t)letters + 2);
	GUEST_SYNC(4);
}

MINIVMX_TEST(trap_after_each_element, guest_steps_strings)
{
	for (int i = 1; i <= 3; i++) {
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(PORT, run->io.port);
		run_to_sync(vcpu, i);
	}
	run_to_sync(vcpu, 4);
	run_to_done(vcpu);
}

static void guest_shadows_strings(void)
{
	struct gprs gprs = {
		.c = 2, .d = PORT, .si = (uintptr_t)letters,
	};

	GUEST_ASSERT(GUEST_TRY("cli; sti; rep outsb", &gprs) == NO_FAULT);
	gprs.c = 2;
	GUEST_ASSERT(GUEST_TRY("mov %%ss, %%eax; mov %%eax, %%ss; rep outsb",
			       &gprs) == NO_FAULT);
}

/* STI and MOV SS block until the end of the first element. */
MINIVMX_TEST(blocking_ends_with_the_first_element, guest_shadows_strings)
{
	for (int i = 0; i < 4; i++) {
		const u32 expected[] = { 1, 0, 2, 0 };

		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(expected[i], get_sregs(vcpu).interruptibility & 3)
			TH_LOG("element %d", i);
	}
	run_to_done(vcpu);
}

/*
 * An instruction breakpoint is met once, whatever the number of elements, if its
 * handler sets RF: the CPU does not.
 */
static void guest_breaks_at_a_string(void)
{
	u64 from = (uintptr_t)letters, count = 3;

	asm volatile("leaq 1f(%%rip), %%rax\n\t"
		     "movq %%rax, %[resume]\n\t"
		     "movq %%rax, %%dr0\n\t"
		     "movl $0x401, %%eax\n\t"
		     "movq %%rax, %%dr7\n"
		     "1:\n\t"
		     "rep outsb\n\t"
		     "xorl %%eax, %%eax\n\t"
		     "movq %%rax, %%dr7"
		     : "+S"(from), "+c"(count), [resume] "=m"(guest_resume)
		     : "d"(PORT) : "rax", "memory");
	GUEST_ASSERT(!count);
	GUEST_ASSERT(guest_fault.vector == VECTOR_DB && guest_fault.count == 1);
}

MINIVMX_TEST(breakpoint_is_met_once, guest_breaks_at_a_string)
{
	for (int i = 0; i < 3; i++) {
		run_to_exit(vcpu, EXIT_IO);
		ASSERT_EQ(PORT, run->io.port)
			TH_LOG("%s", describe_exit(vcpu));
	}
	run_to_done(vcpu);
}

/* ----------------------------------------------------------------------- CPL 3 */

#define TRY_AT_USER(instruction, gprs)					\
	GUEST_TRY("pushfq; orl $0x40000, (%%rsp); popfq\n\t"		\
		  instruction "\n\t"					\
		  "pushfq; andl $~0x40000, (%%rsp); popfq", gprs)

static void clear_ac(void)
{
	asm volatile("pushfq; andl $~0x40000, (%%rsp); popfq"
		     : : : "memory", "cc");
}

static void cpuid(void)
{
	u32 a = 0, c = 0;

	asm volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
}

static void user_uses_ports(void)
{
	const u64 data = (uintptr_t)&page_b;
	struct gprs gprs = { .d = PORT, .si = data, .di = data, .c = 1 };

	/* Not allowed to, whatever else is wrong with them. */
	GUEST_ASSERT(GUEST_TRY("outsb", &gprs) == VECTOR_GP);
	GUEST_ASSERT(!guest_fault.error);
	GUEST_ASSERT(GUEST_TRY("insb", &gprs) == VECTOR_GP);
	GUEST_ASSERT(GUEST_TRY("rep outsb", &gprs) == VECTOR_GP);
	gprs.si = WINDOW_PAGE(1);
	GUEST_ASSERT(GUEST_TRY("outsb", &gprs) == VECTOR_GP);
	/* The program sets IOPL. */
	cpuid();
	/* The supervisor's page. */
	gprs.si = WINDOW_PAGE(0) + 8;
	GUEST_ASSERT(GUEST_TRY("outsb", &gprs) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.error == (FAULT_U | FAULT_P));
	GUEST_ASSERT(guest_fault.cr2 == WINDOW_PAGE(0) + 8);
	gprs.di = WINDOW_PAGE(0) + 8;
	GUEST_ASSERT(GUEST_TRY("insb", &gprs) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.error == (FAULT_U | FAULT_W | FAULT_P));
	/* Alignment. */
	gprs.si = data + 1;
	GUEST_ASSERT(TRY_AT_USER("outsw", &gprs) == VECTOR_AC);
	GUEST_ASSERT(!guest_fault.error);
	clear_ac();
	gprs.di = data + 2;
	GUEST_ASSERT(TRY_AT_USER("insl", &gprs) == VECTOR_AC);
	clear_ac();
	cpuid();
	gprs.si = data;
	GUEST_ASSERT(TRY_AT_USER("outsw", &gprs) == NO_FAULT);
	gprs.si = data + 1;
	GUEST_ASSERT(TRY_AT_USER("outsb", &gprs) == NO_FAULT);
	GUEST_ASSERT(GUEST_TRY("outsw", &gprs) == NO_FAULT);
}

static void guest_lets_users_use_ports(void)
{
	u64 cr0;

	open_program_to_users();
	open_window();
	map_page(0, &page_a);
	/* The TSS ends before its bitmap: no port is allowed. */
	*(u16 *)(GUEST_TSS + 102) = 0x68;
	asm volatile("movq %%cr0, %0" : "=r"(cr0));
	asm volatile("movq %0, %%cr0" : : "r"(cr0 | CR0_AM));
	run_as_user(user_uses_ports);
}

/* The CPU checks IOPL and the bitmap before the exit, the driver what comes behind. */
MINIVMX_TEST(user, guest_lets_users_use_ports)
{
	set_trap(vcpu, EXIT_CPUID);
	run_to_exit(vcpu, EXIT_CPUID);
	run->regs.rflags |= RFLAGS_IOPL;
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_exit(vcpu, EXIT_CPUID);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	for (int i = 0; i < 3; i++) {
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(PORT, run->io.port);
		EXPECT_EQ(i == 1 ? 1 : 2, run->io.width);
	}
	run_to_done(vcpu);
}

static void guest_reaches_for_users(void)
{
	struct gprs gprs = { .d = PORT, .si = WINDOW_PAGE(0) };
	struct page *pml4 = (struct page *)GUEST_PML4;
	u64 cr4;

	open_window();
	map_page(0, &page_a);
	window_pts[0].words[0] |= PTE_U;
	window_pd.words[0] |= PTE_U;
	window_pdpt.words[0] |= PTE_U;
	pml4->words[WINDOW >> 39] |= PTE_U;
	asm volatile("movq %%cr4, %0" : "=r"(cr4));
	asm volatile("movq %0, %%cr4" : : "r"(cr4 | CR4_SMAP));
	GUEST_ASSERT(GUEST_TRY("outsb", &gprs) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.error == FAULT_P);
	GUEST_SYNC(1);
	GUEST_ASSERT(GUEST_TRY("stac; outsb; clac", &gprs) == NO_FAULT);
}

MINIVMX_TEST(smap, guest_reaches_for_users)
{
	u32 a, b = 0, c, d;

	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	if (!(b & BIT(20)))
		SKIP(return, "the CPU has no SMAP");
	run_to_sync(vcpu, 1);
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(PORT, run->io.port);
	run_to_done(vcpu);
}

/* ------------------------------------------------------- segments outside 64-bit mode */

/* Access rights. */
#define AR_READ_WRITE	0xc093
#define AR_READ		0xc091
#define AR_DOWN		0xc097
#define AR_DOWN_64K	0x8097
#define AR_CODE		0xc09b
#define AR_CODE_ONLY	0xc099
#define AR_NULL		0x10000
#define AR_REAL		0x0093

#define BASE		0x100000

/* For each vector a NOP and a HLT, 16 bytes apart. */
#define HANDLERS	0x2000UL

/* Instructions. */
#define INSB		"\x6c"
#define INSD		"\x6d"
#define INSW		"\x66\x6d"
#define OUTSB		"\x6e"
#define OUTSD		"\x6f"
#define ADDR		"\x67"
#define ES		"\x26"
#define CS		"\x2e"
#define SS		"\x36"
#define FS		"\x64"
#define GS		"\x65"

enum segment { NO_SEGMENT, SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

/* One instruction, with one segment that is not flat. */
struct element {
	const char *code;
	enum segment segment;
	u32 base, limit, rights;
	u32 index;		/* ESI and EDI */
	u64 expected;		/* a vector, or the address of the element */
};

#define FAULT(vector)	((vector) + (1ULL << 32))
#define AT(address)	(address)
/* The port was, or something else happened than should have. */
#define TOUCHED		0xffffffffUL

static struct minivmx_segment *segment_of(struct minivmx_sregs *sregs,
					  enum segment segment)
{
	switch (segment) {
	case SEG_ES:
		return &sregs->es;
	case SEG_CS:
		return &sregs->cs;
	case SEG_SS:
		return &sregs->ss;
	case SEG_DS:
		return &sregs->ds;
	case SEG_FS:
		return &sregs->fs;
	default:
		return &sregs->gs;
	}
}

static void set_segment(const struct vcpu *vcpu, const struct element *element)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);
	struct minivmx_segment *segment = segment_of(&sregs, element->segment);

	if (element->segment == NO_SEGMENT)
		return;
	segment->base = element->base;
	segment->limit = element->limit;
	segment->access_rights = element->rights;
	set_sregs(vcpu, &sregs);
}

/*
 * Exceptions end in a HLT whose address tells which. Behind a NOP: if the first
 * instruction of a handler exits, Bochs 3.0 with two CPUs says the address of the one
 * that raised the exception (see work() of move_test.c).
 */
static void build_handlers(const struct vm *vm)
{
	u64 *idt = (void *)(vm->memory + GUEST_IDT);

	for (u64 i = 0; i < GUEST_EXCEPTIONS; i++) {
		u64 handler = HANDLERS + i * 16;

		vm->memory[handler] = 0x90;
		vm->memory[handler + 1] = 0xf4;
		/* A 32-bit interrupt gate. */
		idt[i] = handler | (u64)GUEST_CS32 << 16 | 0x8eUL << 40;
	}
}

static void start_protected_code(const struct vm *vm, const char *code,
				 size_t length)
{
	struct minivmx_sregs sregs;

	start_protected_mode(vm, &vm->vcpu, code, code + length);
	build_handlers(vm);
	sregs = get_sregs(&vm->vcpu);
	sregs.idtr = (struct minivmx_table) { .base = GUEST_IDT, .limit = 0xff };
	set_sregs(&vm->vcpu, &sregs);
}

/* Runs the instruction at its base, which ends in a HLT; FAULT() or AT(). */
static u64 run_element(struct __test_metadata *_metadata, const struct vm *vm,
		       const struct element *element)
{
	const struct vcpu *vcpu = &vm->vcpu;
	struct minivmx_run *run = vcpu->run;
	u64 at = TOUCHED;

	/* Only 8 MiB are there: the element is known by its place. */
	if (element->expected < GUEST_MEMORY)
		memcpy(vm->memory + element->expected, "\x12\x34\x56\x78", 4);
	run->regs.rdx = PORT;
	run->regs.rsi = element->index;
	run->regs.rdi = element->index;
	vcpu_run(vcpu);
	if (run->reason == EXIT_IO) {
		u32 mask = ~0U >> (32 - 8 * run->io.width);

		if (element->expected >= FAULT(0))
			return TOUCHED;
		at = AT(element->expected);
		if (run->io.flags & MINIVMX_IO_IN)
			run->io.data = 0x9abcdef0;
		else
			EXPECT_EQ(0x78563412 & mask, run->io.data);
		vcpu_run(vcpu);
		if (run->io.flags & MINIVMX_IO_IN)
			EXPECT_EQ(0x9abcdef0 & mask,
				  *(u32 *)(vm->memory + at) & mask);
	}
	EXPECT_EQ(EXIT_HLT, run->reason) TH_LOG("%s", describe_exit(vcpu));
	if (run->regs.rip < HANDLERS)
		return at;
	return FAULT((run->regs.rip - HANDLERS) / 16);
}

static size_t code_of(const struct element *element, char *code)
{
	size_t length = strlen(element->code);

	memcpy(code, element->code, length);
	code[length] = (char)0xf4;
	return length + 1;
}

static const struct element in_protected_mode[] = {
	{ INSB, NO_SEGMENT, 0, 0, 0, 0x3000, AT(0x3000) },
	{ INSB, SEG_ES, 0, 0, AR_NULL, 0x3000, FAULT(VECTOR_GP) },
	{ INSB, SEG_ES, 0, ~0U, AR_READ, 0x3000, FAULT(VECTOR_GP) },
	{ INSB, SEG_ES, 0, ~0U, AR_CODE, 0x3000, FAULT(VECTOR_GP) },
	{ INSB, SEG_ES, BASE, 0xfff, AR_READ_WRITE, 0xfff, AT(BASE + 0xfff) },
	{ INSB, SEG_ES, BASE, 0xfff, AR_READ_WRITE, 0x1000, FAULT(VECTOR_GP) },
	{ INSD, SEG_ES, BASE, 0xfff, AR_READ_WRITE, 0xffc, AT(BASE + 0xffc) },
	{ INSD, SEG_ES, BASE, 0xfff, AR_READ_WRITE, 0xffd, FAULT(VECTOR_GP) },
	{ INSB, SEG_ES, BASE, 0xfff, AR_DOWN, 0xfff, FAULT(VECTOR_GP) },
	{ INSB, SEG_ES, BASE, 0xfff, AR_DOWN, 0x1000, AT(BASE + 0x1000) },
	{ INSB, SEG_ES, BASE, 0xfff, AR_DOWN, 0x10000, AT(BASE + 0x10000) },
	{ INSB, SEG_ES, BASE, 0xfff, AR_DOWN_64K, 0xffff, AT(BASE + 0xffff) },
	{ INSB, SEG_ES, BASE, 0xfff, AR_DOWN_64K, 0x10000, FAULT(VECTOR_GP) },
	{ INSD, SEG_ES, BASE, 0xfff, AR_DOWN_64K, 0xfffd, FAULT(VECTOR_GP) },
	/* Linear addresses have 32 bits, too. */
	{ INSB, SEG_ES, 0xfff00000, ~0U, AR_READ_WRITE, 0x200000, AT(BASE) },
	/* Addresses of 16 bits, but a limit beyond them. */
	{ ADDR INSW, SEG_ES, BASE, ~0U, AR_READ_WRITE, 0xabcdffff,
	  AT(BASE + 0xffff) },
	{ ADDR INSW, SEG_ES, BASE, 0xffff, AR_READ_WRITE, 0xabcdffff,
	  FAULT(VECTOR_GP) },
	{ FS INSB, SEG_FS, 0, 0, AR_NULL, 0x3000, AT(0x3000) },

	{ OUTSB, SEG_DS, 0, 0, AR_NULL, 0x3000, FAULT(VECTOR_GP) },
	{ OUTSB, SEG_ES, 0, 0, AR_NULL, 0x3000, AT(0x3000) },
	{ OUTSB, SEG_DS, BASE, 0xfff, AR_READ, 0xfff, AT(BASE + 0xfff) },
	{ OUTSD, SEG_DS, BASE, 0xfff, AR_READ, 0xffd, FAULT(VECTOR_GP) },
	{ ADDR OUTSB, SEG_DS, BASE, ~0U, AR_READ, 0xabcd1234, AT(BASE + 0x1234) },
	{ OUTSB, SEG_DS, 0, ~0U, AR_CODE, 0x3000, AT(0x3000) },
	{ OUTSB, SEG_DS, BASE, 0xfff, 0xc095, 0xfff, FAULT(VECTOR_GP) },
	{ ES OUTSB, SEG_ES, BASE, 0xfff, AR_READ_WRITE, 0x123, AT(BASE + 0x123) },
	{ ES OUTSB, SEG_ES, BASE, 0xfff, AR_READ_WRITE, 0x1000, FAULT(VECTOR_GP) },
	{ FS OUTSB, SEG_DS, 0, 0, AR_NULL, 0x3000, AT(0x3000) },
	{ FS OUTSB, SEG_FS, 0, 0, AR_NULL, 0x3000, FAULT(VECTOR_GP) },
	{ GS OUTSB, SEG_GS, BASE, 0xfff, AR_DOWN, 0x800, FAULT(VECTOR_GP) },
	{ CS OUTSB, SEG_CS, 0, ~0U, AR_CODE, 0x3000, AT(0x3000) },
	{ CS OUTSB, SEG_CS, 0, ~0U, AR_CODE_ONLY, 0x3000, FAULT(VECTOR_GP) },
	{ SS OUTSB, SEG_SS, 0, 0xffff, AR_READ_WRITE, 0xffff, AT(0xffff) },
	{ SS OUTSB, SEG_SS, 0, 0xffff, AR_READ_WRITE, 0x10000,
	  FAULT(VECTOR_SS) },
	{ SS OUTSD, SEG_SS, 0, 0xffff, AR_READ_WRITE, 0xfffd,
	  FAULT(VECTOR_SS) },
};

/* Where the stack is after an exception with an error code. */
static const u32 *frame_of(const struct vm *vm)
{
	return (u32 *)(vm->memory + vm->vcpu.run->regs.rsp);
}

TEST_F(vm, segments_in_protected_mode)
{
	const struct vm *vm = &self->vm;

	for (size_t i = 0; i < ARRAY_SIZE(in_protected_mode); i++) {
		const struct element *element = &in_protected_mode[i];
		char code[8];
		u64 seen;

		start_protected_code(vm, code, code_of(element, code));
		set_segment(&vm->vcpu, element);
		seen = run_element(_metadata, vm, element);
		EXPECT_EQ(element->expected, seen) TH_LOG("case %zu", i);
		if (seen < FAULT(0))
			continue;
		EXPECT_EQ(0, frame_of(vm)[0]) TH_LOG("case %zu", i);
		EXPECT_EQ(GUEST_BLOB_BASE, frame_of(vm)[1])
			TH_LOG("case %zu", i);
		EXPECT_TRUE(frame_of(vm)[3] & RFLAGS_RF) TH_LOG("case %zu", i);
	}
}

/* The index wraps at the size of an address; the rest of the register stays. */
TEST_F(vm, index_wraps)
{
	const struct vm *vm = &self->vm;
	struct minivmx_run *run = vm->vcpu.run;
	static const char code[] = "\xf3" ADDR OUTSB "\xf4";

	start_protected_code(vm, code, sizeof(code) - 1);
	run->regs.rdx = PORT;
	run->regs.rsi = 0xabcdffff;
	run->regs.rcx = 0xabcd0002;
	vm->memory[0xffff] = 'a';
	vm->memory[0] = 'b';
	run_to_exit(&vm->vcpu, EXIT_IO);
	EXPECT_EQ('a', run->io.data);
	run_to_exit(&vm->vcpu, EXIT_IO);
	EXPECT_EQ('b', run->io.data);
	run_to_exit(&vm->vcpu, EXIT_HLT);
	EXPECT_EQ(0xabcd0001, run->regs.rsi);
	EXPECT_EQ(0xabcd0000, run->regs.rcx);

	/* CX = 0, ECX not. */
	start_protected_code(vm, code, sizeof(code) - 1);
	run->regs.rcx = 0xabcd0000;
	run_to_exit(&vm->vcpu, EXIT_HLT);
	EXPECT_EQ(GUEST_BLOB_BASE + 4, run->regs.rip);
	EXPECT_EQ(0xabcd0000, run->regs.rcx);
}

/* INSD and OUTSD are INSW and OUTSW here. */
static const struct element in_real_mode[] = {
	{ INSB, NO_SEGMENT, 0, 0, 0, 0xffff, AT(0xffff) },
	{ INSD, NO_SEGMENT, 0, 0, 0, 0xffff, FAULT(VECTOR_GP) },
	{ ADDR INSB, NO_SEGMENT, 0, 0, 0, 0x10000, FAULT(VECTOR_GP) },
	{ ADDR INSB, SEG_ES, 0, ~0U, AR_READ_WRITE, 0x10000, AT(0x10000) },
	{ OUTSD, SEG_DS, BASE, 0xffff, AR_REAL, 0xffff, FAULT(VECTOR_GP) },
	{ OUTSB, SEG_DS, BASE, 0xffff, AR_REAL, 0xfffe, AT(BASE + 0xfffe) },
	{ SS OUTSD, NO_SEGMENT, 0, 0, 0, 0xffff, FAULT(VECTOR_SS) },
	{ ADDR SS OUTSB, NO_SEGMENT, 0, 0, 0, 0x10000, FAULT(VECTOR_SS) },
	{ CS OUTSB, NO_SEGMENT, 0, 0, 0, 0x3000, AT(0x3000) },
};

TEST_F(vm, segments_in_real_mode)
{
	const struct vm *vm = &self->vm;

	if (!uses_ept(vm))
		SKIP(return, NEEDS_REAL_MODE);
	for (size_t i = 0; i < ARRAY_SIZE(in_real_mode); i++) {
		const struct element *element = &in_real_mode[i];
		u32 *vectors = (void *)vm->memory;
		char code[8];

		start_real_mode(vm, &vm->vcpu, code,
				code + code_of(element, code));
		build_handlers(vm);
		for (u32 v = 0; v < GUEST_EXCEPTIONS; v++)
			vectors[v] = HANDLERS + v * 16;
		set_segment(&vm->vcpu, element);
		EXPECT_EQ(element->expected,
			  run_element(_metadata, vm, element))
			TH_LOG("case %zu", i);
	}
}

/* -------------------------------------------------------------- virtual-8086 mode */

#define RFLAGS_VM	BIT(17)
#define AR_VIRTUAL_8086	0xf3

static const struct {
	const char *code;
	u32 index;
	u64 expected;
} in_virtual_8086_mode[] = {
	{ INSB, 0x123, AT(0x30123) },
	{ INSB, 0xffff, AT(0x3ffff) },
	{ INSD, 0xffff, FAULT(VECTOR_GP) },
	{ ADDR INSB, 0x10000, FAULT(VECTOR_GP) },
	{ OUTSB, 0xffff, AT(0x4ffff) },
	{ OUTSD, 0xffff, FAULT(VECTOR_GP) },
	{ ADDR OUTSB, 0x12345678, FAULT(VECTOR_GP) },
	{ ES OUTSB, 0x10, AT(0x30010) },
	{ SS OUTSB, 0x10, AT(0x50010) },
	{ SS OUTSD, 0xffff, FAULT(VECTOR_SS) },
};

static struct minivmx_segment virtual_8086_segment(u16 selector)
{
	return (struct minivmx_segment) {
		.base = selector << 4, .limit = 0xffff, .selector = selector,
		.access_rights = AR_VIRTUAL_8086,
	};
}

/* A task whose stack takes faults, and whose bitmap allows the first 64 ports. */
static void build_task(const struct vm *vm, struct minivmx_sregs *sregs)
{
	u32 *tss = (u32 *)(vm->memory + GUEST_TSS);

	memset(tss, 0, 0x70);
	tss[1] = GUEST_BLOB_STACK;
	tss[2] = GUEST_DS;
	tss[25] = 0x68 << 16;
	*((u8 *)tss + 0x70) = 0xff;
	sregs->tr.base = GUEST_TSS;
	sregs->tr.limit = 0x70;
}

static void start_virtual_8086_mode(const struct vm *vm, const char *code,
				    size_t length)
{
	struct minivmx_sregs sregs;

	start_protected_code(vm, code, length);
	sregs = get_sregs(&vm->vcpu);
	build_task(vm, &sregs);
	sregs.cs = virtual_8086_segment(GUEST_BLOB_BASE >> 4);
	sregs.es = virtual_8086_segment(0x3000);
	sregs.ds = virtual_8086_segment(0x4000);
	sregs.ss = virtual_8086_segment(0x5000);
	sregs.fs = virtual_8086_segment(0);
	sregs.gs = virtual_8086_segment(0);
	set_sregs(&vm->vcpu, &sregs);
	vm->vcpu.run->regs.rip = 0;
	vm->vcpu.run->regs.rflags = RFLAGS_VM | 2;
}

/* Its segments have 64 KiB, its port is in the bitmap, and its faults change the stack. */
TEST_F(vm, segments_in_virtual_8086_mode)
{
	const struct vm *vm = &self->vm;

	for (size_t i = 0; i < ARRAY_SIZE(in_virtual_8086_mode); i++) {
		const u64 expected = in_virtual_8086_mode[i].expected;
		struct element element = {
			.code = in_virtual_8086_mode[i].code,
			.index = in_virtual_8086_mode[i].index,
			.expected = expected,
		};
		const struct minivmx_run *run = vm->vcpu.run;
		char code[8];
		u64 seen;

		start_virtual_8086_mode(vm, code, code_of(&element, code));
		seen = run_element(_metadata, vm, &element);
		if (expected < FAULT(0)) {
			/* HLT is not for CPL 3: a fault of its own. */
			EXPECT_EQ(FAULT(VECTOR_GP), seen) TH_LOG("case %zu", i);
			EXPECT_EQ(strlen(element.code), frame_of(vm)[1])
				TH_LOG("case %zu", i);
			continue;
		}
		EXPECT_EQ(expected, seen) TH_LOG("case %zu", i);
		EXPECT_EQ(0, frame_of(vm)[1]) TH_LOG("case %zu", i);
		EXPECT_EQ(GUEST_BLOB_STACK - 40, run->regs.rsp)
			TH_LOG("case %zu", i);
		EXPECT_TRUE(frame_of(vm)[3] & RFLAGS_VM) TH_LOG("case %zu", i);
	}
}

/* ------------------------------------------------------------- PAE: the registers */

/* What a load of CR3 read is what counts, not what is in memory by then. */
TEST_F(vm, pae_tables_as_loaded)
{
	static const char code[] = "\xf4" OUTSB "\xf4";
	const struct vm *vm = &self->vm;
	u64 *pdpt = (void *)(vm->memory + 0x20000);
	u64 *pd = (void *)(vm->memory + 0x21000);
	struct minivmx_run *run = vm->vcpu.run;
	struct minivmx_sregs sregs;

	start_protected_code(vm, code, sizeof(code) - 1);
	pdpt[0] = 0x21000 | PTE_P;
	for (u64 i = 0; i < 4; i++)
		pd[i] = i * PAGE_2M | PTE_FLAGS | PTE_PS;
	sregs = get_sregs(&vm->vcpu);
	sregs.cr0 |= CR0_PG;
	sregs.cr3 = 0x20000;
	sregs.cr4 |= CR4_PAE;
	set_sregs(&vm->vcpu, &sregs);
	run->regs.rdx = PORT;
	run->regs.rsi = 0x3000;
	vm->memory[0x3000] = '!';
	run_to_exit(&vm->vcpu, EXIT_HLT);
	pdpt[0] = 0;
	run_to_exit(&vm->vcpu, EXIT_IO);
	EXPECT_EQ('!', run->io.data);
	run_to_exit(&vm->vcpu, EXIT_HLT);
	EXPECT_EQ(GUEST_BLOB_BASE + 3, run->regs.rip);
}

TEST_HARNESS_MAIN
