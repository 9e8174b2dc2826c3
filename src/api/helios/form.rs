//! Parameters and files as HTML forms send them: a query, a urlencoded body, or a multipart one.

use crate::admission::Reason;
use crate::admission::multipart::{Event, MultipartError, Parser};
use crate::api::body::Incoming;
use crate::api::services::Services;
use crate::producer::helios::BYTES_MAX;
use axum::body::Body;
use axum::http::Uri;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use bytes::Bytes;
use std::time::Duration;

/// Parameters of one request.
const FIELDS_MAX: usize = 64;
/// The longest body without files, and the longest value, in bytes.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Part headers and boundaries around the files.
const AROUND_BYTES_MAX: u64 = 1 << 20;

/// What a form held.
#[derive(Debug, Default)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
    pub(super) files: Vec<File>,
}

/// A file of a form.
#[derive(Debug)]
pub(super) struct File {
    pub(super) field: String,
    pub(super) name: Vec<u8>,
    pub(super) bytes: Bytes,
}

/// Why a form cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Longer than the largest file.
    TooLarge,
    /// Cut, silent, or no form.
    Broken,
}

impl Form {
    /// The parameters of the address alone.
    pub(super) fn of_address(address: &Uri) -> Self {
        let fields = address.query().map(|query| pairs(query.as_bytes())).unwrap_or_default();
        Self { fields, files: Vec::new() }
    }

    /// The parameters of the address, then those of the body, with its files.
    pub(super) async fn read(app: &Services, parts: &Parts, body: Body) -> Result<Self, Unusable> {
        let mut form = Self::of_address(&parts.uri);
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
        let lower = content_type.to_ascii_lowercase();
        if lower.starts_with("multipart/") {
            let largest = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
            let bytes_max = largest.min(app.limits.body_bytes_max).saturating_add(AROUND_BYTES_MAX);
            let announced = length(parts).unwrap_or(0);
            if announced > bytes_max {
                return Err(Unusable::TooLarge);
            }
            form.multipart(content_type, announced, Incoming::new(body, bytes_max, idle_max)).await?;
        } else if lower.starts_with("application/x-www-form-urlencoded") {
            let whole = Incoming::new(body, u64::try_from(VALUE_BYTES_MAX).unwrap_or(0), idle_max).whole().await;
            form.fields.extend(pairs(&whole.map_err(|_| Unusable::Broken)?));
        }
        Ok(form)
    }

    /// The first value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter as PHP's `(int)` would read it, 0 when it is none.
    pub(super) fn number(&self, name: &str) -> u64 {
        let digits = self.get(name).unwrap_or_default().trim();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().unwrap_or(0)
    }

    async fn multipart(&mut self, content_type: &str, announced: u64, mut body: Incoming) -> Result<(), Unusable> {
        let broken = |_: MultipartError| Unusable::Broken;
        let mut parser = Parser::new(content_type).map_err(broken)?;
        let mut current: Option<(String, Option<Vec<u8>>, Vec<u8>)> = None;
        loop {
            match parser.next().map_err(broken)? {
                Some(Event::Part(head)) => {
                    if self.fields.len() + self.files.len() >= FIELDS_MAX {
                        return Err(Unusable::Broken);
                    }
                    // A large file comes in memory taken once.
                    let room = if head.file_name.is_some() && self.files.is_empty() { announced } else { 0 };
                    let room = usize::try_from(room).unwrap_or(0).min(BYTES_MAX);
                    let name = String::from_utf8_lossy(&head.name).into_owned();
                    current = Some((name, head.file_name, Vec::with_capacity(room)));
                }
                Some(Event::Data(data)) => {
                    let Some((_, file, bytes)) = &mut current else { continue };
                    let bytes_max = if file.is_some() { BYTES_MAX } else { VALUE_BYTES_MAX };
                    if bytes.len() + data.len() > bytes_max {
                        return Err(Unusable::TooLarge);
                    }
                    bytes.extend_from_slice(&data);
                }
                Some(Event::PartEnd) => match current.take() {
                    Some((field, Some(name), bytes)) => self.files.push(File { field, name, bytes: bytes.into() }),
                    Some((field, None, bytes)) => {
                        self.fields.push((field, String::from_utf8_lossy(&bytes).into_owned()));
                    }
                    None => {}
                },
                Some(Event::End) => return Ok(()),
                None => match body.chunk().await {
                    Ok(Some(chunk)) => parser.push(chunk),
                    Ok(None) => parser.end(),
                    Err(Reason::BodyTooLarge { .. }) => return Err(Unusable::TooLarge),
                    Err(_) => return Err(Unusable::Broken),
                },
            }
        }
    }
}

/// The length that a request announces.
pub(super) fn length(parts: &Parts) -> Option<u64> {
    parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `a=b&c=d`, percent-encoded; a `+` is a space.
pub(super) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    let decoded = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
        percent_encoding::percent_decode(&spaced).decode_utf8_lossy().into_owned()
    };
    text.split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
        .take(FIELDS_MAX)
        .map(|pair| match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => (decoded(&pair[..at]), decoded(&pair[at + 1..])),
            None => (decoded(pair), String::new()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_browsers_write_them() {
        let found = pairs(b"id=12&nom=a+b%C3%A9&vide=&seul&&x=1=2");
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("id", "12"), ("nom", "a bé"), ("vide", ""), ("seul", ""), ("x", "1=2")]);
        let form = Form { fields: pairs(b"a=12abc&b=-3&c="), files: Vec::new() };
        assert_eq!((form.number("a"), form.number("b"), form.number("c"), form.number("d")), (12, 0, 0, 0));
    }
}
