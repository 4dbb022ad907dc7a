// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that misuse the driver: several threads and processes make calls on files of
 * all kinds, with arguments that are right, nearly right, or anything, in memory that is
 * right, partly there, or changing, while others close the files and change mappings.
 *
 * The host survives, and each call answers with an errno that the interface names for it.
 */
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../alarm.h"
#include "../calls.h"
#include "fuzz.h"

#define THREADS		3
#define STEPS		120
#define FILES		24
#define RAM		(4 * MIB)	/* at most, in most VMs */
#define ARENA_PAGES	2048
#define CODE		0x1000UL

/* Files that all threads and processes use, and close; -1: none. */
static int files[FILES];
/* Where all mappings come and go, so that no memory of the program is hit. */
static u8 *arena;
/* Two pages for arguments, then one that cannot be touched. */
static __thread u8 *argument;
/* A page that can only be read, and one that changes all the time. */
static u8 *read_only, *hot;
static u8 *read_only_source;

/* ------------------------------------------------------------- dangerous places */

static __thread sigjmp_buf escape;
static __thread volatile bool may_fault;

static void on_fault(int signal)
{
	if (!may_fault)
		_exit(128 + signal);
	siglongjmp(escape, 1);
}

/* Copies from or to memory that may go away. */
static void copy_dangerously(volatile u8 *to, const volatile u8 *from, size_t length)
{
	may_fault = true;
	if (!sigsetjmp(escape, 1)) {
		for (size_t i = 0; i < length; i++)
			to[i] = from[i];
	}
	may_fault = false;
}

/* ------------------------------------------------------------------------ files */

static int some_file(struct dice *dice)
{
	return files[below(dice, FILES)];
}

/* One that the call can be made on, if there is such a one at hand. */
static int file_for(struct dice *dice, const struct call *call)
{
	static const u32 probes[KINDS] = {
		[DEVICE] = MINIVMX_GET_INFO, [VM] = MINIVMX_GET_STATS, [VCPU] = MINIVMX_GET_REGS,
	};
	int file = some_file(dice);

	for (int i = 0; i < 8; i++) {
		/* EFAULT: it knows the call. */
		if (ioctl(file, probes[call->kind], NULL) < 0 && errno == EFAULT)
			break;
		file = some_file(dice);
	}
	return file;
}

static void keep(struct dice *dice, int file)
{
	u32 slot = below(dice, FILES);
	int old = files[slot];

	if (file < 0)
		return;
	files[slot] = file;
	close(old);
}

static int open_anything(struct dice *dice)
{
	int pair[2];

	switch (below(dice, 6)) {
	case 0:
		return eventfd(below(dice, 3), EFD_NONBLOCK);
	case 1:
		return memfd_create("fuzz", 0);
	case 2:
		if (pipe2(pair, O_NONBLOCK))
			return -1;
		close(pair[1]);
		return pair[0];
	case 3:
		return open("/dev/zero", O_RDWR);
	default:
		return open("/dev/minivmx", below(dice, 2) ? O_RDWR : O_RDONLY);
	}
}

static void open_or_close(struct dice *dice)
{
	switch (below(dice, 4)) {
	case 0:
		keep(dice, open_anything(dice));
		break;
	case 1:
		keep(dice, dup(some_file(dice)));
		break;
	case 2:
		dup2(some_file(dice), some_file(dice));
		break;
	default:
		keep(dice, open("/dev/minivmx", O_RDWR));
	}
}

/* A file travels through a socket, and may be closed while it does. */
static void pass_file(struct dice *dice)
{
	union {
		struct cmsghdr header;
		u8 bytes[CMSG_SPACE(sizeof(int))];
	} control = {};
	char byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control),
	};
	int pair[2], file = some_file(dice);

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		return;
	control.header = (struct cmsghdr) {
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int)),
	};
	memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
	if (sendmsg(pair[0], &message, MSG_DONTWAIT) == 1 && !one_in(dice, 4) &&
	    recvmsg(pair[1], &message, MSG_DONTWAIT) == 1 &&
	    message.msg_controllen >= CMSG_LEN(sizeof(int))) {
		memcpy(&file, CMSG_DATA(&control.header), sizeof(file));
		keep(dice, file);
	}
	close(pair[0]);
	close(pair[1]);
}

