//! SEDA 0.2 and 1.0 rewritten as 2.x: what software still emits, as archives now read.
//!
//! An archive and its objects become units, each document a unit of level Item with its group of one object. Appraisal
//! becomes an `AppraisalRule` whose rule is the duration (`P10Y`), access an `AccessRule` whose rule is the code (`AR048`):
//! the reference data must have rules of these names. What has no place in 2.x is told in [`Converted::notes`].

use super::xml::Xml;
use crate::spec::seda::Version;
use crate::spec::seda::read::level;
use crate::spec::seda::tree::{Node, TreeError, parse};
use crate::spec::seda::xml::Limits;
use std::collections::BTreeSet;
use std::io::Read;
use thiserror::Error;

/// A transfer rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The bordereau, in UTF-8.
    pub manifest: String,
    /// What an archivist must know: left out, or lacking.
    pub notes: Vec<String>,
}

/// Why a transfer is not rewritten.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// It is not read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Not a transfer of 0.2 or 1.0.
    #[error("« {0} » n'est pas un transfert du SEDA 0.2 ou 1.0")]
    NotOld(String),
}

/// Rewrites a transfer of 0.2 or 1.0 as one of `target`, which must be of the 2.x family.
pub fn convert<R: Read>(input: R, target: Version, limits: &Limits) -> Result<Converted, ConvertError> {
    let root = parse(input, limits)?;
    let version = Version::of_namespace(&root.namespace).filter(|version| !version.is_second());
    let Some(version) = version.filter(|_| root.name == "ArchiveTransfer" && target.is_second()) else {
        return Err(ConvertError::NotOld(root.name));
    };
    let mut conversion = Conversion {
        version,
        target,
        xml: Xml::new("ArchiveTransfer", target.namespace()),
        documents: 0,
        units: 0,
        notes: BTreeSet::new(),
        digests: root.children("Integrity").filter_map(hashed).collect(),
    };
    conversion.transfer(&root);
    let notes = conversion.notes.into_iter().collect();
    Ok(Converted { manifest: conversion.xml.finish(), notes })
}

/// A digest at the head of a 0.2 transfer: file name, algorithm, value.
fn hashed(node: &Node) -> Option<(String, String, String)> {
    let contains = node.child("Contains")?;
    let algorithm = contains.attribute("algorithme").unwrap_or_default();
    Some((node.text_of("UnitIdentifier")?.to_owned(), algorithm.to_owned(), contains.text.trim().to_owned()))
}

struct Conversion {
    version: Version,
    target: Version,
    xml: Xml,
    documents: usize,
    units: usize,
    notes: BTreeSet<String>,
    digests: Vec<(String, String, String)>,
}

impl Conversion {
    fn transfer(&mut self, root: &Node) {
        let archives: Vec<&Node> =
            root.children.iter().filter(|node| matches!(node.name.as_str(), "Archive" | "Contains")).collect();
        for comment in root.children("Comment") {
            self.xml.leaf("Comment", &comment.text);
        }
        self.xml.maybe("Date", root.text_of("Date"));
        self.xml.leaf("MessageIdentifier", root.text_of("TransferIdentifier").unwrap_or_default());
        let first = |name: &str| archives.iter().find_map(|archive| archive.text_of(name));
        self.xml.maybe("ArchivalAgreement", first("ArchivalAgreement"));
        self.xml.open("CodeListVersions");
        self.xml.close();
        self.xml.open("DataObjectPackage");
        for archive in &archives {
            self.objects(archive);
        }
        (self.documents, self.units) = (0, 0);
        self.xml.open("DescriptiveMetadata");
        for archive in &archives {
            self.unit(archive);
        }
        self.xml.close();
        self.management(root, &archives);
        self.xml.close();
        self.xml.maybe("RelatedTransferReference", root.text_of("RelatedTransferReference"));
        self.xml.maybe("TransferRequestReplyIdentifier", root.text_of("TransferRequestReplyIdentifier"));
        self.organization("ArchivalAgency", root.child("ArchivalAgency"));
        self.organization("TransferringAgency", root.child("TransferringAgency"));
        if root.child("NonRepudiation").is_some() {
            self.note("la signature du bordereau (NonRepudiation) ne vaut plus pour le bordereau converti");
        }
    }

    fn note(&mut self, text: &str) {
        self.notes.insert(text.to_owned());
    }

    fn management(&mut self, root: &Node, archives: &[&Node]) {
        let first = |name: &str| archives.iter().find_map(|archive| archive.text_of(name));
        self.xml.open("ManagementMetadata");
        self.xml.maybe("ArchivalProfile", first("ArchivalProfile"));
        self.xml.maybe("ServiceLevel", first("ServiceLevel"));
        let transferring = root.child("TransferringAgency").and_then(|agency| agency.text_of("Identification"));
        let originating = archives.iter().find_map(|archive| {
            archive.child("ContentDescription")?.child("OriginatingAgency")?.text_of("Identification")
        });
        self.xml.maybe("OriginatingAgencyIdentifier", originating.or(transferring));
        self.xml.maybe("SubmissionAgencyIdentifier", transferring);
        self.xml.close();
    }

