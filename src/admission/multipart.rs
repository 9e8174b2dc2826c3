//! A streaming reader of `multipart/form-data` (RFC 7578 over RFC 2046 §5.1): bytes in, events out, no copy of content.
//!
//! It holds at most one chunk and the unfinished headers of one part, so a body of any length passes in constant memory.
//! File names are kept as the bytes received: whether they are UTF-8 is for [`super::file_name`] to say.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;
use thiserror::Error;

/// The longest header block of one part.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// The longest boundary (RFC 2046 §5.1.1).
pub const BOUNDARY_BYTES_MAX: usize = 70;

/// What the body holds next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Part(PartHead),
    /// Content of the part begun last.
    Data(Bytes),
    /// That part is over.
    PartEnd,
    /// The closing boundary was read; what follows is ignored.
    End,
}

/// The headers of a part that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartHead {
    /// `name` of the form field.
    pub name: Vec<u8>,
    /// `filename*` (RFC 8187, percent-decoded) or `filename`, as bytes.
    pub file_name: Option<Vec<u8>>,
}

/// Why a body is no multipart message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MultipartError {
    /// The media type has no usable boundary.
    #[error("paramètre « boundary » absent ou incorrect dans Content-Type")]
    Boundary,
    /// The body does not start with the boundary, or a boundary is followed by something else.
    #[error("délimiteur de partie absent ou suivi d'autre chose qu'une fin de ligne")]
    Delimiter,
    /// The headers of a part are too long.
    #[error("en-têtes de partie de plus de {HEAD_BYTES_MAX} octets")]
    HeadTooLong,
    /// A part has no usable `Content-Disposition: form-data; name=…`.
    #[error("en-tête Content-Disposition absent ou incorrect")]
    Disposition,
    /// The body ended before the closing boundary.
    #[error("le corps s'arrête avant le délimiteur final")]
    Cut,
}

/// The reader: [`Parser::push`] chunks, take events with [`Parser::next`] until `None`, then push again.
#[derive(Debug)]
pub struct Parser {
    /// CR LF `--` boundary.
    delimiter: Vec<u8>,
    finder: Finder<'static>,
    buffer: Bytes,
    state: State,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// Just after a boundary.
    Boundary,
    Head,
    /// Just after the headers, whose last line break is still there.
    DataStart,
    Data,
    Epilogue,
}

impl Parser {
    /// A reader for the `Content-Type` of a request.
    pub fn new(content_type: &str) -> Result<Self, MultipartError> {
        let boundary = boundary(content_type).ok_or(MultipartError::Boundary)?;
        let delimiter = [b"\r\n--", boundary.as_slice()].concat();
        let finder = Finder::new(&delimiter).into_owned();
        // The first boundary needs no line break before it; adding one makes it like the others.
        Ok(Self { delimiter, finder, buffer: Bytes::from_static(b"\r\n"), state: State::Preamble, ended: false })
    }

    /// Takes the next bytes of the body.
    pub fn push(&mut self, chunk: Bytes) {
        if self.buffer.is_empty() {
            self.buffer = chunk;
        } else if !chunk.is_empty() {
            let mut joined = BytesMut::with_capacity(self.buffer.len() + chunk.len());
            joined.extend_from_slice(&self.buffer);
            joined.extend_from_slice(&chunk);
            self.buffer = joined.freeze();
        }
    }

