//! MANIFEST_FILE_NAME_CHECK and CHECK_SEDA: one bordereau, under its name, well-formed and according to the schema.

use super::{Options, at};
use crate::spec::seda::xml::XmlError;
use crate::spec::seda::{Message, Mode, ReadError, Weight, read as read_message};
use crate::transfer::container::{Container, ContainerError, Kind};
use crate::transfer::event::Journal;
use std::collections::BTreeSet;

/// How many findings of each weight become events.
const FINDINGS_TOLD_MAX: usize = 20;

/// Which member is the bordereau.
pub(super) fn layout(journal: &mut Journal, container: &Container, flat: Option<&str>) -> Option<usize> {
    if container.kind == Kind::Bordereau {
        journal.ok("MANIFEST_FILE_NAME_CHECK", "bordereau seul");
        return Some(0);
    }
    if let Some(flat) = flat {
        let found = container.members.iter().position(|member| !member.folder && member.name == flat);
        match found {
            Some(_) => journal.ok("MANIFEST_FILE_NAME_CHECK", format!("bordereau « {flat} »")),
            None => journal.ko("MANIFEST_FILE_NAME_CHECK", format!("aucun bordereau « {flat} » dans le paquet"), None),
        }
        return found;
    }
    let (mut folders, mut files) = (BTreeSet::new(), Vec::new());
    for (index, member) in container.members.iter().enumerate() {
        match member.name.trim_end_matches('/').split_once('/') {
            Some((folder, _)) => _ = folders.insert(folder),
            None if member.folder => _ = folders.insert(member.name.trim_end_matches('/')),
            None => files.push((index, member.name.as_str())),
        }
    }
    let Some(&(bordereau, name)) = files.iter().find(|(_, name)| is_manifest(name)) else {
        let detail = match files.as_slice() {
            [] => "aucun bordereau à la racine du paquet : un fichier manifest.xml y est attendu".to_owned(),
            [(_, name), ..] => format!("« {name} » n'est pas un nom de bordereau : [préfixe_]manifest.xml est attendu"),
        };
        journal.ko("MANIFEST_FILE_NAME_CHECK", detail, files.first().map(|(_, name)| (*name).to_owned()));
        return None;
    };
    journal.ok("MANIFEST_FILE_NAME_CHECK", format!("bordereau « {name} »"));
    if let Some((_, other)) = files.iter().find(|(index, _)| *index != bordereau) {
        let detail = format!("un seul fichier est admis à la racine du paquet, le bordereau ; « {other} » est de trop");
        journal.ko("CHECK_SEDA.CONTAINER_FORMAT.FILE", detail, Some((*other).to_owned()));
        return None;
    }
    let odd = folders.iter().find(|folder| !folder.eq_ignore_ascii_case("content"));
    if folders.len() > 1 || odd.is_some() {
        let second = odd.or_else(|| folders.iter().nth(1)).copied().unwrap_or_default();
        let detail = format!("un seul dossier est admis à la racine du paquet, content ; « {second} » est de trop");
        journal.ko("CHECK_SEDA.CONTAINER_FORMAT.DIRECTORY", detail, Some(second.to_owned()));
        return None;
    }
    Some(bordereau)
}

/// `^([a-zA-Z0-9_\-]{0,56}[_-]{1}){0,1}(manifest.xml)$`, where the dot is a dot.
fn is_manifest(name: &str) -> bool {
    let Some(prefix) = name.strip_suffix("manifest.xml") else { return false };
    prefix.is_empty()
        || prefix.len() <= 57
            && prefix.ends_with(['_', '-'])
            && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// The bordereau, when it is worth going on with.
pub(super) fn read(
    journal: &mut Journal,
    container: &Container,
    bordereau: usize,
    options: &Options<'_>,
) -> Option<Message> {
    let message = match container.read(bordereau, |input| Ok(read_message(input, &options.bounds))) {
        Ok(Ok(message)) => message,
        Ok(Err(error)) => {
            ill_formed(journal, &error);
            return None;
        }
        Err(error @ (ContainerError::Damaged(_) | ContainerError::TooLarge(_))) => {
            journal.ko("STP_UPLOAD_SIP", error.to_string(), Some(container.members[bordereau].name.clone()));
            return None;
        }
        Err(error) => {
            journal.ko("CHECK_SEDA.NO_FILE", error.to_string(), None);
            return None;
        }
    };
    let Some(version) = message.checked.version else {
        let namespace = &message.checked.namespace;
        let detail = format!("version du SEDA non prise en charge : espace de noms « {namespace} »");
        journal.ko("CHECK_SEDA.UNSUPPORTED_SEDA_VERSION", detail, None);
        return None;
    };
    journal.version(version.number());
    if message.checked.message != "ArchiveTransfer" && !message.checked.message.is_empty() {
        let detail = format!("le message « {} » n'est pas un transfert (ArchiveTransfer)", message.checked.message);
        journal.ko("CHECK_SEDA.NOT_XSD_VALID", detail, None);
        return None;
    }
    conforms(journal, &message, options.mode).then_some(message)
}

fn ill_formed(journal: &mut Journal, error: &ReadError) {
    match error {
        ReadError::TooManyUnits { position, .. } => {
            journal.ko("CHECK_SEDA.NOT_XSD_VALID", error.to_string(), at(*position));
        }
        ReadError::Xml(xml) => {
            let what = if matches!(xml, XmlError::TooLong(_)) { "bordereau trop long" } else { "bordereau illisible" };
            let detail = format!("{what} : {error}");
            journal.ko("CHECK_SEDA.NOT_XML_FILE", detail, xml.position().and_then(at));
        }
    }
}

/// Tells what the schema says, and whether the mode lets the transfer go on.
fn conforms(journal: &mut Journal, message: &Message, mode: Mode) -> bool {
    let findings = &message.checked.findings;
    let faults = findings.faults(mode);
    let (mut told, mut remarked) = (0, 0);
    for finding in &findings.kept {
        let location = at(finding.position);
        if finding.is_fault(mode) {
            told += 1;
            if told <= FINDINGS_TOLD_MAX {
                journal.ko("CHECK_SEDA.NOT_XSD_VALID", finding.detail.clone(), location);
            }
        } else if remarked < FINDINGS_TOLD_MAX {
            remarked += 1;
            journal.remark("CHECK_SEDA", format!("écart admis avec le schéma officiel : {}", finding.detail), location);
        }
    }
    if faults > FINDINGS_TOLD_MAX {
        let detail = format!("{} autres écarts avec le schéma", faults - FINDINGS_TOLD_MAX);
        journal.ko("CHECK_SEDA.NOT_XSD_VALID", detail, None);
    }
    if faults == 0 {
        debug_assert!(findings.kept.iter().all(|finding| finding.weight == Weight::Deviation));
        journal.ok("CHECK_SEDA", "bordereau bien formé et conforme au schéma");
    }
    faults == 0
}

#[cfg(test)]
mod tests {
    use super::is_manifest;

    #[test]
    fn names_of_bordereaux() {
        for name in ["manifest.xml", "SIP-2024_manifest.xml", "a-manifest.xml", "_manifest.xml"] {
            assert!(is_manifest(name), "{name}");
        }
        for name in ["manifest-copy.xml", "amanifest.xml", "manifest.xml.bak", "é_manifest.xml", "Manifest.xml"] {
            assert!(!is_manifest(name), "{name}");
        }
        assert!(!is_manifest(&format!("{}_manifest.xml", "a".repeat(57))));
    }
}
