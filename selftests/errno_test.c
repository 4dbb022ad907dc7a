// SPDX-License-Identifier: GPL-2.0
/*
 * Every errno that uapi/minivmx.h documents for a call: a table with a row for each,
 * and with how it comes about. The table is held against the header, both ways.
 */
#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "alarm.h"
#include "calls.h"
#include "minivmx_harness.h"

#define HOST_RIP		0x6c16
#define NO_SUCH_FIELD		0x6bfe
#define NO_SUCH_MSR		0x12345678

struct row {
	const char *call;
	unsigned long number;
	int error;
	/* Makes the call so that it fails; returns errno. */
	int (*cause)(const struct vm *vm, const struct call *call);
	/* Where there is no such thing: which test has it, or why none can. */
	const char *instead;
	/* With these only, if any are named. */
	u32 mmus;
};

#define PROTECTING_MMUS	(BIT(MINIVMX_MMU_WP) | BIT(MINIVMX_MMU_UNSYNC) |	\
			 BIT(MINIVMX_MMU_PV))

#define ROW(name, errno_value, ...)					\
	{ .call = #name, .number = MINIVMX_##name, .error = errno_value, \
	  ##__VA_ARGS__ }
#define CAUSED(name, error, by)		ROW(name, error, .cause = by)
#define INSTEAD(name, error, words)	ROW(name, error, .instead = words)

#define REFUSING_CPU		"a CPU would have to refuse what it should do"
#define FAILING_ALLOCATION	"the kernel would have to fail to allocate a few pages"
#define FOREIGN_OWNER		"somebody else would have to hold VMX"
#define FULL_SYSTEM		"the whole system would have to be out of files"

/* A call with its valid argument, and @extra bytes behind it. */
static unsigned char *copy_argument(const struct call *call, size_t extra)
{
	static unsigned char buffer[PAGE_4K];

	memset(buffer, 0, sizeof(buffer));
	memcpy(buffer, call->valid, call->size);
	*(u32 *)buffer = call->size + extra;
	return buffer;
}

static int make_call(const struct vm *vm, const struct call *call,
		     const void *arg)
{
	return call_error(file_of(vm, call->kind), call->number, arg);
}

static int set_beyond_what_is_known(const struct vm *vm, const struct call *call)
{
	unsigned char *arg = copy_argument(call, 8);

	arg[call->size] = 1;
	return make_call(vm, call, arg);
}

static int point_nowhere(const struct vm *vm, const struct call *call)
{
	return make_call(vm, call, NULL);
}

static int be_too_short(const struct vm *vm, const struct call *call)
{
	unsigned char *arg = copy_argument(call, 0);

	*(u32 *)arg = 4;
	return make_call(vm, call, arg);
}

/* -------------------------------------------------------------- device and VM */

static int ask_for_a_kept_mmu(const struct vm *vm, const struct call *call)
{
	return make_call(vm, call, ARG(create_vm, .mmu = 6));
}

static int have_no_file_left(const struct vm *vm, const struct call *call)
{
	struct rlimit limit, low;
	int next = dup(vm->device), error;

	close(next);
	getrlimit(RLIMIT_NOFILE, &limit);
	low = limit;
	low.rlim_cur = next;
	require(!setrlimit(RLIMIT_NOFILE, &low), "setrlimit: %s",
		strerrorname_np(errno));
	if (call->kind == DEVICE)
		error = make_call(vm, call, ARG(create_vm, .mmu = vm->mmu));
	else
		error = make_call(vm, call, ARG(create_vcpu, .id = 1));
	setrlimit(RLIMIT_NOFILE, &limit);
	return error;
}

static int map_twice(const struct vm *vm, const struct call *call)
{
	return make_call(vm, call, ARG(map_memory, .length = PAGE_4K));
}

/*
 * Signals come faster than 16 MiB can be allocated, but not faster than they are
 * handled: the debug kernel needs longer for both.
 */
static int populate_under_signals(const struct vm *vm, const struct call *call)
{
	const long microseconds = kmemleak_watches() ? 10000 : 100;
	int error;

	catch_signal(SIGALRM, no_action);
	set_ticks(microseconds);
	error = make_call(vm, call, ARG(map_memory, .gpa = SPARE,
					.length = 16 * MIB,
					.flags = MINIVMX_MAP_POPULATE));
	set_ticks(0);
	return error;
}

static int unmap_a_hole(const struct vm *vm, const struct call *call)
{
	return make_call(vm, call, call->valid);
}

static int make_it_twice(const struct vm *vm, const struct call *call)
{
	return make_call(vm, call, ARG(create_vcpu, .id = 0));
}

static int make_a_second(const struct vm *vm, const struct call *call)
{
	return make_call(vm, call, ARG(create_vcpu, .id = 1));
}

/* ------------------------------------------------------------------------ vCPU */

static void guest_spins(void)
{
	guest_fault.count = 1;
	for (;;)
		asm volatile("pause");
}

static int call_while_it_runs(const struct vm *vm, const struct call *call)
{
	volatile struct guest_fault *fault = guest_copy(vm, guest_fault);
	pthread_t thread;
	void *result;
	int error;

	start_guest(vm, guest_spins);
	catch_signal(SIGUSR1, no_action);
	require(!pthread_create(&thread, NULL, run_in_thread, (void *)&vm->vcpu),
		"pthread_create");
	while (!fault->count)
		sched_yield();
	error = call ? make_call(vm, call, copy_argument(call, 0)) :
		       run_error(&vm->vcpu);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, &result);
	require((long)result == EINTR, "MINIVMX_RUN: %s",
		strerrorname_np((long)result));
	return error;
}

