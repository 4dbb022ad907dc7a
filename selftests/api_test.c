// SPDX-License-Identifier: GPL-2.0
/*
 * The form of the calls: sizes, reserved members, kinds of file, pointers,
 * limits, and one errno for each mistake.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

#include "alarm.h"
#include "calls.h"
#include "minivmx_harness.h"

#define GUEST_RIP		0x681e
#define IA32_EFER		0xc0000080

/* An argument that ends where readable memory ends. */
struct argument {
	unsigned char *end;
};

static struct argument make_argument(void)
{
	unsigned char *pages = mmap(NULL, 3 * PAGE_4K, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(pages != MAP_FAILED, "mmap: %s", strerrorname_np(errno));
	require(!mprotect(pages + 2 * PAGE_4K, PAGE_4K, PROT_NONE),
		"mprotect: %s", strerrorname_np(errno));
	return (struct argument) { .end = pages + 2 * PAGE_4K };
}

/* Places the valid argument of @call with @extra bytes of zero behind it. */
static void *place(const struct argument *argument, const struct vm *vm,
		   const struct call *call, size_t extra)
{
	unsigned char *arg = argument->end - call->size - extra;

	memset(argument->end - 2 * PAGE_4K, 0, 2 * PAGE_4K);
	memcpy(arg, call->valid, call->size);
	if (call->number == MINIVMX_SET_SREGS) {
		struct minivmx_sregs sregs = get_sregs(&vm->vcpu);

		memcpy(arg, &sregs, sizeof(sregs));
	}
	if (call->number == MINIVMX_CREATE_VM)
		((struct minivmx_create_vm *)arg)->mmu = vm->mmu;
	return arg;
}

static void set_size(void *arg, u32 size)
{
	memcpy(arg, &size, sizeof(size));
}

/* Makes a call that succeeds, and takes back what it made. */
static int try_call(const struct vm *vm, const struct call *call, void *arg)
{
	int result;

	if (call->number == MINIVMX_UNMAP_MEMORY)
		map_memory(vm, SPARE, PAGE_4K, 0);
	result = ioctl(file_of(vm, call->kind), call->number, arg);
	if (result < 0)
		return errno;
	if (call->number == MINIVMX_MAP_MEMORY)
		unmap_memory(vm, SPARE, PAGE_4K);
	if (call->number == MINIVMX_CREATE_VM ||
	    call->number == MINIVMX_CREATE_VCPU)
		close(result);
	return 0;
}

#define EXPECT_CALL(expected, call, seen)				\
	do {								\
		int _seen = (seen);					\
									\
		EXPECT_EQ(expected, _seen)				\
			TH_LOG("%s: expected %s, got %s", (call)->name,	\
			       strerrorname_np(expected),		\
			       strerrorname_np(_seen));			\
	} while (0)

/* What a call answers to its valid argument. */
static int valid_answer(const struct vm *vm, const struct call *call)
{
	bool second_vcpu = call->number == MINIVMX_CREATE_VCPU;

	return second_vcpu && !has_several_vcpus(vm) ? EOPNOTSUPP : 0;
}

TEST_F(vm, exact_size)
{
	const struct call *call;
	struct argument argument = make_argument();

	for_each_call(call)
		EXPECT_CALL(valid_answer(&self->vm, call), call,
			    try_call(&self->vm, call,
				     place(&argument, &self->vm, call, 0)));
}

/* A structure reaches as far as its first version did. */
static size_t first_size(const struct call *call)
{
	if (call->number == MINIVMX_GET_INFO)
		return offsetof(struct minivmx_info, out_mitigations);
	if (call->number == MINIVMX_GET_STATS)
		return offsetof(struct minivmx_stats, out_guest_faults);
	if (call->number == MINIVMX_GET_SREGS ||
	    call->number == MINIVMX_SET_SREGS)
		return offsetof(struct minivmx_sregs, cr8);
	return call->size;
}

TEST_F(vm, short_sizes)
{
	const struct call *call;
	struct argument argument = make_argument();

	for_each_call(call) {
		const u32 sizes[] = { 0, 1, 4, first_size(call) - 1 };

		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			void *arg = place(&argument, &self->vm, call, 0);

			set_size(arg, sizes[i]);
			EXPECT_CALL(EINVAL, call,
				    call_error(file_of(&self->vm, call->kind),
					       call->number, arg));
		}
	}
}

TEST_F(vm, future_sizes_with_zeroes)
{
	const struct call *call;
	struct argument argument = make_argument();

	for_each_call(call) {
		void *arg = place(&argument, &self->vm, call, 8);

		/* A number of its own: one of a vCPU is used once only. */
		if (call->number == MINIVMX_CREATE_VCPU)
			((struct minivmx_create_vcpu *)arg)->id = 0;
		set_size(arg, call->size + 8);
		EXPECT_CALL(call->number == MINIVMX_CREATE_VCPU ? EEXIST : 0,
			    call, try_call(&self->vm, call, arg));
	}
}

