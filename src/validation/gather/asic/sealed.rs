//! What CAdES signatures, time-stamps and evidence records of a container are about: its only file (ASiC-S), or what a
//! manifest lists (ASiC-E; EN 319 162-1 § 4.4.4, § A.4).

use super::super::cades::{self, CmsContent, Telling};
use super::super::{evidence, tsp};
use super::members::Members;
use crate::spec::asic::{Manifest, Role, member_name};
use crate::spec::cms::received::SignedData;
use crate::validation::facts::{
    Facts, Fault, FaultKind, Packaging, ReferenceFacts, ReferenceKind, ReferenceState, SignatureFacts, TimestampKind,
};
use std::collections::BTreeSet;

/// References told of one signature.
const MAX_REFERENCES: usize = 1024;

/// A signature file, and what stands around it.
pub(super) struct Place<'p, 'a> {
    pub(super) members: &'p Members<'a>,
    pub(super) manifests: &'p [(String, Manifest)],
    pub(super) name: &'p str,
}

impl Place<'_, '_> {
    /// The manifest that this member applies to.
    fn manifest(&self) -> Option<&(String, Manifest)> {
        self.manifests.iter().find(|(_, manifest)| member_name(&manifest.applies) == self.name)
    }

    /// The container's only data file.
    fn only(&self) -> Option<(&str, &[u8])> {
        let mut data = self.members.of(Role::Data);
        let first = data.next()?;
        data.next().is_none().then(|| (first.name.as_str(), first.bytes()))
    }
}

/// The signatures of a CAdES member.
pub(super) fn cades(place: &Place<'_, '_>, bytes: &[u8], before: usize) -> Vec<SignatureFacts> {
    let prefix = format!("S{}", before + 1);
    let many = format!("{prefix}.");
    let several = SignedData::parse(bytes).is_ok_and(|signed| signed.signers.len() > 1);
    let telling = Telling {
        prefix: if several { &many } else { &prefix },
        exact: true,
        location: place.name,
        format: None,
        certificates: place.members.certificates,
        depth: 0,
    };
    let manifest = place.manifest();
    let content = match manifest {
        Some((name, _)) => place.members.get(name).map(|bytes| (name.as_str(), bytes)),
        None => place.only(),
    };
    let about = content.map_or(CmsContent::Encapsulated, |(_, bytes)| CmsContent::Detached(bytes));
    let (mut signatures, _) = cades::signed_data_as(bytes, about, telling);
    let entries = manifest.map(|(_, manifest)| references(manifest, place.members)).unwrap_or_default();
    for signature in &mut signatures {
        signature.packaging = Packaging::Container;
        if let Some((name, _)) = content {
            for reference in &mut signature.references {
                name.clone_into(&mut reference.covers);
            }
        }
        signature.references.extend(entries.iter().cloned());
        let named: BTreeSet<&str> = entries.iter().map(|entry| entry.covers.as_str()).collect();
        let alone = if manifest.is_none() { content.map(|(name, _)| name) } else { None };
        signature.covers = place.members.coverage(|name| named.contains(name) || alone == Some(name));
        if content.is_none() {
            let detail = "aucun manifeste ne dit sur quels fichiers porte cette signature";
            signature.faults.push(Fault::new(FaultKind::Note, detail));
        }
    }
    signatures
}

/// Each file a manifest lists, compared with the container's.
fn references(manifest: &Manifest, members: &Members<'_>) -> Vec<ReferenceFacts> {
    let entries = manifest.entries.iter().take(MAX_REFERENCES).map(|entry| {
        let name = member_name(&entry.uri);
        let state = match (members.get(&name), entry.digest.and_then(|digest| members.digest(&name, digest))) {
            (None, _) => ReferenceState::Missing,
            (Some(_), None) => ReferenceState::Unsupported(entry.digest_uri.clone()),
            (Some(_), Some(Ok(computed))) if computed == entry.value => ReferenceState::Intact,
            (Some(_), Some(Ok(_))) => ReferenceState::Broken,
            (Some(_), Some(Err(unsupported))) => ReferenceState::Unsupported(unsupported.0),
        };
        ReferenceFacts {
            uri: Some(entry.uri.clone()),
            kind: ReferenceKind::ManifestEntry,
            digest: entry.digest,
            digest_value: entry.value.clone(),
            state,
            covers: name,
        }
    });
    entries.collect()
}

