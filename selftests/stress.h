/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The stress test: a guest draws a program of changes of page tables and of
 * accesses from a seed, carries it out as a correct operating system would, and
 * compares all that happens with a model.
 *
 *  - stress_guest.c draws the program: maps, unmaps, protects, shares, forks, …
 *  - stress_step.c carries out one instruction and compares it with the model
 *  - stress_model.c is the model: memory, the way to an address, and which
 *    addresses have to be invalidated after a change
 *  - stress_cpu.c, stress_cpu.S: instructions at CPL 0 and 3, page faults,
 *    invalidations, hypercalls
 *  - stress_test.c runs all of that under every MMU
 *
 * What an access must come to is the oracle's of the access test to say.
 *
 * All page tables and data are in the arena, a few frames of which any can be all:
 * table of any level, data, or several at a time. The guest's own code and data
 * are mapped beside it by entries that no program touches.
 */
#ifndef STRESS_H
#define STRESS_H

#include "access.h"

/* Interrupt vector: the instruction is done. */
#define STRESS_GATE		0x30

#ifndef __ASSEMBLER__

/* Where the arena is, physically: on 2 MiB, for pages of that size. */
#define STRESS_ARENA		0x200000UL
#define STRESS_FRAMES		24U
#define STRESS_FRAME_WORDS	512U
#define STRESS_WORDS		(STRESS_FRAMES * STRESS_FRAME_WORDS)
#define STRESS_ROOTS		3U

/* Slots of the roots for the guest itself. */
#define STRESS_IDENTITY_SLOT	0
#define STRESS_USER_SLOT	8

#define PTE_G			(1ULL << 8)
#define PTE_RESERVED		(1ULL << 51)	/* as long as it is no address */
#define PTE_ADDRESS		0x000ffffffffff000ULL

/* ------------------------------------------------------------- instructions */

enum stress_how {
	STRESS_LOAD,
	STRESS_FETCH,		/* jumps to a word that is code */
	STRESS_MOV,
	STRESS_MOV_LOW_FIRST,	/* two stores of 4 bytes */
	STRESS_MOV_HIGH_FIRST,
	STRESS_MOVNTI,
	STRESS_XCHG,
	STRESS_CMPXCHG,		/* after a load, until it succeeds */
	STRESS_AND,
	STRESS_OR,
	STRESS_STOS,		/* several words of the same value */
	STRESS_MOVS,		/* several words from elsewhere in the arena */
	STRESS_STRADDLE,	/* a store across a page boundary */
	STRESS_HOWS,
};

struct stress_step {
	u32 how;
	u32 user;		/* at CPL 3? */
	u64 linear;		/* a multiple of 8 */
	u64 value;		/* STRESS_MOVS: the first word to be copied */
	u32 count;		/* words, 1 but for string instructions */
};

/* A word that is code: MOV EAX, number; INT STRESS_GATE. It is no present entry. */
#define STRESS_CODE		(0xb8ULL | 0xcdULL << 40 | (u64)STRESS_GATE << 48)

static inline bool stress_is_code(u64 word)
{
	return (word & ~(0xffffffffULL << 8)) == STRESS_CODE;
}

static inline u32 stress_code_number(u64 word)
{
	return word >> 8;
}

/* ------------------------------------------------------------------- report */

/* A page fault of the guest's own. */
struct stress_fault {
	u32 operation;
	u32 error;
	u64 cr2;
};

#define STRESS_FAULTS		1024
#define STRESS_STEPS		8	/* that are remembered */

enum stress_complaint {
	STRESS_FINE,
	STRESS_WRONG_FAULT,
	STRESS_WRONG_VALUE,
	STRESS_WRONG_MEMORY,
};

struct stress_report {
	/* From the host. */
	u64 seed;
	u32 operations;

	u32 complaint;
	/* With STRESS_WRONG_FAULT: an error code, or ACCESS_NO_FAULT. */
	u32 expected_error, seen_error;
	/* CR2, the value read, or the word in memory at @where. */
	u64 expected, seen;
	u64 where;

	u32 operation;		/* how many there were */
	u32 steps;
	u32 successes;		/* through the tables */
	u32 faults;
	u32 faults_of_users;
	/* An entry with more rights took effect by a page fault, as it may. */
	u32 spurious;
	/* Accessed flags that no successful access has set, as there may be. */
	u32 accessed;
	u32 table_writes;	/* to entries that the root in use leads to */
	u32 invlpgs;
	u32 flushes;
	u32 hypercalls;
	u64 digest;		/* of faults, values read, and memory at the end */
	struct stress_step last[STRESS_STEPS];	/* by number modulo STRESS_STEPS */
	struct stress_fault trace[STRESS_FAULTS];
};

extern struct stress_report stress_report;