    fn organization(&mut self, name: &'static str, node: Option<&Node>) {
        self.xml.open(name);
        self.xml.leaf("Identifier", node.and_then(|node| node.text_of("Identification")).unwrap_or_default());
        self.xml.close();
        if node.is_some_and(|node| node.children.len() > 1) {
            self.note("le nom et les coordonnées des services ne sont pas repris : leur identifiant suffit en 2.x");
        }
    }

    /// The objects of the documents below, in the document's order.
    fn objects(&mut self, node: &Node) {
        for child in &node.children {
            match child.name.as_str() {
                "Document" => self.object(child),
                "ArchiveObject" | "Contains" => self.objects(child),
                _ => {}
            }
        }
    }

    fn object(&mut self, document: &Node) {
        self.documents += 1;
        let n = self.documents;
        self.xml.open_with("DataObjectGroup", &[("id", &format!("GRP{n}"))]);
        self.xml.open_with("BinaryDataObject", &[("id", &format!("OBJ{n}"))]);
        self.xml.leaf("DataObjectVersion", "BinaryMaster_1");
        let attachment = document.child("Attachment");
        let attribute = |name: &str| attachment.and_then(|a| a.attribute(name)).filter(|value| !value.is_empty());
        let name = attribute("uri").or_else(|| attribute("filename"));
        match attachment.map(|attachment| attachment.text.trim()).filter(|text| !text.is_empty()) {
            Some(inline) => {
                let filename = attribute("filename").unwrap_or_default();
                self.xml.leaf_with("Attachment", &[("filename", filename)], inline);
            }
            None => self.xml.maybe("Uri", name),
        }
        let own = document.child("Integrity").map(|integrity| {
            (integrity.attribute("algorithme").unwrap_or_default().to_owned(), integrity.text.trim().to_owned())
        });
        let head = || {
            let names = [attribute("filename"), attribute("uri")];
            let found = self.digests.iter().find(|(file, ..)| names.contains(&Some(file.as_str())));
            found.map(|(_, algorithm, value)| (algorithm.clone(), value.clone()))
        };
        match own.or_else(head) {
            Some((algorithm, value)) => {
                let algorithm = if algorithm.is_empty() { "SHA-256" } else { &algorithm };
                self.xml.leaf_with("MessageDigest", &[("algorithm", algorithm)], &value);
            }
            None => self.note("des documents n'ont pas d'empreinte : le bordereau 2.x en exige une par objet"),
        }
        let size = document.child("Size").filter(|size| matches!(size.attribute("unitCode"), None | Some("AD")));
        self.xml
            .maybe("Size", size.map(|size| size.text.trim()).filter(|size| size.parse::<u64>().is_ok_and(|n| n > 0)));
        if attribute("mimeCode").or(attribute("format")).is_some() {
            self.xml.open("FormatIdentification");
            self.xml.maybe("MimeType", attribute("mimeCode"));
            self.xml.maybe("FormatId", attribute("format"));
            self.xml.close();
        }
        if let Some(filename) = attribute("filename") {
            self.xml.open("FileInfo");
            self.xml.leaf("Filename", filename);
            self.xml.close();
        }
        self.xml.close();
        self.xml.close();
    }

    fn unit(&mut self, node: &Node) {
        self.units += 1;
        self.xml.open_with("ArchiveUnit", &[("id", &format!("UNI{}", self.units))]);
        self.unit_management(node);
        let nothing = Node::default();
        self.content(node, node.child("ContentDescription").unwrap_or(&nothing));
        for child in &node.children {
            match child.name.as_str() {
                "ArchiveObject" | "Contains" => self.unit(child),
                "Document" => self.document(child),
                _ => {}
            }
        }
        self.xml.close();
    }

    fn unit_management(&mut self, node: &Node) {
        let named = |new: &str, old: &str| node.child(new).or_else(|| node.child(old));
        let appraisal = named("AppraisalRule", "Appraisal");
        let access = named("AccessRestrictionRule", "AccessRestriction").or_else(|| {
            let description = node.child("ContentDescription")?;
            description.child("AccessRestrictionRule").or_else(|| description.child("AccessRestriction"))
        });
        if appraisal.is_none() && access.is_none() {
            return;
        }
        self.xml.open("Management");
        if let Some(rule) = appraisal {
            self.xml.open("AppraisalRule");
            self.xml.maybe("Rule", rule.text_of("Duration"));
            self.xml.maybe("StartDate", rule.text_of("StartDate"));
            let destroy = rule.text_of("Code") == Some("detruire");
            self.xml.leaf("FinalAction", if destroy { "Destroy" } else { "Keep" });
            self.xml.close();
        }
        if let Some(rule) = access {
            self.xml.open("AccessRule");
            self.xml.maybe("Rule", rule.text_of("Code"));
            self.xml.maybe("StartDate", rule.text_of("StartDate"));
            self.xml.close();
        }
        self.xml.close();
    }

