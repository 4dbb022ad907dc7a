// SPDX-License-Identifier: GPL-2.0
/*
 * A program for the lab machine: its guest prints to an I/O port, and halts. How
 * it is built and gets there: Documentation/lab.md.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "minivmx.h"

#define PORT 0xe9
#define CODE 0x1000

/* SDM Vol. 3D, "VMX Basic Exit Reasons". */
#define EXIT_HLT 12
#define EXIT_IO_INSTRUCTION 30

/* In real mode, with the string behind the code. */
static const char guest[] =
	"\xbe\x0d\x10"			/* mov $string, %si */
	"\xac"				/* next: lodsb */
	"\x84\xc0"			/* test %al, %al */
	"\x74\x04"			/* jz end */
	"\xe6\xe9"			/* out %al, $PORT */
	"\xeb\xf7"			/* jmp next */
	"\xf4"				/* end: hlt */
	"Hello from the guest\n";	/* string: */

static int call(int fd, unsigned long number, void *argument)
{
	int result = ioctl(fd, number, argument);

	if (result < 0)
		err(1, "ioctl %#lx", number);
	return result;
}

/* A vCPU that is about to execute the guest, in a VM with memory up to twice CODE. */
static int load(int device)
{
	struct minivmx_create_vm create_vm = { sizeof(create_vm), MINIVMX_MMU_EPT };
	struct minivmx_map_memory map = { sizeof(map), .length = 2 * CODE };
	struct minivmx_create_vcpu create_vcpu = { sizeof(create_vcpu) };
	struct minivmx_sregs sregs = { sizeof(sregs) };
	int vm = call(device, MINIVMX_CREATE_VM, &create_vm);
	int vcpu;
	char *memory;

	call(vm, MINIVMX_MAP_MEMORY, &map);
	memory = mmap(NULL, map.length, PROT_WRITE, MAP_SHARED, vm, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap of guest memory");
	memcpy(memory + CODE, guest, sizeof(guest));

	vcpu = call(vm, MINIVMX_CREATE_VCPU, &create_vcpu);
	/* After power-up it would begin at the reset vector. */
	call(vcpu, MINIVMX_GET_SREGS, &sregs);
	sregs.cs.selector = 0;
	sregs.cs.base = 0;
	call(vcpu, MINIVMX_SET_SREGS, &sregs);
	return vcpu;
}

int main(void)
{
	int device = open("/dev/minivmx", O_RDWR);
	struct minivmx_run *run;
	int vcpu;

	if (device < 0)
		err(1, "/dev/minivmx");
	vcpu = load(device);
	run = mmap(NULL, MINIVMX_RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "mmap of the run page");
	run->regs.rip = CODE;
	for (;;) {
		call(vcpu, MINIVMX_RUN, NULL);
		switch (run->reason) {
		case EXIT_IO_INSTRUCTION:
			putchar(run->io.data);
			break;
		case EXIT_HLT:
			return 0;
		default:
			errx(1, "exit reason %u: %s", run->reason, run->cause);
		}
	}
}
