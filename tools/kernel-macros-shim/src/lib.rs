// SPDX-License-Identifier: GPL-2.0

//! Stand-in for the kernel's `macros` crate.

use proc_macro::TokenStream;

/// KUnit's tests are tests in userspace, too.
#[proc_macro_attribute]
pub fn kunit_tests(_suite: TokenStream, module: TokenStream) -> TokenStream {
    let only_in_tests: TokenStream = "#[cfg(test)]".parse().unwrap();
    only_in_tests.into_iter().chain(module).collect()
}
