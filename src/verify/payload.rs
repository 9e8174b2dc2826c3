//! The size and SHA-256 of a document, at the speed of the digest.

use ring::digest::{Context, SHA256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::sync_channel;

/// Bytes per read. From 64 KiB to 1 MiB the rate is the same; below, system calls show; above, the cache is left.
const READ_BYTES: usize = 128 * 1024;

/// From this size on a second thread reads ahead: copying out of the page cache costs a fifth of the digest itself.
const AHEAD_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// Buffers between the two threads.
const AHEAD_BUFFERS: usize = 4;

/// What identifies a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Length in bytes.
    pub size_bytes: u64,
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Measures a file, in constant memory.
pub fn measure(path: &Path) -> io::Result<Measure> {
    let file = File::open(path)?;
    // A pipe or device announces no size: it is read plainly.
    if file.metadata()?.len() >= AHEAD_BYTES_MIN { measure_ahead(file) } else { measure_plain(file) }
}

fn measure_plain(mut file: impl Read) -> io::Result<Measure> {
    let mut seen = Seen::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match read(&mut file, &mut buffer)? {
            0 => return Ok(seen.finish()),
            length => seen.update(&buffer[..length]),
        }
    }
}

fn measure_ahead(mut file: impl Read + Send) -> io::Result<Measure> {
    let (full_in, full_out) = sync_channel::<(Vec<u8>, usize)>(AHEAD_BUFFERS);
    let (empty_in, empty_out) = sync_channel::<Vec<u8>>(AHEAD_BUFFERS);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || -> io::Result<()> {
            let mut fresh = AHEAD_BUFFERS;
            loop {
                let mut buffer = if fresh > 0 {
                    fresh -= 1;
                    vec![0; READ_BYTES]
                } else {
                    let Ok(buffer) = empty_out.recv() else { return Ok(()) };
                    buffer
                };
                let length = read(&mut file, &mut buffer)?;
                if length == 0 || full_in.send((buffer, length)).is_err() {
                    return Ok(());
                }
            }
        });
        let mut seen = Seen::new();
        // Ends when the reader does, whether at the end of the file or at an error.
        for (buffer, length) in full_out {
            seen.update(&buffer[..length]);
            // The reader may have reached the end: then nobody wants the buffer back.
            let _ = empty_in.send(buffer);
        }
        reader.join().map_err(|_| io::Error::other("le lecteur s'est arrêté"))??;
        Ok(seen.finish())
    })
}

fn read(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

struct Seen {
    context: Context,
    size_bytes: u64,
}

impl Seen {
    fn new() -> Self {
        Self { context: Context::new(&SHA256), size_bytes: 0 }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    fn finish(self) -> Measure {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.context.finish().as_ref());
        Measure { size_bytes: self.size_bytes, sha256 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Reads short, is interrupted, and fails at the end if told to.
    struct Awkward<'a> {
        rest: &'a [u8],
        calls: usize,
        fails: bool,
    }

    impl Read for Awkward<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.rest.is_empty() && self.fails {
                return Err(io::Error::other("disque"));
            }
            let length = self.rest.len().min(buffer.len()).min(1 + self.calls * 1_000);
            buffer[..length].copy_from_slice(&self.rest[..length]);
            self.rest = &self.rest[length..];
            Ok(length)
        }
    }

    #[test]
    fn both_ways_give_the_digest() {
        for size in [0, 1, READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 5_000_000] {
            let data: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let expected = Measure { size_bytes: size as u64, sha256: crate::digest::sha256(&data) };
            let awkward = |fails| Awkward { rest: &data, calls: 0, fails };
            assert_eq!(measure_plain(awkward(false)).unwrap(), expected);
            assert_eq!(measure_ahead(awkward(false)).unwrap(), expected);
            assert!(measure_plain(awkward(true)).is_err());
            assert!(measure_ahead(awkward(true)).is_err());
        }
    }

    #[test]
    fn a_directory_is_an_error() {
        assert!(measure(Path::new("src")).is_err());
        assert!(measure(Path::new("no such file")).is_err());
    }
}