    /// Says that the body is over.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next event; `None` asks for more bytes.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Event>, MultipartError> {
        let event = match self.state {
            State::Preamble => self.preamble(),
            State::Boundary => self.boundary(),
            State::Head => self.head(),
            State::DataStart => Ok(self.data_start()),
            State::Data => Ok(self.data()),
            State::Epilogue => {
                self.buffer = Bytes::new();
                return Ok(None);
            }
        }?;
        if event.is_none() && self.ended {
            return Err(MultipartError::Cut);
        }
        Ok(event)
    }

    fn preamble(&mut self) -> Result<Option<Event>, MultipartError> {
        // A preamble is allowed by RFC 2046 and used by nobody here: only the line break that `new` added.
        if self.buffer.len() < self.delimiter.len() {
            return if self.delimiter.starts_with(&self.buffer) { Ok(None) } else { Err(MultipartError::Delimiter) };
        }
        if !self.buffer.starts_with(&self.delimiter) {
            return Err(MultipartError::Delimiter);
        }
        self.buffer.advance(self.delimiter.len());
        self.state = State::Boundary;
        self.boundary()
    }

    /// After a boundary: `--` closes the body, an end of line (after blanks) begins a part.
    fn boundary(&mut self) -> Result<Option<Event>, MultipartError> {
        if self.buffer.starts_with(b"--") {
            self.buffer = Bytes::new();
            self.state = State::Epilogue;
            return Ok(Some(Event::End));
        }
        let blanks = self.buffer.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        match self.buffer.get(blanks..) {
            Some([b'\r', b'\n', ..]) => {
                // The line break stays: an empty header block is then CR LF CR LF like any other end of headers.
                self.buffer.advance(blanks);
                self.state = State::Head;
                self.head()
            }
            Some([] | [b'\r' | b'-']) if blanks < HEAD_BYTES_MAX => Ok(None),
            _ => Err(MultipartError::Delimiter),
        }
    }

    fn head(&mut self) -> Result<Option<Event>, MultipartError> {
        let looked_at = self.buffer.len().min(HEAD_BYTES_MAX);
        let Some(end) = memchr::memmem::find(&self.buffer[..looked_at], b"\r\n\r\n") else {
            return if looked_at == HEAD_BYTES_MAX { Err(MultipartError::HeadTooLong) } else { Ok(None) };
        };
        let block = self.buffer.split_to(end);
        self.buffer.advance(2);
        self.state = State::DataStart;
        parse_head(&block).map(|part| Some(Event::Part(part))).ok_or(MultipartError::Disposition)
    }

    /// The line break that ended the headers may already belong to the delimiter (a part without any content).
    fn data_start(&mut self) -> Option<Event> {
        if self.buffer.len() < self.delimiter.len() && self.delimiter.starts_with(&self.buffer) {
            return None;
        }
        if !self.buffer.starts_with(&self.delimiter) {
            self.buffer.advance(2);
        }
        self.state = State::Data;
        self.data()
    }

    fn data(&mut self) -> Option<Event> {
        if let Some(at) = self.finder.find(&self.buffer) {
            if at > 0 {
                return Some(Event::Data(self.buffer.split_to(at)));
            }
            self.buffer.advance(self.delimiter.len());
            self.state = State::Boundary;
            return Some(Event::PartEnd);
        }
        let sure = self.buffer.len() - self.delimiter_begun();
        (sure > 0).then(|| Event::Data(self.buffer.split_to(sure)))
    }

    /// Length of the longest end of the buffer that a delimiter may begin with.
    fn delimiter_begun(&self) -> usize {
        let tail_start = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
        let tail = &self.buffer[tail_start..];
        memchr::memchr_iter(b'\r', tail)
            .map(|at| &tail[at..])
            .find(|end| self.delimiter.starts_with(end))
            .map_or(0, <[u8]>::len)
    }
}

/// The `boundary` parameter of a `multipart/form-data` media type.
fn boundary(content_type: &str) -> Option<Vec<u8>> {
    let (media_type, parameters) = content_type.split_once(';')?;
    if !media_type.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = Parameters(parameters.as_bytes()).find(|(name, _)| name.eq_ignore_ascii_case(b"boundary"))?.1;
    let usable = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len())
        && boundary.iter().all(|b| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b))
        && !boundary.ends_with(b" ");
    usable.then_some(boundary)
}

/// Reads a block of headers, each line begun by CR LF.
fn parse_head(block: &[u8]) -> Option<PartHead> {
    let mut head = None;
    let mut rest = block;
    while let Some(line) = rest.strip_prefix(b"\r\n") {
        let end = memchr::memmem::find(line, b"\r\n").unwrap_or(line.len());
        rest = &line[end..];
        let line = &line[..end];
        let colon = line.iter().position(|&b| b == b':')?;
        if line[..colon].eq_ignore_ascii_case(b"content-disposition") {
            if head.is_some() {
                return None;
            }
            head = Some(parse_disposition(line[colon + 1..].trim_ascii())?);
        }
    }
    head
}

fn parse_disposition(value: &[u8]) -> Option<PartHead> {
    let semicolon = value.iter().position(|&b| b == b';')?;
    if !value[..semicolon].trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return None;
    }
    let (mut name, mut plain, mut extended) = (None, None, None);
    for (parameter, value) in Parameters(&value[semicolon + 1..]) {
        match parameter.to_ascii_lowercase().as_slice() {
            b"name" => name = Some(value),
            b"filename" => plain = Some(value),
            b"filename*" => extended = Some(extended_value(&value)?),
            _ => {}
        }
    }
    Some(PartHead { name: name?, file_name: extended.or(plain) })
}

/// RFC 8187: `utf-8'<language>'<percent-encoded>`.
fn extended_value(value: &[u8]) -> Option<Vec<u8>> {
    let mut fields = value.splitn(3, |&b| b == b'\'');
    let (charset, _language, encoded) = (fields.next()?, fields.next()?, fields.next()?);
    charset.eq_ignore_ascii_case(b"utf-8").then(|| percent_encoding::percent_decode(encoded).collect())
}

/// `name=value; name="quoted value"` pairs; stops at what is no parameter.
struct Parameters<'a>(&'a [u8]);

impl Iterator for Parameters<'_> {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.0.iter().position(|b| !matches!(b, b' ' | b'\t' | b';'))?;
        let text = &self.0[start..];
        let equals = text.iter().position(|&b| b == b'=')?;
        let name = text[..equals].trim_ascii().to_vec();
        let (value, rest) = match text.get(equals + 1..)? {
            [b'"', quoted @ ..] => quoted_value(quoted)?,
            plain => {
                let end = plain.iter().position(|&b| b == b';').unwrap_or(plain.len());
                (plain[..end].trim_ascii().to_vec(), &plain[end..])
            }
        };
        self.0 = rest;
        Some((name, value))
    }
}

