// SPDX-License-Identifier: GPL-2.0

//! The contents of a disk, in a file or on a block device, for one guest at a time.

use std::{
    fs::File,
    io::{
        self,
        Read,
        Seek,
        SeekFrom, //
    },
    os::{
        fd::AsRawFd,
        unix::fs::{
            FileTypeExt,
            OpenOptionsExt, //
        }, //
    },
    path::{
        Path,
        PathBuf, //
    },
};

use anyhow::{
    anyhow,
    bail,
    ensure,
    Context,
    Error,
    Result, //
};
use virtio_queue::{
    Reader,
    Writer, //
};

const SECTOR: u64 = 512;

/// What the command line says of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Choice {
    path: PathBuf,
    read_only: bool,
}

/// FILE, or FILE,ro.
pub fn choice(text: &str) -> Result<Choice, String> {
    let (path, read_only) = match text.strip_suffix(",ro") {
        Some(path) => (path, true),
        None => (text, false),
    };
    match path {
        "" => Err("the name of a file is missing".into()),
        path => Ok(Choice {
            path: path.into(),
            read_only,
        }),
    }
}

pub struct Image {
    file: File,
    sectors: u64,
    read_only: bool,
}

impl Image {
    pub fn open(choice: &Choice) -> Result<Self> {
        let Choice { path, read_only } = choice;
        let name = path.display();
        // A block device that is mounted, or has another such user, is not for writing (open(2)).
        let alone = if *read_only { 0 } else { libc::O_EXCL };
        let file = File::options()
            .read(true)
            .write(!read_only)
            .custom_flags(alone)
            .open(path);
        let mut file = file.map_err(|error| refusal(path, *read_only, error))?;
        let kind = file
            .metadata()
            .with_context(|| name.to_string())?
            .file_type();
        ensure!(
            kind.is_file() || kind.is_block_device(),
            "{name} is neither a file nor a block device"
        );
        lock(&file, *read_only).with_context(|| name.to_string())?;
        let length = file
            .seek(SeekFrom::End(0))
            .with_context(|| name.to_string())?;
        ensure!(
            length != 0 && length % SECTOR == 0,
            "{name} has {length} bytes; a disk has sectors of {SECTOR}"
        );
        Ok(Self {
            file,
            sectors: length / SECTOR,
            read_only: *read_only,
        })
    }

    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// Fills all that is to be written from this sector on.
    pub fn read(&self, sector: u64, to: &mut Writer<'_>) -> io::Result<()> {
        let length = to.available_bytes() as u64;
        let from = self.at(sector, length)?;
        copied(length, io::copy(&mut from.take(length), to))
    }

    /// Writes all that is to be read from this sector on.
    pub fn write(&self, sector: u64, from: &mut Reader<'_>) -> io::Result<()> {
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let length = from.available_bytes() as u64;
        let mut to = self.at(sector, length)?;
        copied(length, io::copy(from, &mut to))
    }

    /// Makes what was written outlast this machine's end.
    pub fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// The file at a sector, if so many bytes are there.
    fn at(&self, sector: u64, length: u64) -> io::Result<&File> {
        let end = sector.checked_add(length / SECTOR);
        let is_there = end.is_some_and(|end| end <= self.sectors);
        if length % SECTOR != 0 || !is_there {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut file = &self.file;
        file.seek(SeekFrom::Start(sector * SECTOR))?;
        Ok(file)
    }
}

fn copied(length: u64, copied: io::Result<u64>) -> io::Result<()> {
    match copied? == length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A file that can be read only is of use, too.
fn refusal(path: &Path, read_only: bool, error: io::Error) -> Error {
    let (name, kind) = (path.display(), error.kind());
    match kind {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem if !read_only => {
            anyhow!("{name} cannot be written: {error}; with --disk {name},ro it is only read")
        }
        _ => Error::new(error).context(name.to_string()),
    }
}

/// Guests that only read may do so together. It goes with the file. A kernel may be without locks.
fn lock(file: &File, read_only: bool) -> Result<()> {
    let how = if read_only {
        libc::LOCK_SH
    } else {
        libc::LOCK_EX
    };
    // SAFETY: This call is about the file alone.
    let status = unsafe { libc::flock(file.as_raw_fd(), how | libc::LOCK_NB) };
    match io::Error::last_os_error() {
        _ if status == 0 => Ok(()),
        error if error.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
        error if error.kind() == io::ErrorKind::WouldBlock => bail!("another program has it"),
        error => Err(error).context("it cannot be locked"),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::fs;

    /// The choice of a file with these contents.
    pub fn file(name: &str, contents: &[u8], read_only: bool) -> Choice {
        let path = std::env::temp_dir().join(format!("minivmx-{}-{name}", std::process::id()));
        fs::write(&path, contents).expect("there is room");
        Choice { path, read_only }
    }

    pub fn contents(choice: &Choice) -> Vec<u8> {
        fs::read(&choice.path).expect("it is there")
    }

    fn refusal_of(choice: &Choice) -> String {
        let error = Image::open(choice).err().expect("it is refused");
        format!("{error:#}")
    }

    #[test]
    fn a_name_may_say_that_it_is_only_read() {
        let choice = |path: &str, read_only| {
            Ok(Choice {
                path: path.into(),
                read_only,
            })
        };
        assert_eq!(super::choice("disk.img"), choice("disk.img", false));
        assert_eq!(super::choice("disk.img,ro"), choice("disk.img", true));
        assert_eq!(super::choice("a,b"), choice("a,b", false));
        for text in ["", ",ro"] {
            assert!(super::choice(text).is_err());
        }
    }

    #[test]
    fn what_is_no_disk_is_refused_in_words() {
        for (contents, sentence) in [
            (&[][..], "has 0 bytes; a disk has sectors of 512"),
            (&[1; 700], "has 700 bytes; a disk has sectors of 512"),
        ] {
            let refusal = refusal_of(&file("no-disk", contents, false));
            assert!(refusal.ends_with(sentence), "{refusal}");
        }
        let device = super::choice("/dev/null").expect("it is a name");
        assert_eq!(
            refusal_of(&device),
            "/dev/null is neither a file nor a block device"
        );
        let none = super::choice("/none").expect("it is a name");
        assert_eq!(
            refusal_of(&none),
            "/none: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn who_may_only_read_is_told_how_to() {
        let error = io::Error::from_raw_os_error(libc::EACCES);
        assert_eq!(
            refusal(Path::new("d"), false, error).to_string(),
            "d cannot be written: Permission denied (os error 13); with --disk d,ro it is only read"
        );
    }

    #[test]
    fn it_is_one_guests_unless_all_only_read() -> Result<()> {
        let writable = file("locked", &[0; 512], false);
        let readable = Choice {
            read_only: true,
            ..writable.clone()
        };
        let first = Image::open(&writable)?;
        for choice in [&writable, &readable] {
            let refusal = refusal_of(choice);
            assert!(refusal.ends_with(": another program has it"), "{refusal}");
        }
        drop(first);
        let _first = Image::open(&readable)?;
        let _second = Image::open(&readable)?;
        assert!(Image::open(&writable).is_err());
        Ok(())
    }
}
