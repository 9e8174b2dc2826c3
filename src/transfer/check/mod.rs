//! The checks of a transfer, with VITAM's names and in its order: container, bordereau, header, package, objects, units.
//!
//! A check that fails does not hide the following ones, unless nothing is left for them to look at: an archivist is told
//! everything at once, and the first `KO` is the one VITAM would have stopped at.

mod format;
mod header;
mod objects;
mod package;
mod profile;
mod rules;
mod seda;
mod signatures;
mod unit_profile;
mod units;

pub use objects::{Seen, attached};
pub use rules::{Applied, Computed, compute, end};
pub use signatures::Signing;

use super::clamd::{Clamd, Verdict};
use super::container::{Container, ContainerError, Limits};
use super::event::{Event, Journal, Outcome, Report};
use super::referentials::Referentials;
use crate::spec::seda::manifest::Manifest;
use crate::spec::seda::xml::Position;
use crate::spec::seda::{Bounds, Message, Mode};
use std::path::Path;
use std::sync::mpsc::Sender;

/// How a transfer is checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// How strictly the bordereau is held to the schema.
    pub mode: Mode,
    /// What agencies, contracts, profiles and rules are checked against.
    pub referentials: Option<&'a Referentials>,
    /// The antivirus.
    pub clamd: Option<&'a Clamd>,
    /// The attachments of a bordereau alone: a container of them.
    pub attachments: Option<&'a Path>,
    /// Bounds of the container.
    pub limits: Limits,
    /// Bounds of the bordereau.
    pub bounds: Bounds,
    /// The name of the bordereau in a package laid out as Maarch's: no `content` folder, everything at the root.
    pub flat: Option<&'a str>,
    /// Whether the objects are going to be stored: both digests of each are computed then, in the one reading.
    pub storing: bool,
    /// How the signatures of the objects are validated, where the agreement asks for it.
    pub signatures: Option<Signing<'a>>,
    /// Who is told of each event as it comes.
    pub told: Option<&'a Sender<Event>>,
}

/// A transfer checked: the report, and what was read on the way.
#[derive(Debug)]
pub struct Checked {
    /// Every check and the outcome.
    pub report: Report,
    /// The bordereau, when it could be read.
    pub message: Option<Message>,
    /// The container, when it could be listed.
    pub container: Option<Container>,
    /// Which member of the container is the bordereau.
    pub bordereau: usize,
    /// What was seen of each object of the manifest, in its order.
    pub seen: Vec<Seen>,
}

/// The file cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{path} : {error}")]
pub struct Unreadable {
    /// Which.
    pub path: String,
    /// Why.
    pub error: std::io::Error,
}

/// Checks a transfer; only a file that cannot be read at all is an error.
pub fn check(path: &Path, options: &Options<'_>) -> Result<Checked, Unreadable> {
    let mut checked =
        Checked { report: Journal::default().finish(), message: None, container: None, bordereau: 0, seen: Vec::new() };
    let mut journal = Journal::telling(options.told);
    match Container::open(path, options.limits) {
        Ok(container) => {
            container_is_good(&mut journal, &container);
            checked.container = Some(container);
            whole(&mut journal, &mut checked, options);
        }
        Err(ContainerError::Io(error)) => return Err(Unreadable { path: path.display().to_string(), error }),
        Err(error) => container_is_bad(&mut journal, &error),
    }
    checked.report = journal.finish();
    Ok(checked)
}

fn container_is_good(journal: &mut Journal, container: &Container) {
    let files = container.members.iter().filter(|member| !member.folder).count();
    journal.ok("CHECK_CONTAINER", format!("conteneur {} de {files} fichiers", container.kind.label()));
}

