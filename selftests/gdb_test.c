// SPDX-License-Identifier: GPL-2.0
/*
 * `minivmx boot --gdb`, by what gdb says: a Linux that stops where it is told to,
 * shows and takes registers and memory, and goes on to its shell.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gdb_client.h"
#include "kselftest_harness.h"

#define SOCKET		"/tmp/gdb.socket"
#define SAID		"/tmp/gdb.said"
#define MAP		"/System.map"
#define CMDLINE		"console=ttyS0 acpi=off reboot=pci panic=-1 nokaslr"

#define RFLAGS_FIXED	BIT(1)
#define RFLAGS_TF	BIT(8)

struct session {
	struct gdb gdb;
	pid_t tool;
};

FIXTURE(debugged)
{
	struct session session;
};

static const char *guests(const char *name)
{
	static char path[256];
	const char *directory = getenv("MINIVMX_GUESTS") ?: "/guests";

	snprintf(path, sizeof(path), "%s/linux%s", directory, name);
	return path;
}

/* Under EPT, and once with shadow tables that gdb's writes to memory must reach. */
static const char *reason_to_skip(void)
{
	const char *reason;
	struct vm vm;

	if (chosen_mmu() != MINIVMX_MMU_EPT && chosen_mmu() != MINIVMX_MMU_UNSYNC)
		return "done with ept and unsync";
	reason = create_vm(&vm);
	if (reason)
		return reason;
	close_vm(&vm);
	return access(guests(MAP), R_OK) ? "there is no Linux to be a guest" : NULL;
}

FIXTURE_SETUP(debugged)
{
	const char *reason = reason_to_skip();

	if (reason)
		SKIP(return, "%s", reason);
	unlink(SOCKET);
}

FIXTURE_TEARDOWN(debugged)
{
}

