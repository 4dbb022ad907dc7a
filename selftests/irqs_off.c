// SPDX-License-Identifier: GPL-2.0
/*
 * Watches how long CPUs take no interrupts while something else runs, until it gets
 * SIGTERM; then says in TAP who kept them out for longest, and whether minivmx did so
 * for longer than it may:
 *
 *   irqs_off PERIOD LIMIT		in microseconds
 *
 * On each CPU a timer is due every PERIOD, whose interrupt notes the time and the
 * instruction that it came to (perf's cpu-clock). If it comes late, interrupts were off
 * at least since it was due, and the instruction before turned them on again. So a
 * stretch is seen shorter than it was by up to one PERIOD, and never longer. A CPU that
 * goes offline takes its timer along; when it is back, it gets another.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef __u64 u64;
typedef __s64 s64;

#define MAX_CPUS	8
#define BUFFER_SIZE	(1UL << 18)	/* of samples, for each CPU */
#define PAGE_SIZE	4096UL
#define PLACES		16
#define NAME_LENGTH	64
#define SYMBOL_LENGTH	512	/* KSYM_NAME_LEN: those of Rust are long */
#define MODULES		0xffffffffc0000000UL	/* where modules are */

static u64 period, limit;		/* nanoseconds */
static volatile sig_atomic_t stopped;

struct cpu {
	int number;
	int fd;
	struct perf_event_mmap_page *control;
	const unsigned char *buffer;
	u64 samples;
	u64 due;		/* when the next is due */
	u64 active;		/* for how long the timer was, in nanoseconds */
};

static struct cpu cpus[MAX_CPUS];
static int nr_cpus;

/* Where interrupts came on again, the longest stretch first. */
static struct place {
	u64 ip;
	u64 late;
	char program[16];
	char name[NAME_LENGTH];	/* symbol, and [module] */
	u64 address;		/* of the symbol */
} places[PLACES];

static u64 samples, lost, pauses;
/* The program that was started last. */
static char program[16] = "?";

static void die(const char *what)
{
	printf("1..1\nnot ok 1 %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ------------------------------------------------------------------- lateness */

static void note(u64 ip, u64 late)
{
	struct place *place = places;

	while (place < places + PLACES - 1 && place->late && place->ip != ip)
		place++;
	if (late <= place->late)
		return;
	place->ip = ip;
	place->late = late;
	memcpy(place->program, program, sizeof(program));
	for (; place > places && place[-1].late < late; place--) {
		struct place other = place[-1];

		place[-1] = *place;
		*place = other;
	}
}

/*
 * The timer is due once in a period, but since when? One that comes earlier than
 * expected says so: those before were late. The time is noted somewhat later than the
 * interrupt came, and still later it is decided when the next is due.
 */
static void take_sample(struct cpu *cpu, u64 ip, u64 now)
{
	const u64 in_between = 20000;

	if (now < cpu->due || !cpu->samples)
		cpu->due = now;
	note(ip, now - cpu->due);
	cpu->due += ((now + in_between - cpu->due) / period + 1) * period;
	cpu->samples++;
	samples++;
}

/* ------------------------------------------------------------------- perf events */

struct sample {
	struct perf_event_header header;
	u64 ip;
	u64 time;
};

struct comm {
	struct perf_event_header header;
	__u32 pid, tid;
	char name[16];
};

struct loss {
	struct perf_event_header header;
	u64 id, count;
};

union record {
	struct perf_event_header header;
	struct sample sample;
	struct comm comm;
	struct loss loss;
	unsigned char bytes[256];
};

static void take_record(struct cpu *cpu, const union record *record)
{
	switch (record->header.type) {
	case PERF_RECORD_SAMPLE:
		take_sample(cpu, record->sample.ip, record->sample.time);
		break;
	case PERF_RECORD_COMM:
		if (record->header.misc & PERF_RECORD_MISC_COMM_EXEC)
			snprintf(program, sizeof(program), "%s",
				 record->comm.name);
		break;
	case PERF_RECORD_LOST:
		lost += record->loss.count;
		break;
	case PERF_RECORD_THROTTLE:
		pauses++;
		break;
	}
}

static void copy_from_ring(const struct cpu *cpu, u64 position, void *to,
			   size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)to)[i] =
			cpu->buffer[(position + i) % BUFFER_SIZE];
}

static void drain(struct cpu *cpu)
{
	u64 head = __atomic_load_n(&cpu->control->data_head, __ATOMIC_ACQUIRE);
	u64 tail = cpu->control->data_tail;

	while (tail < head) {
		union record record = { 0 };

		copy_from_ring(cpu, tail, &record, sizeof(record.header));
		copy_from_ring(cpu, tail, &record,
			       record.header.size < sizeof(record) ?
			       record.header.size : sizeof(record));
		take_record(cpu, &record);
		tail += record.header.size;
	}
	__atomic_store_n(&cpu->control->data_tail, tail, __ATOMIC_RELEASE);
}

