// SPDX-License-Identifier: GPL-2.0

//! Firmware: a BIOS, or UEFI's, by its image.

use std::{
    fs,
    path::Path, //
};

use anyhow::{
    bail,
    Context,
    Result, //
};
use vm_memory::{
    Bytes,
    GuestAddress,
    GuestMemoryMmap, //
};

use super::layout::{
    GIB_4,
    MIB, //
};

/// The part of an image that is also below 1 MiB.
const SHADOWED: usize = 128 << 10;
const PAGE: usize = 4 << 10;
const LARGEST: usize = 16 << 20;

/// An image as it is in its file.
pub struct Firmware(Vec<u8>);

impl Firmware {
    /// What the file holds.
    pub fn read(path: &Path) -> Result<Self> {
        let image = fs::read(path).with_context(|| path.display().to_string())?;
        Self::new(image).with_context(|| path.display().to_string())
    }

    fn new(image: Vec<u8>) -> Result<Self> {
        let length = image.len();
        if length == 0 || length % PAGE != 0 || length > LARGEST {
            bail!("{length} bytes are no firmware: it has whole pages of 4 KiB, at most 16 MiB");
        }
        Ok(Self(image))
    }

    /// Its bytes.
    pub fn length(&self) -> u64 {
        self.0.len() as u64
    }

    /// The image ends at 4 GiB, where the CPU begins; its end is also below
    /// 1 MiB, where the first far jump leads.
    pub fn write(&self, view: &GuestMemoryMmap) -> Result<()> {
        let Self(image) = self;
        view.write_slice(image, GuestAddress(GIB_4 - self.length()))?;
        let end = &image[image.len().saturating_sub(SHADOWED)..];
        Ok(view.write_slice(end, GuestAddress(MIB - end.len() as u64))?)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// So many bytes of which each is its 64 KiB's number.
    pub fn firmware(length: usize) -> Firmware {
        // CAST: At most 16 MiB.
        let image = (0..length).map(|place| (place >> 16) as u8);
        Firmware::new(image.collect()).expect("it has whole pages")
    }

    #[test]
    fn an_image_of_odd_size_is_refused_by_name() {
        let error = Firmware::read(Path::new("/proc/version")).err();
        let error = format!("{:#}", error.expect("it is refused"));
        assert!(error.starts_with("/proc/version: "), "{error}");
        for length in [0, 4095, LARGEST + PAGE] {
            assert!(Firmware::new(vec![0; length]).is_err(), "{length}");
        }
    }

    #[test]
    fn its_end_is_in_two_places() -> Result<()> {
        let firmware = firmware(0x3_0000);
        let ranges = [(0, MIB), (GIB_4 - firmware.length(), firmware.length())];
        let ranges = ranges.map(|(gpa, length)| (GuestAddress(gpa), length as usize));
        let view = GuestMemoryMmap::from_ranges(&ranges)?;
        firmware.write(&view)?;
        for (gpa, byte) in [
            (0xfffd_0000, 0),
            (0xffff_ffff, 2),
            (0xd_ffff, 0),
            (0xe_0000, 1),
            (0xf_ffff, 2),
        ] {
            assert_eq!(view.read_obj::<u8>(GuestAddress(gpa))?, byte, "{gpa:#x}");
        }
        Ok(())
    }
}