static void become_tool(const char *until)
{
	char kernel[256], initrd[256];
	int said = open(SAID, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	/* A test that fails does not come to its end. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	dup2(said, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	snprintf(kernel, sizeof(kernel), "%s", guests("/bzImage"));
	snprintf(initrd, sizeof(initrd), "%s", guests("/initramfs"));
	execlp("minivmx", "minivmx", "boot", "--kernel", kernel, "--initrd",
	       initrd, "--memory", "96M", "--mmu", mmu_name(chosen_mmu()),
	       "--gdb", SOCKET, "--cmdline", CMDLINE, "--until", until, NULL);
	_exit(127);
}

/* Begins a guest, which waits for gdb; it ends when it has printed @until. */
static void begin(struct __test_metadata *_metadata, struct session *session,
		  const char *until)
{
	session->tool = fork();
	ASSERT_LE(0, session->tool);
	if (!session->tool)
		become_tool(until);
	ASSERT_TRUE(gdb_connect(&session->gdb, SOCKET));
}

/* What console and tool have said has @text in it. */
static bool says(const char *text)
{
	static char said[1 << 20];
	FILE *file = fopen(SAID, "r");
	size_t count = file ? fread(said, 1, sizeof(said) - 1, file) : 0;

	said[count] = 0;
	if (file)
		fclose(file);
	return strstr(said, text);
}

static void expect_success(struct __test_metadata *_metadata,
			   const struct session *session)
{
	int status;

	ASSERT_EQ(session->tool, waitpid(session->tool, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(says("the guest printed what was waited for"));
}

/* Where the guest's kernel has it. */
static u64 symbol(const char *name)
{
	FILE *map = fopen(guests(MAP), "r");
	char found[64];
	u64 address, value = 0;

	while (map && fscanf(map, "%llx %*c %63s", &address, found) == 2)
		if (!strcmp(found, name))
			value = address;
	if (map)
		fclose(map);
	require(value, "the kernel's map has no %s", name);
	return value;
}

static bool is_text(u64 address)
{
	return address >= symbol("_stext") && address < symbol("_einittext");
}

/* From the beginning, when that function is neither unpacked nor mapped. */
static void stop_at_start_kernel(struct __test_metadata *_metadata,
				 struct gdb *gdb)
{
	const u64 start_kernel = symbol("start_kernel");

	EXPECT_EQ('T', gdb_ask(gdb, "?")[0]);
	EXPECT_NE(start_kernel, gdb_rip(gdb));
	EXPECT_EQ('E', gdb_ask(gdb, "m%llx,8", start_kernel)[0]);
	EXPECT_STREQ("OK", gdb_ask(gdb, "Z1,%llx,1", start_kernel));
	EXPECT_NE(NULL, strstr(gdb_ask(gdb, "vCont;c"), "hwbreak"));
	EXPECT_EQ(start_kernel, gdb_rip(gdb));
}

/* At the first instruction of a function its caller is on top of the stack. */
static void expect_caller(struct __test_metadata *_metadata, struct gdb *gdb)
{
	const u64 caller = gdb_read_u64(gdb, gdb_rsp(gdb));

	EXPECT_TRUE(is_text(caller)) TH_LOG("%#llx", caller);
}

static bool is_stop(const char *answer, int signal)
{
	int seen;
	char kind;

	return sscanf(answer, "%c%2x", &kind, &seen) == 2 && seen == signal &&
	       (kind == 'S' || kind == 'T');
}

/* Registers as they were, of which gdb sends zeros for those it does not know. */
static void put_registers(struct __test_metadata *_metadata, struct gdb *gdb,
			  char *digits)
{
	for (char *digit = digits; *digit; digit++)
		if (*digit == 'x')
			*digit = '0';
	EXPECT_STREQ("OK", gdb_ask(gdb, "G%s", digits));
}

/* A guest that has other code where it stands, until that is taken away again. */
struct detour {
	u64 rip;
	size_t length;
	char *code;
	char *registers;
};

static struct detour begin_detour(struct __test_metadata *_metadata,
				  struct gdb *gdb, const char *code)
{
	struct detour detour = {
		.rip = gdb_rip(gdb),
		.length = strlen(code) / 2,
	};

	detour.registers = strdup(gdb_ask(gdb, "g"));
	detour.code = strdup(gdb_ask(gdb, "m%llx,%zx", detour.rip, detour.length));
	EXPECT_STREQ("OK", gdb_ask(gdb, "M%llx,%zx:%s", detour.rip,
				   detour.length, code));
	return detour;
}

static void end_detour(struct __test_metadata *_metadata, struct gdb *gdb,
		       struct detour *detour)
{
	EXPECT_STREQ("OK", gdb_ask(gdb, "M%llx,%zx:%s", detour->rip,
				   detour->length, detour->code));
	put_registers(_metadata, gdb, detour->registers);
	EXPECT_EQ(detour->rip, gdb_rip(gdb));
	free(detour->code);
	free(detour->registers);
}

static void expect_stop(struct __test_metadata *_metadata, struct gdb *gdb,
			const char *request, int signal)
{
	EXPECT_TRUE(is_stop(gdb_ask(gdb, "%s", request), signal))
		TH_LOG("%s: %s", request, gdb->answer);
}

/* NOP, NOP: with its breakpoint still set, each instruction is carried out once. */
static void step(struct __test_metadata *_metadata, struct gdb *gdb)
{
	struct detour detour = begin_detour(_metadata, gdb, "9090");

	for (int i = 1; i <= 2; i++) {
		expect_stop(_metadata, gdb, "vCont;s", SIGTRAP);
		EXPECT_EQ(detour.rip + i, gdb_rip(gdb));
		EXPECT_FALSE(gdb_eflags(gdb) & RFLAGS_TF);
	}
	end_detour(_metadata, gdb, &detour);
}

/* Of the flag that it is stepped by, the guest sees nothing: PUSHFQ, POP RAX. */
static void step_over_pushf(struct __test_metadata *_metadata, struct gdb *gdb)
{
	struct detour detour = begin_detour(_metadata, gdb, "9c58");

	for (int i = 0; i < 2; i++)
		expect_stop(_metadata, gdb, "vCont;s", SIGTRAP);
	EXPECT_EQ(detour.rip + 2, gdb_rip(gdb));
	EXPECT_EQ(RFLAGS_FIXED, gdb_rax(gdb) & (RFLAGS_FIXED | RFLAGS_TF));
	end_detour(_metadata, gdb, &detour);
}

/* Ctrl-C before the step that it is to stop: neither leaves a flag behind. NOP, NOP. */
static void interrupt_before_step(struct __test_metadata *_metadata,
				  struct gdb *gdb)
{
	struct detour detour = begin_detour(_metadata, gdb, "9090");
	u64 rip;

	gdb_interrupt(gdb);
	gdb_ask(gdb, "vCont;s");
	EXPECT_TRUE(is_stop(gdb->answer, SIGINT) || is_stop(gdb->answer, SIGTRAP))
		TH_LOG("%s", gdb->answer);
	EXPECT_FALSE(gdb_eflags(gdb) & RFLAGS_TF);
	rip = gdb_rip(gdb);
	expect_stop(_metadata, gdb, "vCont;s", SIGTRAP);
	EXPECT_EQ(rip + 1, gdb_rip(gdb));
	EXPECT_FALSE(gdb_eflags(gdb) & RFLAGS_TF);
	end_detour(_metadata, gdb, &detour);
}

/* What the CPU watches for it: PUSH RAX, POP RAX. */
static void stop_at_write(struct __test_metadata *_metadata, struct gdb *gdb)
{
	struct detour detour = begin_detour(_metadata, gdb, "5058");
	const u64 written = gdb_rsp(gdb) - 8;

	EXPECT_STREQ("OK", gdb_ask(gdb, "Z2,%llx,8", written));
	EXPECT_NE(NULL, strstr(gdb_ask(gdb, "vCont;c"), "watch"));
	EXPECT_EQ(detour.rip + 1, gdb_rip(gdb));
	EXPECT_STREQ("OK", gdb_ask(gdb, "z2,%llx,8", written));
	expect_stop(_metadata, gdb, "vCont;s", SIGTRAP);
	EXPECT_EQ(detour.rip + 2, gdb_rip(gdb));
	end_detour(_metadata, gdb, &detour);
}

/*
 * INC EAX and back, with interrupts off. A server that is slow hears both at once,
 * before the guest has gone on.
 */
static void stop_by_interrupt(struct __test_metadata *_metadata,
			      struct gdb *gdb)
{
	struct detour detour = begin_detour(_metadata, gdb, "ffc0ebfc");
	const u64 before = gdb_rax(gdb);

	for (int i = 0; i < 20 && gdb_rax(gdb) == before; i++) {
		gdb_say(gdb, "vCont;c");
		usleep(50 * 1000);
		gdb_interrupt(gdb);
		EXPECT_TRUE(is_stop(gdb_hear(gdb), SIGINT))
			TH_LOG("%s", gdb->answer);
	}
	EXPECT_NE(before, gdb_rax(gdb));
	end_detour(_metadata, gdb, &detour);
}

/* Set twice, it is taken away by once. */
static void set_int3_twice(struct __test_metadata *_metadata, struct gdb *gdb)
{
	const u64 rest_init = symbol("rest_init");
	char *code = strdup(gdb_ask(gdb, "m%llx,1", rest_init));

	for (int i = 0; i < 2; i++)
		EXPECT_STREQ("OK", gdb_ask(gdb, "Z0,%llx,1", rest_init));
	EXPECT_STREQ("cc", gdb_ask(gdb, "m%llx,1", rest_init));
	EXPECT_STREQ("OK", gdb_ask(gdb, "z0,%llx,1", rest_init));
	EXPECT_STREQ(code, gdb_ask(gdb, "m%llx,1", rest_init));
	free(code);
}

/* Which is what Linux prints first: what gdb writes is what the guest reads. */
static void change_banner(struct __test_metadata *_metadata, struct gdb *gdb)
{
	const u64 banner = symbol("linux_banner");
	char text[sizeof("Linux version ")];

	gdb_read(gdb, banner, text, sizeof(text));
	EXPECT_STREQ("Linux version ", text);
	EXPECT_STREQ("OK", gdb_ask(gdb, "M%llx,5:4d494e4958", banner));
	gdb_read(gdb, banner, text, sizeof(text));
	EXPECT_STREQ("MINIX version ", text);
}

static void stop_at_int3(struct __test_metadata *_metadata, struct gdb *gdb)
{
	const u64 rest_init = symbol("rest_init");

	EXPECT_STREQ("OK", gdb_ask(gdb, "Z0,%llx,1", rest_init));
	EXPECT_NE(NULL, strstr(gdb_ask(gdb, "vCont;c"), "swbreak"));
	EXPECT_EQ(rest_init, gdb_rip(gdb));
	expect_caller(_metadata, gdb);
	EXPECT_STREQ("OK", gdb_ask(gdb, "z0,%llx,1", rest_init));
}

/* Though the kernel has written to the debug registers since it was set. */
static void stop_again(struct __test_metadata *_metadata, struct gdb *gdb)
{
	const u64 kernel_init = symbol("kernel_init");

	EXPECT_NE(NULL, strstr(gdb_ask(gdb, "vCont;c"), "hwbreak"));
	EXPECT_EQ(kernel_init, gdb_rip(gdb));
	expect_caller(_metadata, gdb);
	EXPECT_STREQ("OK", gdb_ask(gdb, "z1,%llx,1", kernel_init));
}

TEST_F_TIMEOUT(debugged, stops_and_goes_on, 240)
{
	struct gdb *gdb = &self->session.gdb;

	begin(_metadata, &self->session, "A shell in a guest");
	stop_at_start_kernel(_metadata, gdb);
	expect_caller(_metadata, gdb);
	step(_metadata, gdb);
	step_over_pushf(_metadata, gdb);
	interrupt_before_step(_metadata, gdb);
	EXPECT_STREQ("OK", gdb_ask(gdb, "z1,%llx,1", symbol("start_kernel")));
	stop_at_write(_metadata, gdb);
	stop_by_interrupt(_metadata, gdb);
	set_int3_twice(_metadata, gdb);
	change_banner(_metadata, gdb);
	EXPECT_STREQ("OK", gdb_ask(gdb, "Z1,%llx,1", symbol("kernel_init")));
	stop_at_int3(_metadata, gdb);
	stop_again(_metadata, gdb);
	EXPECT_STREQ("OK", gdb_ask(gdb, "D"));
	expect_success(_metadata, &self->session);
	EXPECT_TRUE(says("gdb has left the guest, which goes on"));
	EXPECT_TRUE(says("MINIX version ") && !says("Linux version "));
	EXPECT_FALSE(says("Call Trace:"));
}

/* A breakpoint that nobody is there for any more would stop it for ever. */
TEST_F_TIMEOUT(debugged, goes_on_without_gdb, 120)
{
	struct gdb *gdb = &self->session.gdb;

	begin(_metadata, &self->session, "Linux version ");
	EXPECT_STREQ("OK", gdb_ask(gdb, "Z0,%llx,1", gdb_rip(gdb)));
	EXPECT_STREQ("OK", gdb_ask(gdb, "Z1,%llx,1", symbol("start_kernel")));
	gdb_close(gdb);
	expect_success(_metadata, &self->session);
	EXPECT_TRUE(says("gdb is lost"));
}

/* It comes back to a guest that runs, and ends it. */
TEST_F_TIMEOUT(debugged, comes_back, 120)
{
	struct gdb *gdb = &self->session.gdb;

	begin(_metadata, &self->session, "a text that is never printed");
	EXPECT_STREQ("OK", gdb_ask(gdb, "D"));
	gdb_close(gdb);
	ASSERT_TRUE(gdb_connect(gdb, SOCKET));
	EXPECT_EQ('T', gdb_ask(gdb, "?")[0]);
	EXPECT_NE(0, gdb_rip(gdb));
	gdb_say(gdb, "k");
	ASSERT_EQ(self->session.tool, waitpid(self->session.tool, NULL, 0));
	EXPECT_TRUE(says("ended by gdb"));
}

TEST_HARNESS_MAIN
