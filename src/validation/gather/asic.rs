//! ASiC-S and ASiC-E containers (EN 319 162), OpenDocument signatures included.
//!
//! A container's answer is as much about its files as about its signatures: which are covered, by what, which are not,
//! and which a signature speaks of that are not there.

mod members;
mod sealed;

use super::xades;
use crate::spec::asic::zip::{Archive, ZipError};
use crate::spec::asic::{Manifest, Role, member_name};
use crate::validation::facts::{Coverage, CoverageKind, Facts, Fault, FaultKind, InputKind, Packaging, SignatureFacts};
use crate::validation::{Content, Input};
use members::Members;
use std::collections::BTreeSet;

/// Signature files of one container.
const MAX_SIGNATURE_FILES: usize = 256;
/// Octets digested for the signatures of one container that are over a file itself.
const MAX_DIGESTED_BYTES: usize = 20 << 30;

/// The facts of a container.
pub fn gather(input: &Input<'_>) -> Facts {
    let mut facts = Facts { kind: InputKind::Asic, ..Facts::default() };
    let archive = match Archive::open(input.bytes) {
        Ok(archive) => archive,
        Err(error) => {
            facts.faults.push(unreadable(&error));
            return facts;
        }
    };
    let members = match Members::read(&archive, input.certificates) {
        Ok(members) => members,
        Err(error) => {
            facts.faults.push(unreadable(&error));
            return facts;
        }
    };
    kind(&archive, &members, &mut facts);
    let manifests = manifests(&members, &mut facts);
    // Signatures first: container time-stamps and evidence records speak of them.
    let largest = members.of(Role::Data).map(|member| member.bytes().len()).max().unwrap_or(0);
    let most = MAX_SIGNATURE_FILES.min(MAX_DIGESTED_BYTES / largest.max(1));
    if members.of(Role::Cades).count() > most {
        let detail = format!("trop de fichiers de signature : seuls les {most} premiers sont lus");
        facts.faults.push(Fault::new(FaultKind::Refused, detail));
    }
    for member in members.of(Role::Cades).take(most) {
        let place = sealed::Place { members: &members, manifests: &manifests, name: &member.name };
        facts.signatures.extend(sealed::cades(&place, member.bytes(), facts.signatures.len()));
    }
    for member in members.of(Role::Xades).take(MAX_SIGNATURE_FILES) {
        xml(&members, &member.name, member.bytes(), &mut facts);
    }
    for member in members.of(Role::OfficeOpenXml).take(MAX_SIGNATURE_FILES) {
        xml(&members, &member.name, member.bytes(), &mut facts);
        let detail = format!(
            "{} : signature Office Open XML ; ses parties y sont désignées par des relations, qui ne sont pas suivies",
            member.name
        );
        facts.faults.push(Fault::new(FaultKind::Note, detail));
    }
    sealed::time_stamps(&members, &manifests, &mut facts);
    sealed::evidence_records(&members, &manifests, &mut facts);
    covered(&members, &mut facts);
    facts
}

fn unreadable(error: &ZipError) -> Fault {
    let kind = if matches!(error, ZipError::Malformed(_)) { FaultKind::Malformed } else { FaultKind::Refused };
    Fault::new(kind, error.to_string())
}

/// The type of container, and whether it says it as it should (EN 319 162-1 § 4.3.3.1, § 4.4.2).
fn kind(archive: &Archive<'_>, members: &Members<'_>, facts: &mut Facts) {
    let mut note = |detail: String| facts.faults.push(Fault::new(FaultKind::Note, detail));
    match archive.member("mimetype") {
        None => note("conteneur sans fichier mimetype".to_owned()),
        Some(member) => {
            let first = archive.members.iter().map(|other| other.offset).min() == Some(member.offset);
            if !first || !member.stored {
                note("le fichier mimetype n'est pas le premier du conteneur, ou il est compressé".to_owned());
            }
            if let Some(kind) = members.text("mimetype") {
                note(format!("type de conteneur : {}", kind.trim()));
            }
        }
    }
    if archive.prefix_bytes > 0 {
        note(format!("{} octets avant le premier fichier du conteneur", archive.prefix_bytes));
    }
    let data = members.of(Role::Data).count();
    let simple = members.text("mimetype").is_some_and(|kind| kind.trim() == "application/vnd.etsi.asic-s+zip");
    if simple && data != 1 {
        note(format!("un conteneur ASiC-S a un fichier de données, et un seul ; celui-ci en a {data}"));
    }
    let signed = [Role::Cades, Role::Xades, Role::Timestamp, Role::EvidenceRecord, Role::OfficeOpenXml];
    if !signed.into_iter().any(|role| members.of(role).next().is_some()) {
        note("le conteneur ne porte ni signature, ni horodatage, ni dossier de preuve".to_owned());
    }
}

