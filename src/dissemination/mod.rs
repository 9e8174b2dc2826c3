//! What leaves the archive: archives put together as a SEDA package for a reader (a DIP) or for another archive (a
//! restitution), and what may be given to whom.
//!
//! [`plan()`] decides what the package holds from the records alone: digests, lengths and formats are in them, so that the
//! bordereau is known before a single document is read. [`rights`] says what is not communicable yet. [`package`] writes the
//! zip as the documents come, one at a time.

pub mod package;
mod plan;
pub mod rights;

pub use plan::{Archived, EXPORTED_MAX, Member, Plan, PlanError, Purpose, plan};

use crate::spec::seda::Version;
use crate::spec::seda::write::package::{Transfer, transfer};
use crate::spec::seda::write::{Event, Kind, Outgoing, Party, write};

/// What the message around a package says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Its identifier.
    pub identifier: String,
    /// `Date`, `AAAA-MM-JJThh:mm:ssZ`.
    pub date: String,
    /// The request it answers, when there was a message.
    pub request: String,
    /// The archive that writes it.
    pub archives: String,
    /// Who asked, or the archive that is to receive.
    pub other: String,
    /// The agreement with the archive that is to receive.
    pub agreement: Option<String>,
    /// The visa, when one was needed.
    pub authorization: Option<String>,
    /// Identifiers of the archives asked for.
    pub units: Vec<String>,
}

/// The bordereau of a package: `ArchiveDeliveryRequestReply` for a DIP, `ArchiveTransfer` for a restitution. `None` for a
/// version that has none.
pub fn manifest(version: Version, purpose: Purpose, head: &Head, plan: &Plan) -> Option<String> {
    if !version.is_second() {
        return None;
    }
    let package = crate::spec::seda::write::package::package(version, &plan.package);
    let comment = (!plan.left_out.is_empty()).then(|| {
        let names: Vec<&str> = plan.left_out.iter().map(String::as_str).collect();
        format!("Sans place dans la version {version}, et laissé de côté : {}", names.join(", "))
    });
    match purpose {
        Purpose::Dip => {
            let event = Event {
                code: "EXPORT_DIP".into(),
                date: head.date.clone(),
                outcome: "OK".into(),
                detail: "EXPORT_DIP.OK".into(),
                message: format!("{} unités, {} objets", plan.package.units.len(), plan.members.len()),
            };
            let message = Outgoing {
                comment,
                date: head.date.clone(),
                identifier: head.identifier.clone(),
                package: Some(package),
                reply_code: Some("OK".into()),
                events: vec![event],
                request: head.request.clone(),
                authorization: head.authorization.clone(),
                unit_identifiers: head.units.clone(),
                archives: Party { identifier: head.archives.clone() },
                other: Party { identifier: head.other.clone() },
                ..Outgoing::default()
            };
            write(Kind::ArchiveDeliveryRequestReply, version, &message)
        }
        Purpose::Transfer => {
            let head = Transfer {
                comment,
                date: head.date.clone(),
                identifier: head.identifier.clone(),
                agreement: head.agreement.clone(),
                related: plan.related.iter().cloned().collect(),
                archival_agency: head.other.clone(),
                transferring_agency: head.archives.clone(),
            };
            Some(transfer(version, &head, &package))
        }
    }
}
