//! The content of an attachment: base64, mostly of gzip, given back piece by piece under limits.

use super::PesError;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use flate2::read::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Read};

/// How much is given at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// Characters of base64 decoded at once: whole groups of four.
const GROUPS_CHARS: usize = 64 * 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What an attachment may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentLimits {
    /// Decompressed, in bytes.
    pub bytes_max: u64,
    /// How many times longer than compressed, beyond 64 KiB.
    pub ratio_max: u64,
}

impl Default for ContentLimits {
    fn default() -> Self {
        Self { bytes_max: 512 << 20, ratio_max: 200 }
    }
}

/// A content on its way out. `T` holds the base64 text.
pub struct Content<T: AsRef<[u8]>> {
    source: Source<T>,
    given: u64,
    bytes_max: u64,
}

enum Source<T: AsRef<[u8]>> {
    Unread(BufReader<Unbase64<T>>),
    Plain(BufReader<Unbase64<T>>),
    Gzip(Box<MultiGzDecoder<BufReader<Unbase64<T>>>>),
    Over,
}

impl<T: AsRef<[u8]>> std::fmt::Debug for Content<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({} bytes given)", self.given)
    }
}

impl<T: AsRef<[u8]>> Content<T> {
    /// A content from its text.
    pub fn new(text: T, limits: ContentLimits) -> Self {
        let sent = u64::try_from(text.as_ref().len()).unwrap_or(u64::MAX) / 4 * 3;
        let bytes_max = limits.bytes_max.min(sent.saturating_mul(limits.ratio_max).saturating_add(64 * 1024));
        let reader = BufReader::with_capacity(PIECE_BYTES, Unbase64 { text, at: 0, decoded: Vec::new(), taken: 0 });
        Self { source: Source::Unread(reader), given: 0, bytes_max }
    }

    /// The next bytes; `None` at the end, and after an error.
    pub fn piece(&mut self) -> Result<Option<Vec<u8>>, PesError> {
        let piece = self.read();
        if !matches!(piece, Ok(Some(_))) {
            self.source = Source::Over;
        }
        piece
    }

    /// Everything at once.
    pub fn whole(mut self) -> Result<Vec<u8>, PesError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece()? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, PesError> {
        match &self.source {
            Source::Over => return Ok(None),
            Source::Unread(_) => self.begin()?,
            Source::Plain(_) | Source::Gzip(_) => {}
        }
        let mut piece = Vec::new();
        let limit = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
        let read = match &mut self.source {
            Source::Plain(reader) => reader.take(limit).read_to_end(&mut piece),
            Source::Gzip(reader) => reader.as_mut().take(limit).read_to_end(&mut piece),
            Source::Unread(_) | Source::Over => Ok(0),
        };
        let read = read.map_err(|error| blame(&error))?;
        self.given = self.given.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if self.given > self.bytes_max {
            return Err(PesError::Expanded(self.bytes_max));
        }
        Ok((read > 0).then_some(piece))
    }

    /// Looks at the first bytes: compressed or not.
    fn begin(&mut self) -> Result<(), PesError> {
        let Source::Unread(mut reader) = std::mem::replace(&mut self.source, Source::Over) else { return Ok(()) };
        let gzip = reader.fill_buf().map_err(|error| blame(&error))?.starts_with(b"\x1f\x8b");
        self.source = if gzip { Source::Gzip(Box::new(MultiGzDecoder::new(reader))) } else { Source::Plain(reader) };
        Ok(())
    }
}

/// The decoder passes the errors of what it reads through.
fn blame(error: &io::Error) -> PesError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<PesError>()) {
        Some(inner) => inner.clone(),
        None => PesError::Gzip,
    }
}

/// Base64 text as the bytes it stands for; white space is passed over.
struct Unbase64<T: AsRef<[u8]>> {
    text: T,
    at: usize,
    decoded: Vec<u8>,
    taken: usize,
}

impl<T: AsRef<[u8]>> Unbase64<T> {
    fn refill(&mut self) -> Result<(), PesError> {
        let text = self.text.as_ref();
        let mut groups = Vec::with_capacity(GROUPS_CHARS.min(text.len() - self.at));
        while groups.len() < GROUPS_CHARS && self.at < text.len() {
            let byte = text[self.at];
            self.at += 1;
            if !byte.is_ascii_whitespace() {
                groups.push(byte);
            }
        }
        // Padding ends the content: what follows it would be read as another.
        let padded = groups.ends_with(b"=");
        if padded && text[self.at..].iter().any(|byte| !byte.is_ascii_whitespace()) {
            return Err(PesError::Base64);
        }
        self.decoded.clear();
        self.taken = 0;
        BASE64.decode_vec(&groups, &mut self.decoded).map_err(|_| PesError::Base64)
    }
}

impl<T: AsRef<[u8]>> Read for Unbase64<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.decoded.len() && self.at < self.text.as_ref().len() {
            self.refill().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        let left = &self.decoded[self.taken..];
        let given = left.len().min(out.len());
        out[..given].copy_from_slice(&left[..given]);
        self.taken += given;
        Ok(given)
    }
}
