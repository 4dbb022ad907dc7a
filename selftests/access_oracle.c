// SPDX-License-Identifier: GPL-2.0
/*
 * What must come of an access, after SDM Vol. 3A, "Paging": which entries are
 * used, whether it faults, with which error code, and what the entries are
 * afterwards. Knows nothing of how any of it is brought about.
 */
#include "access.h"

static bool is_long(u32 shape)
{
	return shape <= ACCESS_LONG_1G;
}

static bool is_legacy(u32 shape)
{
	return shape == ACCESS_LEGACY_4K || shape == ACCESS_LEGACY_4M;
}

u32 access_leaf_level(u32 shape)
{
	switch (shape) {
	case ACCESS_LONG_1G:
		return 3;
	case ACCESS_LONG_2M:
	case ACCESS_PAE_2M:
	case ACCESS_LEGACY_4M:
		return 2;
	default:
		return 1;
	}
}

static u64 bits(u32 high, u32 low)
{
	return (2ULL << high) - (1ULL << low);
}

static u64 page_size(u32 shape)
{
	switch (shape) {
	case ACCESS_LONG_1G:
		return 1ULL << 30;
	case ACCESS_LONG_2M:
	case ACCESS_PAE_2M:
		return 1ULL << 21;
	case ACCESS_LEGACY_4M:
		return 1ULL << 22;
	default:
		return 1ULL << 12;
	}
}

/* Where the tested page is, if the leaf leads anywhere. */
u64 access_physical(const struct access_case *c)
{
	u64 size = page_size(c->shape);
	u64 frame = c->entry[0] & bits(31, 12) & ~(size - 1);

	return frame | (ACCESS_PAGE & (size - 1));
}

static u64 reserved_in_legacy(const struct access_case *c, u32 level,
			      const struct access_features *features)
{
	if (level == 1 || !(c->entry[level - access_leaf_level(c->shape)] & PTE_PS))
		return 0;
	if (!(c->mode & ACCESS_PSE))
		return 0;
	/* With PSE-36, bits 20:13 are bits 39:32 of the address. */
	return features->pse36 ? bits(21, 21) : bits(21, 13);
}

/* In a large page's entry, the address begins at bit 21 or 30; bit 12 is PAT. */
static u64 reserved_by_size(u64 entry, u32 level, u32 shape,
			    const struct access_features *features)
{
	if (level == 1 || !(entry & PTE_PS))
		return 0;
	if (level == 2)
		return bits(20, 13);
	if (level == 3 && is_long(shape) && features->huge)
		return bits(29, 13);
	return PTE_PS;
}

static bool has_reserved(const struct access_case *c, u32 i,
			 const struct access_features *features)
{
	u32 level = access_leaf_level(c->shape) + i;
	u64 reserved;

	if (is_legacy(c->shape))
		return c->entry[i] & reserved_in_legacy(c, level, features);
	reserved = bits(51, features->physical_bits);
	reserved |= reserved_by_size(c->entry[i], level, c->shape, features);
	if (!is_long(c->shape))
		reserved |= bits(62, 52);
	if (!(c->mode & ACCESS_NXE))
		reserved |= PTE_NX;
	return c->entry[i] & reserved;
}

static bool is_user(u32 kind)
{
	return kind >= ACCESS_USER_READ && kind <= ACCESS_USER_FETCH;
}

static bool is_fetch(u32 kind)
{
	return kind == ACCESS_FETCH || kind == ACCESS_USER_FETCH;
}

static bool is_write(u32 kind)
{
	return kind == ACCESS_WRITE || kind == ACCESS_USER_WRITE ||
	       kind == ACCESS_IMPLICIT_WRITE || kind == ACCESS_WRITE_AC;
}

static bool is_implicit(u32 kind)
{
	return kind == ACCESS_IMPLICIT_READ || kind == ACCESS_IMPLICIT_WRITE;
}

static bool has_ac(u32 kind)
{
	return kind == ACCESS_READ_AC || kind == ACCESS_WRITE_AC;
}