    /// `Content`, in its order.
    fn content(&mut self, node: &Node, description: &Node) {
        let either = |name: &str| node.text_of(name).or_else(|| description.text_of(name));
        let identifiers = |suffix: &str| {
            ["Archive", "Object", "Document"]
                .into_iter()
                .find_map(|kind| node.text_of(&format!("{suffix}{kind}Identifier")).filter(|id| !id.is_empty()))
        };
        self.xml.open("Content");
        self.xml.maybe("DescriptionLevel", either("DescriptionLevel").map(level));
        self.xml.leaf("Title", node.text_of("Name").unwrap_or_default());
        for position in description.filled("FilePlanPosition") {
            self.xml.leaf("FilePlanPosition", position);
        }
        self.xml.maybe("ArchivalAgencyArchiveUnitIdentifier", identifiers("ArchivalAgency"));
        self.xml.maybe("OriginatingAgencyArchiveUnitIdentifier", identifiers("OriginatingAgency"));
        self.xml.maybe("TransferringAgencyArchiveUnitIdentifier", identifiers("TransferringAgency"));
        self.xml.maybe("Description", description.text_of("Description"));
        self.history(description);
        for language in description.filled("Language") {
            self.xml.leaf("Language", language);
        }
        self.xml.maybe("DescriptionLanguage", node.text_of("DescriptionLanguage"));
        for keyword in
            description.children.iter().filter(|n| matches!(n.name.as_str(), "Keyword" | "ContentDescriptive"))
        {
            self.keyword(keyword);
        }
        if let Some(agency) = description.child("OriginatingAgency") {
            self.organization("OriginatingAgency", Some(agency));
        }
        self.xml.maybe("StartDate", description.text_of("OldestDate"));
        self.xml.maybe("EndDate", description.text_of("LatestDate"));
        self.xml.close();
        for (lost, what) in [
            ("OtherMetadata", "les métadonnées libres (OtherMetadata)"),
            ("OtherDescriptiveData", "les autres données descriptives (OtherDescriptiveData)"),
            ("RelatedObjectReference", "les références à d'autres objets (RelatedObjectReference)"),
            ("Repository", "le service de conservation (Repository)"),
        ] {
            if description.child(lost).is_some() {
                self.note(&format!("{what} ne sont pas repris"));
            }
        }
    }

    fn history(&mut self, description: &Node) {
        let Some(history) = description.child("CustodialHistory") else { return };
        self.xml.open("CustodialHistory");
        if self.version == Version::V0_2 {
            self.xml.leaf("CustodialHistoryItem", &history.text);
        } else {
            for item in history.children("CustodialHistoryItem") {
                let when: Vec<(&str, &str)> = item.attribute("when").map(|when| ("when", when)).into_iter().collect();
                self.xml.leaf_with("CustodialHistoryItem", &when, &item.text);
            }
        }
        self.xml.close();
    }

    fn keyword(&mut self, keyword: &Node) {
        self.xml.open("Keyword");
        self.xml.leaf("KeywordContent", keyword.text_of("KeywordContent").unwrap_or_default());
        self.xml.maybe("KeywordReference", keyword.text_of("KeywordReference"));
        self.xml.maybe("KeywordType", keyword.text_of("KeywordType"));
        self.xml.close();
    }

    fn document(&mut self, document: &Node) {
        self.documents += 1;
        self.units += 1;
        let attachment = document.child("Attachment").and_then(|a| a.attribute("filename"));
        let title =
            document.text_of("Description").filter(|text| !text.is_empty()).or(attachment).unwrap_or("Document");
        self.xml.open_with("ArchiveUnit", &[("id", &format!("UNI{}", self.units))]);
        self.xml.open("Content");
        self.xml.leaf("DescriptionLevel", "Item");
        self.xml.leaf("Title", title);
        for (new, old) in [
            ("ArchivalAgencyArchiveUnitIdentifier", "ArchivalAgencyDocumentIdentifier"),
            ("OriginatingAgencyArchiveUnitIdentifier", "OriginatingAgencyDocumentIdentifier"),
            ("TransferringAgencyArchiveUnitIdentifier", "TransferringAgencyDocumentIdentifier"),
        ] {
            self.xml.maybe(new, document.text_of(old).filter(|id| !id.is_empty()));
        }
        self.xml.maybe("DocumentType", document.text_of("Type"));
        for language in document.filled("Language") {
            self.xml.leaf("Language", language);
        }
        self.xml.maybe("Status", document.text_of("Status").filter(|status| !status.is_empty()));
        for (new, old) in [
            ("CreatedDate", "Creation"),
            ("TransactedDate", "Response"),
            ("SentDate", "Issue"),
            ("ReceivedDate", "Receipt"),
            ("RegisteredDate", "Submission"),
        ] {
            self.xml.maybe(new, document.text_of(old));
        }
        self.xml.close();
        self.xml.open("DataObjectReference");
        self.xml.leaf("DataObjectGroupReferenceId", &format!("GRP{}", self.documents));
        self.xml.close();
        self.xml.close();
        if document.child("RelatedData").is_some() {
            self.note("les données associées aux documents (RelatedData) ne sont pas reprises");
        }
        debug_assert!(self.target.is_second());
    }
}

#[cfg(test)]
mod tests;
