//! The zip of a package, written as the documents come: nothing of it is on disk, and no more than a piece of a document in
//! memory. Deflated, so that readers that take a zip from its beginning know where each member ends.

use std::io::{self, Write};
use zip::write::{SimpleFileOptions, StreamWriter, ZipWriter};
use zip::{CompressionMethod, result::ZipError};

/// A zip in the making.
pub struct Zip<W: Write> {
    writer: ZipWriter<StreamWriter<W>>,
}

impl<W: Write> std::fmt::Debug for Zip<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Zip")
    }
}

impl<W: Write> Zip<W> {
    /// A zip written to `out`.
    pub fn new(out: W) -> Self {
        Self { writer: ZipWriter::new_stream(out) }
    }

    /// Begins a member of `size_bytes`; its bytes follow.
    pub fn member(&mut self, name: &str, size_bytes: u64) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(1))
            // A zip64 member: deflate may add a little to what does not compress.
            .large_file(size_bytes >= u64::from(u32::MAX) - (64 << 20));
        self.writer.start_file(name, options).map_err(other)
    }

    /// Ends the zip.
    pub fn finish(self) -> io::Result<()> {
        self.writer.finish().map_err(other)?;
        Ok(())
    }
}

impl<W: Write> Write for Zip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn other(error: ZipError) -> io::Error {
    io::Error::other(error)
}
