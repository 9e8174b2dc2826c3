//! What the producer says of a deposit: JSON in the `metadata` part, or headers beside a raw body.

use super::digests::{Declared, from_hex};
use super::name::{code_is_valid, file_name, text};
use super::refusal::shortened;
use super::{Reason, Refusal};
use crate::package::{Agent, Dates, Link, Produced};
use serde::Deserialize;

/// Longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 500;
/// Longest external identifier, name or target, in characters.
pub const SHORT_CHARS_MAX: usize = 255;
/// Longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 4_000;
/// Most agents, and most links.
pub const LIST_MAX: usize = 100;

/// Metadata as sent; nothing in it has been checked but its shape.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// What a reader would call the archive.
    pub title: String,
    /// Code of the document type.
    #[serde(rename = "type")]
    pub document_type: String,
    /// Code of the retention rule; that of the type by default.
    #[serde(default)]
    pub rule: Option<String>,
    /// The producer's own identifier.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Free description.
    #[serde(default)]
    pub description: Option<String>,
    /// Dates of the document.
    #[serde(default)]
    pub dates: Dates,
    /// People and bodies with a role.
    #[serde(default)]
    pub agents: Vec<Agent>,
    /// Related archives.
    #[serde(default)]
    pub links: Vec<Link>,
    /// The agency, when it is not the token's.
    #[serde(default)]
    pub agency: Option<String>,
    /// What the files are expected to be, in the order sent.
    #[serde(default)]
    pub payloads: Vec<DeclaredPayload>,
    /// What a producer profile found; nobody can send it.
    #[serde(skip)]
    pub produced: Option<Box<Produced>>,
}

/// One file announced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredPayload {
    /// Its name.
    pub name: String,
    /// SHA-256, hexadecimal.
    #[serde(default)]
    pub sha256: Option<String>,
    /// SHA-512, hexadecimal.
    #[serde(default)]
    pub sha512: Option<String>,
    /// Length in bytes.
    #[serde(default)]
    pub size_bytes: Option<u64>,
}

/// One file announced, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) name: String,
    pub(super) declared: Declared,
}

impl Metadata {
    /// Reads the `metadata` part.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(json).map_err(|plain| {
            // Only a refused document is read a second time, to find the member concerned.
            let mut reader = serde_json::Deserializer::from_slice(json);
            let pointer =
                serde_path_to_error::deserialize::<_, Self>(&mut reader).err().and_then(|e| pointer(e.path()));
            let detail = plain.to_string();
            let detail = detail.rsplit_once(" at line ").map_or(detail.as_str(), |(what, _)| what);
            let reason = Reason::MetadataSyntax {
                detail: crate::config::in_french(detail),
                line: plain.line(),
                column: plain.column(),
            };
            Refusal { reason, pointer }
        })
    }

    /// Bounds and characters of every text, once; codes are looked up by the caller.
    pub(super) fn checked_texts(&mut self) -> Result<(), Refusal> {
        self.title = required("title", std::mem::take(&mut self.title), TITLE_CHARS_MAX)?;
        self.external_id = text("external_id", self.external_id.take(), SHORT_CHARS_MAX, false)?;
        self.description = text("description", self.description.take(), DESCRIPTION_CHARS_MAX, true)?;
        for (field, count) in [("agents", self.agents.len()), ("links", self.links.len())] {
            if count > LIST_MAX {
                return Err(Refusal::at(format!("/{field}"), Reason::TooMany { field, count_max: LIST_MAX }));
            }
        }
        for (agent, n) in self.agents.iter().zip(0usize..) {
            member("agents", n, "role", &agent.role, true)?;
            member("agents", n, "name", &agent.name, false)?;
        }
        for (link, n) in self.links.iter().zip(0usize..) {
            member("links", n, "relation", &link.relation, true)?;
            member("links", n, "target", &link.target, false)?;
        }
        Ok(())
    }

    pub(super) fn announced(&self, files_max: usize) -> Result<Vec<Announced>, Refusal> {
        if self.payloads.len() > files_max {
            return Err(Refusal::at("/payloads", Reason::TooMany { field: "payloads", count_max: files_max }));
        }
        let mut announced: Vec<Announced> = Vec::with_capacity(self.payloads.len());
        for (payload, n) in self.payloads.iter().zip(0usize..) {
            let name = file_name(payload.name.as_bytes()).map_err(|r| Refusal::payload(n, "name", r))?;
            let sha256 = payload.sha256.as_deref().map(from_hex).transpose();
            let sha512 = payload.sha512.as_deref().map(from_hex).transpose();
            let declared = Declared {
                sha256: sha256.map_err(|r| Refusal::payload(n, "sha256", r))?,
                sha512: sha512.map_err(|r| Refusal::payload(n, "sha512", r))?,
                size_bytes: payload.size_bytes,
            };
            announced.push(Announced { name, declared });
        }
        Ok(announced)
    }
}

