// SPDX-License-Identifier: GPL-2.0

//! Where gdb connects: a port of this machine only, or a socket in the file system.

use std::{
    fs,
    io::{
        self,
        ErrorKind,
        Read,
        Write, //
    },
    net::{
        Ipv4Addr,
        TcpListener,
        TcpStream, //
    },
    os::unix::net::{
        UnixListener,
        UnixStream, //
    },
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use anyhow::{
    Context,
    Result, //
};
use gdbstub::conn::Connection;

/// A place that gdb's `target remote` takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A port of 127.0.0.1.
    Port(u16),
    /// A socket in the file system.
    Path(PathBuf),
}

/// All digits are a port. With a colon it may be meant for one of another machine.
impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let port = text.parse().map_err(|error| format!("{error}"))?;
            return Ok(Self::Port(port));
        }
        match text.contains(':') && !text.contains('/') {
            true => Err("a port is digits only, and always of this machine".into()),
            false => Ok(Self::Path(text.into())),
        }
    }
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// Where gdb is waited for.
pub struct Listener(Socket);

impl Listener {
    /// Listens there, from now on.
    pub fn new(place: &Place) -> Result<Self> {
        let socket = match place {
            Place::Port(port) => TcpListener::bind((Ipv4Addr::LOCALHOST, *port))
                .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
                .map(Socket::Tcp)
                .with_context(|| format!("port {port} for gdb"))?,
            Place::Path(path) => UnixListener::bind(path)
                .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
                .map(|listener| Socket::Unix(listener, path.clone()))
                .with_context(|| format!("{} for gdb", path.display()))?,
        };
        Ok(Self(socket))
    }

    /// What gdb has to be told.
    pub fn address(&self) -> io::Result<String> {
        Ok(match &self.0 {
            Socket::Tcp(listener) => listener.local_addr()?.to_string(),
            Socket::Unix(_, path) => path.display().to_string(),
        })
    }

    /// Somebody who has come by now.
    pub fn accept(&self) -> io::Result<Option<Wire>> {
        let accepted: io::Result<Box<dyn Stream>> = match &self.0 {
            Socket::Tcp(listener) => listener.accept().and_then(|(stream, _)| {
                // It would only be slower.
                let _ = stream.set_nodelay(true);
                stream.set_write_timeout(Some(LONGEST_SILENCE))?;
                Ok(Box::new(stream) as _)
            }),
            Socket::Unix(listener, _) => listener.accept().and_then(|(stream, _)| {
                stream.set_write_timeout(Some(LONGEST_SILENCE))?;
                Ok(Box::new(stream) as _)
            }),
        };
        match accepted {
            Ok(stream) => Ok(Some(Wire {
                stream,
                unsent: Vec::new(),
            })),
            Err(error) if is_nothing(&error) => Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// One that may wait for a while, or not at all.
trait Stream: Read + Write {
    fn wait(&self, limit: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn wait(&self, limit: Duration) -> io::Result<()> {
        self.set_nonblocking(limit.is_zero())?;
        self.set_read_timeout(Some(limit).filter(|limit| !limit.is_zero()))
    }
}

impl Stream for UnixStream {
    fn wait(&self, limit: Duration) -> io::Result<()> {
        self.set_nonblocking(limit.is_zero())?;
        self.set_read_timeout(Some(limit).filter(|limit| !limit.is_zero()))
    }
}

/// A gdb that does not take an answer for so long is lost.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// No answer is as long.
const LONGEST_ANSWER: usize = 1 << 20;

/// A connection to gdb.
pub struct Wire {
    stream: Box<dyn Stream>,
    unsent: Vec<u8>,
}

impl Wire {
    /// What gdb says within this time; nothing if a signal comes first. That gdb is gone is an
    /// error.
    pub fn read(&mut self, limit: Duration) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 4096];
        self.stream.wait(limit)?;
        match self.stream.read(&mut bytes) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes.truncate(count),
            Err(error) if is_nothing(&error) => bytes.clear(),
            Err(error) => return Err(error),
        }
        Ok(bytes)
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Says that a packet has come.
const ACKNOWLEDGEMENT: u8 = b'+';

/// An answer of gdb's protocol goes out as a whole. What it answers is acknowledged at once: to let
/// the guest run has no answer yet.
impl Connection for Wire {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        if self.unsent.len() >= LONGEST_ANSWER {
            return Err(io::Error::other("it wants more than is sent at a time"));
        }
        let is_alone = self.unsent.is_empty();
        self.unsent.push(byte);
        match byte {
            ACKNOWLEDGEMENT if is_alone => self.flush(),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.wait(Duration::MAX)?;
        self.stream.write_all(&self.unsent)?;
        self.unsent.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;

    const SOON: Duration = Duration::from_secs(10);

    fn talk(listener: &Listener, mut gdb: impl Read + Write) {
        let mut accepted = iter::repeat_with(|| listener.accept().expect("it works"));
        let mut wire = accepted.find_map(|wire| wire).expect("gdb comes");
        assert_eq!(wire.read(Duration::ZERO).expect("gdb is there"), b"");
        gdb.write_all(b"$?#3f").expect("it is connected");
        assert_eq!(wire.read(SOON).expect("gdb is there"), b"$?#3f");
        wire.write(b'+').expect("gdb is there");
        let mut acknowledgement = [0];
        gdb.read_exact(&mut acknowledgement)
            .expect("it is connected");
        assert_eq!(&acknowledgement, b"+");
        for byte in b"$S05#b8" {
            wire.write(*byte).expect("it is kept");
        }
        wire.flush().expect("gdb is there");
        let mut answer = [0; 7];
        gdb.read_exact(&mut answer).expect("it is connected");
        assert_eq!(&answer, b"$S05#b8");
        drop(gdb);
        assert!(wire.read(SOON).is_err(), "gdb is gone");
    }

    #[test]
    fn gdb_connects_to_a_port_of_this_machine() {
        let listener = Listener::new(&Place::Port(0)).expect("there is a port");
        assert!(listener.accept().expect("it works").is_none());
        let address = listener.address().expect("there is one");
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        talk(&listener, TcpStream::connect(address).expect("it listens"));
    }

    #[test]
    fn no_answer_takes_all_memory() {
        let (here, _there) = UnixStream::pair().expect("there are sockets");
        let mut wire = Wire {
            stream: Box::new(here),
            unsent: vec![b'0'; LONGEST_ANSWER],
        };
        assert!(wire.write(b'0').is_err());
    }

    #[test]
    fn gdb_connects_to_a_socket_in_the_file_system() {
        let path = std::env::temp_dir().join(format!("minivmx-gdb-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let listener = Listener::new(&Place::Path(path.clone())).expect("it is new");
        let error = Listener::new(&Place::Path(path.clone())).err();
        let error = format!("{:#}", error.expect("it is taken"));
        assert!(error.contains("for gdb: Address already in use"), "{error}");
        talk(&listener, UnixStream::connect(&path).expect("it listens"));
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn digits_are_a_port() {
        assert_eq!("1234".parse(), Ok(Place::Port(1234)));
        assert_eq!("/tmp/gdb".parse(), Ok(Place::Path("/tmp/gdb".into())));
        assert!(":1234".parse::<Place>().is_err());
        assert!("70000".parse::<Place>().is_err());
        assert!("".parse::<Place>().is_err());
    }
}
