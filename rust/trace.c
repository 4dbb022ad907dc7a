// SPDX-License-Identifier: GPL-2.0
/* What the macros of trace.h make. */
#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include "trace.h"