static int run_with_an_argument(const struct vm *vm, const struct call *call)
{
	(void)call;
	return call_error(vm->vcpu.fd, MINIVMX_RUN, (void *)1);
}

static int kick_with_an_argument(const struct vm *vm, const struct call *call)
{
	(void)call;
	return call_error(vm->vcpu.fd, MINIVMX_KICK, (void *)1);
}

static int run_not_at_all(const struct vm *vm, const struct call *call)
{
	int error;

	(void)call;
	vm->vcpu.run->immediate_exit = 1;
	error = run_error(&vm->vcpu);
	vm->vcpu.run->immediate_exit = 0;
	return error;
}

static int name_an_unknown_msr(const struct vm *vm, const struct call *call)
{
	struct minivmx_msr msr = { .index = NO_SUCH_MSR };

	return make_call(vm, call, ARG(msrs, .count = 1,
				       .entries = (uintptr_t)&msr));
}

static int trap_a_host_interrupt(const struct vm *vm, const struct call *call)
{
	return make_call(vm, call, ARG(traps, .exits = { BIT(EXIT_INTERRUPT) }));
}

static int name_an_unknown_field(const struct vm *vm, const struct call *call)
{
	return make_call(vm, call, ARG(vmcs_field, .encoding = NO_SUCH_FIELD));
}

static int name_a_missing_table(const struct vm *vm, const struct call *call)
{
	return make_call(vm, call, ARG(read_table, .level = 1, .address = SPARE));
}

static int read_as_nobody(const struct vm *vm, const struct call *call)
{
	int error;

	require(!seteuid(65534), "seteuid: %s", strerrorname_np(errno));
	error = make_call(vm, call, ARG(vmcs_field, .encoding = HOST_RIP));
	require(!seteuid(0), "seteuid: %s", strerrorname_np(errno));
	return error;
}

static int write_host_state(const struct vm *vm, const struct call *call)
{
	return make_call(vm, call, ARG(vmcs_field, .encoding = HOST_RIP));
}

/* ------------------------------------------------------------------- the table */

