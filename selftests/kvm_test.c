// SPDX-License-Identifier: GPL-2.0
/*
 * KVM and minivmx on the same CPU at the same time: both guests count, in turns
 * that the scheduler chooses, and both must count right.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>

#include "minivmx_harness.h"

#define ROUNDS		150
#define SPINS		2000	/* of each guest in a round */
#define KVM_CODE	0x1000

/*
 * Counts EBX up by SPINS, tells the host, and again; ESI and EDI must stay as
 * they are.
 */
GUEST_BLOB(kvm_guest, 16,
	   "	mov	$0x12345678, %esi\n"
	   "	mov	$0x9abcdef0, %edi\n"
	   "	xor	%ebx, %ebx\n"
	   "1:	mov	$2000, %cx\n"
	   "2:	inc	%ebx\n"
	   "	loop	2b\n"
	   "	mov	%ebx, %eax\n"
	   "	cmp	$0x12345678, %esi\n"
	   "	jne	3f\n"
	   "	cmp	$0x9abcdef0, %edi\n"
	   "	jne	3f\n"
	   "	outl	%eax, $0x10\n"
	   "	jmp	1b\n"
	   "3:	hlt\n");

struct kvm_guest {
	int system, vm, vcpu;
	u8 *memory;
	struct kvm_run *run;
	int run_size;
	volatile u32 rounds;
};

#define KVM_MEMORY	(16 * PAGE_4K)

static int kvm_call(int fd, unsigned long call, const char *name, void *arg)
{
	int result = ioctl(fd, call, arg);

	require(result >= 0, "%s: %s", name, strerrorname_np(errno));
	return result;
}

#define kvm_cmd(fd, call, arg) \
	kvm_call(fd, call, #call, (void *)(uintptr_t)(arg))

static void create_kvm_memory(struct kvm_guest *kvm)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = KVM_MEMORY,
	};

	kvm->memory = mmap(NULL, KVM_MEMORY, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(kvm->memory != MAP_FAILED, "mmap: %s", strerrorname_np(errno));
	memcpy(kvm->memory + KVM_CODE, kvm_guest, kvm_guest_end - kvm_guest);
	region.userspace_addr = (uintptr_t)kvm->memory;
	kvm_cmd(kvm->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static void create_kvm_vcpu(struct kvm_guest *kvm)
{
	struct kvm_regs regs = { .rip = KVM_CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	kvm->vcpu = kvm_cmd(kvm->vm, KVM_CREATE_VCPU, 0);
	kvm->run_size = kvm_cmd(kvm->system, KVM_GET_VCPU_MMAP_SIZE, 0);
	kvm->run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			kvm->vcpu, 0);
	require(kvm->run != MAP_FAILED, "mmap: %s", strerrorname_np(errno));
	kvm_cmd(kvm->vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	kvm_cmd(kvm->vcpu, KVM_SET_SREGS, &sregs);
	kvm_cmd(kvm->vcpu, KVM_SET_REGS, &regs);
}

/* Returns NULL, or the reason to skip. */
static const char *create_kvm_guest(struct kvm_guest *kvm)
{
	kvm->system = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm->system < 0) {
		require(!kvm_loaded(), "KVM is loaded, but open of /dev/kvm: %s",
			strerrorname_np(errno));
		return "kvm_intel is not loaded";
	}
	kvm->vm = kvm_cmd(kvm->system, KVM_CREATE_VM, 0);
	kvm->rounds = 0;
	create_kvm_memory(kvm);
	create_kvm_vcpu(kvm);
	return NULL;
}

/* A mapping of the run page keeps the vCPU, and with it the VM. */
static void close_kvm_guest(struct kvm_guest *kvm)
{
	munmap(kvm->run, kvm->run_size);
	munmap(kvm->memory, KVM_MEMORY);
	close(kvm->vcpu);
	close(kvm->vm);
	close(kvm->system);
}

static void run_kvm_round(struct kvm_guest *kvm)
{
	u32 count;

	kvm_cmd(kvm->vcpu, KVM_RUN, 0);
	require(kvm->run->exit_reason == KVM_EXIT_IO,
		"the KVM guest stopped with exit reason %u",
		kvm->run->exit_reason);
	count = *(u32 *)((u8 *)kvm->run + kvm->run->io.data_offset);
	kvm->rounds++;
	require(count == kvm->rounds * SPINS, "the KVM guest counted %u, not %u",
		count, kvm->rounds * SPINS);
}

static void *run_kvm_guest(void *kvm)
{
	for (int i = 0; i < ROUNDS; i++)
		run_kvm_round(kvm);
	return NULL;
}

static void guest_counts(void)
{
	volatile u64 count = 0;

	for (;;) {
		for (int i = 0; i < SPINS; i++)
			count++;
		GUEST_SYNC(count);
	}
}

TEST(how_vmx_is_obtained)
{
	const char *reason;
	int device;

	reason = open_device(&device);
	if (reason)
		SKIP(return, "%s", reason);
	EXPECT_EQ(kvm_loaded() ? MINIVMX_VMX_BORROW : MINIVMX_VMX_OWN,
		  get_info(device).out_vmx);
}

/* The scheduler switches between the two threads wherever it likes. */
MINIVMX_TEST(same_cpu, guest_counts)
{
	struct kvm_guest kvm;
	const char *reason = create_kvm_guest(&kvm);
	pthread_t thread;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(pin_to_cpu(sched_getcpu()));
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_kvm_guest, &kvm));
	for (u64 i = 1; i <= ROUNDS; i++)
		run_to_sync(vcpu, i * SPINS);
	pthread_join(thread, NULL);
	EXPECT_EQ(ROUNDS, kvm.rounds);
}

/* One thread: KVM's VMCS stays current on the CPU between its rounds. */
MINIVMX_TEST(in_turns, guest_counts)
{
	struct kvm_guest kvm;
	const char *reason = create_kvm_guest(&kvm);

	if (reason)
		SKIP(return, "%s", reason);
	for (u64 i = 1; i <= ROUNDS; i++) {
		ASSERT_TRUE(pin_to_cpu(i / 8 % online_cpus()));
		run_kvm_round(&kvm);
		run_to_sync(vcpu, i * SPINS);
	}
	EXPECT_EQ(ROUNDS, kvm.rounds);
}

/* KVM's guests come and go while ours lives. */
MINIVMX_TEST(kvm_comes_and_goes, guest_counts)
{
	for (u64 i = 1; i <= 10; i++) {
		struct kvm_guest kvm;
		const char *reason = create_kvm_guest(&kvm);

		if (reason)
			SKIP(return, "%s", reason);
		EXPECT_EQ(MINIVMX_VMX_BORROW, get_info(vm->device).out_vmx);
		run_kvm_round(&kvm);
		run_to_sync(vcpu, i * SPINS);
		close_kvm_guest(&kvm);
	}
}

TEST_HARNESS_MAIN