/* SDM, "Determination of Access Rights", for what all entries have in common. */
static bool is_allowed(const struct access_case *c, u32 kind, u64 rights)
{
	bool user_page = rights & PTE_U;

	if (is_fetch(kind) && (rights & PTE_NX))
		return false;
	if (is_user(kind))
		return user_page && (!is_write(kind) || (rights & PTE_W));
	if (is_fetch(kind))
		return !user_page || !(c->mode & ACCESS_SMEP);
	if (user_page && (c->mode & ACCESS_SMAP) &&
	    (is_implicit(kind) || !has_ac(kind)))
		return false;
	return !is_write(kind) || (rights & PTE_W) || !(c->mode & ACCESS_WP);
}

/* SDM, "Page-Fault Exceptions". */
static u32 error_code(const struct access_case *c, u32 kind, u32 cause)
{
	bool nxe = (c->mode & ACCESS_NXE) && !is_legacy(c->shape);

	if (is_write(kind))
		cause |= PF_W;
	if (is_user(kind))
		cause |= PF_U;
	if (is_fetch(kind) && (nxe || (c->mode & ACCESS_SMEP)))
		cause |= PF_I;
	return cause;
}

/* 0 if the access succeeds, else the error code with @faults set. */
static u32 walk(const struct access_case *c, u32 kind,
		const struct access_features *features, bool *faults)
{
	u64 rights = PTE_W | PTE_U;

	*faults = true;
	for (u32 i = c->levels; i--;) {
		if (!(c->entry[i] & PTE_P))
			return error_code(c, kind, 0);
		if (has_reserved(c, i, features))
			return error_code(c, kind, PF_P | PF_RSVD);
		rights &= c->entry[i] | ~(PTE_W | PTE_U);
		rights |= c->entry[i] & PTE_NX;
	}
	if (is_legacy(c->shape))
		rights &= ~PTE_NX;
	if (!is_allowed(c, kind, rights))
		return error_code(c, kind, PF_P);
	*faults = false;
	return 0;
}

static u32 offset_of(u32 kind)
{
	if (kind == ACCESS_IMPLICIT_WRITE)
		return ACCESS_DESCRIPTORS + (ACCESS_LDT_FRESH & ~7);
	if (kind == ACCESS_IMPLICIT_READ)
		return ACCESS_DESCRIPTORS + (ACCESS_LDT_USED & ~7);
	return is_fetch(kind) ? ACCESS_CODE : ACCESS_DATA;
}

static void set_flags(const struct access_case *c, struct access_outcome *outcome)
{
	for (u32 i = 0; i < c->levels; i++)
		outcome->entry[i] |= PTE_A;
	if (is_write(c->kind))
		outcome->entry[0] |= PTE_D;
}

/* All but the data, which depends on what is in the page. */
void access_expect(const struct access_case *c,
		   const struct access_features *features,
		   struct access_outcome *outcome)
{
	bool faults = false;

	outcome->error = 0;
	/* The CPU reads a descriptor before it sets its accessed flag. */
	if (c->kind == ACCESS_IMPLICIT_WRITE)
		outcome->error = walk(c, ACCESS_IMPLICIT_READ, features, &faults);
	if (!faults)
		outcome->error = walk(c, c->kind, features, &faults);
	outcome->vector = faults ? 14 : ACCESS_NO_FAULT;
	outcome->offset = faults ? offset_of(c->kind) : 0;
	for (u32 i = 0; i < ACCESS_LEVELS; i++)
		outcome->entry[i] = i < c->levels ? c->entry[i] : 0;
	if (!faults)
		set_flags(c, outcome);
}

/*
 * Whether an access that faulted sets accessed flags on its way is left open,
 * not so which entries it can have used: none that is not present.
 */
static u64 left_open(const struct access_case *c,
		     const struct access_outcome *expected, u32 i)
{
	if (expected->vector == ACCESS_NO_FAULT || !(c->entry[i] & PTE_P))
		return 0;
	for (u32 above = i + 1; above < c->levels; above++) {
		if (!(c->entry[above] & PTE_P))
			return 0;
	}
	return PTE_A & ~c->entry[i];
}

bool access_agrees(const struct access_case *c,
		   const struct access_outcome *expected,
		   const struct access_outcome *seen)
{
	for (u32 i = 0; i < c->levels; i++) {
		if ((expected->entry[i] ^ seen->entry[i]) &
		    ~left_open(c, expected, i))
			return false;
	}
	return expected->vector == seen->vector &&
	       expected->error == seen->error &&
	       expected->offset == seen->offset &&
	       expected->data == seen->data;
}