fn required(field: &'static str, value: String, chars_max: usize) -> Result<String, Refusal> {
    text(field, Some(value), chars_max, false)?
        .ok_or_else(|| Refusal::at(format!("/{field}"), Reason::FieldMissing { field }))
}

/// A member of an agent or link: a code like `originating-agency`, or a name.
fn member(list: &str, n: usize, field: &'static str, value: &str, code: bool) -> Result<(), Refusal> {
    let at = |reason| Refusal::at(format!("/{list}/{n}/{field}"), reason);
    if value.trim().is_empty() {
        return Err(at(Reason::FieldMissing { field }));
    }
    if code && !code_is_valid(value) {
        return Err(at(Reason::FieldCharacters { field }));
    }
    text(field, Some(value.to_owned()), SHORT_CHARS_MAX, false).map(|_| ()).map_err(|refusal| at(refusal.reason))
}

/// A path of serde as a JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> Option<String> {
    use serde_path_to_error::Segment;
    let mut out = String::new();
    for segment in path {
        out.push('/');
        match segment {
            Segment::Seq { index } => out.push_str(&index.to_string()),
            Segment::Map { key } => out.push_str(&shortened(key).replace('~', "~0").replace('/', "~1")),
            Segment::Enum { .. } | Segment::Unknown => return None,
        }
    }
    (!out.is_empty()).then_some(out)
}

/// Percent-decodes a header into UTF-8 text.
pub fn decode_header(field: &'static str, raw: &[u8]) -> Result<String, Refusal> {
    let decoded: Vec<u8> = percent_encoding::percent_decode(raw).collect();
    String::from_utf8(decoded).map_err(|_| Refusal::at(field, Reason::FieldCharacters { field }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_a_line_and_a_pointer() {
        let refusal =
            Metadata::parse(b"{\"title\":\"x\",\"type\":\"t\",\n\"dates\":{\"creation\":\"x\"}}").unwrap_err();
        assert_eq!(refusal.pointer.as_deref(), Some("/dates/creation"));
        assert!(
            matches!(&refusal.reason, Reason::MetadataSyntax { line: 2, detail, .. } if detail.contains("clé inconnue « creation »"))
        );
        let refusal = Metadata::parse(b"{\"title\":1,\"type\":\"t\"}").unwrap_err();
        assert_eq!(refusal.pointer.as_deref(), Some("/title"));
        assert!(Metadata::parse(b"{\"title\":").is_err());
        assert!(Metadata::parse(b"{\"title\":\"a\",\"title\":\"b\",\"type\":\"t\"}").is_err());
        assert!(Metadata::parse(b"{\"title\":\"\xff\",\"type\":\"t\"}").is_err());
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        let deep = format!("{{\"title\":{}", "[".repeat(30_000));
        assert!(Metadata::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn members_are_located() {
        let mut metadata = Metadata::parse(
            br#"{"title":"x","type":"t","agents":[{"role":"author","name":"Z"},{"role":"Auteur !","name":"Z"}]}"#,
        )
        .unwrap();
        assert_eq!(metadata.checked_texts().unwrap_err().pointer.as_deref(), Some("/agents/1/role"));
    }

    #[test]
    fn announced_digests_are_read() {
        let metadata = Metadata::parse(br#"{"title":"x","type":"t","payloads":[{"name":"a","sha256":"00"}]}"#).unwrap();
        assert_eq!(metadata.announced(10).unwrap_err(), Refusal::payload(0, "sha256", Reason::DigestSyntax));
        let metadata = Metadata::parse(br#"{"title":"x","type":"t","payloads":[{"name":"a/b"}]}"#).unwrap();
        assert_eq!(metadata.announced(10).unwrap_err(), Refusal::payload(0, "name", Reason::NameInvalid));
    }

    #[test]
    fn headers_are_percent_encoded_utf8() {
        assert_eq!(decode_header("Archiland-Title", b"D%C3%A9lib%C3%A9ration").unwrap(), "Délibération");
        assert!(decode_header("Archiland-Title", b"D%E9lib").is_err());
    }
}
