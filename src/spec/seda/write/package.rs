//! A `DataObjectPackage` of 2.x from plain values: objects in groups of their own, units as a tree with references where a
//! unit has several parents, and what holds for the whole.

use super::xml::Xml;
use crate::spec::seda::Version;
use crate::spec::seda::manifest::Kind;

/// What a package holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Groups of objects; each must be used by a unit.
    pub groups: Vec<Group>,
    /// Units; those no other contains are at the top.
    pub units: Vec<Unit>,
    /// `ArchivalProfile`.
    pub profile: Option<String>,
    /// `OriginatingAgencyIdentifier`.
    pub originating_agency: Option<String>,
    /// `SubmissionAgencyIdentifier`.
    pub submission_agency: Option<String>,
}

/// A group of objects: the versions of one same thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its identifier in the message: a name of XML.
    pub id: String,
    /// Its objects; at least one.
    pub objects: Vec<Object>,
}

/// A data object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// Its identifier in the message: a name of XML.
    pub id: String,
    /// `DataObjectVersion`: `BinaryMaster_1`.
    pub usage: String,
    /// What it is.
    pub what: What,
}

/// Digital or physical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file of the package.
    Digital {
        /// `Uri`: its member of the package.
        uri: String,
        /// SHA-512, hexadecimal.
        sha512: String,
        /// Its length in bytes.
        size_bytes: u64,
        /// Media type.
        media_type: Option<String>,
        /// PRONOM identifier.
        puid: Option<String>,
        /// The name it had.
        file_name: String,
    },
    /// Something on a shelf, by its identifier there.
    Physical(Option<String>),
}

impl Default for What {
    fn default() -> Self {
        Self::Physical(None)
    }
}

/// An archive unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its identifier in the message: a name of XML.
    pub id: String,
    /// `ArchiveUnitProfile`.
    pub profile: Option<String>,
    /// `Management`, written, without a prefix; empty for none.
    pub management: String,
    /// `Content`, written, without a prefix.
    pub content: String,
    /// Units within it, by their place in [`Package::units`]. One that several contain is written in the first.
    pub children: Vec<usize>,
    /// Identifiers of its groups.
    pub groups: Vec<String>,
}

/// A rule to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its kind.
    pub kind: Kind,
    /// Its identifier in the reference data.
    pub rule: String,
    /// `StartDate`.
    pub start: Option<String>,
    /// `FinalAction` of its kind, where the kind has one.
    pub final_action: Option<String>,
    /// `HoldEndDate`.
    pub hold_end: Option<String>,
}

/// What a unit is, when nothing written says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// `DescriptionLevel`.
    pub level: String,
    /// `Title`.
    pub title: String,
    /// `SystemId`, the identifier in the archive that writes; or `OriginatingSystemId`, when another is to receive it.
    pub system_id: (bool, String),
    /// `OriginatingAgencyArchiveUnitIdentifier`.
    pub producer_id: Option<String>,
    /// `Description`.
    pub text: Option<String>,
    /// `DocumentType`.
    pub document_type: Option<String>,
    /// `OriginatingAgency`.
    pub originating_agency: Option<String>,
    /// `CreatedDate`.
    pub created: Option<String>,
    /// `StartDate`.
    pub start: Option<String>,
    /// `EndDate`.
    pub end: Option<String>,
}

/// Writes the package.
pub fn package(version: Version, package: &Package) -> String {
    let mut xml = Xml::fragment();
    xml.open("DataObjectPackage");
    for group in &package.groups {
        xml.open_with("DataObjectGroup", &[("id", &group.id)]);
        group.objects.iter().for_each(|object| write_object(&mut xml, object));
        xml.close();
    }
    xml.open("DescriptiveMetadata");
    let mut contained = vec![false; package.units.len()];
    for unit in &package.units {
        unit.children.iter().for_each(|&child| contained[child] = true);
    }
    let mut writing = Writing { package, written: vec![false; package.units.len()], references: 0 };
    for top in (0..package.units.len()).filter(|&unit| !contained[unit]) {
        writing.unit(&mut xml, top);
    }
    xml.close();
    xml.open("ManagementMetadata");
    xml.maybe("ArchivalProfile", package.profile.as_deref());
    xml.maybe("OriginatingAgencyIdentifier", package.originating_agency.as_deref());
    xml.maybe("SubmissionAgencyIdentifier", package.submission_agency.as_deref());
    debug_assert!(version.is_second());
    xml.finish()
}

/// Where the writing of the units is.
struct Writing<'a> {
    package: &'a Package,
    written: Vec<bool>,
    references: usize,
}