fn container_is_bad(journal: &mut Journal, error: &ContainerError) {
    match error {
        ContainerError::Unknown | ContainerError::Damaged(_) | ContainerError::Io(_) => {
            journal.ko("CHECK_CONTAINER", error.to_string(), None);
        }
        ContainerError::Member { name, .. } | ContainerError::Bomb { name, .. } => {
            journal.ok("CHECK_CONTAINER", "format du conteneur reconnu");
            journal.ko("STP_UPLOAD_SIP", error.to_string(), Some(name.clone()));
        }
        ContainerError::TooMany(_) | ContainerError::TooLarge(_) => {
            journal.ok("CHECK_CONTAINER", "format du conteneur reconnu");
            journal.ko("STP_UPLOAD_SIP", error.to_string(), None);
        }
    }
}

/// The checks of a container that could be listed.
fn whole(journal: &mut Journal, checked: &mut Checked, options: &Options<'_>) {
    let Some(container) = &checked.container else { return };
    if let Some(clamd) = options.clamd {
        sanity(journal, container, clamd);
        if journal.outcome() == Outcome::Ko {
            return;
        }
    }
    let Some(bordereau) = seda::layout(journal, container, options.flat) else { return };
    checked.bordereau = bordereau;
    let Some(message) = seda::read(journal, container, bordereau, options) else { return };
    let manifest = &message.manifest;
    header::check(journal, manifest, options.referentials);
    profile::check(journal, manifest, container, bordereau, options.referentials, &options.bounds.xml);
    let attachments = match options.attachments.map(|path| Container::open(path, options.limits)).transpose() {
        Ok(attachments) => attachments,
        Err(error) => {
            journal.ko("CHECK_CONTAINER", format!("pièces jointes : {error}"), None);
            return;
        }
    };
    let holding = objects::Holding::new(container, attachments.as_ref(), bordereau);
    let places = package::check(journal, manifest, &holding, options.referentials);
    let inline = objects::Inline { container, bordereau, bytes_max: options.bounds.xml.bytes_max };
    checked.seen = objects::check(journal, manifest, &holding, &places, &inline, options.referentials, options.storing);
    let contract = header::contract(manifest, options.referentials);
    signatures::check(journal, manifest, &holding, &checked.seen, contract, options.signatures.as_ref());
    let document = || inline.document();
    units::check(journal, manifest, options.referentials, &document);
    rules::check(journal, manifest, options.referentials);
    checked.message = Some(message);
}

/// Every member through the antivirus, before anything of it is believed.
fn sanity(journal: &mut Journal, container: &Container, clamd: &Clamd) {
    let mut bad = Vec::new();
    let members = &container.members;
    let result = container.each(&|index| !members[index].folder, &mut |index, content| {
        match clamd.scan(content) {
            Ok(Verdict::Clean) => {}
            Ok(Verdict::Infected(virus)) => bad.push((index, format!("virus détecté : {virus}"))),
            Err(error) => {
                bad.push((index, error.to_string()));
                return Ok(false);
            }
        }
        Ok(bad.len() < 100)
    });
    for (index, detail) in &bad {
        journal.ko("SANITY_CHECK_SIP", detail.clone(), Some(members[*index].name.clone()));
    }
    match result {
        Err(error) => journal.ko("SANITY_CHECK_SIP", error.to_string(), None),
        Ok(()) if bad.is_empty() => journal.ok("SANITY_CHECK_SIP", "aucun virus détecté"),
        Ok(()) => {}
    }
}

/// A place in the bordereau, as events take it.
#[allow(clippy::unnecessary_wraps)]
fn at(position: Position) -> Option<String> {
    Some(format!("bordereau, {position}"))
}

/// A unit, for a detail: its title and identifier.
fn unit_name(manifest: &Manifest, unit: u32) -> String {
    let Some(unit) = manifest.units.get(unit as usize) else { return "unité".into() };
    let id = manifest.text(unit.id);
    match manifest.optional(unit.title).filter(|title| !title.is_empty()) {
        Some(title) => format!("unité « {} » ({id})", title.chars().take(80).collect::<String>()),
        None => format!("unité {id}"),
    }
}