static void use_as_a_file(struct dice *dice)
{
	int file = some_file(dice);
	struct pollfd poll_one = { .fd = file, .events = roll(dice) };

	switch (below(dice, 7)) {
	case 0:
		if (read(file, argument, below(dice, PAGE_4K)) < 0)
			return;
		break;
	case 1:
		if (write(file, argument, below(dice, PAGE_4K)) < 0)
			return;
		break;
	case 2:
		lseek(file, odd_value(dice), below(dice, 5));
		break;
	case 3:
		poll(&poll_one, 1, 0);
		break;
	case 4:
		fcntl(file, F_SETFL, roll(dice) & (O_NONBLOCK | O_APPEND));
		break;
	case 5:
		if (ftruncate(file, odd_value(dice) & 0xffffff))
			return;
		break;
	default:
		fcntl(file, F_SETFD, roll(dice) & FD_CLOEXEC);
	}
}

/* -------------------------------------------------------------------- arguments */

/* Addresses where the guest may have memory. */
static u64 some_address(struct dice *dice)
{
	switch (below(dice, 8)) {
	case 0:
		return odd_value(dice);
	case 1:
		return odd_value(dice) & -PAGE_4K;
	case 2:
		return (1ULL << 36) - (below(dice, 4) << 12);
	default:
		return below(dice, 2 * RAM) & -(u64)(one_in(dice, 3) ? PAGE_2M : PAGE_4K);
	}
}

/* Seldom more than there is. */
static u64 some_length(struct dice *dice)
{
	if (one_in(dice, 40))
		return odd_value(dice) & -PAGE_4K;
	return one_in(dice, 3) ? PAGE_2M : PAGE_4K * (1 + below(dice, 64));
}

static u32 some_field(struct dice *dice)
{
	/* Width, type, and a number that there may be (SDM Vol. 3D). */
	if (!one_in(dice, 8))
		return below(dice, 4) << 13 | below(dice, 4) << 10 | below(dice, 0x20) << 1;
	return odd_value(dice);
}

static u32 some_msr(struct dice *dice)
{
	static const u32 known[] = {
		0x10, 0x8b, 0x174, 0x175, 0x176, 0x1a0, 0x1d9, 0x277, 0xc0000080, 0xc0000081,
		0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102,
	};

	return one_in(dice, 8) ? odd_value(dice) : pick(dice, known);
}

static u64 fill_msrs(struct dice *dice, u32 number)
{
	struct minivmx_msr *list = (void *)(argument + PAGE_4K);

	for (u32 i = 0; i < number && i < 64; i++)
		list[i] = (struct minivmx_msr) {
			.index = some_msr(dice), .value = odd_value(dice),
			.__reserved = one_in(dice, 50),
		};
	return (uintptr_t)list;
}

/* What the call is for, with values that mean something. */
static void fill_sensibly(struct dice *dice, const struct call *call, void *arg)
{
	struct minivmx_map_memory *map = arg;
	struct minivmx_create_vcpu *vcpu = arg;
	struct minivmx_vmcs_field *field = arg;
	struct minivmx_msrs *msrs = arg;
	struct minivmx_traps *traps = arg;
	struct minivmx_read_table *table = arg;
	struct minivmx_translate *translate = arg;

	switch (call->number) {
	case MINIVMX_CREATE_VM:
		((struct minivmx_create_vm *)arg)->mmu = 1 + below(dice, MMUS);
		break;
	case MINIVMX_MAP_MEMORY:
		map->flags = below(dice, 8);
		map->gpa = some_address(dice);
		map->length = some_length(dice);
		break;
	case MINIVMX_UNMAP_MEMORY:
		map->gpa = some_address(dice);
		map->length = some_length(dice);
		break;
	case MINIVMX_CREATE_VCPU:
		vcpu->id = below(dice, 3);
		break;
	case MINIVMX_READ_TABLE:
		table->level = below(dice, 6);
		table->address = some_address(dice);
		break;
	case MINIVMX_TRANSLATE:
		translate->flags = below(dice, 4);
		translate->access = BIT(below(dice, 3));
		translate->address = some_address(dice);
		break;
	case MINIVMX_VMREAD:
	case MINIVMX_VMWRITE:
		field->encoding = some_field(dice);
		field->value = odd_value(dice);
		break;
	case MINIVMX_GET_MSRS:
	case MINIVMX_SET_MSRS:
		msrs->count = 1 + below(dice, 20);
		msrs->entries = fill_msrs(dice, msrs->count);
		break;
	case MINIVMX_SET_TRAPS:
		traps->exceptions = roll(dice) & roll(dice);
		traps->exits[0] = BIT(below(dice, 64));
		break;
	}
}

