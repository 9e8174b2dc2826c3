//! Who sends which message to whom, and nothing else of it: what an acknowledgement needs before the message is checked.

use super::Version;
use super::xml::{self, Element, Handler, Limits, Position, Stop, XmlError};
use std::io::Read;

/// The head of a message, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The version of its namespace.
    pub version: Option<Version>,
    /// Its root element.
    pub message: String,
    /// `MessageIdentifier`, `TransferIdentifier` before 2.0.
    pub identifier: Option<String>,
    /// Identifier of `ArchivalAgency`.
    pub archival_agency: Option<String>,
    /// Identifier of `TransferringAgency`.
    pub transferring_agency: Option<String>,
}

/// The longest text kept, in bytes: identifiers are shorter.
const TEXT_BYTES_MAX: usize = 1024;

/// Reads the head of a message; in 2.x the agencies come last, hence to its end.
pub fn head<R: Read>(input: R, limits: &Limits) -> Result<Head, XmlError> {
    let mut reading = Reading::default();
    xml::read(input, limits, &mut reading)?;
    Ok(reading.head)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Identifier,
    Archival,
    Transferring,
}

#[derive(Default)]
struct Reading {
    head: Head,
    depth: usize,
    /// The child of the root that is open, when it is an agency.
    within: Option<At>,
    leaf: Option<At>,
    text: String,
}

impl Handler for Reading {
    fn start(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        self.depth += 1;
        self.leaf = None;
        match self.depth {
            1 => {
                self.head.version = Version::of_namespace(element.namespace);
                element.name.clone_into(&mut self.head.message);
                if self.head.version.is_none() {
                    return Err(Stop);
                }
            }
            2 => {
                self.within = match element.name {
                    "MessageIdentifier" | "TransferIdentifier" => {
                        self.leaf = Some(At::Identifier);
                        None
                    }
                    "ArchivalAgency" => Some(At::Archival),
                    "TransferringAgency" => Some(At::Transferring),
                    _ => None,
                };
            }
            3 if matches!(element.name, "Identifier" | "Identification") => self.leaf = self.within,
            _ => {}
        }
        self.text.clear();
        Ok(())
    }

    fn text(&mut self, text: &str, _: Position) -> Result<(), Stop> {
        if self.leaf.is_some() && self.text.len() + text.len() <= TEXT_BYTES_MAX {
            self.text.push_str(text);
        }
        Ok(())
    }

    fn end(&mut self, _: Position, _: u64) -> Result<(), Stop> {
        self.depth = self.depth.saturating_sub(1);
        let Some(at) = self.leaf.take() else { return Ok(()) };
        let value = Some(self.text.trim().to_owned()).filter(|text| !text.is_empty());
        let field = match at {
            At::Identifier => &mut self.head.identifier,
            At::Archival => &mut self.head.archival_agency,
            At::Transferring => &mut self.head.transferring_agency,
        };
        if field.is_none() {
            *field = value;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_families() {
        let second = "<a:ArchiveTransfer xmlns:a='fr:gouv:culture:archivesdefrance:seda:v2.2'><a:MessageIdentifier> M 1 \
            </a:MessageIdentifier><a:DataObjectPackage><a:MessageIdentifier>no</a:MessageIdentifier></a:DataObjectPackage>\
            <a:ArchivalAgency><a:Identifier>AD</a:Identifier></a:ArchivalAgency><a:TransferringAgency><a:Identifier>T\
            </a:Identifier></a:TransferringAgency></a:ArchiveTransfer>";
        let first = "<ArchiveTransfer xmlns='fr:gouv:culture:archivesdefrance:seda:v1.0'><TransferIdentifier>M 1\
            </TransferIdentifier><ArchivalAgency><Identification>AD</Identification></ArchivalAgency>\
            <TransferringAgency><Identification>T</Identification></TransferringAgency></ArchiveTransfer>";
        for (text, version) in [(second, Version::V2_2), (first, Version::V1_0)] {
            let expected = Head {
                version: Some(version),
                message: "ArchiveTransfer".into(),
                identifier: Some("M 1".into()),
                archival_agency: Some("AD".into()),
                transferring_agency: Some("T".into()),
            };
            assert_eq!(head(text.as_bytes(), &Limits::default()).unwrap(), expected);
        }
        assert_eq!(head(&b"<a/>"[..], &Limits::default()).unwrap().version, None);
    }
}