static const struct row rows[] = {
	CAUSED(GET_INFO, E2BIG, set_beyond_what_is_known),
	CAUSED(GET_INFO, EFAULT, point_nowhere),
	CAUSED(GET_INFO, EINVAL, be_too_short),

	CAUSED(CREATE_VM, E2BIG, set_beyond_what_is_known),
	CAUSED(CREATE_VM, EFAULT, point_nowhere),
	CAUSED(CREATE_VM, EINVAL, be_too_short),
	CAUSED(CREATE_VM, EOPNOTSUPP, ask_for_a_kept_mmu),
	CAUSED(CREATE_VM, EMFILE, have_no_file_left),
	INSTEAD(CREATE_VM, ENFILE, FULL_SYSTEM),
	INSTEAD(CREATE_VM, EBUSY, FOREIGN_OWNER),
	INSTEAD(CREATE_VM, EIO, REFUSING_CPU),
	INSTEAD(CREATE_VM, ENOMEM, FAILING_ALLOCATION),

	CAUSED(MAP_MEMORY, E2BIG, set_beyond_what_is_known),
	CAUSED(MAP_MEMORY, EFAULT, point_nowhere),
	CAUSED(MAP_MEMORY, EINVAL, be_too_short),
	CAUSED(MAP_MEMORY, EEXIST, map_twice),
	CAUSED(MAP_MEMORY, EINTR, populate_under_signals),
	INSTEAD(MAP_MEMORY, ENOMEM, "memory_test: more_than_there_is"),

	CAUSED(UNMAP_MEMORY, E2BIG, set_beyond_what_is_known),
	CAUSED(UNMAP_MEMORY, EFAULT, point_nowhere),
	CAUSED(UNMAP_MEMORY, EINVAL, be_too_short),
	CAUSED(UNMAP_MEMORY, ENOENT, unmap_a_hole),
	INSTEAD(UNMAP_MEMORY, ENOMEM, "memory_test: unmap_where_there_is_none"),

	CAUSED(READ_TABLE, E2BIG, set_beyond_what_is_known),
	CAUSED(READ_TABLE, EFAULT, point_nowhere),
	CAUSED(READ_TABLE, EINVAL, be_too_short),
	CAUSED(READ_TABLE, ENOENT, name_a_missing_table),
	INSTEAD(READ_TABLE, ENOMEM, FAILING_ALLOCATION),

	CAUSED(CREATE_VCPU, E2BIG, set_beyond_what_is_known),
	CAUSED(CREATE_VCPU, EFAULT, point_nowhere),
	CAUSED(CREATE_VCPU, EINVAL, be_too_short),
	CAUSED(CREATE_VCPU, EEXIST, make_it_twice),
	ROW(CREATE_VCPU, EOPNOTSUPP, .cause = make_a_second,
	    .mmus = PROTECTING_MMUS),
	ROW(CREATE_VCPU, EMFILE, .cause = have_no_file_left,
	    .mmus = BIT(MINIVMX_MMU_EPT) | BIT(MINIVMX_MMU_VTLB)),
	INSTEAD(CREATE_VCPU, ENFILE, FULL_SYSTEM),
	INSTEAD(CREATE_VCPU, ENOMEM, FAILING_ALLOCATION),

	CAUSED(GET_STATS, E2BIG, set_beyond_what_is_known),
	CAUSED(GET_STATS, EFAULT, point_nowhere),
	CAUSED(GET_STATS, EINVAL, be_too_short),

	CAUSED(RUN, EINTR, run_not_at_all),
	CAUSED(RUN, EINVAL, run_with_an_argument),
	INSTEAD(RUN, EOPNOTSUPP, "state_test has it, where NMIs are not virtual"),
	CAUSED(RUN, EBUSY, call_while_it_runs),
	INSTEAD(RUN, ENOMEM, "memory_test: all_vms_together"),
	INSTEAD(RUN, EIO, REFUSING_CPU),

	CAUSED(KICK, EINVAL, kick_with_an_argument),

	CAUSED(GET_REGS, E2BIG, set_beyond_what_is_known),
	CAUSED(GET_REGS, EFAULT, point_nowhere),
	CAUSED(GET_REGS, EINVAL, be_too_short),
	CAUSED(GET_REGS, EBUSY, call_while_it_runs),

	CAUSED(SET_REGS, E2BIG, set_beyond_what_is_known),
	CAUSED(SET_REGS, EFAULT, point_nowhere),
	CAUSED(SET_REGS, EINVAL, be_too_short),
	CAUSED(SET_REGS, EBUSY, call_while_it_runs),

	CAUSED(GET_SREGS, E2BIG, set_beyond_what_is_known),
	CAUSED(GET_SREGS, EFAULT, point_nowhere),
	CAUSED(GET_SREGS, EINVAL, be_too_short),
	CAUSED(GET_SREGS, EBUSY, call_while_it_runs),
	INSTEAD(GET_SREGS, EIO, REFUSING_CPU),
	INSTEAD(GET_SREGS, ENOMEM, FAILING_ALLOCATION),

	CAUSED(SET_SREGS, E2BIG, set_beyond_what_is_known),
	CAUSED(SET_SREGS, EFAULT, point_nowhere),
	CAUSED(SET_SREGS, EINVAL, be_too_short),
	CAUSED(SET_SREGS, EBUSY, call_while_it_runs),
	INSTEAD(SET_SREGS, EIO, REFUSING_CPU),
	INSTEAD(SET_SREGS, ENOMEM, FAILING_ALLOCATION),

	CAUSED(GET_FPU, E2BIG, set_beyond_what_is_known),
	CAUSED(GET_FPU, EFAULT, point_nowhere),
	CAUSED(GET_FPU, EINVAL, be_too_short),
	CAUSED(GET_FPU, EBUSY, call_while_it_runs),

	CAUSED(SET_FPU, E2BIG, set_beyond_what_is_known),
	CAUSED(SET_FPU, EFAULT, point_nowhere),
	CAUSED(SET_FPU, EINVAL, be_too_short),
	CAUSED(SET_FPU, EBUSY, call_while_it_runs),

	CAUSED(GET_MSRS, E2BIG, set_beyond_what_is_known),
	CAUSED(GET_MSRS, EFAULT, point_nowhere),
	CAUSED(GET_MSRS, EINVAL, be_too_short),
	CAUSED(GET_MSRS, ENOENT, name_an_unknown_msr),
	CAUSED(GET_MSRS, EBUSY, call_while_it_runs),
	INSTEAD(GET_MSRS, EIO, REFUSING_CPU),
	INSTEAD(GET_MSRS, ENOMEM, FAILING_ALLOCATION),

	CAUSED(SET_MSRS, E2BIG, set_beyond_what_is_known),
	CAUSED(SET_MSRS, EFAULT, point_nowhere),
	CAUSED(SET_MSRS, EINVAL, be_too_short),
	CAUSED(SET_MSRS, ENOENT, name_an_unknown_msr),
	CAUSED(SET_MSRS, EBUSY, call_while_it_runs),
	INSTEAD(SET_MSRS, EIO, REFUSING_CPU),
	INSTEAD(SET_MSRS, ENOMEM, FAILING_ALLOCATION),

	CAUSED(SET_CPUID, E2BIG, set_beyond_what_is_known),
	CAUSED(SET_CPUID, EFAULT, point_nowhere),
	CAUSED(SET_CPUID, EINVAL, be_too_short),
	CAUSED(SET_CPUID, EBUSY, call_while_it_runs),
	INSTEAD(SET_CPUID, ENOMEM, FAILING_ALLOCATION),

	CAUSED(SET_TRAPS, E2BIG, set_beyond_what_is_known),
	CAUSED(SET_TRAPS, EFAULT, point_nowhere),
	CAUSED(SET_TRAPS, EINVAL, be_too_short),
	CAUSED(SET_TRAPS, EOPNOTSUPP, trap_a_host_interrupt),
	CAUSED(SET_TRAPS, EBUSY, call_while_it_runs),
	INSTEAD(SET_TRAPS, EIO, REFUSING_CPU),
	INSTEAD(SET_TRAPS, ENOMEM, FAILING_ALLOCATION),

	CAUSED(TRANSLATE, E2BIG, set_beyond_what_is_known),
	CAUSED(TRANSLATE, EFAULT, point_nowhere),
	CAUSED(TRANSLATE, EINVAL, be_too_short),
	CAUSED(TRANSLATE, EBUSY, call_while_it_runs),
	INSTEAD(TRANSLATE, EIO, REFUSING_CPU),
	INSTEAD(TRANSLATE, ENOMEM, FAILING_ALLOCATION),

	CAUSED(VMREAD, E2BIG, set_beyond_what_is_known),
	CAUSED(VMREAD, EFAULT, point_nowhere),
	CAUSED(VMREAD, EINVAL, be_too_short),
	CAUSED(VMREAD, ENOENT, name_an_unknown_field),
	CAUSED(VMREAD, EPERM, read_as_nobody),
	CAUSED(VMREAD, EBUSY, call_while_it_runs),
	INSTEAD(VMREAD, EIO, REFUSING_CPU),
	INSTEAD(VMREAD, ENOMEM, FAILING_ALLOCATION),

	CAUSED(VMWRITE, E2BIG, set_beyond_what_is_known),
	CAUSED(VMWRITE, EFAULT, point_nowhere),
	CAUSED(VMWRITE, EINVAL, be_too_short),
	CAUSED(VMWRITE, EPERM, write_host_state),
	INSTEAD(VMWRITE, ENOENT, "this CPU has all fields that a program can write"),
	CAUSED(VMWRITE, EBUSY, call_while_it_runs),
	INSTEAD(VMWRITE, EIO, REFUSING_CPU),
	INSTEAD(VMWRITE, ENOMEM, FAILING_ALLOCATION),

	CAUSED(CHECK, E2BIG, set_beyond_what_is_known),
	CAUSED(CHECK, EFAULT, point_nowhere),
	CAUSED(CHECK, EINVAL, be_too_short),
	INSTEAD(CHECK, EOPNOTSUPP, "check_test has it, where NMIs are not virtual"),
	CAUSED(CHECK, EBUSY, call_while_it_runs),
	INSTEAD(CHECK, EIO, REFUSING_CPU),
	INSTEAD(CHECK, ENOMEM, FAILING_ALLOCATION),
};

