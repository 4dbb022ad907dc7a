// SPDX-License-Identifier: GPL-2.0

//! The tests.

mod economy;
mod omissions;
mod policies;
mod random;
mod small;