TEST_F(vm, future_sizes_with_contents)
{
	const struct call *call;
	struct argument argument = make_argument();

	for_each_call(call) {
		for (size_t i = 0; i < 8; i++) {
			unsigned char *arg = place(&argument, &self->vm, call, 8);

			arg[call->size + i] = 1;
			set_size(arg, call->size + 8);
			EXPECT_CALL(E2BIG, call,
				    call_error(file_of(&self->vm, call->kind),
					       call->number, arg));
		}
	}
}

/* A size beyond what is mapped: never success, whatever is found first. */
TEST_F(vm, absurd_sizes)
{
	const struct call *call;
	struct argument argument = make_argument();

	for_each_call(call) {
		const u32 sizes[] = { call->size + 1, 0x7fffffff, ~0U };

		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			void *arg = place(&argument, &self->vm, call, 0);
			int error;

			set_size(arg, sizes[i]);
			error = call_error(file_of(&self->vm, call->kind),
					   call->number, arg);
			EXPECT_TRUE(error == EFAULT || error == E2BIG)
				TH_LOG("%s: size %#x: %s", call->name, sizes[i],
				       strerrorname_np(error));
		}
	}
}

TEST_F(vm, size_crosses_out_of_memory)
{
	const struct call *call;
	struct argument argument = make_argument();

	for_each_call(call) {
		u32 *size = (void *)(argument.end - sizeof(*size));

		*size = call->size;
		EXPECT_CALL(EFAULT, call,
			    call_error(file_of(&self->vm, call->kind),
				       call->number, size));
	}
}

TEST_F(vm, bad_pointers)
{
	const struct call *call;
	const void *const pointers[] = {
		NULL, (void *)8, (void *)0x7ffffffff000, (void *)~0xfUL,
		(void *)0xffff888000000000,
	};

	for_each_call(call) {
		for (size_t i = 0; i < ARRAY_SIZE(pointers); i++)
			EXPECT_CALL(EFAULT, call,
				    call_error(file_of(&self->vm, call->kind),
					       call->number, pointers[i]));
	}
}

TEST_F(vm, results_into_read_only_memory)
{
	const struct call *call;
	static const unsigned long writers[] = {
		MINIVMX_GET_INFO, MINIVMX_GET_STATS, MINIVMX_GET_REGS,
		MINIVMX_GET_SREGS, MINIVMX_GET_FPU, MINIVMX_VMREAD,
		MINIVMX_CHECK, MINIVMX_READ_TABLE, MINIVMX_TRANSLATE,
	};
	struct argument argument = make_argument();

	for_each_call(call) {
		unsigned char *pages = argument.end - 2 * PAGE_4K;
		void *arg = place(&argument, &self->vm, call, 0);

		mprotect(pages, 2 * PAGE_4K, PROT_READ);
		for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
			if (call->number != writers[i])
				continue;
			EXPECT_CALL(EFAULT, call,
				    call_error(file_of(&self->vm, call->kind),
					       call->number, arg));
		}
		mprotect(pages, 2 * PAGE_4K, PROT_READ | PROT_WRITE);
	}
}