/// A step of the walk: units are as deep as they are deep, and the stack is not.
enum Step {
    Enter(usize),
    Leave,
}

impl Writing<'_> {
    fn unit(&mut self, xml: &mut Xml, top: usize) {
        let mut steps = vec![Step::Enter(top)];
        while let Some(step) = steps.pop() {
            let Step::Enter(at) = step else {
                xml.close();
                continue;
            };
            let unit = &self.package.units[at];
            if std::mem::replace(&mut self.written[at], true) {
                self.references += 1;
                xml.open_with("ArchiveUnit", &[("id", &format!("REF{}_{}", self.references, unit.id))]);
                xml.leaf("ArchiveUnitRefId", &unit.id);
                xml.close();
                continue;
            }
            xml.open_with("ArchiveUnit", &[("id", &unit.id)]);
            xml.maybe("ArchiveUnitProfile", unit.profile.as_deref());
            xml.raw(&unit.management);
            xml.raw(&unit.content);
            for group in &unit.groups {
                xml.open("DataObjectReference");
                xml.leaf("DataObjectGroupReferenceId", group);
                xml.close();
            }
            steps.push(Step::Leave);
            steps.extend(unit.children.iter().rev().map(|&child| Step::Enter(child)));
        }
    }
}

fn write_object(xml: &mut Xml, object: &Object) {
    match &object.what {
        What::Digital { uri, sha512, size_bytes, media_type, puid, file_name } => {
            xml.open_with("BinaryDataObject", &[("id", &object.id)]);
            xml.leaf("DataObjectVersion", &object.usage);
            xml.leaf("Uri", uri);
            xml.leaf_with("MessageDigest", &[("algorithm", "SHA-512")], sha512);
            // The schema wants at least one byte.
            xml.maybe("Size", (*size_bytes > 0).then(|| size_bytes.to_string()).as_deref());
            if media_type.is_some() || puid.is_some() {
                xml.open("FormatIdentification");
                xml.maybe("MimeType", media_type.as_deref());
                xml.maybe("FormatId", puid.as_deref());
                xml.close();
            }
            xml.open("FileInfo");
            xml.leaf("Filename", file_name);
            xml.close();
        }
        What::Physical(id) => {
            xml.open_with("PhysicalDataObject", &[("id", &object.id)]);
            xml.leaf("DataObjectVersion", &object.usage);
            xml.maybe("PhysicalId", id.as_deref());
        }
    }
    xml.close();
}

/// `Content`, in the order of the schema.
pub fn content(description: &Description) -> String {
    let mut xml = Xml::fragment();
    xml.open("Content");
    xml.leaf("DescriptionLevel", &description.level);
    xml.leaf("Title", &description.title);
    let (own, id) = &description.system_id;
    xml.leaf(if *own { "SystemId" } else { "OriginatingSystemId" }, id);
    xml.maybe("OriginatingAgencyArchiveUnitIdentifier", description.producer_id.as_deref());
    xml.maybe("Description", description.text.as_deref());
    xml.maybe("DocumentType", description.document_type.as_deref());
    if let Some(agency) = &description.originating_agency {
        xml.open("OriginatingAgency");
        xml.leaf("Identifier", agency);
        xml.close();
    }
    xml.maybe("CreatedDate", description.created.as_deref());
    xml.maybe("StartDate", description.start.as_deref());
    xml.maybe("EndDate", description.end.as_deref());
    xml.finish()
}

/// `Management`, in the order of the schema; empty when there is no rule. What needs more than a record says (a
/// classification needs its level and owner) is left out.
pub fn management(version: Version, rules: &[Rule]) -> String {
    let mut order = vec![Kind::Storage, Kind::Appraisal, Kind::Access, Kind::Dissemination, Kind::Reuse];
    // A hold came with 2.2.
    if version != Version::V2_1 {
        order.push(Kind::Hold);
    }
    let mut xml = Xml::fragment();
    let mut any = false;
    for kind in order {
        let of_kind: Vec<&Rule> = rules.iter().filter(|rule| rule.kind == kind).collect();
        let Some(first) = of_kind.first() else { continue };
        if !any {
            xml.open("Management");
            any = true;
        }
        xml.open(kind.name());
        for rule in &of_kind {
            xml.leaf("Rule", &rule.rule);
            xml.maybe("StartDate", rule.start.as_deref());
            if kind == Kind::Hold {
                xml.maybe("HoldEndDate", rule.hold_end.as_deref());
            }
        }
        let action = of_kind.iter().find_map(|rule| rule.final_action.as_deref()).or(first.final_action.as_deref());
        match kind {
            Kind::Appraisal => xml.leaf("FinalAction", action.unwrap_or("Keep")),
            Kind::Storage => xml.leaf("FinalAction", action.unwrap_or("Copy")),
            _ => {}
        }
        xml.close();
    }
    if any { xml.finish() } else { String::new() }
}

