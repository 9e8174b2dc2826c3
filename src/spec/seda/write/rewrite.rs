//! An archive unit of 2.x rewritten for another message, possibly of another version: its `Content` and `Management` in the
//! target's namespace, identifiers renamed, and what the target has no place for left out and told.

use super::xml::escaped;
use crate::spec::seda::xml::{self, Element, Handler, Limits, Position, Stop, XmlError};
use crate::spec::seda::{Version, validate};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Elements that name another thing of the message.
const REFERENCES: [&str; 6] = [
    "ArchiveUnitRefId",
    "DataObjectReferenceId",
    "DataObjectGroupReferenceId",
    "SignedObjectId",
    "SignedDocumentReferenceId",
    "DataObjectGroupId",
];

/// What the validator says of a reference to nothing.
const UNRESOLVED: &str = "ne désigne aucun identifiant";

/// A unit rewritten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// `ArchiveUnitProfile`.
    pub profile: Option<String>,
    /// `Management`, or nothing.
    pub management: String,
    /// `Content`.
    pub content: String,
    /// Names of what was left out.
    pub left_out: Vec<String>,
}

/// How a unit is rewritten.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The version to write.
    pub version: Version,
    /// Identifiers in the old message and in the new one; what names anything else is left out.
    pub names: &'a BTreeMap<String, String>,
    /// What the identifiers of elements within (keywords, rules) begin with, so that they stay unique.
    pub prefix: &'a str,
    /// The identifier the archive gave, and whether it is told as its own (`SystemId`) or as an earlier one's
    /// (`OriginatingSystemId`).
    pub system_id: (bool, &'a str),
    /// Whether the unit's own `Management` is wanted.
    pub management: bool,
}

/// Rewrites a unit: `fragment` is its element, with the declarations it needs, and without the units it contains.
///
/// # Errors
///
/// What reading the fragment says.
pub fn rewrite(fragment: &[u8], target: &Target<'_>) -> Result<Rewritten, XmlError> {
    let mut reading = Reading::new(target);
    xml::read(fragment, &Limits::default(), &mut reading)?;
    let mut rewritten = Rewritten { profile: reading.profile.take(), ..Rewritten::default() };
    let parts = std::mem::take(&mut reading.parts);
    let mut left_out: Vec<String> = parts.iter().filter(|part| part.broken).map(|part| part.name.clone()).collect();
    let kept: Vec<Part> = parts.into_iter().filter(|part| !part.broken).collect();
    let (content, management): (Vec<Part>, Vec<Part>) = kept.into_iter().partition(|part| part.of_content);
    let content = with_system_id(content, target);
    let joined = |name: &str, parts: &[&Part]| {
        let inner: String = parts.iter().map(|part| part.text.as_str()).collect();
        if inner.is_empty() && name == "Management" { String::new() } else { format!("<{name}>{inner}</{name}>") }
    };
    let management = if target.management { management } else { Vec::new() };
    let whole =
        |content: &[&Part], management: &[&Part]| (joined("Content", content), joined("Management", management));
    let all = whole(&content.iter().collect::<Vec<_>>(), &management.iter().collect::<Vec<_>>());
    if is_valid(target.version, &all.0, &all.1) {
        (rewritten.content, rewritten.management) = all;
        rewritten.left_out = left_out;
        return Ok(rewritten);
    }
    // Something has no place here: what can be kept is, in its order.
    let (mut kept_content, mut kept_management): (Vec<&Part>, Vec<&Part>) = (Vec::new(), Vec::new());
    for part in &content {
        kept_content.push(part);
        let (content, _) = whole(&kept_content, &[]);
        if !is_valid(target.version, &content, "") {
            kept_content.pop();
            left_out.push(part.name.clone());
        }
    }
    for part in &management {
        kept_management.push(part);
        let (_, management) = whole(&[], &kept_management);
        if !is_valid(target.version, "<Content></Content>", &management) {
            kept_management.pop();
            left_out.push(part.name.clone());
        }
    }
    (rewritten.content, rewritten.management) = whole(&kept_content, &kept_management);
    rewritten.left_out = left_out;
    Ok(rewritten)
}