/* A member or two with any value, or a size that is not the structure's. */
static void spoil(struct dice *dice, const struct call *call, u8 *arg)
{
	u32 *size = (u32 *)arg;

	for (u32 i = below(dice, 3); i; i--) {
		u64 value = odd_value(dice);
		u32 at = 4 + below(dice, call->size - 4);

		memcpy(arg + (at & -4U), &value, one_in(dice, 2) ? 8 : 4);
	}
	if (one_in(dice, 4))
		*size = one_in(dice, 2) ? odd_value(dice) : call->size + below(dice, 64);
}

/* What the vCPU has, with a bit changed. */
static void change_sregs(struct dice *dice, int file, u8 *arg)
{
	u32 bit = 64 + below(dice, sizeof(struct minivmx_sregs) * 8 - 64);

	ioctl(file, MINIVMX_GET_SREGS, arg);
	if (one_in(dice, 2))
		arg[bit / 8] ^= BIT(bit % 8);
}

/* Puts the argument somewhere: mostly where it can be read and written. */
static void *place(struct dice *dice, const u8 *arg, size_t length)
{
	u8 *to;

	switch (below(dice, 16)) {
	case 0:
		return (void *)odd_value(dice);
	case 1:
		/* A part of it is not there. */
		to = argument + 2 * PAGE_4K - below(dice, length);
		memcpy(to, arg, argument + 2 * PAGE_4K - to);
		return to;
	case 2:
		memcpy(read_only_source, arg, length);
		return read_only;
	case 3:
		memcpy(hot, arg, length);
		return hot;
	case 4:
		to = arena + below(dice, ARENA_PAGES - 1) * PAGE_4K + below(dice, PAGE_4K);
		copy_dangerously(to, arg, length);
		return to;
	default:
		to = argument + below(dice, 64);
		memcpy(to, arg, length);
		return to;
	}
}

/* ------------------------------------------------------------------------ calls */

#define ANY_FILE	(BIT(EBADF) | BIT(ENOTTY))
#define ANY_STRUCTURE	(ANY_FILE | BIT(E2BIG) | BIT(EFAULT) | BIT(EINVAL))
#define ANY_VCPU	(ANY_STRUCTURE | BIT(EBUSY))
#define ANY_VMCS	(ANY_VCPU | BIT(EIO) | BIT(ENOMEM))
#define NEW_FILE	(BIT(EMFILE) | BIT(ENFILE) | BIT(ENOMEM))

/* What the interface says of each call. EOPNOTSUPP is greater than 63. */
static u64 promised(unsigned long number)
{
	switch (number) {
	case MINIVMX_GET_INFO:
	case MINIVMX_GET_STATS:
		return ANY_STRUCTURE;
	case MINIVMX_CREATE_VM:
		return ANY_VMCS | NEW_FILE;
	case MINIVMX_MAP_MEMORY:
		return ANY_STRUCTURE | BIT(EEXIST) | BIT(EINTR) | BIT(ENOMEM);
	case MINIVMX_UNMAP_MEMORY:
	case MINIVMX_READ_TABLE:
		return ANY_STRUCTURE | BIT(ENOENT) | BIT(ENOMEM);
	case MINIVMX_CREATE_VCPU:
		return ANY_STRUCTURE | BIT(EEXIST) | NEW_FILE;
	case MINIVMX_RUN:
		return ANY_FILE | BIT(EINTR) | BIT(EBUSY) | BIT(EINVAL) | BIT(EIO) | BIT(ENOMEM);
	case MINIVMX_GET_REGS:
	case MINIVMX_SET_REGS:
	case MINIVMX_GET_FPU:
	case MINIVMX_SET_FPU:
		return ANY_VCPU;
	case MINIVMX_SET_CPUID:
		return ANY_VCPU | BIT(ENOMEM);
	case MINIVMX_GET_SREGS:
	case MINIVMX_SET_SREGS:
	case MINIVMX_SET_TRAPS:
	case MINIVMX_TRANSLATE:
		return ANY_VMCS;
	case MINIVMX_GET_MSRS:
	case MINIVMX_SET_MSRS:
		return ANY_VMCS | BIT(ENOENT);
	case MINIVMX_VMREAD:
	case MINIVMX_VMWRITE:
		return ANY_VMCS | BIT(ENOENT) | BIT(EPERM);
	default:
		return ~0ULL;
	}
}