/// The head and the parties of an `ArchiveTransfer`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfer {
    /// `Comment`.
    pub comment: Option<String>,
    /// `Date`.
    pub date: String,
    /// `MessageIdentifier`.
    pub identifier: String,
    /// `ArchivalAgreement`.
    pub agreement: Option<String>,
    /// `RelatedTransferReference`s.
    pub related: Vec<String>,
    /// `ArchivalAgency`: who is to receive it.
    pub archival_agency: String,
    /// `TransferringAgency`: who sends it.
    pub transferring_agency: String,
}

/// An `ArchiveTransfer` around a package written by [`package`].
pub fn transfer(version: Version, head: &Transfer, package: &str) -> String {
    let mut xml = Xml::new("ArchiveTransfer", version.namespace());
    xml.maybe("Comment", head.comment.as_deref());
    xml.leaf("Date", &head.date);
    xml.leaf("MessageIdentifier", &head.identifier);
    xml.maybe("ArchivalAgreement", head.agreement.as_deref());
    xml.open("CodeListVersions");
    xml.close();
    xml.raw(package);
    head.related.iter().for_each(|related| xml.leaf("RelatedTransferReference", related));
    for (name, id) in [("ArchivalAgency", &head.archival_agency), ("TransferringAgency", &head.transferring_agency)] {
        xml.open(name);
        xml.leaf("Identifier", id);
        xml.close();
    }
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::seda::{validate, xml::Limits};

    fn unit(id: &str, children: Vec<usize>, groups: Vec<String>) -> Unit {
        let description = Description {
            level: "Item".into(),
            title: format!("Unité <{id}>"),
            system_id: (true, "ark:/1/x".into()),
            start: Some("2020-01-01".into()),
            ..Description::default()
        };
        Unit { id: id.into(), content: content(&description), children, groups, ..Unit::default() }
    }

    fn sample(version: Version) -> String {
        let object = Object {
            id: "B1".into(),
            usage: "BinaryMaster_1".into(),
            what: What::Digital {
                uri: "content/B1.pdf".into(),
                sha512: "ab".repeat(64),
                size_bytes: 3,
                media_type: Some("application/pdf".into()),
                puid: Some("fmt/18".into()),
                file_name: "a & b.pdf".into(),
            },
        };
        let rule = |kind, rule: &str, final_action: Option<&str>| Rule {
            kind,
            rule: rule.into(),
            start: Some("2020-01-01".into()),
            final_action: final_action.map(Into::into),
            hold_end: (kind == Kind::Hold).then(|| "2030-01-01".into()),
        };
        let rules = [
            rule(Kind::Appraisal, "APP-1", Some("Destroy")),
            rule(Kind::Storage, "STO-1", None),
            rule(Kind::Access, "ACC-1", None),
            rule(Kind::Access, "ACC-2", None),
            rule(Kind::Hold, "HOL-1", None),
        ];
        let mut units =
            vec![unit("U0", vec![2], vec![]), unit("U1", vec![2], vec![]), unit("U2", vec![], vec!["G1".into()])];
        units[0].management = management(version, &rules);
        let whole = Package {
            groups: vec![Group { id: "G1".into(), objects: vec![object] }],
            units,
            originating_agency: Some("A".into()),
            ..Package::default()
        };
        package(version, &whole)
    }

    #[test]
    fn a_package_is_valid_in_each_version() {
        let head = Transfer {
            date: "2026-11-24T00:00:00Z".into(),
            identifier: "T-1".into(),
            archival_agency: "AD".into(),
            transferring_agency: "M".into(),
            related: vec!["T-0".into()],
            ..Transfer::default()
        };
        for version in [Version::V2_1, Version::V2_2, Version::V2_3] {
            let text = transfer(version, &head, &sample(version));
            let checked = validate(text.as_bytes(), &Limits::default());
            let findings = checked.map(|checked| checked.findings.kept).unwrap_or_default();
            assert!(findings.is_empty(), "{version}: {findings:?}\n{text}");
            // The unit with two parents is written once, and referred to once.
            assert_eq!(
                (text.matches("<ArchiveUnit id=\"U2\"").count(), text.matches("<ArchiveUnitRefId>U2<").count()),
                (1, 1)
            );
        }
    }
}
