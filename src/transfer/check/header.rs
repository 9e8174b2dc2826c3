//! CHECK_HEADER: who sends, under which contract, after which profile.

use super::at;
use crate::spec::seda::manifest::Manifest;
use crate::transfer::event::Journal;
use crate::transfer::referentials::{Contract, Referentials, Status};

/// The contract a bordereau names, when it is registered.
pub(super) fn contract<'a>(manifest: &Manifest, referentials: Option<&'a Referentials>) -> Option<&'a Contract> {
    referentials?.contracts.as_ref()?.get(manifest.header.agreement.as_deref()?)
}

pub(super) fn check(journal: &mut Journal, manifest: &Manifest, referentials: Option<&Referentials>) {
    agents(journal, manifest, referentials);
    agreement(journal, manifest, referentials);
    profile(journal, manifest, referentials);
}

fn agents(journal: &mut Journal, manifest: &Manifest, referentials: Option<&Referentials>) {
    const EVENT: &str = "CHECK_HEADER.CHECK_AGENT";
    let management = &manifest.management;
    let location = at(management.position);
    let originating = management.originating_agency.as_deref().unwrap_or_default();
    if originating.is_empty() {
        let detail = "le service producteur (OriginatingAgencyIdentifier) est absent ou vide";
        journal.ko("CHECK_HEADER.CHECK_AGENT.EMPTY_REQUIRED_FIELD", detail, location);
        return;
    }
    let Some(agencies) = referentials.and_then(|r| r.agencies.as_ref()) else {
        journal.ok(EVENT, format!("service producteur « {originating} » (référentiel des services non fourni)"));
        return;
    };
    // Without a submission agency, the originating one submits.
    let submission = management.submission_agency.as_deref().filter(|id| !id.is_empty());
    let mut known = true;
    for (role, id) in [("producteur", Some(originating)), ("versant", submission)] {
        if let Some(id) = id.filter(|id| !agencies.contains_key(*id)) {
            known = false;
            let detail = format!("le service {role} « {id} » n'est pas dans le référentiel des services");
            journal.ko("CHECK_HEADER.CHECK_AGENT.UNKNOWN", detail, location.clone());
        }
    }
    if known {
        journal.ok(EVENT, format!("services connus : producteur « {originating} »"));
    }
}

fn agreement(journal: &mut Journal, manifest: &Manifest, referentials: Option<&Referentials>) {
    const EVENT: &str = "CHECK_HEADER.CHECK_CONTRACT_INGEST";
    let agreement = manifest.header.agreement.as_deref().unwrap_or_default();
    if agreement.is_empty() {
        if manifest.version.is_some_and(crate::spec::seda::Version::is_second) {
            let detail = "le contrat d'entrée (ArchivalAgreement) est absent ou vide";
            journal.ko("CHECK_HEADER.CHECK_CONTRACT_INGEST.CONTRACT_NOT_IN_MANIFEST", detail, None);
        }
        return;
    }
    let Some(contracts) = referentials.and_then(|r| r.contracts.as_ref()) else {
        journal.ok(EVENT, format!("contrat d'entrée « {agreement} » (référentiel des contrats non fourni)"));
        return;
    };
    match contracts.get(agreement) {
        None => {
            let detail = format!("le contrat d'entrée « {agreement} » n'est pas dans le référentiel");
            journal.ko("CHECK_HEADER.CHECK_CONTRACT_INGEST.CONTRACT_UNKNOWN", detail, None);
        }
        Some(contract) if contract.status == Status::Inactive => {
            let detail = format!("le contrat d'entrée « {agreement} » n'est pas actif");
            journal.ko("CHECK_HEADER.CHECK_CONTRACT_INGEST.CONTRACT_INACTIVE", detail, None);
        }
        Some(contract) => limits(journal, manifest, contract, EVENT),
    }
}