#define for_each_row(row)						\
	for ((row) = rows; (row) < rows + ARRAY_SIZE(rows); (row)++)

/* NULL for MINIVMX_RUN and MINIVMX_KICK, which have no structure. */
static const struct call *call_of(const struct row *row)
{
	const struct call *call;

	for_each_call(call) {
		if (call->number == row->number)
			return call;
	}
	return NULL;
}

/* Every row comes about as it says, each in a VM of its own: slow on the debug kernel. */
TEST_F_TIMEOUT(vm, caused, 120)
{
	const struct row *row;
	struct vm vm;

	for_each_row(row) {
		int seen;

		if (row->instead) {
			TH_LOG("%s, %s: %s", row->call,
			       strerrorname_np(row->error), row->instead);
			continue;
		}
		if (row->mmus && !(row->mmus & BIT(self->vm.mmu)))
			continue;
		require(!create_vm(&vm), "no second VM");
		seen = row->cause(&vm, call_of(row));
		EXPECT_EQ(row->error, seen)
			TH_LOG("%s: expected %s, got %s", row->call,
			       strerrorname_np(row->error),
			       strerrorname_np(seen));
		close_vm(&vm);
	}
}

/* ------------------------------------------------------------------- the header */

extern const char header[];
asm(".pushsection .rodata\n"
	"header:\n"
	"	.incbin	\"minivmx.h\"\n"
	"	.byte	0\n"
	".popsection\n");