/// The time-stamps of the container, and the signatures each covers.
pub(super) fn time_stamps(members: &Members<'_>, manifests: &[(String, Manifest)], facts: &mut Facts) {
    for (rank, member) in members.of(Role::Timestamp).take(MAX_REFERENCES).enumerate() {
        let place = Place { members, manifests, name: &member.name };
        let manifest = place.manifest();
        let content = match manifest {
            Some((name, _)) => members.get(name),
            None => place.only().map(|(_, bytes)| bytes),
        };
        let id = format!("T{}", rank + 1);
        let mut told = tsp::token(member.bytes(), TimestampKind::Container, &id, Vec::new(), &mut |digest| {
            digest.digest(content?).ok()
        });
        match manifest {
            Some((name, manifest)) => {
                let entries = references(manifest, members);
                told.covers = entries.iter().map(|entry| entry.covers.clone()).collect();
                told.signatures = covered_signatures(&told.covers, facts);
                // An imprint of a list is worth what the list is worth.
                if let Some(broken) = entries.iter().find(|entry| entry.state == ReferenceState::Broken) {
                    let detail = format!("{name} : le condensat de {} n'est pas celui du fichier", broken.covers);
                    told.faults.push(Fault::new(FaultKind::Note, detail));
                    told.imprint = ReferenceState::Broken;
                }
                for entry in entries.iter().filter(|entry| entry.state == ReferenceState::Missing) {
                    let detail = format!("{name} désigne un fichier absent du conteneur : {}", entry.covers);
                    facts.faults.push(Fault::new(FaultKind::Uncovered, detail));
                }
                left_out(members, &told.covers, &member.name, &mut facts.faults);
            }
            None => told.covers.extend(place.only().map(|(name, _)| name.to_owned())),
        }
        facts.timestamps.push(told);
    }
}

/// Signatures that an archive time-stamp ought to cover and does not (EN 319 162-1 § A.7).
fn left_out(members: &Members<'_>, covers: &[String], stamp: &str, faults: &mut Vec<Fault>) {
    for signature in members.of(Role::Cades).filter(|signature| !covers.contains(&signature.name)) {
        let detail = format!("l'horodatage {stamp} ne couvre pas {}", signature.name);
        faults.push(Fault::new(FaultKind::Uncovered, detail));
    }
}

/// The identifiers of the signatures whose files are among `covers`.
fn covered_signatures(covers: &[String], facts: &Facts) -> Vec<String> {
    let in_file = |signature: &SignatureFacts, file: &String| {
        signature.location == *file
            || signature.location.strip_prefix(file.as_str()).is_some_and(|rest| rest.starts_with([',', ' ']))
    };
    let covered = facts.signatures.iter().filter(|signature| covers.iter().any(|file| in_file(signature, file)));
    covered.map(|signature| signature.id.clone()).collect()
}

/// The evidence records of the container, over the files their manifest lists, or the only file.
pub(super) fn evidence_records(members: &Members<'_>, manifests: &[(String, Manifest)], facts: &mut Facts) {
    for (rank, member) in members.of(Role::EvidenceRecord).take(MAX_REFERENCES).enumerate() {
        let place = Place { members, manifests, name: &member.name };
        let mut faults = Vec::new();
        let mut covers = Vec::new();
        let mut data: Vec<&[u8]> = Vec::new();
        if let Some((name, manifest)) = place.manifest() {
            for entry in references(manifest, members) {
                match entry.state {
                    ReferenceState::Missing => {
                        let detail = format!("{name} désigne un fichier absent du conteneur : {}", entry.covers);
                        faults.push(Fault::new(FaultKind::Uncovered, detail));
                    }
                    ReferenceState::Broken => {
                        let detail = format!("{name} : le condensat de {} n'est pas celui du fichier", entry.covers);
                        faults.push(Fault::new(FaultKind::Uncovered, detail));
                    }
                    _ => data.extend(members.get(&entry.covers)),
                }
                covers.push(entry.covers);
            }
        } else if let Some((name, bytes)) = place.only() {
            covers.push(name.to_owned());
            data.push(bytes);
        }
        let mut told = evidence::record(member.bytes(), &member.name, &data);
        told.id = format!("E{}", rank + 1);
        told.covers = covers;
        facts.faults.extend(faults);
        facts.evidence_records.push(told);
    }
}