/* Every __reserved member, and members of which no bit has a meaning yet. */
#define RESERVED(call, type, member)					\
	{ MINIVMX_##call, #call "." #member,				\
	  offsetof(struct minivmx_##type, member),			\
	  sizeof(((struct minivmx_##type *)0)->member) }

static const struct reserved {
	unsigned long number;
	const char *name;
	size_t offset;
	size_t size;
} reserved[] = {
	RESERVED(GET_INFO, info, __reserved),
	RESERVED(GET_INFO, info, __reserved2),
	RESERVED(CREATE_VM, create_vm, flags),
	RESERVED(CREATE_VM, create_vm, __reserved),
	RESERVED(UNMAP_MEMORY, unmap_memory, __reserved),
	RESERVED(CREATE_VCPU, create_vcpu, flags),
	RESERVED(CREATE_VCPU, create_vcpu, __reserved),
	RESERVED(GET_STATS, stats, __reserved),
	RESERVED(GET_REGS, regs_arg, __reserved),
	RESERVED(SET_REGS, regs_arg, __reserved),
	RESERVED(GET_SREGS, sregs, __reserved),
	RESERVED(GET_SREGS, sregs, __reserved2),
	RESERVED(SET_SREGS, sregs, __reserved),
	RESERVED(SET_SREGS, sregs, __reserved2),
	RESERVED(SET_SREGS, sregs, cs.__reserved),
	RESERVED(SET_SREGS, sregs, cs.__reserved2),
	RESERVED(SET_SREGS, sregs, tr.__reserved2),
	RESERVED(SET_SREGS, sregs, gdtr.__reserved),
	RESERVED(SET_SREGS, sregs, idtr.__reserved),
	RESERVED(GET_FPU, fpu, __reserved),
	RESERVED(SET_FPU, fpu, __reserved),
	RESERVED(GET_MSRS, msrs, __reserved),
	RESERVED(SET_MSRS, msrs, __reserved),
	RESERVED(CHECK, check, __reserved),
	RESERVED(TRANSLATE, translate, __reserved),
};

static const struct call *call_of(unsigned long number)
{
	const struct call *call;

	for_each_call(call) {
		if (call->number == number)
			return call;
	}
	fail_test(__FILE__, __LINE__, "no call %#lx", number);
}

TEST_F(vm, reserved_members)
{
	struct argument argument = make_argument();

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		const struct call *call = call_of(reserved[i].number);

		for (size_t byte = 0; byte < reserved[i].size; byte++) {
			unsigned char *arg = place(&argument, &self->vm, call, 0);
			int error;

			arg[reserved[i].offset + byte] = 0x80;
			error = call_error(file_of(&self->vm, call->kind),
					   call->number, arg);
			EXPECT_EQ(EINVAL, error)
				TH_LOG("%s: %s", reserved[i].name,
				       strerrorname_np(error));
		}
	}
}

TEST_F(vm, reserved_in_entries)
{
	struct minivmx_msr msr = { .index = IA32_EFER, .__reserved = 1 };
	struct minivmx_cpuid_entry cpuid = { .__reserved = 1 };
	const int fd = self->vm.vcpu.fd;

	test_err(EINVAL, fd, MINIVMX_GET_MSRS,
		 ARG(msrs, .count = 1, .entries = (uintptr_t)&msr));
	test_err(EINVAL, fd, MINIVMX_SET_MSRS,
		 ARG(msrs, .count = 1, .entries = (uintptr_t)&msr));
	test_err(EINVAL, fd, MINIVMX_SET_CPUID,
		 ARG(cpuid, .count = 1, .entries = (uintptr_t)&cpuid));
	cpuid = (struct minivmx_cpuid_entry) { .flags = 2 };
	test_err(EINVAL, fd, MINIVMX_SET_CPUID,
		 ARG(cpuid, .count = 1, .entries = (uintptr_t)&cpuid));
}

/* What the driver writes only may hold anything before. */
TEST_F(vm, results_are_not_read)
{
	struct minivmx_info info;
	struct minivmx_stats stats;

	memset(&info, 0xff, sizeof(info));
	info.size = sizeof(info);
	info.__reserved = 0;
	info.__reserved2 = 0;
	test_cmd(self->vm.device, MINIVMX_GET_INFO, &info);
	EXPECT_EQ(MINIVMX_API_VERSION, info.out_api_version);
	EXPECT_EQ(sizeof(info), info.size);

	memset(&stats, 0xff, sizeof(stats));
	stats.size = sizeof(stats);
	stats.__reserved = 0;
	test_cmd(self->vm.fd, MINIVMX_GET_STATS, &stats);
	EXPECT_EQ(0, stats.out_runs);
}

TEST_F(vm, unknown_flags_and_values)
{
	const struct vm *vm = &self->vm;

	for (int bit = 3; bit < 32; bit++)
		test_err(EINVAL, vm->fd, MINIVMX_MAP_MEMORY,
			 ARG(map_memory, .flags = 1U << bit, .gpa = SPARE,
			     .length = PAGE_4K));
	/* Kept for other policies, so understood; what no version has is not. */
	test_err(EOPNOTSUPP, vm->device, MINIVMX_CREATE_VM,
		 ARG(create_vm, .mmu = 7));
	test_err(EINVAL, vm->device, MINIVMX_CREATE_VM,
		 ARG(create_vm, .mmu = 8));
	test_err(EINVAL, vm->device, MINIVMX_CREATE_VM,
		 ARG(create_vm, .mmu = ~0U));
}

TEST_F(vm, wrong_kind_of_file)
{
	const struct call *call;
	struct argument argument = make_argument();

	for_each_call(call) {
		for (int kind = 0; kind < KINDS; kind++) {
			if (kind == (int)call->kind)
				continue;
			EXPECT_CALL(ENOTTY, call,
				    call_error(file_of(&self->vm, kind),
					       call->number,
					       place(&argument, &self->vm, call,
						     0)));
		}
	}
	test_err(ENOTTY, self->vm.device, MINIVMX_RUN, NULL);
	test_err(ENOTTY, self->vm.fd, MINIVMX_RUN, NULL);
}

TEST_F(vm, unknown_calls)
{
	const unsigned long unknown[] = {
		_IO(MINIVMX_TYPE, 0x02), _IO(MINIVMX_TYPE, 0x15),
		_IO(MINIVMX_TYPE, 0x1f), _IO(MINIVMX_TYPE, 0x30),
		_IO(MINIVMX_TYPE, 0xff), _IO(MINIVMX_TYPE + 1, 0),
		_IOR(MINIVMX_TYPE, MINIVMX_CMD_GET_INFO, struct minivmx_info),
		_IOWR(MINIVMX_TYPE, MINIVMX_CMD_RUN, int),
	};

	for (int kind = 0; kind < KINDS; kind++) {
		for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
			test_err(ENOTTY, file_of(&self->vm, kind), unknown[i],
				 NULL);
	}
}

TEST_F(vm, no_read_write)
{
	char byte = 0;

	for (int kind = 0; kind < KINDS; kind++) {
		int fd = file_of(&self->vm, kind);

		EXPECT_EQ(-1, read(fd, &byte, 1));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, write(fd, &byte, 1));
		EXPECT_EQ(EINVAL, errno);
	}
}

TEST_F(vm, files_close_on_exec)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->vm.fd, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->vm.vcpu.fd, F_GETFD));
}

