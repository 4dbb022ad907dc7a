// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading: refused while a file is open, refused on a CPU without
 * VMX, and without a trace however often it happens.
 */
#include <fcntl.h>
#include <sys/klog.h>
#include <sys/syscall.h>

#include "guest.h"
#include "kselftest_harness.h"
#include "minivmx_util.h"

#define LOG_SIZE	(1 << 20)
#define LOG_READ_ALL	3	/* SYSLOG_ACTION_READ_ALL */

/* SDM Vol. 3D, "Field Encoding in VMCS". */
#define GUEST_IDTR_LIMIT	0x4812

/* MODULE of the Makefile, or where the lab has it. */
static const char *module_file(void)
{
	return getenv("MINIVMX_MODULE") ?: "/lib/modules/minivmx.ko";
}

/* Returns NULL, or the reason to skip. */
static const char *need_module_file(void)
{
	return access(module_file(), R_OK) ? "no module to load: MODULE= names it" : NULL;
}

static int load_error(const char *parameters)
{
	int file = open(module_file(), O_RDONLY | O_CLOEXEC);
	int error = 0;

	require(file >= 0, "open of %s: %s", module_file(), strerrorname_np(errno));
	if (syscall(SYS_finit_module, file, parameters, 0))
		error = errno;
	close(file);
	return error;
}

static int unload_error(void)
{
	return syscall(SYS_delete_module, "minivmx", O_NONBLOCK) ? errno : 0;
}

/* What the kernel said since the module was loaded first. */
static const char *kernel_log(void)
{
	static char log[LOG_SIZE];
	const char *start;
	int length = klogctl(LOG_READ_ALL, log, sizeof(log) - 1);

	require(length >= 0, "syslog: %s", strerrorname_np(errno));
	log[length] = 0;
	start = strstr(log, "minivmx: ");
	require(start, "nothing of minivmx in the kernel log");
	return start;
}

/* Returns NULL, or the reason to skip; leaves the module loaded, unused. */
static const char *need_loaded_module(void)
{
	const char *reason;
	int device;

	reason = open_device(&device);
	if (reason)
		return reason;
	close(device);
	return need_module_file();
}

/* What is left open while the module is to go. */
FIXTURE(held)
{
};

FIXTURE_VARIANT(held)
{
	bool device, vm, vcpu, memory, run_page;
};

FIXTURE_VARIANT_ADD(held, by_device) { .device = true };
FIXTURE_VARIANT_ADD(held, by_vm) { .vm = true };
FIXTURE_VARIANT_ADD(held, by_vcpu) { .vcpu = true };
FIXTURE_VARIANT_ADD(held, by_memory_mapping) { .memory = true };
FIXTURE_VARIANT_ADD(held, by_run_page_mapping) { .run_page = true };

FIXTURE_SETUP(held)
{
	const char *reason = need_loaded_module();

	if (reason)
		SKIP(return, "%s", reason);
}

FIXTURE_TEARDOWN(held)
{
}

static void close_unless(bool kept, int fd)
{
	if (!kept)
		close(fd);
}

static void unmap_unless(bool kept, void *memory, size_t length)
{
	if (!kept)
		munmap(memory, length);
}

TEST_F(held, unload_is_refused)
{
	struct vm vm;
	const char *reason = create_vm(&vm);

	if (reason)
		SKIP(return, "%s", reason);
	vm.memory[0] = 1;
	close_unless(variant->device, vm.device);
	close_unless(variant->vm, vm.fd);
	close_unless(variant->vcpu, vm.vcpu.fd);
	unmap_unless(variant->memory, vm.memory, GUEST_MEMORY);
	unmap_unless(variant->run_page, vm.vcpu.run, MINIVMX_RUN_SIZE);
	EXPECT_EQ(EAGAIN, unload_error());
	if (variant->memory)
		EXPECT_EQ(1, vm.memory[0]);
}

static void load_with_no_more_than(const char *parameters)
{
	int error = unload_error();

	require(!error, "unloading fails: %s", strerrorname_np(error));
	error = load_error(parameters);
	require(!error, "loading fails: %s", strerrorname_np(error));
}

/* With those that the lab has loaded it with, too. */
static void load_again(const char *parameters)
{
	const char *others = getenv("MINIVMX_PARAMETERS") ?: "";
	char all[128];

	snprintf(all, sizeof(all), "%s %s", others, parameters);
	load_with_no_more_than(all);
}

FIXTURE(loaded)
{
};

FIXTURE_SETUP(loaded)
{
	const char *reason = need_loaded_module();

	if (reason)
		SKIP(return, "%s", reason);
}

