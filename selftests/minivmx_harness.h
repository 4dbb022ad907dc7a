/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kselftest_harness.h with a fixture of one VM and one vCPU, after KVM's
 * kvm_test_harness.h.
 */
#ifndef MINIVMX_HARNESS_H
#define MINIVMX_HARNESS_H

#include "kselftest_harness.h"

#include "guest.h"
#include "minivmx_util.h"

FIXTURE(vm)
{
	struct vm vm;
};

FIXTURE_SETUP(vm)
{
	const char *reason = create_vm(&self->vm);

	if (reason)
		SKIP(return, "%s", reason);
}

FIXTURE_TEARDOWN(vm)
{
	close_vm(&self->vm);
}

/* A test whose guest is the C function @guest_code, in 64-bit mode. */
#define MINIVMX_TEST(test, guest_code)					\
static void test##_body(struct __test_metadata *_metadata,		\
			struct vm *vm, struct vcpu *vcpu,		\
			struct minivmx_run *run);			\
									\
TEST_F(vm, test)							\
{									\
	start_guest(&self->vm, guest_code);				\
	test##_body(_metadata, &self->vm, &self->vm.vcpu,		\
		    self->vm.vcpu.run);					\
}									\
									\
static void test##_body(						\
	struct __test_metadata *_metadata __maybe_unused,		\
	struct vm *vm __maybe_unused,					\
	struct vcpu *vcpu __maybe_unused,				\
	struct minivmx_run *run __maybe_unused)

/* The entry failed by its guest state, @what, and the exit says why. */
static inline void expect_failed_entry(struct __test_metadata *_metadata,
				       const struct vcpu *vcpu,
				       const char *what)
{
	const struct minivmx_run *run = vcpu->run;

	vcpu_run(vcpu);
	EXPECT_EQ(EXIT_INVALID_GUEST, run->reason)
		TH_LOG("%s: got %s", what, describe_exit(vcpu));
	EXPECT_EQ(1, run->entry_failure) TH_LOG("%s", what);
	EXPECT_NE('\0', run->cause[0]) TH_LOG("%s", what);
	EXPECT_NE(NULL, memchr(run->cause, 0, sizeof(run->cause)));
}

#endif /* MINIVMX_HARNESS_H */
