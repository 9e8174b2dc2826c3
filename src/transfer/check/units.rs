//! CHECK_UNIT_SCHEMA, CHECK_ARCHIVE_UNIT_PROFILE: what each unit says of itself holds together.

use super::{at, unit_name, unit_profile};
use crate::spec::json_schema::Schema;
use crate::spec::seda::fragment::Fragments;
use crate::spec::seda::manifest::{Attachment, Manifest, Said, Unit};
use crate::transfer::event::Journal;
use crate::transfer::referentials::{Referentials, Status, UnitProfile};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the bordereau as its extents count it.
pub(super) type Document<'a> = &'a dyn Fn() -> Option<Vec<u8>>;

/// Faults of control schemas told.
const TOLD_MAX: usize = 100;

pub(super) fn check(
    journal: &mut Journal,
    manifest: &Manifest,
    referentials: Option<&Referentials>,
    document: Document<'_>,
) {
    let second = manifest.version.is_some_and(crate::spec::seda::Version::is_second);
    let mut good = true;
    for (index, unit) in (0..).zip(&manifest.units) {
        let name = || unit_name(manifest, index);
        if unit.empty_text || second && unit.title.is_none() && unit.attached == Attachment::New {
            good = false;
            let detail = format!("{} : intitulé (Title) ou description absent ou vide", name());
            journal.ko("CHECK_UNIT_SCHEMA.INVALID_UNIT", detail, at(unit.position));
        }
        if let Some((start, end)) = reversed(manifest, unit) {
            good = false;
            let detail = format!("{} : la date de fin ({end}) précède la date de début ({start})", name());
            journal.ko("CHECK_UNIT_SCHEMA.CONSISTENCY", detail, at(unit.position));
        }
    }
    if good {
        journal.ok("CHECK_UNIT_SCHEMA", format!("{} unités d'archives cohérentes", manifest.units.len()));
    }
    profiles(journal, manifest, referentials, document);
    classification(journal, manifest);
}

/// Both dates, when the end comes before the start.
fn reversed<'a>(manifest: &'a Manifest, unit: &Unit) -> Option<(&'a str, &'a str)> {
    let (start, end) = (manifest.optional(unit.start)?, manifest.optional(unit.end)?);
    // Of two dates of different precision, only what both say is compared.
    let day = |date: &'a str| date.get(..10).unwrap_or(date);
    let (first, last) = if start.len() == end.len() { (start, end) } else { (day(start), day(end)) };
    let shared = first.len().min(last.len());
    let plain = |date: &str| date.starts_with(|c: char| c.is_ascii_digit());
    (plain(first) && plain(last) && last.get(..shared)? < first.get(..shared)?).then_some((start, end))
}

fn profiles(journal: &mut Journal, manifest: &Manifest, referentials: Option<&Referentials>, document: Document<'_>) {
    let Some(known) = referentials.map(|r| &r.unit_profiles).filter(|profiles| !profiles.is_empty()) else { return };
    let (mut asked, mut good) = (0, true);
    for (index, unit) in (0..).zip(&manifest.units) {
        let Some(profile) = manifest.optional(unit.profile) else { continue };
        asked += 1;
        let fault = match known.get(profile) {
            None => "n'est pas dans le référentiel",
            Some(profile) if profile.status == Status::Inactive => "n'est pas actif",
            Some(_) => continue,
        };
        good = false;
        let detail = format!("{} : le profil d'unité « {profile} » {fault}", unit_name(manifest, index));
        journal.ko("CHECK_ARCHIVE_UNIT_PROFILE", detail, at(unit.position));
    }
    if !good || asked == 0 {
        return;
    }
    match schemas(journal, manifest, known, document) {
        Some(0) => {}
        Some(held) => journal.ok("CHECK_ARCHIVE_UNIT_PROFILE", format!("{held} unités conformes à leur profil")),
        None => journal.ok("CHECK_ARCHIVE_UNIT_PROFILE", format!("{asked} profils d'unité connus et actifs")),
    }
}

/// Holds each unit to the control schema of its profile: how many were held to one, 0 when one was not; `None` when no
/// profile has a schema that can be used.
fn schemas(
    journal: &mut Journal,
    manifest: &Manifest,
    known: &BTreeMap<String, UnitProfile>,
    document: Document<'_>,
) -> Option<usize> {
    let mut read: BTreeMap<&str, Schema> = BTreeMap::new();
    for (id, profile) in known.iter().filter(|(_, profile)| !profile.control_schema.trim().is_empty()) {
        if let Some(schema) = serde_json::from_str(&profile.control_schema).ok().and_then(Schema::new) {
            read.insert(id, schema);
        } else {
            let detail = format!("profil d'unité « {id} » : schéma de contrôle illisible, non appliqué");
            journal.warning("CHECK_ARCHIVE_UNIT_PROFILE.NOT_CHECKED", detail, None);
        }
    }
    let named = |unit: &Unit| read.get(manifest.optional(unit.profile)?);
    manifest.units.iter().find(|unit| named(unit).is_some())?;
    let document = document()?;
    let fragments = Fragments::new(&document, manifest);
    let (mut held, mut bad) = (0, 0);
    let mut ignored = BTreeSet::new();
    for (index, unit) in (0..).zip(&manifest.units) {
        let Some(schema) = named(unit) else { continue };
        let Some(json) = fragments.unit(index).and_then(|fragment| unit_profile::unit(&fragment)) else { continue };
        held += 1;
        ignored.extend(schema.ignored().iter().cloned());
        for fault in schema.validate(&json) {
            bad += 1;
            if bad <= TOLD_MAX {
                let place = fault.pointer.trim_start_matches('/');
                let detail = format!("{} : {place} : {}", unit_name(manifest, index), fault.detail);
                journal.ko("CHECK_ARCHIVE_UNIT_PROFILE", detail, at(unit.position));
            }
        }
    }
    if !ignored.is_empty() {
        let names: Vec<String> = ignored.into_iter().collect();
        let detail = format!("schémas de contrôle : {} non pris en charge, sans effet", names.join(", "));
        journal.remark("CHECK_ARCHIVE_UNIT_PROFILE", detail, None);
    }
    Some(if bad == 0 { held } else { 0 })
}

fn classification(journal: &mut Journal, manifest: &Manifest) {
    let levels = manifest.categories.iter().filter(|category| matches!(category.said, Said::Level(_))).count();
    if levels > 0 {
        journal.ok("CHECK_CLASSIFICATION_LEVEL", format!("{levels} niveaux de classification déclarés"));
    }
}
