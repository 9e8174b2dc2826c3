//! CHECK_ARCHIVEPROFILE: the bordereau held to the grammar of the archive profile it names (RELAX NG).

use crate::spec::rng::{Grammar, validate};
use crate::spec::seda::manifest::Manifest;
use crate::spec::seda::xml::Limits;
use crate::transfer::container::Container;
use crate::transfer::event::Journal;
use crate::transfer::referentials::{Profile, Referentials};

const EVENT: &str = "CHECK_HEADER.CHECK_ARCHIVEPROFILE";

/// The most faults told.
const TOLD_MAX: usize = 20;

pub(super) fn check(
    journal: &mut Journal,
    manifest: &Manifest,
    container: &Container,
    bordereau: usize,
    referentials: Option<&Referentials>,
    limits: &Limits,
) {
    let Some(named) = manifest.management.profile.as_deref().filter(|profile| !profile.is_empty()) else { return };
    let Some(referentials) = referentials else { return };
    let Some(profile) = referentials.profiles.as_ref().and_then(|profiles| profiles.get(named)) else { return };
    let Some(text) = grammar(profile, referentials) else {
        let why =
            if profile.path.is_some() { "sa grammaire n'est pas enregistrée" } else { "il n'a pas de grammaire" };
        journal.ok(EVENT, format!("profil d'archivage « {named} » : {why}, bordereau non contrôlé"));
        return;
    };
    if !profile.format.eq_ignore_ascii_case("RNG") && !profile.format.is_empty() {
        let detail = format!("profil d'archivage « {named} » : format {} non pris en charge", profile.format);
        journal.warning(&format!("{EVENT}.NOT_CHECKED"), detail, None);
        return;
    }
    let grammar = match Grammar::parse(text) {
        Ok(grammar) => grammar,
        Err(error) => {
            let detail = format!("profil d'archivage « {named} » inutilisable : {error}");
            journal.ko(&format!("{EVENT}.INVALID"), detail, None);
            return;
        }
    };
    match container.read(bordereau, |input| Ok(validate(&grammar, input, limits))) {
        Ok(Ok(faults)) if faults.is_empty() => {
            journal.ok(EVENT, format!("bordereau conforme au profil d'archivage « {named} »"));
        }
        Ok(Ok(faults)) => {
            for fault in faults.iter().take(TOLD_MAX) {
                journal.ko(EVENT, format!("profil « {named} » : {}", fault.detail), super::at(fault.position));
            }
            if faults.len() > TOLD_MAX {
                journal.ko(EVENT, format!("{} autres écarts avec le profil", faults.len() - TOLD_MAX), None);
            }
        }
        Ok(Err(error)) => journal.ko(EVENT, format!("bordereau illisible : {error}"), None),
        Err(error) => journal.ko(EVENT, format!("bordereau illisible : {error}"), None),
    }
}

/// The grammar a profile names: by its path's last component, or its own identifier.
fn grammar<'a>(profile: &Profile, referentials: &'a Referentials) -> Option<&'a str> {
    let path = profile.path.as_deref().map(|path| path.rsplit(['/', '\\']).next().unwrap_or(path));
    let own = format!("{}.rng", profile.identifier);
    let found = path.and_then(|name| referentials.grammars.get(name)).or_else(|| referentials.grammars.get(&own));
    found.map(String::as_str)
}
