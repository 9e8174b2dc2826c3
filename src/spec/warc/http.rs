//! What a block of `application/http` is made of: a header up to an empty line, then the payload, in chunks or not.

/// Longest HTTP header, in bytes.
const HEADER_BYTES_MAX: usize = 256 << 10;

/// Where in the block the reading is.
#[derive(Debug)]
pub(super) enum Place {
    /// In the header, so far.
    Header(Vec<u8>),
    /// After it.
    Body(Option<Chunks>),
    /// The header has no end.
    Lost,
}

/// What the header says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: Option<u16>,
    pub(super) media_type: Option<String>,
    chunked: bool,
}

impl Place {
    /// Takes the next bytes of a block; what of them is of the payload, and what the header says when it ends here.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> (Option<Said>, Option<Rest<'a>>) {
        match self {
            Self::Lost => (None, None),
            Self::Body(_) => (None, Some(Rest::Borrowed(bytes))),
            Self::Header(head) => {
                let from = head.len().saturating_sub(3);
                head.extend_from_slice(bytes);
                let end = end_of(head, from);
                let Some(end) = end else {
                    if head.len() > HEADER_BYTES_MAX {
                        *self = Self::Lost;
                    }
                    return (None, None);
                };
                let rest = head.split_off(end);
                let said = said(head);
                *self = Self::Body(said.chunked.then(Chunks::default));
                (Some(said), Some(Rest::Owned(rest)))
            }
        }
    }
}

/// Bytes of the payload.
pub(super) enum Rest<'a> {
    Borrowed(&'a [u8]),
    Owned(Vec<u8>),
}

impl AsRef<[u8]> for Rest<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// Where the header ends: after `CRLF CRLF`, or `LF LF` as some servers write.
fn end_of(head: &[u8], from: usize) -> Option<usize> {
    let window = head.get(from..)?;
    let strict = memchr::memmem::find(window, b"\r\n\r\n").map(|at| from + at + 4);
    let loose = memchr::memmem::find(window, b"\n\n").map(|at| from + at + 2);
    match (strict, loose) {
        (Some(strict), Some(loose)) => Some(strict.min(loose)),
        (strict, loose) => strict.or(loose),
    }
}

fn said(head: &[u8]) -> Said {
    let text = String::from_utf8_lossy(head);
    let mut said = Said::default();
    for (line, n) in text.lines().zip(0usize..) {
        if n == 0 {
            let mut words = line.split_ascii_whitespace();
            if words.next().is_some_and(|word| word.starts_with("HTTP/")) {
                said.status = words.next().and_then(|word| word.parse().ok());
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-type") {
            said.media_type = media_type(value);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            said.chunked = value.to_ascii_lowercase().contains("chunked");
        }
    }
    said
}

/// A media type in lower case, without its parameters.
pub(super) fn media_type(value: &str) -> Option<String> {
    let kind = value.split(';').next()?.trim().to_ascii_lowercase();
    let fits = kind.len() <= 127 && kind.contains('/') && kind.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(kind)
}

/// A body in chunks (RFC 9112, 7.1), taken apart as it passes.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    state: State,
    line: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(u64),
    /// The line end after a chunk.
    After,
    Done,
    Broken,
}

impl Chunks {
    /// Calls `sink` with the data among the next bytes of the body.
    pub(super) fn take(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(&[u8])) {
        while !bytes.is_empty() {
            match self.state {
                State::Done | State::Broken => return,
                State::Data(left) => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    sink(&bytes[..count]);
                    bytes = &bytes[count..];
                    let left = left - u64::try_from(count).unwrap_or(left);
                    self.state = if left == 0 { State::After } else { State::Data(left) };
                }
                State::Size | State::After => {
                    let Some(end) = memchr::memchr(b'\n', bytes) else {
                        self.line.extend_from_slice(bytes);
                        if self.line.len() > 1024 {
                            self.state = State::Broken;
                        }
                        return;
                    };
                    self.line.extend_from_slice(&bytes[..end]);
                    bytes = &bytes[end + 1..];
                    let line = std::mem::take(&mut self.line);
                    self.state = next(self.state, &line);
                }
            }
        }
    }

    /// Whether the last chunk was seen.
    pub(super) fn is_whole(&self) -> bool {
        self.state == State::Done
    }
}

fn next(state: State, line: &[u8]) -> State {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    if state == State::After {
        return if text.is_empty() { State::Size } else { State::Broken };
    }
    let digits = text.split(';').next().unwrap_or_default().trim();
    match u64::from_str_radix(digits, 16) {
        Ok(0) => State::Done,
        Ok(count) => State::Data(count),
        Err(_) => State::Broken,
    }
}
