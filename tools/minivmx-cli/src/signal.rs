// SPDX-License-Identifier: GPL-2.0

//! Handlers of signals.

use std::{
    ffi::c_int,
    io, //
};

use vmm_sys_util::signal::{
    register_signal_handler,
    SignalHandler, //
};

/// Has `handler` called whenever the signal comes.
pub fn handle(signal: c_int, handler: SignalHandler) -> io::Result<()> {
    register_signal_handler(signal, handler)
        .map_err(|error| io::Error::from_raw_os_error(error.errno()))
}