/// What a contract of ours may add: who, how many, how much.
fn limits(journal: &mut Journal, manifest: &Manifest, contract: &Contract, event: &str) {
    let originating = manifest.management.originating_agency.as_deref().unwrap_or_default();
    let mut within = true;
    let mut refuse = |detail: String| {
        within = false;
        journal.ko("CHECK_HEADER.CHECK_CONTRACT_INGEST.LIMITS", detail, None);
    };
    if !contract.originating_agencies.is_empty() && !contract.originating_agencies.contains(originating) {
        refuse(format!("le service producteur « {originating} » n'est pas prévu par le contrat d'entrée"));
    }
    let transferring = manifest.header.transferring_agency.as_ref().map_or("", |agency| agency.identifier.as_str());
    if !contract.transferring_agencies.is_empty() && !contract.transferring_agencies.contains(transferring) {
        refuse(format!("le service versant « {transferring} » n'est pas prévu par le contrat d'entrée"));
    }
    let objects = manifest.objects.len() as u64;
    if contract.objects_max.is_some_and(|max| objects > max) {
        refuse(format!("{objects} objets, au-delà de ce que le contrat d'entrée prévoit"));
    }
    let long = |max: u64| manifest.objects.iter().find(|object| object.size_bytes.is_some_and(|bytes| bytes > max));
    if let Some(object) = contract.object_bytes_max.and_then(long) {
        let (id, bytes) = (manifest.text(object.id), object.size_bytes.unwrap_or_default());
        refuse(format!("l'objet {id} annonce {bytes} octets, au-delà de ce que le contrat d'entrée prévoit"));
    }
    let units = manifest.units.len() as u64;
    if contract.units_max.is_some_and(|max| units > max) {
        refuse(format!("{units} unités d'archives, au-delà de ce que le contrat d'entrée prévoit"));
    }
    let bytes: u64 = manifest.objects.iter().filter_map(|object| object.size_bytes).sum();
    if contract.bytes_max.is_some_and(|max| bytes > max) {
        refuse(format!("{bytes} octets annoncés, au-delà de ce que le contrat d'entrée prévoit"));
    }
    if within {
        journal.ok(event, format!("contrat d'entrée « {} » actif", contract.identifier));
    }
}

fn profile(journal: &mut Journal, manifest: &Manifest, referentials: Option<&Referentials>) {
    const EVENT: &str = "CHECK_HEADER.CHECK_IC_AP_RELATION";
    let profile = manifest.management.profile.as_deref().filter(|profile| !profile.is_empty());
    let location = at(manifest.management.position);
    if let (Some(profile), Some(profiles)) = (profile, referentials.and_then(|r| r.profiles.as_ref())) {
        match profiles.get(profile) {
            None => {
                let detail = format!("le profil d'archivage « {profile} » n'est pas dans le référentiel");
                journal.ko("CHECK_HEADER.CHECK_IC_AP_RELATION.UNKNOWN", detail, location);
                return;
            }
            Some(known) if known.status == Status::Inactive => {
                let detail = format!("le profil d'archivage « {profile} » n'est pas actif");
                journal.ko("CHECK_HEADER.CHECK_IC_AP_RELATION.INACTIVE", detail, location);
                return;
            }
            Some(_) => {}
        }
    }
    let Some(contract) = contract(manifest, referentials) else { return };
    let accepted = &contract.archive_profiles;
    let given = profile.unwrap_or("aucun");
    if accepted.is_empty() && profile.is_none() {
        return;
    }
    if profile.is_some_and(|profile| accepted.iter().any(|accepted| accepted == profile)) {
        journal.ok(EVENT, format!("profil d'archivage « {given} » prévu par le contrat d'entrée"));
    } else {
        let expected = if accepted.is_empty() { "aucun".to_owned() } else { accepted.join(", ") };
        let detail = format!("le contrat d'entrée prévoit le profil d'archivage : {expected} ; bordereau : {given}");
        journal.ko("CHECK_HEADER.CHECK_IC_AP_RELATION.DIFF", detail, location);
    }
}
