// SPDX-License-Identifier: GPL-2.0

//! Where a guest's text goes: to the terminal, or into a string for `--json`;
//! and whether the text that `--until` waits for has come by.

use std::io::{
    self,
    LineWriter,
    Write, //
};

/// Most that a captured text grows to; a guest that prints for ever must not
/// take all memory. The first bytes stay.
const CAPTURE_LIMIT: usize = 1 << 20;

/// The end of one of the guest's text channels.
pub struct Sink {
    target: Target,
    awaited: Option<Awaited>,
    mid_line: bool,
}

enum Target {
    Stream(Box<dyn Write + Send>),
    Lines(LineWriter<Box<dyn Write + Send>>),
    Captured(Vec<u8>),
}

struct Awaited {
    text: Vec<u8>,
    /// The bytes that came last, fewer than `text` has.
    recent: Vec<u8>,
    seen: bool,
}

impl Sink {
    /// Passes the text on.
    pub fn stream(target: impl Write + Send + 'static, awaited: Option<&str>) -> Self {
        Self::new(Target::Stream(Box::new(target)), awaited)
    }

    /// Passes the text on line by line, for where others write as well.
    pub fn lines(target: impl Write + Send + 'static, awaited: Option<&str>) -> Self {
        Self::new(Target::Lines(LineWriter::new(Box::new(target))), awaited)
    }

    /// Keeps the text.
    pub fn captured(awaited: Option<&str>) -> Self {
        Self::new(Target::Captured(Vec::new()), awaited)
    }

    fn new(target: Target, awaited: Option<&str>) -> Self {
        let awaited = awaited.map(|text| Awaited {
            text: text.into(),
            recent: Vec::new(),
            seen: false,
        });
        Self {
            target,
            awaited,
            mid_line: false,
        }
    }

    /// Whether the awaited text has come by.
    pub fn seen(&self) -> bool {
        self.awaited.as_ref().is_some_and(|awaited| awaited.seen)
    }

    /// Ends a line that was begun, so that others can write.
    pub fn end_line(&mut self) -> io::Result<()> {
        match (&mut self.target, self.mid_line) {
            (Target::Stream(stream), true) => stream.write_all(b"\n"),
            (Target::Lines(stream), true) => stream.write_all(b"\n"),
            _ => Ok(()),
        }
    }

    /// The text, if it is kept here.
    pub fn text(&self) -> String {
        match &self.target {
            Target::Stream(_) | Target::Lines(_) => String::new(),
            Target::Captured(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(awaited) = &mut self.awaited {
            awaited.pass(bytes);
        }
        self.mid_line = bytes.last().map_or(self.mid_line, |last| *last != b'\n');
        match &mut self.target {
            Target::Stream(stream) => stream.write_all(bytes)?,
            Target::Lines(stream) => stream.write_all(bytes)?,
            Target::Captured(kept) => {
                let room = CAPTURE_LIMIT.saturating_sub(kept.len());
                kept.extend(bytes.iter().take(room));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Stream(stream) => stream.flush(),
            Target::Lines(_) | Target::Captured(_) => Ok(()),
        }
    }
}

impl Awaited {
    fn pass(&mut self, bytes: &[u8]) {
        self.recent.extend(bytes);
        let mut windows = self.recent.windows(self.text.len().max(1));
        self.seen |= windows.any(|window| window == self.text);
        let old = (self.recent.len() + 1).saturating_sub(self.text.len());
        self.recent.drain(..old.min(self.recent.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn write(sink: &mut Sink, text: &str) {
        sink.write_all(text.as_bytes())
            .expect("it takes everything");
    }

    #[test]
    fn a_text_is_seen_in_pieces() {
        let mut sink = Sink::captured(Some("device."));
        for byte in "No bootable devidevice".chars() {
            write(&mut sink, &byte.to_string());
            assert!(!sink.seen());
        }
        write(&mut sink, ".");
        assert!(sink.seen());
        write(&mut sink, " more");
        assert!(sink.seen());
    }

    #[test]
    fn a_text_is_seen_at_once() {
        let mut sink = Sink::captured(Some("b"));
        write(&mut sink, "abc");
        assert!(sink.seen());
        assert_eq!(sink.text(), "abc");
    }

    /// A stream that can be looked at.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn text(&self) -> Vec<u8> {
            self.0.lock().expect("nobody panics").clone()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_come_whole() {
        let stream = Shared::default();
        let mut sink = Sink::lines(stream.clone(), None);
        write(&mut sink, "a");
        sink.flush().expect("it takes everything");
        assert_eq!(stream.text(), b"");
        write(&mut sink, "b\nc");
        sink.end_line().expect("it takes everything");
        assert_eq!(stream.text(), b"ab\nc\n");
    }

    #[test]
    fn a_line_that_has_ended_is_not_ended_again() {
        let stream = Shared::default();
        let mut sink = Sink::stream(stream.clone(), None);
        write(&mut sink, "a\n");
        sink.end_line().expect("it takes everything");
        assert_eq!(stream.text(), b"a\n");
    }

    #[test]
    fn nothing_is_seen_where_nothing_is_awaited() {
        let mut sink = Sink::captured(None);
        write(&mut sink, "text");
        assert!(!sink.seen());
    }

    #[test]
    fn a_captured_text_ends_at_the_limit() {
        let mut sink = Sink::captured(None);
        write(&mut sink, &"x".repeat(CAPTURE_LIMIT + 10));
        assert_eq!(sink.text().len(), CAPTURE_LIMIT);
    }
}
