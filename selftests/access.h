/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The access test: a guest reaches one page in every way there is, through page
 * tables in every state there is, and compares what happens with an oracle.
 *
 *  - access_guest.c goes through all cases
 *  - access_oracle.c says what must come of each
 *  - access_long.c, access_legacy.c: page tables and modes of the guest
 *  - access_long.S, access_legacy.S: the accesses themselves
 *  - access_test.c runs all of that under every MMU
 *
 * The guest's part is built twice: for 64-bit mode as a part of the test, and for
 * 32-bit mode as a program without a C library.
 */
#ifndef MINIVMX_ACCESS_H
#define MINIVMX_ACCESS_H

/* Segment selectors of the guest. */
#define ACCESS_CS		0x08
#define ACCESS_DS		0x10
#define ACCESS_USER_DS		0x1b
#define ACCESS_USER_CS		0x23
#define ACCESS_LDT		0x28
#define ACCESS_TSS		0x38	/* in 32-bit mode */

/* Descriptors of the local descriptor table, which is in the tested page. */
#define ACCESS_LDT_USED		0x07	/* with its accessed flag set */
#define ACCESS_LDT_FRESH	0x0f	/* without */

#define ACCESS_GATE		0x30	/* interrupt vector: the access is done */
#define ACCESS_NO_FAULT		0x100

#define ACCESS_PORT		0xf1	/* OUT of an enum access_message */

#define ACCESS_BASE_32		0x100000	/* where the 32-bit program is */

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define ACCESS_ALIGNED(n)	__attribute__((aligned(n)))

/* Physical addresses: two pages to be reached. */
#define ACCESS_PAGE		0x2a5000UL
#define ACCESS_OTHER_PAGE	0x2a6000UL

/* Their contents. */
#define ACCESS_DATA		0x100	/* read and written, 4 bytes */
#define ACCESS_CODE		0x200	/* loads EAX with 4 bytes and ends */
#define ACCESS_DESCRIPTORS	0x300	/* the local descriptor table */

/* Bits of a page-table entry. */
#define PTE_P			(1ULL << 0)
#define PTE_W			(1ULL << 1)
#define PTE_U			(1ULL << 2)
#define PTE_A			(1ULL << 5)
#define PTE_D			(1ULL << 6)
#define PTE_PS			(1ULL << 7)
#define PTE_NX			(1ULL << 63)

/* Bits of a page fault's error code. */
#define PF_P			(1U << 0)
#define PF_W			(1U << 1)
#define PF_U			(1U << 2)
#define PF_RSVD			(1U << 3)
#define PF_I			(1U << 4)

/* Kinds of paging, with the size of the page that is reached. */
enum access_shape {
	ACCESS_LONG_4K,
	ACCESS_LONG_2M,
	ACCESS_LONG_1G,
	ACCESS_PAE_4K,
	ACCESS_PAE_2M,
	ACCESS_LEGACY_4K,
	ACCESS_LEGACY_4M,
	ACCESS_SHAPES,
};

/* Bits of a mode. */
enum access_mode {
	ACCESS_WP	= 1 << 0,	/* CR0.WP */
	ACCESS_NXE	= 1 << 1,	/* EFER.NXE */
	ACCESS_SMEP	= 1 << 2,	/* CR4.SMEP */
	ACCESS_SMAP	= 1 << 3,	/* CR4.SMAP */
	ACCESS_PSE	= 1 << 4,	/* CR4.PSE, for 32-bit paging */
	ACCESS_MODES	= 1 << 5,
};

enum access_kind {
	ACCESS_READ,
	ACCESS_WRITE,
	ACCESS_FETCH,
	ACCESS_USER_READ,
	ACCESS_USER_WRITE,
	ACCESS_USER_FETCH,
	/* Made by the CPU itself while CPL is 3: the load of a descriptor. */
	ACCESS_IMPLICIT_READ,
	ACCESS_IMPLICIT_WRITE,
	/* With RFLAGS.AC set. */
	ACCESS_READ_AC,
	ACCESS_WRITE_AC,
	ACCESS_KINDS,
};

/* What the guest's CPU offers. */
struct access_features {
	u32 modes;		/* bits of enum access_mode that can be set */
	u32 physical_bits;
	bool huge;		/* 1 GiB pages */
	bool pse36;
};

#define ACCESS_LEVELS	4

struct access_case {
	u32 shape;
	u32 mode;
	u32 kind;
	u32 levels;		/* how many entries there are */
	u64 entry[ACCESS_LEVELS];	/* the leaf first */
};

struct access_outcome {
	u32 vector;		/* 14 or ACCESS_NO_FAULT */
	u32 error;
	u32 offset;		/* of CR2 in the page */
	u32 data;		/* what was read, or is in the page afterwards */
	u64 entry[ACCESS_LEVELS];	/* afterwards */
};

/* Laid out alike in 32-bit and in 64-bit mode. */
struct access_report {
	u64 digest;		/* of all outcomes */
	u32 cases;
	u32 faults;
	/* Accessed flags set by accesses that faulted: the SDM leaves that open. */
	u32 accessed_by_faults;
	u32 modes;		/* bits of enum access_mode that can be set */
	/* With ACCESS_DISAGREES: */
	struct access_case failed;
	struct access_outcome expected, seen;
};

_Static_assert(sizeof(struct access_report) == 168, "no padding");

/* Told through ACCESS_PORT, with the address of the report in the register DI. */
enum access_message {
	ACCESS_DONE,
	ACCESS_DISAGREES,
	ACCESS_NOT_OFFERED,
};

/* access_oracle.c */
u32 access_leaf_level(u32 shape);
u64 access_physical(const struct access_case *c);
void access_expect(const struct access_case *c,
		   const struct access_features *features,
		   struct access_outcome *outcome);
bool access_agrees(const struct access_case *c,
		   const struct access_outcome *expected,
		   const struct access_outcome *seen);

/* access_guest.c: the guest's entry point. */
void access_main(u32 shape);

/* access_long.c or access_legacy.c: level 1 is that of the last tables. */
extern const unsigned long access_page;	/* linear address of the tested page */
extern const unsigned long access_user_text;	/* and of access_stubs for CPL 3 */
bool access_offers(u32 shape, const struct access_features *features);
void access_setup(u32 shape);
u64 access_entry(u32 level);
void access_set_entry(u32 level, u64 entry);
/* The address of the table below the entry of @level. */
u64 access_table(u32 level);

/* access_blob.S: the 32-bit program. */
extern const char access_blob[], access_blob_end[];

/* access_long.S or access_legacy.S */
extern struct access_seen {
	u32 vector;
	u32 error;
	u32 value;		/* EAX at the end */
	u32 reserved;
	unsigned long cr2;
} access_seen;

extern const u8 access_stubs[], access_stub_read[], access_stub_write[],
	access_stub_fetch[], access_stub_load[];
/*
 * Executes @stub, at CPL 3 if @user, with these flags; what happened is in
 * access_seen.
 */
void access_perform(const void *stub, unsigned long address,
		    unsigned long value, unsigned long flags,
		    unsigned long user);
/* Entries of the interrupt table. */
extern const u8 access_gate[], access_fault_gp[], access_fault_pf[];

#endif /* __ASSEMBLER__ */
#endif /* MINIVMX_ACCESS_H */