FIXTURE_TEARDOWN(loaded)
{
}

TEST_F(loaded, load_twice)
{
	EXPECT_EQ(EEXIST, load_error(""));
}

/*
 * One page lost in each cycle would be twice what is allowed for the kernel's
 * caches, which were seen to grow by 220 KiB in 200 cycles with two CPUs.
 */
TEST_F_TIMEOUT(loaded, load_and_unload, 500)
{
	const int cycles = kmemleak_watches() ? 5 : 200;
	long before, after;

	for (int i = 0; i < cycles / 10; i++)
		load_again("");
	before = free_memory();
	for (int i = 0; i < cycles; i++)
		load_again("");
	after = free_memory();
	if (kmemleak_watches())
		return;
	EXPECT_LT(before - after, cycles * 2)
		TH_LOG("%ld KiB lost in %d cycles", before - after, cycles);
}

static void guest_never_runs(void)
{
}

/* Fails to enter a guest whose IDT has the limit @limit. */
static void fail_entry(struct vm *vm, u64 limit)
{
	require(!create_vm(vm), "no VM");
	start_guest(vm, guest_never_runs);
	test_cmd(vm->vcpu.fd, MINIVMX_VMWRITE,
		 ARG(vmcs_field, .encoding = GUEST_IDTR_LIMIT, .value = limit));
	run_to_exit(&vm->vcpu, EXIT_INVALID_GUEST);
}

/* With dump_vmcs=1 the log has all fields by name, and the reason in words. */
TEST_F(loaded, failed_entry_in_log)
{
	char title[256], field[256];
	struct vm vm;
	const char *reason = create_vm(&vm);

	if (reason)
		SKIP(return, "%s", reason);
	close_vm(&vm);
	fail_entry(&vm, 0x10000);
	close_vm(&vm);
	EXPECT_EQ(NULL, strstr(kernel_log(), "minivmx: VMCS:"));

	load_again("dump_vmcs=1");
	fail_entry(&vm, 0x12345);
	snprintf(title, sizeof(title), "minivmx: VMCS: %s\n", vm.vcpu.run->cause);
	snprintf(field, sizeof(field), "minivmx:   %-40s %016x\n", "GUEST_IDTR_LIMIT",
		 0x12345);
	EXPECT_NE(NULL, strstr(kernel_log(), title)) TH_LOG("no %s", title);
	EXPECT_NE(NULL, strstr(kernel_log(), field)) TH_LOG("no %s", field);
	EXPECT_NE(NULL, strstr(kernel_log(), "  HOST_RIP "));
	close_vm(&vm);
	load_again("");
}

static void guest_syncs(void)
{
	for (;;)
		GUEST_SYNC(1);
}

/*
 * With check_entries=N the rules are held against an entry whose turn it is not, if the
 * program has changed what they are about: here RIP, which no emulator looks at.
 */
TEST_F(loaded, changed_run_page_is_checked)
{
	const char *reason;
	struct vm vm;

	/* The lab may have given it another N, and it takes one. */
	load_with_no_more_than("check_entries=1000000");
	reason = create_vm(&vm);
	if (reason)
		SKIP(return, "%s", reason);
	start_guest(&vm, guest_syncs);
	run_to_sync(&vm.vcpu, 1);
	run_to_sync(&vm.vcpu, 1);
	vm.vcpu.run->regs.rip = BIT(63);
	run_to_exit(&vm.vcpu, EXIT_INVALID_GUEST);
	EXPECT_STREQ("rip_is_in_range_in_64_bit_mode", vm.vcpu.run->violation.rule);
	close_vm(&vm);
	load_again("");
}

TEST_F(loaded, kernel_did_not_complain)
{
	static const char *const complaints[] = {
		"WARNING:", "BUG:", "Oops", "general protection", "Call Trace:",
		"unchecked MSR",
	};
	const char *log = kernel_log();

	for (size_t i = 0; i < ARRAY_SIZE(complaints); i++) {
		EXPECT_EQ(NULL, strstr(log, complaints[i]))
			TH_LOG("the kernel log has '%s'", complaints[i]);
	}
}

/* One errno, and one sentence where a person would look. */
TEST(refused_without_vmx)
{
	const char *reason = need_module_file();

	if (machine() != MACHINE_NO_VMX)
		reason = "this CPU has VMX";
	if (reason)
		SKIP(return, "%s", reason);
	EXPECT_EQ(EOPNOTSUPP, load_error(""));
	EXPECT_EQ(NULL, strstr(kernel_log(), "Oops"));
	EXPECT_EQ(-1, access("/dev/minivmx", F_OK));
}

TEST_HARNESS_MAIN