TEST_F(vm, no_file_left)
{
	struct rlimit limit;
	int next = dup(self->vm.device);

	if (!has_several_vcpus(&self->vm))
		SKIP(return, NEEDS_TWO_VCPUS);
	close(next);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = next;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	test_err(EMFILE, self->vm.device, MINIVMX_CREATE_VM,
		 ARG(create_vm, .mmu = chosen_mmu()));
	test_err(EMFILE, self->vm.fd, MINIVMX_CREATE_VCPU,
		 ARG(create_vcpu, .id = 1));
	limit.rlim_cur = next + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	/* What failed has not used up the number. */
	test_cmd(self->vm.fd, MINIVMX_CREATE_VCPU, ARG(create_vcpu, .id = 1));
}

static void guest_counts(void)
{
	for (u64 i = 0; ; i++)
		GUEST_SYNC(i);
}

/* A vCPU needs neither the VM's file, nor the device's, nor the mapping. */
MINIVMX_TEST(vcpu_outlives_vm, guest_counts)
{
	run_to_sync(vcpu, 0);
	munmap(vm->memory, GUEST_MEMORY);
	close(vm->fd);
	run_to_sync(vcpu, 1);
	close(vm->device);
	run_to_sync(vcpu, 2);
}

/* The run page is the vCPU's as long as it is mapped. */
MINIVMX_TEST(run_page_outlives_vcpu, guest_counts)
{
	run_to_sync(vcpu, 0);
	close(vcpu->fd);
	close(vm->fd);
	EXPECT_EQ(EXIT_IO, run->reason);
	run->regs.rax = 0x1234;
	EXPECT_EQ(0x1234, run->regs.rax);
}

TEST_F(vm, vcpu_numbers)
{
	struct minivmx_info info = get_info(self->vm.device);
	const int vm = self->vm.fd;
	int fd;

	if (!has_several_vcpus(&self->vm))
		SKIP(return, NEEDS_TWO_VCPUS);
	ASSERT_GE(info.out_max_vcpus, 2);
	test_err(EEXIST, vm, MINIVMX_CREATE_VCPU, ARG(create_vcpu, .id = 0));
	fd = test_cmd(vm, MINIVMX_CREATE_VCPU,
		      ARG(create_vcpu, .id = info.out_max_vcpus - 1));
	close(fd);
	test_err(EEXIST, vm, MINIVMX_CREATE_VCPU,
		 ARG(create_vcpu, .id = info.out_max_vcpus - 1));
	test_err(E2BIG, vm, MINIVMX_CREATE_VCPU,
		 ARG(create_vcpu, .id = info.out_max_vcpus));
	test_err(E2BIG, vm, MINIVMX_CREATE_VCPU, ARG(create_vcpu, .id = ~0U));
}

TEST_F(vm, map_arguments)
{
	const struct minivmx_info info = get_info(self->vm.device);
	const u64 end = 1ULL << info.out_physical_bits;
	const struct {
		int error;
		u32 flags;
		u64 gpa, length;
	} cases[] = {
		{ EINVAL, 0, SPARE, 0 },
		{ EINVAL, 0, SPARE + 1, PAGE_4K },
		{ EINVAL, 0, SPARE, PAGE_4K + 1 },
		{ EINVAL, 0, SPARE, 1 },
		{ EINVAL, 0, ~0xfffULL, PAGE_4K },
		{ EINVAL, 0, ~0xfffULL, 2 * PAGE_4K },
		{ EINVAL, 0, PAGE_4K, ~0xfffULL },
		{ EINVAL, 0, end, PAGE_4K },
		{ EINVAL, 0, end - PAGE_4K, 2 * PAGE_4K },
		{ EINVAL, MINIVMX_MAP_2M, SPARE + PAGE_4K, PAGE_2M },
		{ EINVAL, MINIVMX_MAP_2M, SPARE, PAGE_4K },
		{ EEXIST, 0, 0, PAGE_4K },
		{ EEXIST, 0, GUEST_MEMORY - PAGE_4K, PAGE_4K },
		{ EEXIST, 0, GUEST_MEMORY - PAGE_4K, 2 * PAGE_4K },
		{ EEXIST, MINIVMX_MAP_READONLY, 0, PAGE_4K },
		{ 0, 0, end - PAGE_4K, PAGE_4K },
		{ 0, 0, GUEST_MEMORY, PAGE_4K },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int error = call_error(self->vm.fd, MINIVMX_MAP_MEMORY,
				       ARG(map_memory, .flags = cases[i].flags,
					   .gpa = cases[i].gpa,
					   .length = cases[i].length));

		EXPECT_EQ(cases[i].error, error)
			TH_LOG("map %#llx + %#llx, flags %u: %s, expected %s",
			       cases[i].gpa, cases[i].length, cases[i].flags,
			       strerrorname_np(error),
			       strerrorname_np(cases[i].error));
	}
}

