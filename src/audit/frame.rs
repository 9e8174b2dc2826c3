//! Reading zstd frames (RFC 8878) where they lie in an object.
//!
//! Content that does not compress is stored in raw blocks. Those go to the sink straight from the read buffer, so that
//! re-hashing such a payload costs little more than its digest; the decoder takes over at the first compressed block.

use super::source::Object;
use super::xxh64::Xxh64;
use zstd::stream::raw::{Decoder, Operation};
use zstd::zstd_safe::DParameter;

/// Bytes per read of a local file: large enough to forget the call, small enough to stay in a core's cache.
const PIECE_LOCAL_BYTES: usize = 256 * 1024;

/// Bytes per request to a remote store.
const PIECE_REMOTE_BYTES: usize = 1024 * 1024;

/// Bytes handed to the sink and to the checksum in turn: what the first leaves in the innermost cache.
const CHUNK_BYTES: usize = 16 * 1024;

/// Largest block (RFC 8878 §3.1.1.2.4).
const BLOCK_BYTES_MAX: usize = 128 * 1024;

/// Largest window accepted: the 8 MiB that RFC 8878 §3.1.1.1.2 asks every decoder to support.
const WINDOW_LOG_MAX: u32 = 23;

/// Longest skippable frame kept: a seek table of half a terabyte.
const SKIPPABLE_BYTES_MAX: usize = 1024 * 1024;

const MAGIC: u32 = 0xFD2F_B528;

/// Sixteen magics, from this one on, begin skippable frames.
const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;

/// Why bytes are not what they should be, and where in the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) offset: u64,
    pub(super) reason: String,
}

/// Takes the content of frames in order. An error stops the reading.
pub(super) trait Sink {
    fn content(&mut self, bytes: &[u8]) -> Result<(), String>;
}

/// Collects content up to a limit.
pub(super) struct Collect {
    pub(super) bytes: Vec<u8>,
    pub(super) bytes_max: usize,
}

impl Sink for Collect {
    fn content(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Err(format!("contenu de plus de {} octets", self.bytes_max));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// A frame that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// First byte in the object.
    pub(super) offset: u64,
    /// Length in the object.
    pub(super) length: u64,
    /// Length of what it holds.
    pub(super) content_bytes: u64,
    /// What a skippable frame holds.
    pub(super) skipped: Option<Vec<u8>>,
}

/// What one thread needs to read frames, kept from one object to the next.
pub(super) struct Workspace {
    piece: Vec<u8>,
    output: Vec<u8>,
    decoder: Decoder<'static>,
}

impl Workspace {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Self { piece: Vec::new(), output: vec![0; BLOCK_BYTES_MAX], decoder })
    }

    /// Prepares to read bytes `offset..end` of an object.
    pub(super) fn frames<'w>(&'w mut self, object: &'w Object, offset: u64, end: u64) -> Frames<'w> {
        let piece_bytes = if object.is_remote() { PIECE_REMOTE_BYTES } else { PIECE_LOCAL_BYTES };
        if self.piece.len() != piece_bytes {
            self.piece.resize(piece_bytes, 0);
        }
        let end = end.min(object.size_bytes);
        Frames {
            input: Input { object, piece: &mut self.piece, first: offset, at: 0, filled: 0, end },
            output: &mut self.output,
            decoder: &mut self.decoder,
        }
    }
}

/// The frames of a part of an object, one after the other.
pub(super) struct Frames<'w> {
    input: Input<'w>,
    output: &'w mut [u8],
    decoder: &'w mut Decoder<'static>,
}

struct Header {
    content_bytes: Option<u64>,
    checksum: bool,
    dictionary: bool,
}

