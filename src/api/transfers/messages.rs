//! What the archive says to who sent: the acknowledgement and the reply, in the version and with the customs of the other
//! side.

use super::job::Dialect;
use super::operations::Operation;
use super::process::Work;
use crate::api::problem::Problem;
use crate::api::requests;
use crate::spec::seda::fragment::Fragments;
use crate::spec::seda::write::{self, Event, Kind, Outgoing, Party, UnitId, archive};
use crate::spec::seda::{Head, Version};
use crate::transfer::event::{Outcome, Report};

/// Events told in a reply.
const EVENTS_MAX: usize = 200;

/// Reasons told in the comment of a refusal.
const REASONS_MAX: usize = 3;

/// The suffix of an acknowledgement's identifier: Maarch looks for it.
pub(in crate::api) const ACKNOWLEDGED: &str = "_Ack";
/// The suffix of a reply's identifier.
pub(in crate::api) const REPLIED: &str = "_Reply";

/// The acknowledgement of a message received; `None` when nobody could read who sent what. 0.2 acknowledges with a reply.
pub(in crate::api) fn acknowledgement(head: &Head, date: &str) -> Option<String> {
    let (version, request) = (head.version?, head.identifier.clone()?);
    let message = Outgoing {
        date: date.to_owned(),
        identifier: format!("{request}{ACKNOWLEDGED}"),
        reply_code: (version == Version::V0_2).then(|| "000".to_owned()),
        request,
        archives: Party { identifier: head.archival_agency.clone().unwrap_or_default() },
        other: Party { identifier: head.transferring_agency.clone().unwrap_or_default() },
        ..Outgoing::default()
    };
    let kind = if version == Version::V0_2 { Kind::ArchiveTransferReply } else { Kind::Acknowledgement };
    write::write(kind, version, &message)
}

/// What the reply tells of.
pub(super) struct Told<'a> {
    pub(super) operation: &'a Operation,
    /// What the archive calls itself, where the message does not say.
    pub(super) archives: &'a str,
    pub(super) report: &'a Report,
    /// `OK`, `WARNING`, `KO`, or the same after `Test `.
    pub(super) outcome: &'a str,
    pub(super) date: &'a str,
    /// When it was accepted: what, and the archive of each unit.
    pub(super) accepted: Option<(&'a Work, &'a [String])>,
}

/// The reply to a transfer.
pub(super) fn reply(told: &Told<'_>) -> Result<String, Problem> {
    let head = told.operation.head().cloned().unwrap_or_default();
    let version = head.version.unwrap_or(Version::V2_2);
    let request = head.identifier.unwrap_or_else(|| told.operation.job.package.name.clone());
    let agreement = told.accepted.and_then(|(work, _)| work.message.manifest.header.agreement.clone());
    let mut message = Outgoing {
        comment: comment(told),
        date: told.date.to_owned(),
        identifier: format!("{request}{REPLIED}"),
        agreement: agreement.filter(|agreement| !agreement.is_empty()),
        reply_code: Some(reply_code(told, version)),
        events: events(told),
        request,
        grant_date: told.accepted.map(|_| told.date.to_owned()),
        archives: Party { identifier: head.archival_agency.unwrap_or_else(|| told.archives.to_owned()) },
        other: Party { identifier: head.transferring_agency.unwrap_or_else(|| told.operation.job.agency.clone()) },
        ..Outgoing::default()
    };
    if let Some((work, archives)) = told.accepted {
        if version.is_second() {
            let manifest = &work.message.manifest;
            let units = manifest.units.iter().zip(archives);
            message.units = units
                .map(|(unit, archive)| UnitId { id: manifest.text(unit.id).to_owned(), system_id: archive.clone() })
                .collect();
        } else {
            message.accepted = accepted(work, archives);
        }
    }
    requests::written(Kind::ArchiveTransferReply, version, &message)
}

