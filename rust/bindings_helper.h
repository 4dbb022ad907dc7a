/* SPDX-License-Identifier: GPL-2.0 */
/* The only input of bindgen. */
#include "../uapi/minivmx.h"
#include "../uapi/minivmx_pv.h"
#include "helpers.h"
#include "trace.h"