impl Frames<'_> {
    /// Where the next frame begins.
    pub(super) fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Goes on from another place, which the next frame must begin at.
    pub(super) fn seek(&mut self, offset: u64) {
        self.input.seek(offset);
    }

    /// Whether the part has been read to its end.
    pub(super) fn at_end(&self) -> bool {
        self.offset() >= self.input.end
    }

    /// Reads the next frame; its content goes to `sink`.
    pub(super) fn next(&mut self, sink: &mut dyn Sink) -> Result<Frame, Fault> {
        let offset = self.offset();
        let magic = u32::from_le_bytes(self.input.array()?);
        if magic & 0xFFFF_FFF0 == SKIPPABLE_MAGIC {
            let skipped = self.skippable()?;
            return Ok(Frame { offset, length: self.offset() - offset, content_bytes: 0, skipped: Some(skipped) });
        }
        if magic != MAGIC {
            return Err(Fault { offset, reason: "ce n'est pas le début d'une trame zstd".to_owned() });
        }
        let header = self.header(offset)?;
        let content_bytes = self.blocks(offset, &header, sink)?;
        if header.content_bytes.is_some_and(|announced| announced != content_bytes) {
            let reason = format!("trame zstd de {content_bytes} octets de contenu, pas ce que son en-tête annonce");
            return Err(Fault { offset, reason });
        }
        Ok(Frame { offset, length: self.offset() - offset, content_bytes, skipped: None })
    }

    fn skippable(&mut self) -> Result<Vec<u8>, Fault> {
        let offset = self.offset();
        let length = u32::from_le_bytes(self.input.array()?) as usize;
        if length > SKIPPABLE_BYTES_MAX {
            return Err(Fault { offset, reason: format!("trame à sauter de {length} octets") });
        }
        let mut content = Vec::with_capacity(length);
        while content.len() < length {
            let piece = self.input.available(length - content.len())?;
            content.extend_from_slice(piece);
            let taken = piece.len();
            self.input.advance(taken);
        }
        Ok(content)
    }

    /// RFC 8878 §3.1.1.1. The decoder reads it again when it is needed: here the unused bit is checked too.
    fn header(&mut self, offset: u64) -> Result<Header, Fault> {
        let [descriptor] = self.input.array::<1>()?;
        if descriptor & 0b0001_1000 != 0 {
            return Err(Fault { offset, reason: "bits réservés de l'en-tête de trame zstd non nuls".to_owned() });
        }
        let single_segment = descriptor & 0b0010_0000 != 0;
        if !single_segment {
            self.input.array::<1>()?;
        }
        let dictionary = match descriptor & 0b11 {
            0 => 0,
            1 => u32::from(self.input.array::<1>()?[0]),
            2 => u32::from(u16::from_le_bytes(self.input.array()?)),
            _ => u32::from_le_bytes(self.input.array()?),
        };
        let content_bytes = match descriptor >> 6 {
            0 if single_segment => Some(u64::from(self.input.array::<1>()?[0])),
            0 => None,
            1 => Some(u64::from(u16::from_le_bytes(self.input.array()?)) + 256),
            2 => Some(u64::from(u32::from_le_bytes(self.input.array()?))),
            _ => Some(u64::from_le_bytes(self.input.array()?)),
        };
        Ok(Header { content_bytes, checksum: descriptor & 0b100 != 0, dictionary: dictionary != 0 })
    }

    /// RFC 8878 §3.1.1.2. Returns the length of the content.
    fn blocks(&mut self, offset: u64, header: &Header, sink: &mut dyn Sink) -> Result<u64, Fault> {
        if header.dictionary {
            return Err(Fault { offset, reason: "trame zstd qui demande un dictionnaire".to_owned() });
        }
        let mut checksum = header.checksum.then(Xxh64::new);
        let mut content_bytes = 0;
        loop {
            let at = self.offset();
            let [a, b, c] = self.input.array()?;
            let block = u32::from_le_bytes([a, b, c, 0]);
            let length = (block >> 3) as usize;
            match (block >> 1) & 0b11 {
                0 if length <= BLOCK_BYTES_MAX => self.raw(length, sink, checksum.as_mut())?,
                1 if length <= BLOCK_BYTES_MAX => self.repeated(length, sink, checksum.as_mut())?,
                // Compressed: it may refer to what came before, so the decoder must see the frame from its start.
                2 => return self.decode(offset, content_bytes, sink),
                _ => return Err(Fault { offset: at, reason: "bloc zstd invalide".to_owned() }),
            }
            content_bytes += length as u64;
            if block & 1 == 1 {
                break;
            }
        }
        if let Some(checksum) = checksum {
            let at = self.offset();
            let found = u32::from_le_bytes(self.input.array()?);
            if u64::from(found) != checksum.finish() & 0xFFFF_FFFF {
                return Err(Fault { offset: at, reason: "somme de contrôle de la trame zstd fausse".to_owned() });
            }
        }
        Ok(content_bytes)
    }

    fn raw(&mut self, length: usize, sink: &mut dyn Sink, mut checksum: Option<&mut Xxh64>) -> Result<(), Fault> {
        let mut left = length;
        while left > 0 {
            let offset = self.input.offset();
            let piece = self.input.available(left)?;
            for chunk in piece.chunks(CHUNK_BYTES) {
                sink.content(chunk).map_err(|reason| Fault { offset, reason })?;
                if let Some(checksum) = &mut checksum {
                    checksum.update(chunk);
                }
            }
            let taken = piece.len();
            self.input.advance(taken);
            left -= taken;
        }
        Ok(())
    }

    fn repeated(&mut self, length: usize, sink: &mut dyn Sink, checksum: Option<&mut Xxh64>) -> Result<(), Fault> {
        let offset = self.offset();
        let [byte] = self.input.array()?;
        let content = &mut self.output[..length];
        content.fill(byte);
        sink.content(content).map_err(|reason| Fault { offset, reason })?;
        if let Some(checksum) = checksum {
            checksum.update(content);
        }
        Ok(())
    }

    /// Reads the frame at `offset` through the decoder; its first `given` content bytes the sink already has.
    fn decode(&mut self, offset: u64, given: u64, sink: &mut dyn Sink) -> Result<u64, Fault> {
        let wrong =
            |at: u64, error: std::io::Error| Fault { offset: at, reason: format!("trame zstd altérée : {error}") };
        self.decoder.reinit().map_err(|e| wrong(offset, e))?;
        self.input.seek(offset);
        let (mut known, mut content_bytes) = (given, 0u64);
        loop {
            let at = self.input.offset();
            let status = self
                .decoder
                .run_on_buffers(self.input.available(usize::MAX)?, self.output)
                .map_err(|e| wrong(at, e))?;
            self.input.advance(status.bytes_read);
            let written = status.bytes_written;
            let skipped = usize::try_from(known).unwrap_or(usize::MAX).min(written);
            known -= skipped as u64;
            content_bytes += written as u64;
            if skipped < written {
                sink.content(&self.output[skipped..written]).map_err(|reason| Fault { offset: at, reason })?;
            }
            if status.remaining == 0 {
                return Ok(content_bytes);
            }
            if status.bytes_read == 0 && written == 0 {
                return Err(Fault { offset: at, reason: "trame zstd sans fin".to_owned() });
            }
        }
    }
}

