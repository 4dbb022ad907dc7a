// SPDX-License-Identifier: GPL-2.0

//! Standard output and standard error. Who is to read them may have stopped to do so, which
//! keeps no run from its end.

use std::{
    fmt::Display,
    fs::File,
    io::{
        self,
        ErrorKind,
        Write, //
    },
    os::fd::AsFd,
    time::Duration,
};

use super::ready::is_ready;
use crate::run::signals;

/// So often it is looked whether it is the end: another thread may have the signal that says so.
const LOOK: Duration = Duration::from_millis(100);
/// A terminal may take that long for what it has.
const GRACE: Duration = Duration::from_secs(3);
/// As much fits into a pipe that has any room (pipe(7), "PIPE_BUF").
const PIECE: usize = 4096;

/// A stream that is written without being buffered.
pub struct Output {
    file: File,
    is_over: fn() -> bool,
}

impl Output {
    /// To one of those that the process has.
    pub fn to(stream: impl AsFd) -> io::Result<Self> {
        Ok(Self {
            file: stream.as_fd().try_clone_to_owned()?.into(),
            is_over: || signals::stopped().is_some(),
        })
    }

    fn wait_for_room(&self) -> io::Result<()> {
        while !self.has_room(LOOK) {
            if (self.is_over)() && !self.has_room(GRACE) {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    "nobody takes the output",
                ));
            }
        }
        Ok(())
    }

    fn has_room(&self, limit: Duration) -> bool {
        is_ready(self.file.as_fd(), libc::POLLOUT, limit)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait_for_room()?;
        self.file.write(&bytes[..bytes.len().min(PIECE)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line to standard output.
pub fn say(line: impl Display) -> io::Result<()> {
    write_line(io::stdout(), line)
}

/// Writes a line to standard error. What nobody takes there is lost.
pub fn tell(line: impl Display) {
    let _lost = write_line(io::stderr(), line);
}

fn write_line(stream: impl AsFd, line: impl Display) -> io::Result<()> {
    Output::to(stream)?.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Read,
        os::unix::net::UnixStream, //
    };

    /// More than there is room for.
    const MUCH: usize = 1 << 22;

    #[test]
    fn a_reader_who_stops_keeps_nobody_from_the_end() -> io::Result<()> {
        let (_reader, writer) = UnixStream::pair()?;
        let mut output = Output {
            is_over: || true,
            ..Output::to(&writer)?
        };
        let error = output
            .write_all(&vec![0; MUCH])
            .expect_err("there is no room");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        Ok(())
    }

    #[test]
    fn a_slow_reader_gets_everything() -> io::Result<()> {
        let (mut reader, writer) = UnixStream::pair()?;
        let mut output = Output::to(&writer)?;
        drop(writer);
        let writing = std::thread::spawn(move || output.write_all(&vec![0; MUCH]));
        std::thread::sleep(2 * LOOK);
        assert_eq!(reader.read_to_end(&mut Vec::new())?, MUCH);
        writing.join().expect("nobody panics")
    }
}