static bool may_be_unsupported(unsigned long number)
{
	return number == MINIVMX_CREATE_VM || number == MINIVMX_CREATE_VCPU ||
	       number == MINIVMX_RUN || number == MINIVMX_SET_TRAPS;
}

static void check_error(const char *name, unsigned long number, int error)
{
	bool fine = error == EOPNOTSUPP ? may_be_unsupported(number) :
		    error < 64 && promised(number) >> error & 1;

	count(COUNT_REFUSED);
	require(fine, "%s: %s", name, strerrorname_np(error));
}

static void call(struct dice *dice)
{
	const struct call *call = &pick(dice, calls);
	int file = one_in(dice, 8) ? some_file(dice) : file_for(dice, call), result;
	u8 arg[1024] __aligned(8) = {};

	memcpy(arg, call->valid, call->size);
	fill_sensibly(dice, call, arg);
	if (call->number == MINIVMX_SET_SREGS)
		change_sregs(dice, file, arg);
	if (one_in(dice, 3))
		spoil(dice, call, arg);
	result = ioctl(file, call->number, place(dice, arg, call->size));
	count(COUNT_CALLS);
	if (result < 0)
		check_error(call->name, call->number, errno);
	else if (result > 0)
		keep(dice, result);
}

static void call_anything(struct dice *dice)
{
	unsigned long number = one_in(dice, 2) ? _IO(MINIVMX_TYPE, below(dice, 0x40)) :
			       _IOC(below(dice, 4), MINIVMX_TYPE, below(dice, 0x40),
				    below(dice, 0x400));

	if (number == MINIVMX_RUN)
		return;
	if (one_in(dice, 8))
		number = odd_value(dice);
	ioctl(some_file(dice), number, one_in(dice, 2) ? (void *)argument :
	      (void *)odd_value(dice));
	count(COUNT_CALLS);
}

/* ------------------------------------------------------------------ VMs and RUN */

/* In any mode: OUT; CPUID; a store that walks through memory; and around. */
static const u8 loop[] = {
	0xe6, 0x80, 0x0f, 0xa2, 0x88, 0x07, 0x47, 0xeb, 0xf6,
};

static const u8 halt[] = { 0xf4, 0xeb, 0xfd };
static const u8 spin[] = { 0xeb, 0xfe };

static void write_code(struct dice *dice, int vm)
{
	void *page = mmap(NULL, PAGE_4K, PROT_WRITE, MAP_SHARED, vm, CODE);
	u8 anything[64];

	if (page == MAP_FAILED)
		return;
	for (size_t i = 0; i < sizeof(anything); i++)
		anything[i] = roll(dice);
	switch (below(dice, 4)) {
	case 0:
		copy_dangerously(page, halt, sizeof(halt));
		break;
	case 1:
		copy_dangerously(page, spin, sizeof(spin));
		break;
	case 2:
		copy_dangerously(page, anything, sizeof(anything));
		break;
	default:
		copy_dangerously(page, loop, sizeof(loop));
	}
	munmap(page, PAGE_4K);
}

/* In real mode at address 0; in protected mode, flat. */
static void start_at_code(int vcpu, bool protected_mode)
{
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };
	struct minivmx_regs_arg regs = {
		.size = sizeof(regs), .regs = { .rip = CODE, .rflags = 0x202, .rdi = 0x2000 },
	};

	ioctl(vcpu, MINIVMX_GET_SREGS, &sregs);
	sregs.cs.base = 0;
	if (protected_mode) {
		sregs.cr0 |= 1;
		sregs.cs.access_rights = 0xc09b;
		sregs.cs.limit = ~0U;
	}
	ioctl(vcpu, MINIVMX_SET_SREGS, &sregs);
	ioctl(vcpu, MINIVMX_SET_REGS, &regs);
}

/* All that a guest needs. */
static void make_guest(struct dice *dice)
{
	u32 mmu = 1 + below(dice, MMUS - 1);
	int device = open("/dev/minivmx", O_RDWR), vm, vcpu;

	vm = ioctl(device, MINIVMX_CREATE_VM, ARG(create_vm, .mmu = mmu));
	ioctl(vm, MINIVMX_MAP_MEMORY, ARG(map_memory, .length = RAM / 2));
	vcpu = ioctl(vm, MINIVMX_CREATE_VCPU, ARG(create_vcpu, .id = 0));
	write_code(dice, vm);
	start_at_code(vcpu, mmu != MINIVMX_MMU_EPT || one_in(dice, 2));
	keep(dice, vm);
	keep(dice, vcpu);
	close(device);
}

