//! Whatever the encoding of the document, UTF-8 comes out (XML 1.0 §4.3.3 and appendix F): UTF-8, UTF-16 by its byte
//! order mark or first characters, ISO-8859-1, ISO-8859-15 and Windows-1252 by the declaration.

use std::io::{self, BufRead, Read};

/// How much is read at a time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// How far the XML declaration is looked for, in bytes.
const HEAD_BYTES: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { big: bool },
    Latin1,
    Latin9,
    Windows1252,
}

/// Turns a document into UTF-8 without its byte order mark, and refuses to go beyond a number of bytes.
#[derive(Debug)]
pub struct Decoder<R> {
    inner: R,
    encoding: Encoding,
    /// Bytes read and not yet decoded.
    raw: Vec<u8>,
    /// UTF-8 to give, from `at`.
    out: Vec<u8>,
    at: usize,
    left_bytes: u64,
    ended: bool,
}

/// The document is longer than allowed.
#[derive(Debug, thiserror::Error)]
#[error("document trop long")]
pub(super) struct TooLong;

impl<R: Read> Decoder<R> {
    /// Looks at the beginning to tell the encoding.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] with the name of an encoding that is not read here.
    pub fn new(mut inner: R, bytes_max: u64) -> io::Result<Self> {
        let mut raw = vec![0; HEAD_BYTES];
        let mut filled = 0;
        while filled < HEAD_BYTES {
            match inner.read(&mut raw[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        raw.truncate(filled);
        let (encoding, mark_bytes) = detect(&raw)?;
        let left_bytes = bytes_max.checked_sub(filled as u64).ok_or_else(too_long)?;
        raw.drain(..mark_bytes);
        Ok(Self { inner, encoding, raw, out: Vec::new(), at: 0, left_bytes, ended: false })
    }

    fn refill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.at = 0;
        while self.out.is_empty() && !(self.ended && self.raw.is_empty()) {
            if self.encoding == Encoding::Utf8 && !self.raw.is_empty() {
                std::mem::swap(&mut self.out, &mut self.raw);
                return Ok(());
            }
            if !self.ended {
                self.read_more()?;
            }
            self.decode()?;
        }
        Ok(())
    }

    fn read_more(&mut self) -> io::Result<()> {
        let kept = self.raw.len();
        self.raw.resize(kept + CHUNK_BYTES, 0);
        let count = loop {
            match self.inner.read(&mut self.raw[kept..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.raw.truncate(kept + count.as_ref().map_or(0, |n| *n));
        let count = count?;
        self.ended = count == 0;
        self.left_bytes = self.left_bytes.checked_sub(count as u64).ok_or_else(too_long)?;
        Ok(())
    }

    fn decode(&mut self) -> io::Result<()> {
        match self.encoding {
            Encoding::Utf8 => std::mem::swap(&mut self.out, &mut self.raw),
            Encoding::Utf16 { big } => self.decode_utf16(big)?,
            single => {
                for &byte in &self.raw {
                    push(&mut self.out, character(byte, single));
                }
                self.raw.clear();
            }
        }
        Ok(())
    }

    fn decode_utf16(&mut self, big: bool) -> io::Result<()> {
        let unit = |pair: &[u8]| {
            if big { u16::from_be_bytes([pair[0], pair[1]]) } else { u16::from_le_bytes([pair[0], pair[1]]) }
        };
        let mut taken = 0;
        while let Some(pair) = self.raw.get(taken..taken + 2) {
            let first = unit(pair);
            if (0xD800..0xDC00).contains(&first) {
                let Some(next) = self.raw.get(taken + 2..taken + 4) else { break };
                let pair = char::decode_utf16([first, unit(next)]).next().and_then(Result::ok).ok_or_else(bad_utf16)?;
                push(&mut self.out, pair);
                taken += 4;
            } else {
                push(&mut self.out, char::from_u32(u32::from(first)).ok_or_else(bad_utf16)?);
                taken += 2;
            }
        }
        self.raw.drain(..taken);
        if self.ended && !self.raw.is_empty() { Err(bad_utf16()) } else { Ok(()) }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buf.len());
        buf[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Decoder<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.out.len() {
            self.refill()?;
        }
        Ok(&self.out[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.out.len());
    }
}

fn too_long() -> io::Error {
    io::Error::other(TooLong)
}

fn bad_utf16() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "séquence UTF-16 invalide")
}

fn push(out: &mut Vec<u8>, c: char) {
    let mut buffer = [0; 4];
    out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
}

/// The encoding and the length of the byte order mark.
fn detect(head: &[u8]) -> io::Result<(Encoding, usize)> {
    match head {
        [0xEF, 0xBB, 0xBF, ..] => return Ok((Encoding::Utf8, 3)),
        [0xFF, 0xFE, ..] => return Ok((Encoding::Utf16 { big: false }, 2)),
        [0xFE, 0xFF, ..] => return Ok((Encoding::Utf16 { big: true }, 2)),
        [b'<', 0, ..] => return Ok((Encoding::Utf16 { big: false }, 0)),
        [0, b'<', ..] => return Ok((Encoding::Utf16 { big: true }, 0)),
        _ => {}
    }
    let name = declared(head).unwrap_or_default();
    let encoding = match name.to_ascii_lowercase().as_str() {
        "" | "utf-8" | "utf8" | "us-ascii" | "ascii" => Encoding::Utf8,
        "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "l1" => Encoding::Latin1,
        "iso-8859-15" | "iso8859-15" | "latin9" | "latin-9" => Encoding::Latin9,
        "windows-1252" | "cp1252" => Encoding::Windows1252,
        _ => return Err(io::Error::new(io::ErrorKind::Unsupported, name)),
    };
    Ok((encoding, 0))
}

/// The value of `encoding` in the XML declaration.
fn declared(head: &[u8]) -> Option<String> {
    let declaration = head.strip_prefix(b"<?xml")?;
    let end = memchr::memmem::find(declaration, b"?>")?;
    let declaration = std::str::from_utf8(&declaration[..end]).ok()?;
    let (_, after) = declaration.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split_once(quote).map(|(name, _)| name.to_owned())
}

fn character(byte: u8, encoding: Encoding) -> char {
    const C1: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match (encoding, byte) {
        (Encoding::Windows1252, 0x80..=0x9F) => C1[usize::from(byte - 0x80)],
        (Encoding::Latin9, 0xA4) => '€',
        (Encoding::Latin9, 0xA6) => 'Š',
        (Encoding::Latin9, 0xA8) => 'š',
        (Encoding::Latin9, 0xB4) => 'Ž',
        (Encoding::Latin9, 0xB8) => 'ž',
        (Encoding::Latin9, 0xBC) => 'Œ',
        (Encoding::Latin9, 0xBD) => 'œ',
        (Encoding::Latin9, 0xBE) => 'Ÿ',
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf8(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        Decoder::new(bytes, 1 << 20)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn encodings_come_out_as_utf8() -> io::Result<()> {
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE9\xA4</a>";
        assert!(utf8(latin)?.ends_with("<a>é¤</a>"));
        let windows = b"<?xml version=\"1.0\" encoding=\"windows-1252\"?><a>\x80\x9C</a>";
        assert!(utf8(windows)?.ends_with("<a>€œ</a>"));
        let text = "<a>été 😀</a>";
        let wide: Vec<u8> = std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(utf8(&wide)?, text);
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(utf8(&big)?, text);
        assert_eq!(utf8(b"\xEF\xBB\xBF<a/>")?, "<a/>");
        Ok(())
    }

    #[test]
    fn unknown_encodings_and_long_documents_are_refused() {
        let ebcdic = b"<?xml version='1.0' encoding='IBM037'?><a/>";
        assert_eq!(utf8(ebcdic).map_err(|e| e.kind()), Err(io::ErrorKind::Unsupported));
        let long = vec![b' '; 4096];
        let mut sink = Vec::new();
        assert!(Decoder::new(&long[..], 4095).and_then(|mut d| d.read_to_end(&mut sink)).is_err());
        assert!(Decoder::new(&long[..], 4096).and_then(|mut d| d.read_to_end(&mut sink)).is_ok());
        assert!(utf8(&[0xFF, 0xFE, b'<', 0, 0x00, 0xDC]).is_err());
    }
}