/// The archives of a transfer of 0.2 or 1.0, each with the identifier it was given.
fn accepted(work: &Work, archives: &[String]) -> Vec<String> {
    let fragments = Fragments::new(&work.document, &work.message.manifest);
    let units = (0_u32..).zip(&work.message.manifest.units).zip(archives);
    let top = units.filter(|((_, unit), _)| unit.parent.is_none());
    top.filter_map(|((index, _), identifier)| {
        let own = String::from_utf8(fragments.unit(index)?).ok()?;
        archive(&own, std::str::from_utf8(fragments.prefix(index)).ok()?, identifier)
    })
    .collect()
}

fn reply_code(told: &Told<'_>, version: Version) -> String {
    if version.is_second() && told.operation.job.dialect == Dialect::Standard {
        return told.outcome.to_owned();
    }
    let first = told.report.events.iter().find(|event| event.outcome == Outcome::Ko);
    match (told.report.outcome, first) {
        (Outcome::Ko, first) => code(first.map_or("", |event| event.event.as_str())),
        _ => "000",
    }
    .to_owned()
}

/// The reply code of 0.2 and 1.0 that says best what a check of VITAM's says.
fn code(event: &str) -> &'static str {
    const CODES: &[(&str, &str)] = &[
        ("CHECK_HEADER.CHECK_AGENT", "200"),
        ("CHECK_HEADER.CHECK_CONTRACT_INGEST.LIMITS", "306"),
        ("CHECK_HEADER.CHECK_CONTRACT_INGEST", "300"),
        ("CHECK_HEADER.CHECK_IC_AP_RELATION", "203"),
        ("CHECK_DATAOBJECTPACKAGE.CHECK_MANIFEST_OBJECTNUMBER", "211"),
        ("CHECK_DIGEST", "207"),
        ("OG_OBJECTS_FORMAT_CHECK", "204"),
        ("CHECK_OBJECT_SIZE", "207"),
        ("CHECK_UNIT_SCHEMA", "203"),
        ("CHECK_ARCHIVE_UNIT_PROFILE", "203"),
        ("SIGNATURE", "310"),
    ];
    CODES.iter().find(|(prefix, _)| event.contains(prefix)).map_or("101", |(_, code)| code)
}

fn comment(told: &Told<'_>) -> Option<String> {
    let of = |outcome: Outcome| told.report.events.iter().filter(move |event| event.outcome == outcome);
    match told.report.outcome {
        Outcome::Ok => told.accepted.and_then(|(work, _)| work.message.manifest.header.comment.clone()),
        outcome => {
            let mut reasons: Vec<&str> = of(outcome).take(REASONS_MAX).map(|event| event.detail.as_str()).collect();
            if of(outcome).count() > REASONS_MAX {
                reasons.push("…");
            }
            Some(reasons.join(" ; "))
        }
    }
    .filter(|comment| !comment.trim().is_empty())
}

/// A transfer accepted without a remark needs no more than its units.
fn events(told: &Told<'_>) -> Vec<Event> {
    if told.report.outcome == Outcome::Ok && told.accepted.is_some() {
        return Vec::new();
    }
    let worth = told.report.events.iter().filter(|event| event.outcome != Outcome::Ok).take(EVENTS_MAX);
    worth
        .map(|event| Event {
            code: event.event.clone(),
            date: told.date.to_owned(),
            outcome: event.outcome.name().to_owned(),
            detail: format!("{}.{}", event.event, event.outcome.name()),
            message: match &event.location {
                Some(location) => format!("{} [{location}]", event.detail),
                None => event.detail.clone(),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn codes_of_the_first_versions() {
        assert_eq!(code("CHECK_DIGEST"), "207");
        assert_eq!(code("CHECK_HEADER.CHECK_CONTRACT_INGEST.CONTRACT_UNKNOWN"), "300");
        assert_eq!(code("CHECK_HEADER.CHECK_CONTRACT_INGEST.LIMITS"), "306");
        assert_eq!(code("CHECK_SEDA.NOT_XML_FILE"), "101");
    }
}