/// The manifests that can be read, with their members' names.
fn manifests(members: &Members<'_>, facts: &mut Facts) -> Vec<(String, Manifest)> {
    let mut found = Vec::new();
    for member in members.of(Role::Manifest).take(MAX_SIGNATURE_FILES) {
        match Manifest::parse(member.bytes()) {
            Ok(manifest) => found.push((member.name.clone(), manifest)),
            Err(error) => {
                facts.faults.push(Fault::new(FaultKind::Malformed, format!("{} : {error}", member.name)));
            }
        }
    }
    found
}

/// The signatures of an XML member, over the container's other members.
fn xml(members: &Members<'_>, name: &str, bytes: &[u8], facts: &mut Facts) {
    let contents: Vec<Content<'_>> = members
        .all()
        .filter(|member| member.name != name)
        .map(|member| Content { name: &member.name, bytes: member.bytes() })
        .collect();
    let certificates = members.certificates;
    let found = xades::gather(&Input { name: Some(name), bytes, contents: &contents, certificates });
    for mut signature in found.signatures {
        signature.location = format!("{name} : {}", signature.location);
        signature.packaging = Packaging::Container;
        signature.covers = files(&signature, members);
        rename(&mut signature, facts);
        facts.signatures.push(signature);
    }
    for mut stamp in found.timestamps {
        stamp.id = format!("{name}#{}", stamp.id);
        facts.timestamps.push(stamp);
    }
    facts.evidence_records.extend(found.evidence_records);
    facts.material.certificates.extend(found.material.certificates);
    facts.material.crls.extend(found.material.crls);
    facts.material.ocsps.extend(found.material.ocsps);
    for fault in found.faults {
        facts.faults.push(Fault::new(fault.kind, format!("{name} : {}", fault.detail)));
    }
}

/// Two signature files may use the same identifiers: they are told apart.
fn rename(signature: &mut SignatureFacts, facts: &Facts) {
    let taken = |id: &str| facts.signatures.iter().any(|other| other.id == id);
    if !taken(&signature.id) {
        return;
    }
    let mut rank = 2;
    while taken(&format!("{}-{rank}", signature.id)) {
        rank += 1;
    }
    signature.id = format!("{}-{rank}", signature.id);
}

/// The data files a signature refers to, and those it does not.
fn files(signature: &SignatureFacts, members: &Members<'_>) -> Vec<Coverage> {
    let named: BTreeSet<String> =
        signature.references.iter().filter_map(|reference| reference.uri.as_deref()).map(member_name).collect();
    members.coverage(|name| named.contains(name))
}

/// The units of the container: each file, covered by any signature, time-stamp or evidence record.
fn covered(members: &Members<'_>, facts: &mut Facts) {
    let mut by_any: BTreeSet<String> = facts
        .signatures
        .iter()
        .flat_map(|signature| &signature.covers)
        .filter(|coverage| coverage.covered)
        .map(|coverage| coverage.name.clone())
        .collect();
    by_any.extend(facts.timestamps.iter().flat_map(|stamp| stamp.covers.iter().cloned()));
    by_any.extend(facts.evidence_records.iter().flat_map(|record| record.covers.iter().cloned()));
    facts.members = members.coverage(|name| by_any.contains(name));
    let left_out: Vec<&str> = facts
        .members
        .iter()
        .filter(|one| !one.covered && one.kind == CoverageKind::Member)
        .map(|one| one.name.as_str())
        .collect();
    if !left_out.is_empty() && !facts.signatures.is_empty() {
        let shown = left_out.iter().take(10).copied().collect::<Vec<_>>().join(", ");
        let detail = format!("{} fichier(s) du conteneur sans signature : {shown}", left_out.len());
        facts.faults.push(Fault::new(FaultKind::Note, detail));
    }
}

#[cfg(test)]
mod tests;