/// The inside of a quoted string and what follows it. `\"` and the browsers' `%22` are a quote; a lone backslash is kept,
/// as browsers send it (and a name with one is refused later).
fn quoted_value(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::with_capacity(32);
    let mut rest = quoted;
    loop {
        match rest {
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', b'"', after @ ..] | [b'%', b'2', b'2', after @ ..] => {
                value.push(b'"');
                rest = after;
            }
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=\"b-1\"";

    /// Every part with its content, whatever the sizes of the chunks.
    fn read(body: &[u8], chunk: usize) -> Result<Vec<(PartHead, Vec<u8>)>, MultipartError> {
        let mut parser = Parser::new(TYPE)?;
        let mut parts: Vec<(PartHead, Vec<u8>)> = Vec::new();
        let mut chunks = body.chunks(chunk.max(1));
        loop {
            match parser.next()? {
                Some(Event::Part(head)) => parts.push((head, Vec::new())),
                Some(Event::Data(data)) => parts.last_mut().unwrap().1.extend_from_slice(&data),
                Some(Event::PartEnd) => {}
                Some(Event::End) => return Ok(parts),
                None => match chunks.next() {
                    Some(chunk) => parser.push(Bytes::copy_from_slice(chunk)),
                    None => parser.end(),
                },
            }
        }
    }

    fn body(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, content) in files {
            out.extend(
                format!("--b-1\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\nX: y\r\n\r\n")
                    .bytes(),
            );
            out.extend(*content);
            out.extend(b"\r\n");
        }
        out.extend(b"--b-1--\r\n");
        out
    }

    #[test]
    fn parts_are_read_at_any_chunk_size() {
        let body = body(&[("é.txt", b"un"), ("vide", b""), ("piege", b"\r\n--b-\r\n--b\r\r\n\n--b-1--")]);
        for chunk in 1..=body.len() {
            let parts = read(&body, chunk).unwrap();
            let contents: Vec<&[u8]> = parts.iter().map(|(_, content)| content.as_slice()).collect();
            assert_eq!(contents, [&b"un"[..], b"", b"\r\n--b-\r\n--b\r\r\n\n--b-1--"], "{chunk}");
            assert_eq!(parts[0].0.file_name.as_deref(), Some("é.txt".as_bytes()));
        }
    }

    #[test]
    fn a_cut_body_is_never_taken_for_a_whole_one() {
        let body = body(&[("a", b"contenu"), ("b", b"suite")]);
        for end in 0..body.len() - 4 {
            assert!(read(&body[..end], 7).is_err(), "{end}");
        }
    }

    #[test]
    fn names_of_files() {
        let head = |disposition: &str| parse_head(format!("\r\nContent-Disposition: {disposition}").as_bytes());
        let name = |d: &str| head(d).unwrap().file_name.unwrap();
        assert_eq!(
            name("form-data; name=\"f\"; filename*=utf-8''D%C3%A9lib.pdf; filename=\"x\""),
            "Délib.pdf".as_bytes()
        );
        assert_eq!(name("form-data; name=f; filename=\"a\\\"b%22c\""), b"a\"b\"c");
        assert_eq!(name("form-data; name=f; filename=\"C:\\x\""), b"C:\\x");
        assert_eq!(head("attachment; name=\"f\""), None);
        assert_eq!(head("form-data; filename=\"f\""), None);
        assert_eq!(parse_head(b"\r\nsans deux-points"), None);
    }

    #[test]
    fn malformed_bodies() {
        assert_eq!(Parser::new("multipart/form-data").err(), Some(MultipartError::Boundary));
        assert_eq!(Parser::new("application/json; boundary=x").err(), Some(MultipartError::Boundary));
        assert_eq!(read(b"preambule\r\n--b-1--", 3), Err(MultipartError::Delimiter));
        assert_eq!(read(b"--b-1 x\r\n", 100), Err(MultipartError::Delimiter));
        let long = [b"--b-1\r\nX: ".as_slice(), &vec![b'x'; HEAD_BYTES_MAX]].concat();
        assert_eq!(read(&long, 1000), Err(MultipartError::HeadTooLong));
        assert_eq!(read(b"--b-1--", 1), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn contents_come_back_whole(contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..4), chunk in 1usize..64) {
            let files: Vec<(&str, &[u8])> = contents.iter().map(|c| ("n", c.as_slice())).collect();
            let clean = contents.iter().all(|c| memchr::memmem::find(&[b"\r\n", c.as_slice()].concat(), b"\r\n--b-1").is_none());
            prop_assume!(clean);
            let read: Vec<Vec<u8>> = read(&body(&files), chunk).unwrap().into_iter().map(|(_, c)| c).collect();
            prop_assert_eq!(read, contents);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), chunk in 1usize..64) {
            let _ = read(&[b"--b-1\r\n", bytes.as_slice()].concat(), chunk);
        }
    }
}
