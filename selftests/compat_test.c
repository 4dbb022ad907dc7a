// SPDX-License-Identifier: GPL-2.0
/*
 * 32-bit programs: their structures are those of 64-bit programs, and so are their
 * calls. That no structure has a hole, so that equal sizes mean equal offsets, is
 * what the build sees (-Wpadded).
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat.h"
#include "minivmx_harness.h"

static const struct {
	const char *name;
	u32 size;
} structures[] = {
#define STRUCTURE(structure)						\
	{ .name = #structure, .size = sizeof(struct minivmx_##structure) }
#include "compat_structures.h"
};

TEST(structures_have_one_layout)
{
	ASSERT_EQ(ARRAY_SIZE(structures), compat_sizes_end - compat_sizes);
	for (size_t i = 0; i < ARRAY_SIZE(structures); i++) {
		EXPECT_EQ(structures[i].size, compat_sizes[i])
			TH_LOG("struct minivmx_%s", structures[i].name);
	}
}

#define CANNOT_EXECUTE	255

/* Exit status of the 32-bit program, or CANNOT_EXECUTE. */
static int run_program(u32 mmu)
{
	char digit[] = { '0' + mmu, 0 };
	char *const arguments[] = { "compat_32", digit, NULL };
	size_t size = compat_program_end - compat_program;
	int fd = memfd_create("compat_32", 0), status;
	pid_t child;

	require(fd >= 0 && write(fd, compat_program, size) == (ssize_t)size,
		"memfd: %s", strerrorname_np(errno));
	child = fork();
	if (!child) {
		fexecve(fd, arguments, (char *const[]) { NULL });
		_exit(errno == ENOEXEC ? CANNOT_EXECUTE : CANNOT_EXECUTE - 1);
	}
	require(child > 0 && waitpid(child, &status, 0) == child, "fork: %s",
		strerrorname_np(errno));
	close(fd);
	require(WIFEXITED(status), "the 32-bit program ended by signal %d",
		WTERMSIG(status));
	return WEXITSTATUS(status);
}

TEST_F(vm, every_call_of_a_32_bit_program)
{
	int step = run_program(self->vm.mmu);

	if (step == CANNOT_EXECUTE)
		SKIP(return, "this kernel runs no 32-bit programs");
	EXPECT_EQ(0, step)
		TH_LOG("step %d of selftests/compat_32.c failed", step);
}

TEST_HARNESS_MAIN
