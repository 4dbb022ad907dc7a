// SPDX-License-Identifier: GPL-2.0

//! What a guest asks of its disk: a header, data, and a place for how it went.

use std::io::{
    self,
    Write, //
};

use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_S_IOERR,
    VIRTIO_BLK_S_OK,
    VIRTIO_BLK_S_UNSUPP,
    VIRTIO_BLK_T_FLUSH,
    VIRTIO_BLK_T_GET_ID,
    VIRTIO_BLK_T_IN,
    VIRTIO_BLK_T_OUT, //
};
use virtio_queue::{
    Error,
    Reader,
    Writer, //
};
use vm_memory::{
    ByteValued,
    Le32,
    Le64, //
};

use super::{
    image::Image,
    LARGEST, //
};

/// A name, in its 20 bytes.
const NAME: &[u8; 20] = b"minivmx-disk\0\0\0\0\0\0\0\0";

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Header {
    kind: Le32,
    _reserved: Le32,
    sector: Le64,
}

// SAFETY: It is two words of 32 bits and one of 64, without a gap, which have all values.
unsafe impl ByteValued for Header {}

/// A disk as its driver knows it.
pub struct Known<'a> {
    pub image: &'a Image,
    /// Does it ask for what it wrote to last? If it cannot, all does when it is told of the end.
    pub flushes: bool,
}

/// Answers one: the bytes that were written, the status among them. Without a place for it, it is
/// none.
pub fn answer(
    disk: &Known<'_>,
    mut reader: Reader<'_>,
    mut writer: Writer<'_>,
) -> Result<u32, Error> {
    let room = writer.available_bytes();
    let mut status = writer.split_at(room.checked_sub(1).ok_or(Error::InvalidChain)?)?;
    let answer = match carry_out(disk, &mut reader, &mut writer) {
        Ok(()) => VIRTIO_BLK_S_OK,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => VIRTIO_BLK_S_UNSUPP,
        Err(_) => VIRTIO_BLK_S_IOERR,
    };
    // CAST: These are below 256, and a chain has less than 4 GiB.
    let written = status.write_obj(answer as u8);
    written.map_err(|_| Error::InvalidChain)?;
    Ok(writer.bytes_written() as u32 + 1)
}

fn carry_out(disk: &Known<'_>, reader: &mut Reader<'_>, writer: &mut Writer<'_>) -> io::Result<()> {
    let image = disk.image;
    let header: Header = reader.read_obj()?;
    let sector = header.sector.into();
    if reader.available_bytes().max(writer.available_bytes()) > LARGEST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    match header.kind.into() {
        VIRTIO_BLK_T_IN => image.read(sector, writer),
        VIRTIO_BLK_T_OUT if disk.flushes => image.write(sector, reader),
        VIRTIO_BLK_T_OUT => image.write(sector, reader).and_then(|()| image.flush()),
        VIRTIO_BLK_T_FLUSH => image.flush(),
        VIRTIO_BLK_T_GET_ID => writer.write_all(NAME),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
