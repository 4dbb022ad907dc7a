// SPDX-License-Identifier: GPL-2.0

//! A file whose bytes are summed up as they pass.

use std::io::{
    self,
    Read,
    Write, //
};

use crc32fast::Hasher;

/// A file, and the CRC-32 of what was read or written so far.
pub struct Summed<F> {
    file: F,
    hasher: Hasher,
}

impl<F> Summed<F> {
    pub fn new(file: F) -> Self {
        Self {
            file,
            hasher: Hasher::new(),
        }
    }

    pub fn sum(&self) -> u32 {
        self.hasher.clone().finalize()
    }
}

impl<F: Read> Read for Summed<F> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(room)?;
        self.hasher.update(&room[..count]);
        Ok(count)
    }
}

impl<F: Write> Write for Summed<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