void stress_digest(u64 value);
/* stress_guest.c: the guest's entry point. */
void stress_main(void);

/* -------------------------------------------------------------------- model */

/* A place in the arena: which word of 8 bytes, counted from its beginning. */
#define STRESS_NOWHERE		(~0U)

/* Memory as it must be, but for accessed flags set ahead of time. */
extern u64 stress_memory[STRESS_WORDS];
/* Slots of a table that can be used. */
extern const u32 stress_slots[];
#define STRESS_SLOTS		9U

/* The way to an address. */
struct stress_way {
	bool outside;		/* leads out of the arena: not to be used */
	u32 levels;		/* entries on it */
	u32 entry[ACCESS_LEVELS];	/* where they are, the lowest first */
	u32 word;		/* where it leads to, if it comes to an end */
	struct access_case now;
};

void stress_model_init(const struct access_features *features);
u32 stress_root_frame(u32 number);
u64 stress_frame_address(u32 frame);
/* The frame that an entry refers to, or STRESS_NOWHERE. */
u32 stress_frame_of(u64 entry);
/* May a program change the word? */
bool stress_is_locked(u32 word);
/* Must memory have this there, and may it have that? */
bool stress_agrees(u64 expected, u64 seen);

/* Finds the way to @linear from the root in use, whatever its rights. */
void stress_find_way(u64 linear, struct stress_way *way);
/* What comes of an access of that kind by this way. */
void stress_expect(struct stress_way *way, u32 kind,
		   struct access_outcome *outcome);

/* Addresses below an entry that was changed. */
struct stress_region {
	u64 linear;
	u32 level;		/* of the entry */
	bool pointer;		/* did it refer to a table, or does it now? */
};

#define STRESS_REGIONS		32U

/* What has to be invalidated before it is used again. */
struct stress_stale {
	bool all;
	bool lazy;		/* only rights were added: a page fault will do */
	bool reached;		/* entries that the root in use leads to */
	u32 count;
	struct stress_region region[STRESS_REGIONS];
};

/* Adds what a change of the word means. */
void stress_find_stale(u32 word, u64 old, u64 new, struct stress_stale *stale);

/* ---------------------------------------------------------------------- CPU */

/* What the CPU was told last. */
struct stress_cpu {
	u32 root;		/* number of the root in use */
	u32 mode;		/* bits of enum access_mode */
	bool pge;		/* CR4.PGE */
	bool pv;		/* there are hypercalls */
	/* Entries may be cached with fewer rights than they have. */
	bool lazy;
	/* Global entries may be cached. */
	bool globals;
};

extern struct stress_cpu stress_cpu;

/* stress_cpu.S: registers before and after an instruction. */
struct stress_registers {
	u64 rax, rcx, rdx, rsi, rdi;
	u64 vector;		/* 14 or ACCESS_NO_FAULT */
	u64 error;
	u64 cr2;
};

extern struct stress_registers stress_registers;
/* Executes @stub, at CPL 3 if @user, with stress_registers. */
void stress_perform(const void *stub, u64 user);
/* Entries of the interrupt table, and the instructions. */
extern const u8 stress_gate[], stress_page_fault[], stress_stubs[];
extern const u8 stress_stub_load[], stress_stub_fetch[], stress_stub_mov[],
	stress_stub_mov_low_first[], stress_stub_mov_high_first[],
	stress_stub_movnti[], stress_stub_xchg[], stress_stub_cmpxchg[],
	stress_stub_and[], stress_stub_or[], stress_stub_stos[],
	stress_stub_movs[];

void stress_cpu_init(struct access_features *features);
/* Executes the instruction, or goes on with it after a page fault. */
void stress_execute(u32 how, bool user);
void stress_load_root(u32 number);
void stress_set_wp(bool set);
/* Invalidates that, at once or when it becomes necessary. */
void stress_invalidate(const struct stress_stale *stale);
/* To be called before an access: what is stale there becomes invalid. */
void stress_settle(u64 linear);
/* Writes @count words by hypercall; false if there are none. */
bool stress_hypercall(const u32 *word, const u64 *value, u32 count);

/* Random numbers: for the program, and for what must make no difference. */
u32 stress_random(u32 limit);
u32 stress_choice(u32 limit);

/* -------------------------------------------------------------------- steps */

/*
 * Carries out an instruction and compares what happens with the model, and
 * invalidates what it makes necessary. False if it is none that a program can have.
 */
bool stress_step(const struct stress_step *step);
/* Writes @count words at once, as far as there is a way to do that. */
void stress_batch(const u32 *word, const u64 *value, u32 count);
void stress_complain(u32 complaint, u64 where, u64 expected, u64 seen);

#endif /* __ASSEMBLER__ */
#endif /* STRESS_H */