/* Returns a file, or -1 where that CPU is offline. */
static int open_timer(int number)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TIME,
		.comm = 1,
		.comm_exec = 1,
		.watermark = 1,
		.wakeup_watermark = BUFFER_SIZE / 4,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, number, -1,
			 PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && errno != ENODEV)
		die("perf_event_open");
	return fd;
}

static void watch(struct cpu *cpu, int fd)
{
	void *memory = mmap(NULL, PAGE_SIZE + BUFFER_SIZE,
			    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		die("mmap of a perf event");
	cpu->fd = fd;
	cpu->control = memory;
	cpu->buffer = (unsigned char *)memory + PAGE_SIZE;
	cpu->samples = 0;
	cpu->active = 0;
}

static void unwatch(struct cpu *cpu)
{
	munmap(cpu->control, PAGE_SIZE + BUFFER_SIZE);
	close(cpu->fd);
}

/* A timer that stands is one whose CPU went. */
static bool timer_stands(struct cpu *cpu)
{
	u64 before = cpu->active;

	if (read(cpu->fd, &cpu->active, sizeof(cpu->active)) !=
	    sizeof(cpu->active))
		die("read of a perf event");
	return cpu->active == before;
}

static void look_at(struct cpu *cpu)
{
	const bool stands = timer_stands(cpu);
	int fd = stands ? open_timer(cpu->number) : -1;

	drain(cpu);
	if (fd < 0)
		return;
	unwatch(cpu);
	watch(cpu, fd);
}

static void set_sysctl(const char *path, const char *value)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(value, file) < 0 || fclose(file))
		die(path);
}

/*
 * No limit to the samples in a tick, of which an idle CPU has none for a long time, nor
 * to the share of the time that they take. In this order.
 */
static void allow_samples(void)
{
	set_sysctl("/proc/sys/kernel/perf_event_max_sample_rate", "1000000000");
	set_sysctl("/proc/sys/kernel/perf_cpu_time_max_percent", "0");
}

/* -------------------------------------------------------------------- report */

static void find_symbols(void)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[SYMBOL_LENGTH + 128];

	if (!file)
		die("/proc/kallsyms");
	while (fgets(line, sizeof(line), file)) {
		char symbol[SYMBOL_LENGTH] = "", module[64] = "";
		u64 address;
		char type;

		if (sscanf(line, "%llx %c %511s %63s", &address, &type, symbol,
			   module) < 3)
			continue;
		for (struct place *place = places; place < places + PLACES;
		     place++) {
			if (address > place->ip || address < place->address)
				continue;
			place->address = address;
			snprintf(place->name, sizeof(place->name), "%.40s %.20s",
				 symbol, module);
		}
	}
	fclose(file);
}

/*
 * A module that was unloaded since has no names any more: then it is minivmx, which a
 * test loads again and again.
 */
static bool is_ours(const struct place *place)
{
	return strstr(place->name, "[minivmx]") ||
	       (place->ip >= MODULES && !strchr(place->name, '['));
}

static void show(const struct place *place)
{
	printf("# %5llu us, in %s: %s\n", place->late / 1000, place->program,
	       place->ip >= MODULES && !strchr(place->name, '[') ?
	       "a module that is gone" : place->name[0] ? place->name :
	       "user space");
}

static void report(void)
{
	u64 longest = 0;

	find_symbols();
	printf("1..2\n");
	for (int i = 0; i < PLACES && places[i].late; i++) {
		show(&places[i]);
		if (is_ours(&places[i]) && places[i].late > longest)
			longest = places[i].late;
	}
	printf("%s 1 all interrupts were noted: %llu, lost: %llu, pauses: %llu\n",
	       lost || pauses ? "not ok" : "ok", samples, lost, pauses);
	printf("%s 2 minivmx kept interrupts off for %llu us, at most %llu\n",
	       longest > limit ? "not ok" : "ok", longest / 1000, limit / 1000);
}

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void wait_for_samples(void)
{
	struct pollfd files[MAX_CPUS];

	for (int i = 0; i < nr_cpus; i++)
		files[i] = (struct pollfd) { .fd = cpus[i].fd, .events = POLLIN };
	poll(files, nr_cpus, 1000);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };

	if (argc != 3)
		return 2;
	period = strtoull(argv[1], NULL, 10) * 1000;
	limit = strtoull(argv[2], NULL, 10) * 1000;
	sigaction(SIGTERM, &action, NULL);
	allow_samples();
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (nr_cpus > MAX_CPUS)
		nr_cpus = MAX_CPUS;
	for (int i = 0; i < nr_cpus; i++) {
		cpus[i].number = i;
		watch(&cpus[i], open_timer(i));
	}
	while (!stopped) {
		wait_for_samples();
		for (int i = 0; i < nr_cpus; i++)
			look_at(&cpus[i]);
	}
	report();
	return 0;
}