static void run(struct dice *dice)
{
	static const struct call run = { "RUN", VCPU, MINIVMX_RUN };
	int vcpu = one_in(dice, 8) ? some_file(dice) : file_for(dice, &run);

	for (u32 times = 1 + below(dice, 8); times; times--) {
		int error = checked_run(vcpu, one_in(dice, 50) ? odd_value(dice) : 0);

		if (!error)
			count(COUNT_EXITS);
		else
			check_error("RUN", MINIVMX_RUN, error);
	}
}

/* --------------------------------------------------------------------- mappings */

static void map(struct dice *dice)
{
	u32 at = below(dice, ARENA_PAGES), pages = 1;
	u64 offset = one_in(dice, 2) ? 0 : some_address(dice);
	int flags = one_in(dice, 8) ? MAP_PRIVATE : MAP_SHARED;

	if (one_in(dice, 2))
		pages += below(dice, ARENA_PAGES - at);
	if (one_in(dice, 4))
		flags |= MAP_POPULATE;
	mmap(arena + at * PAGE_4K, pages * PAGE_4K, below(dice, 8), flags | MAP_FIXED,
	     some_file(dice), offset);
}

static void touch(struct dice *dice)
{
	u8 bytes[16];

	for (u32 i = below(dice, 20); i; i--) {
		u8 *at = arena + below(dice, ARENA_PAGES * PAGE_4K - 16);

		if (one_in(dice, 2))
			copy_dangerously(bytes, at, sizeof(bytes));
		else
			copy_dangerously(at, bytes, sizeof(bytes));
	}
}

static void change_mapping(struct dice *dice)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_DONTFORK, MADV_DOFORK, MADV_WILLNEED, MADV_HUGEPAGE,
		MADV_MERGEABLE, MADV_COLD, MADV_PAGEOUT, MADV_FREE, MADV_REMOVE,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_WIPEONFORK, MADV_COLLAPSE,
	};
	u32 from = below(dice, ARENA_PAGES), to = below(dice, ARENA_PAGES);
	u8 *at = arena + from * PAGE_4K, *other = arena + to * PAGE_4K;
	size_t length = (1 + below(dice, ARENA_PAGES - (from > to ? from : to))) * PAGE_4K;

	switch (below(dice, 8)) {
	case 0:
		munmap(at, length);
		break;
	case 1:
		mprotect(at, length, below(dice, 8));
		break;
	case 2:
		mremap(at, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, other);
		break;
	case 3:
		msync(at, length, MS_SYNC);
		break;
	case 4:
		mlock(at, length);
		break;
	case 5:
		mincore(at, length, argument);
		break;
	default:
		madvise(at, length, pick(dice, advices));
	}
}

/* ------------------------------------------------------------ threads, processes */

static void step(struct dice *dice);

/* Behind it, nothing of this process can block for long. */
static void do_steps_in_child(struct dice *dice)
{
	set_ticks(3000);
	for (u32 i = below(dice, 20); i; i--)
		step(dice);
	_exit(0);
}

static void fork_once(struct dice *dice)
{
	pid_t child = fork();
	int status;

	if (!child)
		do_steps_in_child(dice);
	while (child > 0 && waitpid(child, &status, 0) < 0)
		require(errno == EINTR, "waitpid: %s", strerrorname_np(errno));
	require(child < 0 || !status, "a child ended with status %#x", status);
}

static void set_limits(struct dice *dice)
{
	static const int resources[] = { RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS };
	struct rlimit limit;
	int which = pick(dice, resources);

	getrlimit(which, &limit);
	limit.rlim_cur = which == RLIMIT_NOFILE ? 8 + below(dice, 60) :
			 one_in(dice, 2) ? limit.rlim_max : below(dice, 64) * MIB;
	setrlimit(which, &limit);
}

static const struct {
	void (*carry_out)(struct dice *dice);
	u32 weight;
} steps[] = {
	{ call, 40 }, { call_anything, 3 }, { make_guest, 6 }, { run, 16 }, { map, 12 },
	{ touch, 10 }, { change_mapping, 8 }, { open_or_close, 6 }, { pass_file, 2 },
	{ use_as_a_file, 4 }, { fork_once, 1 }, { set_limits, 1 },
};