TEST_F(vm, unmap_arguments)
{
	const struct {
		int error;
		u64 gpa, length;
	} cases[] = {
		{ EINVAL, 0, 0 },
		{ EINVAL, 1, PAGE_4K },
		{ EINVAL, 0, PAGE_4K - 1 },
		{ EINVAL, ~0xfffULL, 2 * PAGE_4K },
		{ ENOENT, SPARE, PAGE_4K },
		{ ENOENT, GUEST_MEMORY, SPARE },
		{ 0, 0, PAGE_4K },
		{ ENOENT, 0, PAGE_4K },
		{ 0, 0, 2 * GUEST_MEMORY },
		{ ENOENT, 0, 2 * GUEST_MEMORY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int error = call_error(self->vm.fd, MINIVMX_UNMAP_MEMORY,
				       ARG(unmap_memory, .gpa = cases[i].gpa,
					   .length = cases[i].length));

		EXPECT_EQ(cases[i].error, error)
			TH_LOG("unmap %#llx + %#llx: %s, expected %s",
			       cases[i].gpa, cases[i].length,
			       strerrorname_np(error),
			       strerrorname_np(cases[i].error));
	}
}

TEST_F(vm, memory_limit)
{
	struct minivmx_info info = get_info(self->vm.device);
	u64 rest = info.out_max_memory - GUEST_MEMORY;

	ASSERT_LT(info.out_max_memory, 1ULL << (info.out_physical_bits - 1));
	test_err(E2BIG, self->vm.fd, MINIVMX_MAP_MEMORY,
		 ARG(map_memory, .gpa = SPARE, .length = rest + PAGE_4K));
	map_memory(&self->vm, SPARE, rest, 0);
	test_err(E2BIG, self->vm.fd, MINIVMX_MAP_MEMORY,
		 ARG(map_memory, .gpa = GUEST_MEMORY, .length = PAGE_4K));
	unmap_memory(&self->vm, SPARE, PAGE_4K);
	map_memory(&self->vm, GUEST_MEMORY, PAGE_4K, 0);
}

TEST_F(vm, region_limit)
{
	struct minivmx_info info = get_info(self->vm.device);
	u32 i;

	for (i = 1; i < info.out_max_regions; i++)
		map_memory(&self->vm, SPARE + 2 * i * PAGE_4K, PAGE_4K, 0);
	test_err(E2BIG, self->vm.fd, MINIVMX_MAP_MEMORY,
		 ARG(map_memory, .gpa = SPARE + 2 * i * PAGE_4K,
		     .length = PAGE_4K));
	/* A hole in the middle would make one more. */
	test_err(E2BIG, self->vm.fd, MINIVMX_UNMAP_MEMORY,
		 ARG(unmap_memory, .gpa = MIB, .length = PAGE_4K));
	unmap_memory(&self->vm, SPARE + 2 * PAGE_4K, PAGE_4K);
	unmap_memory(&self->vm, MIB, PAGE_4K);
}

TEST_F(vm, counts)
{
	static struct minivmx_msr msrs[MINIVMX_MAX_MSRS + 1];
	static struct minivmx_cpuid_entry cpuid[MINIVMX_MAX_CPUID + 1];
	const int fd = self->vm.vcpu.fd;

	for (int i = 0; i <= MINIVMX_MAX_MSRS; i++)
		msrs[i].index = IA32_EFER;
	test_cmd(fd, MINIVMX_GET_MSRS,
		 ARG(msrs, .count = MINIVMX_MAX_MSRS,
		     .entries = (uintptr_t)msrs));
	test_err(E2BIG, fd, MINIVMX_GET_MSRS,
		 ARG(msrs, .count = MINIVMX_MAX_MSRS + 1,
		     .entries = (uintptr_t)msrs));
	test_err(E2BIG, fd, MINIVMX_SET_MSRS,
		 ARG(msrs, .count = ~0U, .entries = (uintptr_t)msrs));
	test_cmd(fd, MINIVMX_SET_CPUID,
		 ARG(cpuid, .count = MINIVMX_MAX_CPUID,
		     .entries = (uintptr_t)cpuid));
	test_err(E2BIG, fd, MINIVMX_SET_CPUID,
		 ARG(cpuid, .count = MINIVMX_MAX_CPUID + 1,
		     .entries = (uintptr_t)cpuid));
}

TEST_F(vm, bad_entries)
{
	const int fd = self->vm.vcpu.fd;
	const uintptr_t bad[] = { 0, 16, ~0xfUL, 0xffff888000000000 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		test_err(EFAULT, fd, MINIVMX_GET_MSRS,
			 ARG(msrs, .count = 1, .entries = bad[i]));
		test_err(EFAULT, fd, MINIVMX_SET_MSRS,
			 ARG(msrs, .count = 1, .entries = bad[i]));
		test_err(EFAULT, fd, MINIVMX_SET_CPUID,
			 ARG(cpuid, .count = 1, .entries = bad[i]));
	}
}

TEST_F(vm, msr_errors)
{
	const int fd = self->vm.vcpu.fd;
	struct minivmx_msr msrs[] = {
		{ .index = IA32_EFER, .value = 0 },
		{ .index = 0x12345678, .value = 0 },
	};
	struct minivmx_msrs arg = {
		.size = sizeof(arg), .count = 2, .entries = (uintptr_t)msrs,
	};

	test_err(ENOENT, fd, MINIVMX_GET_MSRS, &arg);
	EXPECT_EQ(1, arg.out_done);
	arg.out_done = 0;
	test_err(ENOENT, fd, MINIVMX_SET_MSRS, &arg);
	EXPECT_EQ(1, arg.out_done);
	/* Bit 1 of IA32_EFER is reserved: WRMSR would fault. */
	msrs[0].value = 2;
	test_err(EINVAL, fd, MINIVMX_SET_MSRS, &arg);
	EXPECT_EQ(0, arg.out_done);
}

TEST_F(vm, traps_that_cannot_be)
{
	struct minivmx_info info = get_info(self->vm.device);

	for (unsigned int i = 0; i < 128; i++) {
		struct minivmx_traps traps = { .size = sizeof(traps) };
		int expected;

		traps.exits[i / 64] = 1ULL << (i % 64);
		expected = info.out_traps[i / 64] & traps.exits[i / 64] ?
			   0 : EOPNOTSUPP;
		EXPECT_EQ(expected, call_error(self->vm.vcpu.fd,
					       MINIVMX_SET_TRAPS, &traps))
			TH_LOG("exit reason %u", i);
	}
	/* An interrupt of the host is not the guest's to see. */
	EXPECT_EQ(0, info.out_traps[0] & (1ULL << EXIT_INTERRUPT));
}

TEST_F(vm, vmcs_fields)
{
	const int fd = self->vm.vcpu.fd;

	/* Bits 31:15, bit 12 and the access type are no part of a field. */
	test_err(EINVAL, fd, MINIVMX_VMREAD,
		 ARG(vmcs_field, .encoding = 0x80000000));
	test_err(EINVAL, fd, MINIVMX_VMREAD,
		 ARG(vmcs_field, .encoding = GUEST_RIP | 0x1000));
	test_err(EINVAL, fd, MINIVMX_VMREAD, ARG(vmcs_field, .encoding = 0x2001));
	test_err(ENOENT, fd, MINIVMX_VMREAD, ARG(vmcs_field, .encoding = 0x6bfe));
	test_err(EPERM, fd, MINIVMX_VMWRITE, ARG(vmcs_field, .encoding = 0x6c16));
}

TEST_F(vm, run_arguments)
{
	const struct vcpu *vcpu = &self->vm.vcpu;

	test_err(EINVAL, vcpu->fd, MINIVMX_RUN, (void *)1);
	for (u32 answer = 3; answer; answer <<= 1) {
		vcpu->run->answer = answer;
		EXPECT_EQ(EINVAL, run_error(vcpu)) TH_LOG("answer %u", answer);
	}
}

static int mmap_error(int fd, size_t length, int prot, int flags, off_t offset)
{
	void *memory = mmap(NULL, length, prot, flags, fd, offset);

	if (memory == MAP_FAILED)
		return errno;
	munmap(memory, length);
	return 0;
}

TEST_F(vm, mmap_of_the_run_page)
{
	const int fd = self->vm.vcpu.fd, rw = PROT_READ | PROT_WRITE;

	EXPECT_EQ(0, mmap_error(fd, PAGE_4K, rw, MAP_SHARED, 0));
	EXPECT_EQ(0, mmap_error(fd, PAGE_4K, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, mmap_error(fd, 2 * PAGE_4K, rw, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, mmap_error(fd, PAGE_4K, rw, MAP_SHARED, PAGE_4K));
	EXPECT_EQ(EINVAL, mmap_error(fd, PAGE_4K, rw, MAP_PRIVATE, 0));
}

TEST_F(vm, mmap_of_guest_memory)
{
	const struct vm *vm = &self->vm;
	const int rw = PROT_READ | PROT_WRITE;

	EXPECT_EQ(0, mmap_error(vm->fd, PAGE_4K, rw, MAP_SHARED, PAGE_4K));
	/* Memory may come later: only an access needs it. */
	EXPECT_EQ(0, mmap_error(vm->fd, PAGE_4K, rw, MAP_SHARED, SPARE));
	EXPECT_EQ(EINVAL, mmap_error(vm->fd, PAGE_4K, rw, MAP_PRIVATE, 0));
	EXPECT_EQ(ENODEV, mmap_error(vm->device, PAGE_4K, rw, MAP_SHARED, 0));
}

static void guest_spins(void)
{
	guest_fault.count = 1;
	for (;;)
		asm volatile("pause");
}

/* While one thread is in MINIVMX_RUN, the vCPU is busy for all others. */
MINIVMX_TEST(busy, guest_spins)
{
	const struct call *call;
	volatile struct guest_fault *fault = guest_copy(vm, guest_fault);
	struct argument argument = make_argument();
	pthread_t thread;
	void *result;

	catch_signal(SIGUSR1, no_action);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_in_thread, vcpu));
	while (!fault->count)
		sched_yield();
	EXPECT_EQ(EBUSY, run_error(vcpu));
	for_each_call(call) {
		unsigned char *arg = argument.end - call->size;

		memcpy(arg, call->valid, call->size);
		if (call->kind == VCPU)
			EXPECT_CALL(EBUSY, call,
				    call_error(vcpu->fd, call->number, arg));
	}
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, &result);
	EXPECT_EQ(EINTR, (long)result);
}

