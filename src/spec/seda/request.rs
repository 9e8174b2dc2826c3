//! Requests that concern archives already kept: to read them, to have them back, and what the control authority answers.
//! Only what is asked, by whom; any 2.x version.

use super::Version;
use super::xml::{self, Element, Handler, Limits, Position, Stop, XmlError};
use std::io::Read;

/// The most `UnitIdentifier`s kept.
const UNITS_MAX: usize = 100_000;

/// A request or an answer about archives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The version of its namespace, when it is one of the standard's.
    pub version: Option<Version>,
    /// Its root: `ArchiveDeliveryRequest`, …
    pub message: String,
    /// `MessageIdentifier`.
    pub identifier: String,
    /// `Comment`, the first one.
    pub comment: Option<String>,
    /// `ArchivalAgreement`.
    pub agreement: Option<String>,
    /// `Derogation`: the archives are known not to be communicable yet.
    pub derogation: bool,
    /// `UnitIdentifier`s.
    pub units: Vec<String>,
    /// `ReplyCode` of an answer.
    pub reply_code: Option<String>,
    /// `MessageRequestIdentifier` of an answer.
    pub request: Option<String>,
    /// `Requester`, `OriginatingAgency` or `ControlAuthority`: the other side.
    pub other: Option<String>,
    /// `ArchivalAgency`.
    pub archival_agency: Option<String>,
}

/// Reads a request; whether it is valid is [`super::validate()`]'s to say.
///
/// # Errors
///
/// What is not well-formed, or out of bounds.
pub fn request<R: Read>(input: R, limits: &Limits) -> Result<Request, XmlError> {
    let mut reading = Reading::default();
    xml::read(input, limits, &mut reading)?;
    Ok(reading.request)
}

#[derive(Default)]
struct Reading {
    path: Vec<String>,
    text: String,
    request: Request,
}

impl Handler for Reading {
    fn start(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        if self.path.is_empty() {
            self.request.version = Version::of_namespace(element.namespace);
            element.name.clone_into(&mut self.request.message);
        }
        self.path.push(element.name.to_owned());
        self.text.clear();
        Ok(())
    }

    fn text(&mut self, text: &str, _: Position) -> Result<(), Stop> {
        if self.path.len() <= 3 && self.text.len() < 64 * 1024 {
            self.text.push_str(text);
        }
        Ok(())
    }

    fn end(&mut self, _: Position, _: u64) -> Result<(), Stop> {
        let text = self.text.trim().to_owned();
        self.text.clear();
        let names: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let request = &mut self.request;
        match names.as_slice() {
            [_, "MessageIdentifier"] => request.identifier = text,
            [_, "Comment"] => _ = request.comment.get_or_insert(text),
            [_, "ArchivalAgreement"] => request.agreement = Some(text),
            [_, "Derogation"] => request.derogation = matches!(text.as_str(), "true" | "1"),
            [_, "UnitIdentifier"] if request.units.len() < UNITS_MAX => request.units.push(text),
            [_, "ReplyCode"] => request.reply_code = Some(text),
            [_, "MessageRequestIdentifier"] => request.request = Some(text),
            [_, "Requester" | "OriginatingAgency" | "ControlAuthority", "Identifier"] => request.other = Some(text),
            [_, "ArchivalAgency", "Identifier"] => request.archival_agency = Some(text),
            _ => {}
        }
        self.path.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_asked_and_by_whom() {
        let text = format!(
            "<ArchiveDeliveryRequest xmlns=\"{}\"><Date>2026-11-24T00:00:00Z</Date><MessageIdentifier>R-1</MessageIdentifier>\
             <CodeListVersions/><Derogation>true</Derogation><UnitIdentifier>ark:/1/a</UnitIdentifier><UnitIdentifier>b</UnitIdentifier>\
             <ArchivalAgency><Identifier>AD</Identifier></ArchivalAgency><Requester><Identifier>LECTEUR</Identifier></Requester>\
             </ArchiveDeliveryRequest>",
            Version::V2_2.namespace()
        );
        assert!(super::super::validate(text.as_bytes(), &Limits::default()).unwrap().findings.kept.is_empty());
        let read = request(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!((read.version, read.message.as_str()), (Some(Version::V2_2), "ArchiveDeliveryRequest"));
        assert_eq!((read.identifier.as_str(), read.derogation, read.units.len()), ("R-1", true, 2));
        assert_eq!((read.other.as_deref(), read.archival_agency.as_deref()), (Some("LECTEUR"), Some("AD")));
    }
}
