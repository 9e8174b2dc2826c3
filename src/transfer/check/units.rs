//! CHECK_UNIT_SCHEMA, CHECK_ARCHIVE_UNIT_PROFILE: what each unit says of itself holds together.

use super::{at, unit_name};
use crate::spec::seda::manifest::{Attachment, Manifest, Said, Unit};
use crate::transfer::event::Journal;
use crate::transfer::referentials::{Referentials, Status};

pub(super) fn check(journal: &mut Journal, manifest: &Manifest, referentials: Option<&Referentials>) {
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
    profiles(journal, manifest, referentials);
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

fn profiles(journal: &mut Journal, manifest: &Manifest, referentials: Option<&Referentials>) {
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
    if good && asked > 0 {
        journal.ok("CHECK_ARCHIVE_UNIT_PROFILE", format!("{asked} profils d'unité connus et actifs"));
    }
}

fn classification(journal: &mut Journal, manifest: &Manifest) {
    let levels = manifest.categories.iter().filter(|category| matches!(category.said, Said::Level(_))).count();
    if levels > 0 {
        journal.ok("CHECK_CLASSIFICATION_LEVEL", format!("{levels} niveaux de classification déclarés"));
    }
}