/* Calls that must not disturb each other, from two threads at once. */
static void *create_and_close(void *device)
{
	for (int i = 0; i < 40; i++) {
		int vm = test_cmd(*(int *)device, MINIVMX_CREATE_VM,
				  ARG(create_vm, .mmu = chosen_mmu()));
		int vcpu;

		test_cmd(vm, MINIVMX_MAP_MEMORY,
			 ARG(map_memory, .length = PAGE_4K,
			     .flags = MINIVMX_MAP_POPULATE));
		vcpu = test_cmd(vm, MINIVMX_CREATE_VCPU, ARG(create_vcpu));
		close(vm);
		close(vcpu);
	}
	return NULL;
}

TEST_F(vm, creation_races)
{
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, create_and_close,
				    &self->vm.device));
	create_and_close(&self->vm.device);
	pthread_join(thread, NULL);
}

static void *claim_numbers(void *arg)
{
	const struct vm *vm = arg;
	u32 numbers = get_info(vm->device).out_max_vcpus;
	long made = 0;

	for (u32 id = 1; id < numbers; id++) {
		int fd = ioctl(vm->fd, MINIVMX_CREATE_VCPU,
			       ARG(create_vcpu, .id = id));

		require(fd >= 0 || errno == EEXIST, "MINIVMX_CREATE_VCPU: %s",
			strerrorname_np(errno));
		made += fd >= 0;
	}
	return (void *)made;
}

