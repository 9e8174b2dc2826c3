//! The reading of a capture, once, in buffers of a fixed size.

use super::digest::{Declared, Hasher};
use super::header::Header;
use super::http::{Chunks, Place, media_type};
use super::{Fault, Limits, RATIO_FREE_BYTES, Record, WarcError};
use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 64 << 10;
/// Most of a `warcinfo` block that is kept, in bytes.
const INFO_BYTES_MAX: usize = 64 << 10;
/// The block digest's field.
const BLOCK: &str = "WARC-Block-Digest";
/// The payload digest's field.
const PAYLOAD: &str = "WARC-Payload-Digest";

/// Reads a capture to its end; `seen` is called with every record. How many there are.
///
/// # Errors
///
/// What is not WARC, is cut, damaged or beyond `limits`: `seen` has had the records before.
pub fn check(input: impl Read, limits: &Limits, seen: &mut dyn FnMut(Record)) -> Result<usize, WarcError> {
    let taken = Rc::new(Cell::new(0u64));
    let mut input = Counted { input, count: taken.clone() };
    let mut start = Vec::new();
    input.by_ref().take(5).read_to_end(&mut start).map_err(WarcError::Io)?;
    let (gzip, plain) = (start.starts_with(&[0x1f, 0x8b]), start == b"WARC/");
    let input = BufReader::with_capacity(BUFFER_BYTES, io::Cursor::new(start).chain(input));
    if gzip {
        let decoded = BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(input));
        Reading { input: decoded, taken: Some(taken), given: 0, limits, record: 1, gzip: true }.all(seen)
    } else if plain {
        Reading { input, taken: None, given: 0, limits, record: 1, gzip: false }.all(seen)
    } else {
        Err(WarcError::NotWarc)
    }
}

/// Counts the bytes read.
struct Counted<R> {
    input: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.count.set(self.count.get().saturating_add(count as u64));
        Ok(count)
    }
}

struct Reading<'a, R> {
    input: R,
    /// Compressed bytes read so far.
    taken: Option<Rc<Cell<u64>>>,
    /// Bytes used so far.
    given: u64,
    limits: &'a Limits,
    record: usize,
    gzip: bool,
}

impl<R: BufRead> Reading<'_, R> {
    fn all(mut self, seen: &mut dyn FnMut(Record)) -> Result<usize, WarcError> {
        while let Some(record) = self.one()? {
            seen(record);
            if self.record > self.limits.records_max {
                return Err(WarcError::TooMany(self.limits.records_max));
            }
            self.record += 1;
        }
        match self.record - 1 {
            0 => Err(WarcError::NotWarc),
            count => Ok(count),
        }
    }

    fn one(&mut self) -> Result<Option<Record>, WarcError> {
        let Some(header) = self.header()? else { return Ok(None) };
        let Some(length) = header.length() else { return Err(self.malformed("Content-Length absent ou mal écrit")) };
        let text = |name: &str| header.get(name).unwrap_or_default().to_owned();
        let mut record = Record {
            number: self.record,
            kind: text("warc-type"),
            id: text("warc-record-id"),
            date: text("warc-date"),
            uri: header.uri().map(str::to_owned),
            size_bytes: length,
            faults: header.faults(),
            ..Record::default()
        };
        let mut block = Block::new(&header, &mut record);
        let mut left = length;
        while left > 0 {
            let record_number = self.record;
            let chunk = self.fill()?;
            if chunk.is_empty() {
                return Err(WarcError::Cut { record: record_number });
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            block.take(&chunk[..count], &mut record);
            self.consume(count)?;
            left -= count as u64;
        }
        block.end(&mut record);
        self.end()?;
        Ok(Some(record))
    }

    /// The header of the next record; none at the end of the file.
    fn header(&mut self) -> Result<Option<Header>, WarcError> {
        let mut text = Vec::new();
        loop {
            let record = self.record;
            let chunk = self.fill()?;
            if chunk.is_empty() {
                return if text.is_empty() { Ok(None) } else { Err(WarcError::Cut { record }) };
            }
            let end = memchr::memchr(b'\n', chunk).map_or(chunk.len(), |at| at + 1);
            text.extend_from_slice(&chunk[..end]);
            let line_ended = text.ends_with(b"\n");
            self.consume(end)?;
            if text.len() > self.limits.header_bytes_max {
                return Err(self.malformed("en-tête trop long"));
            }
            if !line_ended {
                continue;
            }
            let line_start = text[..text.len() - 1].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let line = &text[line_start..];
            if line_start == 0 {
                let version = String::from_utf8_lossy(line.trim_ascii_end());
                if !matches!(version.as_ref(), "WARC/1.0" | "WARC/1.1" | "WARC/0.18" | "WARC/0.17") {
                    return Err(self.malformed("« WARC/1.1 » ou « WARC/1.0 » attendu"));
                }
            } else if line == b"\r\n" || line == b"\n" {
                let body = memchr::memchr(b'\n', &text).map_or(&[][..], |at| &text[at + 1..]);
                let header = Header::parse(body).ok_or_else(|| self.malformed("en-tête mal formé"))?;
                return Ok(Some(header));
            }
        }
    }

    /// Two line ends after the block (ISO 28500:2017, 4).
    fn end(&mut self) -> Result<(), WarcError> {
        for wanted in *b"\r\n\r\n" {
            let record = self.record;
            match self.fill()?.first() {
                Some(&byte) if byte == wanted => self.consume(1)?,
                Some(_) => return Err(self.malformed("deux fins de ligne attendues après le contenu")),
                None => return Err(WarcError::Cut { record }),
            }
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<&[u8], WarcError> {
        let (record, gzip) = (self.record, self.gzip);
        self.input.fill_buf().map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => WarcError::Cut { record },
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if gzip => WarcError::Gzip { record },
            _ => WarcError::Io(error),
        })
    }

    fn consume(&mut self, count: usize) -> Result<(), WarcError> {
        self.input.consume(count);
        self.given = self.given.saturating_add(count as u64);
        if self.given > self.limits.bytes_max {
            return Err(WarcError::TooLarge(self.limits.bytes_max));
        }
        if let Some(taken) = &self.taken
            && self.given > RATIO_FREE_BYTES
            && self.given / taken.get().max(1) >= self.limits.ratio_max
        {
            return Err(WarcError::Bomb(self.limits.ratio_max));
        }
        Ok(())
    }

    fn malformed(&self, detail: &'static str) -> WarcError {
        WarcError::Malformed { record: self.record, detail }
    }
}