/// Whether a unit of this content and management is valid by the official schema.
fn is_valid(version: Version, content: &str, management: &str) -> bool {
    let namespace = version.namespace();
    // References resolve elsewhere: they are renamed, and checked with the whole message.
    let mut text = format!(
        "<ArchiveTransfer xmlns=\"{namespace}\"><Date>2000-01-01T00:00:00Z</Date><MessageIdentifier>M</MessageIdentifier>\
         <CodeListVersions/><DataObjectPackage><DescriptiveMetadata><ArchiveUnit id=\"u\">{management}{content}</ArchiveUnit>"
    );
    text.push_str(
        "</DescriptiveMetadata><ManagementMetadata/></DataObjectPackage><ArchivalAgency><Identifier>A</Identifier>\
         </ArchivalAgency><TransferringAgency><Identifier>A</Identifier></TransferringAgency></ArchiveTransfer>",
    );
    let checked = validate(text.as_bytes(), &Limits::default());
    checked.is_ok_and(|checked| checked.findings.kept.iter().all(|finding| finding.detail.contains(UNRESOLVED)))
}

/// `SystemId`s of before make way for the one the archive gave.
fn with_system_id(mut parts: Vec<Part>, target: &Target<'_>) -> Vec<Part> {
    let (own, id) = target.system_id;
    let name = if own { "SystemId" } else { "OriginatingSystemId" };
    parts.retain(|part| part.name != "SystemId" && (own || part.name != "OriginatingSystemId"));
    let at = parts
        .iter()
        .position(|part| !["DescriptionLevel", "Title", "FilePlanPosition"].contains(&part.name.as_str()))
        .unwrap_or(parts.len());
    let text = format!("<{name}>{}</{name}>", escaped(id));
    parts.insert(at, Part { name: name.into(), text, of_content: true, broken: false });
    parts
}

/// A child of `Content` or of `Management`, written.
struct Part {
    name: String,
    text: String,
    of_content: bool,
    /// It names something that is not in the new message.
    broken: bool,
}

struct Reading<'a> {
    target: Target<'a>,
    /// Names as they are closed; empty for elements that are not kept.
    open: Vec<String>,
    /// The namespace of the unit.
    namespace: String,
    /// Namespace of each open element, so that declarations are made where they change.
    scopes: Vec<String>,
    place: Place,
    part: Option<Part>,
    parts: Vec<Part>,
    reference: Option<String>,
    profile: Option<String>,
    in_profile: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Elsewhere,
    Content,
    Management,
}

impl<'a> Reading<'a> {
    fn new(target: &Target<'a>) -> Self {
        Self {
            target: *target,
            open: Vec::new(),
            namespace: String::new(),
            scopes: Vec::new(),
            place: Place::Elsewhere,
            part: None,
            parts: Vec::new(),
            reference: None,
            profile: None,
            in_profile: false,
        }
    }

    fn write_start(&mut self, element: &Element<'_>) {
        let namespace =
            if element.namespace == self.namespace { self.target.version.namespace() } else { element.namespace };
        let around = self.scopes.last().map_or(self.target.version.namespace(), String::as_str);
        let changes = namespace != around;
        let Some(part) = &mut self.part else { return };
        _ = write!(part.text, "<{}", element.name);
        if changes {
            _ = write!(part.text, " xmlns=\"{}\"", escaped(namespace));
        }
        for (number, attribute) in element.attributes.iter().enumerate() {
            let value = escaped(&attribute.value).replace('"', "&quot;");
            match attribute.namespace {
                "" if attribute.name == "id" => {
                    _ = write!(part.text, " id=\"{}{value}\"", self.target.prefix);
                }
                // `target` of a relationship, as the references in elements.
                "" => _ = write!(part.text, " {}=\"{value}\"", attribute.name),
                "http://www.w3.org/XML/1998/namespace" => _ = write!(part.text, " xml:{}=\"{value}\"", attribute.name),
                "http://www.w3.org/2001/XMLSchema-instance" => {}
                other => {
                    let other = escaped(other);
                    _ = write!(part.text, " xmlns:n{number}=\"{other}\" n{number}:{}=\"{value}\"", attribute.name);
                }
            }
        }
        part.text.push('>');
        self.scopes.push(namespace.to_owned());
        if element.namespace == self.namespace && REFERENCES.contains(&element.name) {
            self.reference = Some(String::new());
        }
    }
}