/* Two threads want the same numbers: each is given once. */
TEST_F(vm, vcpu_number_races)
{
	pthread_t thread;
	void *theirs;
	long mine;

	if (!has_several_vcpus(&self->vm))
		SKIP(return, NEEDS_TWO_VCPUS);
	ASSERT_EQ(0, pthread_create(&thread, NULL, claim_numbers, &self->vm));
	mine = (long)claim_numbers(&self->vm);
	pthread_join(thread, &theirs);
	EXPECT_EQ(get_info(self->vm.device).out_max_vcpus - 1,
		  mine + (long)theirs);
}

static void guest_two_cpuids(void)
{
	u32 a = 0, c = 0;

	asm volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
	asm volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
	GUEST_SYNC(1);
	asm volatile("hlt");
}

MINIVMX_TEST(stats, guest_two_cpuids)
{
	struct minivmx_stats before = get_stats(vm), after;

	run_to_sync(vcpu, 1);
	run_to_exit(vcpu, EXIT_HLT);
	after = get_stats(vm);
	EXPECT_EQ(2, after.out_runs - before.out_runs);
	EXPECT_EQ(2, after.out_returns - before.out_returns);
	EXPECT_EQ(2, after.out_exits[EXIT_CPUID]);
	EXPECT_EQ(1, after.out_exits[EXIT_IO]);
	EXPECT_EQ(1, after.out_exits[EXIT_HLT]);
	EXPECT_LE(4, after.out_entries);
	EXPECT_LE(2, after.out_bursts);
	EXPECT_LT(0, after.out_pages);
	EXPECT_LE(4, after.out_tables);
}