/// A block passing.
struct Block {
    whole: Option<(Declared, Hasher)>,
    payload: Option<(Declared, Hasher)>,
    /// The payload without its chunks.
    joined: Option<Hasher>,
    http: Option<Place>,
    info: Option<Vec<u8>>,
}

impl Block {
    fn new(header: &Header, record: &mut Record) -> Self {
        let content_type = header.get("content-type").unwrap_or_default().to_ascii_lowercase();
        let is_http = content_type.starts_with("application/http")
            && ["response", "request", "revisit"].contains(&record.kind.as_str());
        if !is_http && record.kind != "warcinfo" {
            record.media_type = media_type(&content_type);
        }
        let own_payload = record.kind != "revisit" && header.get("warc-segment-number").is_none();
        let with_hasher = |declared: Declared| {
            let hasher = declared.hasher();
            (declared, hasher)
        };
        let whole = header.digest("warc-block-digest", BLOCK, &mut record.faults).map(with_hasher);
        let payload = header.digest("warc-payload-digest", PAYLOAD, &mut record.faults).map(with_hasher);
        let payload = payload.filter(|_| own_payload);
        let joined = payload.as_ref().map(|(_, hasher)| hasher.clone());
        let http = is_http.then(|| Place::Header(Vec::new()));
        let info = (record.kind == "warcinfo").then(Vec::new);
        Self { whole, payload, joined, http, info }
    }

    fn take(&mut self, bytes: &[u8], record: &mut Record) {
        if let Some((_, hasher)) = &mut self.whole {
            hasher.update(bytes);
        }
        if let Some(info) = self.info.as_mut().filter(|info| info.len() < INFO_BYTES_MAX) {
            info.extend_from_slice(bytes);
        }
        let Some(http) = &mut self.http else {
            if let Some((_, hasher)) = &mut self.payload {
                hasher.update(bytes);
            }
            return;
        };
        let (said, rest) = http.take(bytes);
        if let Some(said) = said {
            record.status = said.status;
            record.media_type = said.media_type;
        }
        let Some(rest) = rest else { return };
        if let Some((_, hasher)) = &mut self.payload {
            hasher.update(rest.as_ref());
        }
        if let (Place::Body(Some(chunks)), Some(hasher)) = (http, &mut self.joined) {
            chunks.take(rest.as_ref(), &mut |data| hasher.update(data));
        }
    }

    fn end(self, record: &mut Record) {
        if let Some((declared, hasher)) = self.whole {
            judge(&declared, BLOCK, declared.is(hasher), record);
        }
        // A revisit may keep no header, and a request none that ends.
        let headless = matches!(self.http, Some(Place::Header(_) | Place::Lost));
        let mute = self.http.is_some() && record.status.is_none();
        if record.kind == "response" && (headless || mute) {
            record.faults.push(Fault::Http);
        } else if headless {
            // What its payload is cannot be said.
        } else if let Some((declared, hasher)) = self.payload {
            let complete = matches!(&self.http, Some(Place::Body(Some(chunks))) if Chunks::is_whole(chunks));
            let joined = self.joined.filter(|_| complete);
            let right = declared.is(hasher) || joined.is_some_and(|joined| declared.is(joined));
            judge(&declared, PAYLOAD, right, record);
        }
        if let Some(info) = self.info {
            let text = String::from_utf8_lossy(&info);
            let fields = text.lines().filter_map(|line| line.split_once(':'));
            record.info = fields
                .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
                .take(50)
                .collect();
        }
    }
}

fn judge(declared: &Declared, field: &'static str, right: bool, record: &mut Record) {
    if right {
        record.proven = true;
    } else {
        record.faults.push(Fault::Digest { field, algorithm: declared.algorithm });
    }
}