/// A buffered reader that knows where it is.
struct Input<'w> {
    object: &'w Object,
    piece: &'w mut Vec<u8>,
    /// Offset in the object of the piece's first byte.
    first: u64,
    at: usize,
    filled: usize,
    end: u64,
}

impl Input<'_> {
    fn offset(&self) -> u64 {
        self.first + self.at as u64
    }

    /// Goes back or forth; stays within the piece when it can.
    fn seek(&mut self, offset: u64) {
        let at = offset.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(at) = at.filter(|&at| at <= self.filled) {
            self.at = at;
        } else {
            (self.first, self.at, self.filled) = (offset, 0, 0);
        }
    }

    /// Between one and `bytes_max` bytes from here on.
    fn available(&mut self, bytes_max: usize) -> Result<&[u8], Fault> {
        if self.at == self.filled {
            let offset = self.offset();
            let length = self.end.saturating_sub(offset).min(self.piece.len() as u64);
            if length == 0 {
                return Err(Fault { offset, reason: "trame zstd tronquée".to_owned() });
            }
            let length = usize::try_from(length).unwrap_or(self.piece.len());
            (self.first, self.at, self.filled) = (offset, 0, 0);
            self.object.read_exact(offset, &mut self.piece[..length]).map_err(|reason| Fault { offset, reason })?;
            self.filled = length;
        }
        let length = (self.filled - self.at).min(bytes_max);
        Ok(&self.piece[self.at..self.at + length])
    }

    fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut out = [0; N];
        let mut have = 0;
        while have < N {
            let piece = self.available(N - have)?;
            out[have..have + piece.len()].copy_from_slice(piece);
            let taken = piece.len();
            self.advance(taken);
            have += taken;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