impl Handler for Reading<'_> {
    fn start(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        match self.open.len() {
            0 => element.namespace.clone_into(&mut self.namespace),
            1 => {
                self.place = match element.name {
                    "Content" => Place::Content,
                    "Management" => Place::Management,
                    _ => Place::Elsewhere,
                };
                self.in_profile = element.name == "ArchiveUnitProfile";
            }
            // An update of what another archive has is nothing of the unit's own.
            2 if self.place != Place::Elsewhere && element.name != "UpdateOperation" => {
                let of_content = self.place == Place::Content;
                self.part =
                    Some(Part { name: element.name.to_owned(), text: String::new(), of_content, broken: false });
            }
            _ => {}
        }
        self.open.push(element.name.to_owned());
        self.write_start(element);
        Ok(())
    }

    fn text(&mut self, text: &str, _: Position) -> Result<(), Stop> {
        if self.in_profile {
            self.profile.get_or_insert_default().push_str(text.trim());
        }
        match (&mut self.reference, &mut self.part) {
            (Some(reference), _) => reference.push_str(text),
            (None, Some(part)) => part.text.push_str(&escaped(text)),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _: Position, _: u64) -> Result<(), Stop> {
        let name = self.open.pop().unwrap_or_default();
        if self.open.len() == 1 {
            self.in_profile = false;
        }
        let Some(part) = &mut self.part else { return Ok(()) };
        if let Some(reference) = self.reference.take() {
            match self.target.names.get(reference.trim()) {
                Some(name) => part.text.push_str(name),
                None => part.broken = true,
            }
        }
        _ = write!(part.text, "</{name}>");
        self.scopes.pop();
        if self.open.len() == 2 {
            self.parts.extend(self.part.take());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rewritten(fragment: &str, version: Version) -> Rewritten {
        let names = BTreeMap::from([("old".to_owned(), "new".to_owned())]);
        let target = Target { version, names: &names, prefix: "P_", system_id: (true, "ark:/1/x"), management: true };
        rewrite(fragment.as_bytes(), &target).unwrap()
    }

    #[test]
    fn a_unit_of_2_3_is_written_as_2_1_without_what_2_1_lacks() {
        let fragment = format!(
            "<s:ArchiveUnit xmlns:s=\"{}\" id=\"a\"><s:Management><s:AccessRule><s:Rule id=\"r\">ACC-1</s:Rule></s:AccessRule>\
             </s:Management><s:Content><s:DescriptionLevel>Item</s:DescriptionLevel><s:Title xml:lang=\"fr\">T &amp; t</s:Title>\
             <s:SystemId>old-system</s:SystemId><s:StartDate>2020-01-01</s:StartDate>\
             <s:PersistentIdentifier><s:PersistentIdentifierType>ark</s:PersistentIdentifierType>\
             <s:PersistentIdentifierContent>x</s:PersistentIdentifierContent></s:PersistentIdentifier></s:Content></s:ArchiveUnit>",
            Version::V2_3.namespace()
        );
        let same = rewritten(&fragment, Version::V2_3);
        assert!(same.left_out.is_empty() && same.content.contains("<PersistentIdentifierType>ark<"), "{same:?}");
        let older = rewritten(&fragment, Version::V2_1);
        assert_eq!(older.left_out, ["PersistentIdentifier"]);
        assert_eq!(
            older.content,
            "<Content><DescriptionLevel>Item</DescriptionLevel><Title xml:lang=\"fr\">T &amp; t</Title>\
             <SystemId>ark:/1/x</SystemId><StartDate>2020-01-01</StartDate></Content>"
        );
        assert_eq!(older.management, "<Management><AccessRule><Rule id=\"P_r\">ACC-1</Rule></AccessRule></Management>");
    }

    #[test]
    fn references_follow_or_are_left_out() {
        let fragment = |id: &str| {
            format!(
                "<ArchiveUnit xmlns=\"{}\" id=\"a\"><Content><DescriptionLevel>Item</DescriptionLevel><Title>T</Title>\
                 <RelatedObjectReference><Replaces><ArchiveUnitRefId>{id}</ArchiveUnitRefId></Replaces></RelatedObjectReference>\
                 </Content></ArchiveUnit>",
                Version::V2_2.namespace()
            )
        };
        assert!(rewritten(&fragment("old"), Version::V2_2).content.contains("<ArchiveUnitRefId>new<"));
        let gone = rewritten(&fragment("elsewhere"), Version::V2_2);
        assert_eq!(gone.left_out, ["RelatedObjectReference"]);
        assert!(!gone.content.contains("Replaces"));
    }
}