/* The device answers wherever the driver is loaded, also without EPT. */
TEST(info)
{
	struct minivmx_info info;
	const char *reason;
	int device, error;

	reason = open_device(&device);
	if (reason)
		SKIP(return, "%s", reason);
	info = get_info(device);
	EXPECT_EQ(MINIVMX_API_VERSION, info.out_api_version);
	EXPECT_LE(32, info.out_physical_bits);
	EXPECT_GE(52, info.out_physical_bits);
	EXPECT_LE(GUEST_MEMORY, info.out_max_memory);
	EXPECT_LE(2, info.out_max_regions);
	EXPECT_EQ(0, info.out_capabilities & info.out_ept_missing);
	EXPECT_EQ(!info.out_ept_missing,
		  !!(info.out_mmus & (1 << MINIVMX_MMU_EPT)));
	error = call_error(device, MINIVMX_CREATE_VM,
			   ARG(create_vm, .mmu = MINIVMX_MMU_EPT));
	EXPECT_EQ(info.out_ept_missing ? EOPNOTSUPP : 0, error);
	for (u32 mmu = MINIVMX_MMU_VTLB; mmu < MMUS; mmu++) {
		bool offered = info.out_mmus & BIT(mmu);

		error = call_error(device, MINIVMX_CREATE_VM,
				   ARG(create_vm, .mmu = mmu));
		EXPECT_EQ(offered ? 0 : EOPNOTSUPP, error)
			TH_LOG("%s", mmu_name(mmu));
		if (shadow_expected())
			EXPECT_TRUE(offered) TH_LOG("%s", mmu_name(mmu));
	}
	if (machine() == MACHINE_EPT)
		EXPECT_EQ(0, info.out_ept_missing);
	if (machine() == MACHINE_NO_EPT)
		EXPECT_TRUE(info.out_ept_missing & MINIVMX_CAP_EPT);
}

/* What the kernel says of a vulnerability, "" if it knows none of that name. */
static const char *vulnerability(const char *name)
{
	static char text[256];
	char path[128];
	ssize_t length = 0;
	int file;

	snprintf(path, sizeof(path),
		 "/sys/devices/system/cpu/vulnerabilities/%s", name);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file >= 0) {
		length = read(file, text, sizeof(text) - 1);
		close(file);
	}
	text[length > 0 ? length : 0] = 0;
	return text;
}

/*
 * What the kernel's own report says when it asks for a mitigation. Of L1TF it
 * says nothing that is not about KVM. IBPB between guests is done more often
 * than asked for: modules do not see whether the kernel does it.
 */
static const struct report {
	const char *name;
	const char *words;
	u64 mitigation;
} reports[] = {
	{ "mds", "Clear CPU buffers", MINIVMX_MITIGATION_CLEAR_BUFFERS },
	{ "tsx_async_abort", "Clear CPU buffers",
	  MINIVMX_MITIGATION_CLEAR_BUFFERS },
	{ "reg_file_data_sampling", "Clear Register File",
	  MINIVMX_MITIGATION_CLEAR_BUFFERS },
	{ "spectre_v2", "Mitigation: IBRS", MINIVMX_MITIGATION_IBRS },
	{ "spectre_v2", "Mitigation: Retpolines",
	  MINIVMX_MITIGATION_RETURN_STACK },
	{ "spectre_v2", "BHI: SW loop", MINIVMX_MITIGATION_BRANCH_HISTORY },
	{ "vmscape", "IBPB before exit to userspace",
	  MINIVMX_MITIGATION_IBPB_USER },
	{ "spectre_v2", "IBPB: conditional", MINIVMX_MITIGATION_IBPB_GUEST },
	{ "spectre_v2", "IBPB: always-on", MINIVMX_MITIGATION_IBPB_GUEST },
};

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* Does the kernel do nothing about it: no need, or no wish? */
static bool leaves_alone(const char *text)
{
	return begins(text, "Not affected") || begins(text, "Vulnerable;") ||
	       !strcmp(text, "Vulnerable\n");
}

/* Each mitigation that the kernel asks for is done, or said to be missing. */
TEST(mitigations)
{
	struct minivmx_info info;
	u64 asked = 0, perhaps = MINIVMX_MITIGATION_IBPB_GUEST |
				 MINIVMX_MITIGATION_FLUSH_L1D |
				 MINIVMX_MITIGATION_ITLB_MULTIHIT;
	const char *reason;
	int device;

	reason = open_device(&device);
	if (reason)
		SKIP(return, "%s", reason);
	info = get_info(device);
	for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
		const char *text = vulnerability(reports[i].name);

		if (strstr(text, reports[i].words))
			asked |= reports[i].mitigation;
		else if (!leaves_alone(text))
			perhaps |= reports[i].mitigation;
	}
	EXPECT_EQ(0, info.out_mitigations & info.out_unmitigated);
	EXPECT_EQ(0, asked & ~(info.out_mitigations | info.out_unmitigated));
	EXPECT_EQ(0, (info.out_mitigations | info.out_unmitigated) &
		     ~(asked | perhaps));
}

TEST_HARNESS_MAIN
