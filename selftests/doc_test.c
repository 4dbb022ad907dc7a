// SPDX-License-Identifier: GPL-2.0
/*
 * The program that Documentation/uapi.md shows, built as it stands there (its
 * main() is called example_main() here), prints what the text says.
 */
#include <sys/wait.h>

#include "guest.h"
#include "kselftest_harness.h"
#include "minivmx_util.h"

int example_main(void);

/* Runs the example with its output in @text; returns its exit status. */
static int run_example(char *text, size_t size)
{
	int output[2], status;
	ssize_t length, total = 0;
	pid_t child;

	require(!pipe(output), "pipe: %s", strerrorname_np(errno));
	fflush(stdout);
	child = fork();
	require(child >= 0, "fork: %s", strerrorname_np(errno));
	if (!child) {
		dup2(output[1], STDOUT_FILENO);
		exit(example_main());
	}
	close(output[1]);
	while ((length = read(output[0], text + total, size - 1 - total)) > 0)
		total += length;
	text[total] = 0;
	require(waitpid(child, &status, 0) == child, "waitpid: %s",
		strerrorname_np(errno));
	require(WIFEXITED(status), "the example ends by signal %d",
		WTERMSIG(status));
	return WEXITSTATUS(status);
}

TEST(example)
{
	char text[256];
	const char *reason;
	struct vm vm;

	reason = create_vm_with(&vm, MINIVMX_MMU_EPT);
	if (reason)
		SKIP(return, "%s", reason);
	EXPECT_EQ(0, run_example(text, sizeof(text)));
	EXPECT_STREQ("2 + 3 = 5\n", text);
}

TEST_HARNESS_MAIN