static void step(struct dice *dice)
{
	u32 sum = 0, number, i = 0;

	for (size_t each = 0; each < ARRAY_SIZE(steps); each++)
		sum += steps[each].weight;
	number = below(dice, sum);
	while (number >= steps[i].weight)
		number -= steps[i++].weight;
	steps[i].carry_out(dice);
}

/* A signal for this thread every few milliseconds: no MINIVMX_RUN lasts. */
static void tick_this_thread(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM,
	};
	const struct itimerspec period = {
		.it_interval = { 0, 3000000 }, .it_value = { 0, 3000000 },
	};
	timer_t timer;

	event._sigev_un._tid = gettid();
	require(!timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create: %s",
		strerrorname_np(errno));
	timer_settime(timer, 0, &period, NULL);
}

static u8 *new_pages(size_t number)
{
	u8 *pages = mmap(NULL, number * PAGE_4K, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(pages != MAP_FAILED, "mmap: %s", strerrorname_np(errno));
	return pages;
}

struct thread {
	pthread_t id;
	u64 seed;
	u8 *argument;
};

/* Until all threads have what they need, none sets a limit to it. */
static pthread_barrier_t all_are_ready;

static void *do_steps(void *thread)
{
	struct thread *self = thread;
	struct dice dice = { self->seed };

	argument = self->argument;
	tick_this_thread();
	pthread_barrier_wait(&all_are_ready);
	for (int i = 0; i < STEPS; i++)
		step(&dice);
	return NULL;
}

static volatile bool over;

/* Changes arguments and run pages under the driver. */
static void *scribble(void *thread)
{
	struct dice dice = { ((struct thread *)thread)->seed };

	pthread_barrier_wait(&all_are_ready);
	while (!over) {
		u64 word = odd_value(&dice);
		u8 *at = arena + below(&dice, ARENA_PAGES) * PAGE_4K + below(&dice, 448);

		memcpy(hot + below(&dice, 512), &word, 4);
		copy_dangerously(at, (u8 *)&word, sizeof(word));
		if (one_in(&dice, 16))
			sched_yield();
	}
	return NULL;
}

/* ---------------------------------------------------------------------- a round */

static void make_odd_memory(void)
{
	int memory = memfd_create("argument", 0);

	require(memory >= 0 && !ftruncate(memory, PAGE_4K), "memfd: %s", strerrorname_np(errno));
	read_only_source = mmap(NULL, PAGE_4K, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	read_only = mmap(NULL, PAGE_4K, PROT_READ, MAP_SHARED, memory, 0);
	require(read_only != MAP_FAILED && read_only_source != MAP_FAILED, "mmap");
	close(memory);
	hot = new_pages(1);
	arena = mmap(NULL, ARENA_PAGES * PAGE_4K, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	require(arena != MAP_FAILED, "mmap: %s", strerrorname_np(errno));
}

/* So that nothing of the C library comes to lie where the arena was. */
static void keep_to_the_heap(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_MAX, 0);
}

static void start_thread(struct dice *dice, struct thread *thread, void *(*code)(void *))
{
	thread->seed = roll(dice);
	thread->argument = new_pages(3);
	mprotect(thread->argument + 2 * PAGE_4K, PAGE_4K, PROT_NONE);
	require(!pthread_create(&thread->id, NULL, code, thread), "pthread_create");
}

static void do_all_steps(struct dice *dice)
{
	struct thread threads[THREADS], scribbler;

	pthread_barrier_init(&all_are_ready, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		start_thread(dice, &threads[i], do_steps);
	start_thread(dice, &scribbler, scribble);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
	over = true;
	pthread_join(scribbler.id, NULL);
}

static void ioctl_round(struct dice *dice)
{
	keep_to_the_heap();
	make_odd_memory();
	catch_signal(SIGSEGV, on_fault);
	catch_signal(SIGBUS, on_fault);
	catch_signal(SIGALRM, no_action);
	catch_signal(SIGPIPE, no_action);
	for (int i = 0; i < FILES; i++)
		files[i] = i < 2 ? open("/dev/minivmx", O_RDWR) : -1;
	make_guest(dice);
	do_all_steps(dice);
}

const struct fuzzer ioctl_fuzzer = { "ioctl", ioctl_round, COUNT_CALLS };