/* Where the header says what @call returns, and where that ends. */
static const char *find_return(const char *call, const char **end)
{
	char definition[64];
	const char *text;

	snprintf(definition, sizeof(definition), " * define MINIVMX_%s - ", call);
	text = strstr(header, definition);
	require(text, "uapi/minivmx.h does not document MINIVMX_%s", call);
	*end = strstr(text, "*/");
	text = strstr(text, "Return: ");
	require(text && text < *end, "MINIVMX_%s has no \"Return:\"", call);
	return text;
}

static int errno_of(const char *word, size_t length)
{
	for (int error = 1; error < 134; error++) {
		const char *name = strerrorname_np(error);

		if (name && strlen(name) == length && !strncmp(name, word, length))
			return error;
	}
	return 0;
}

/* Errnos, as bits. */
struct errnos {
	u64 low, high;
};

static void add_errno(struct errnos *set, int error)
{
	if (error < 64)
		set->low |= BIT(error);
	else
		set->high |= BIT(error - 64);
}

/* Those that the header names for @call. */
static struct errnos documented_errnos(const char *call)
{
	const char *end, *text = find_return(call, &end);
	struct errnos found = { 0 };

	while (text < end) {
		size_t length = 0;

		while (isalnum(text[length]) || text[length] == '_')
			length++;
		if (length && errno_of(text, length))
			add_errno(&found, errno_of(text, length));
		text += length ? length : 1;
	}
	return found;
}

/* Those that the table has for it. */
static struct errnos listed_errnos(unsigned long number)
{
	struct errnos found = { 0 };
	const struct row *row;

	for_each_row(row) {
		if (row->number == number)
			add_errno(&found, row->error);
	}
	return found;
}

static bool same(const struct errnos *a, const struct errnos *b)
{
	return a->low == b->low && a->high == b->high;
}

static void log_errnos(struct __test_metadata *_metadata, const char *what,
		       const struct errnos *set)
{
	for (int error = 1; error < 128; error++) {
		u64 word = error < 64 ? set->low : set->high;

		if (word & BIT(error % 64))
			TH_LOG("%s %s", what, strerrorname_np(error));
	}
}

static void expect_rows_of(struct __test_metadata *_metadata, const char *call,
			   unsigned long number)
{
	const struct errnos documented = documented_errnos(call);
	const struct errnos listed = listed_errnos(number);

	EXPECT_TRUE(same(&documented, &listed)) {
		TH_LOG("MINIVMX_%s", call);
		log_errnos(_metadata, "documented:", &documented);
		log_errnos(_metadata, "in the table:", &listed);
	}
}

/* The header documents what the table has for a call, and nothing else. */
TEST(documented)
{
	const struct call *call;

	for_each_call(call)
		expect_rows_of(_metadata, call->name, call->number);
	expect_rows_of(_metadata, "RUN", MINIVMX_RUN);
	expect_rows_of(_metadata, "KICK", MINIVMX_KICK);
}

/* Only root opens the device. */
TEST(open_by_others)
{
	const char *reason;
	int device;

	reason = open_device(&device);
	if (reason)
		SKIP(return, "%s", reason);
	close(device);
	ASSERT_EQ(0, seteuid(65534));
	device = open("/dev/minivmx", O_RDWR);
	EXPECT_EQ(-1, device);
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, seteuid(0));
}

TEST_HARNESS_MAIN
