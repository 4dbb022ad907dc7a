// SPDX-License-Identifier: GPL-2.0
/*
 * Starts another kernel while a guest runs on every CPU, none of which is told:
 *
 *   kexec KERNEL INITRAMFS WORDS
 *
 * What goes on until then is what a reboot does, too. Comes back only if it failed.
 */
#include <fcntl.h>
#include <linux/reboot.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "guest.h"
#include "minivmx_util.h"

#define MAX_CPUS	4

static volatile u64 turns;

static void guest_turns(void)
{
	for (;;)
		turns++;
}

struct runner {
	struct vm vm;
	int cpu;
};

static void *run_on_its_cpu(void *arg)
{
	struct runner *runner = arg;

	require(pin_to_cpu(runner->cpu), "CPU %d cannot be had", runner->cpu);
	for (;;) {
		int error = run_error(&runner->vm.vcpu);

		require(error == EINTR, "the guest does not run on: %s",
			error ? strerrorname_np(error) :
				describe_exit(&runner->vm.vcpu));
	}
}

static void start_runner(struct runner *runner, int cpu)
{
	const char *reason = create_vm(&runner->vm);
	volatile u64 *count;
	pthread_t thread;

	require(!reason, "%s", reason);
	runner->cpu = cpu;
	start_guest(&runner->vm, guest_turns);
	require(!pthread_create(&thread, NULL, run_on_its_cpu, runner),
		"pthread_create fails");
	count = guest_copy(&runner->vm, turns);
	while (*count < 1000)
		usleep(1000);
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	require(fd >= 0, "%s: %s", path, strerrorname_np(errno));
	return fd;
}

int main(int argc, char **argv)
{
	static struct runner runners[MAX_CPUS];
	long error;

	require(argc == 4, "usage: kexec KERNEL INITRAMFS WORDS");
	error = syscall(SYS_kexec_file_load, open_file(argv[1]), open_file(argv[2]),
			strlen(argv[3]) + 1, argv[3], 0UL);
	require(!error, "kexec_file_load: %s", strerrorname_np(errno));
	for (int cpu = 0; cpu < online_cpus() && cpu < MAX_CPUS; cpu++)
		start_runner(&runners[cpu], cpu);
	printf("# guests run on %d CPUs\n", online_cpus());
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	require(false, "reboot: %s", strerrorname_np(errno));
	return 1;
}
