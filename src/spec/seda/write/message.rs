//! Messages, in the version the other side speaks.

use super::xml::Xml;
use crate::spec::seda::Version;

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Received, not looked at yet.
    Acknowledgement,
    /// What became of a transfer.
    ArchiveTransferReply,
    /// A dissemination package.
    ArchiveDeliveryRequestReply,
    /// Restitution asked of a SAE.
    ArchiveRestitutionRequest,
    /// What became of a restitution request.
    ArchiveRestitutionRequestReply,
    /// Archives were modified.
    ArchiveModificationNotification,
    /// Archives were destroyed.
    ArchiveDestructionNotification,
    /// The visa asked of the control authority.
    AuthorizationControlAuthorityRequest,
    /// The visa given or refused.
    AuthorizationControlAuthorityRequestReply,
}

impl Kind {
    /// Its root element.
    pub const fn root(self) -> &'static str {
        match self {
            Self::Acknowledgement => "Acknowledgement",
            Self::ArchiveTransferReply => "ArchiveTransferReply",
            Self::ArchiveDeliveryRequestReply => "ArchiveDeliveryRequestReply",
            Self::ArchiveRestitutionRequest => "ArchiveRestitutionRequest",
            Self::ArchiveRestitutionRequestReply => "ArchiveRestitutionRequestReply",
            Self::ArchiveModificationNotification => "ArchiveModificationNotification",
            Self::ArchiveDestructionNotification => "ArchiveDestructionNotification",
            Self::AuthorizationControlAuthorityRequest => "AuthorizationControlAuthorityRequest",
            Self::AuthorizationControlAuthorityRequestReply => "AuthorizationControlAuthorityRequestReply",
        }
    }

    const fn is_reply(self) -> bool {
        matches!(
            self,
            Self::ArchiveTransferReply
                | Self::ArchiveDeliveryRequestReply
                | Self::ArchiveRestitutionRequestReply
                | Self::AuthorizationControlAuthorityRequestReply
        )
    }

    /// The second agency's element; the first is the archives.
    const fn other(self) -> &'static str {
        match self {
            Self::Acknowledgement => "Receiver",
            Self::ArchiveTransferReply => "TransferringAgency",
            Self::ArchiveDeliveryRequestReply => "Requester",
            Self::AuthorizationControlAuthorityRequest | Self::AuthorizationControlAuthorityRequestReply => {
                "ControlAuthority"
            }
            _ => "OriginatingAgency",
        }
    }

    const fn names_units(self) -> bool {
        !matches!(
            self,
            Self::Acknowledgement
                | Self::ArchiveTransferReply
                | Self::AuthorizationControlAuthorityRequest
                | Self::AuthorizationControlAuthorityRequestReply
        )
    }
}

/// An agency in a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// Its identifier.
    pub identifier: String,
}

/// An event of the operation a reply tells of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// `EventTypeCode`: the check.
    pub code: String,
    /// `EventDateTime`.
    pub date: String,
    /// `Outcome`.
    pub outcome: String,
    /// `OutcomeDetail`.
    pub detail: String,
    /// `OutcomeDetailMessage`: what it means.
    pub message: String,
}

/// A unit as the producer named it, and as the archive does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitId {
    /// Its identifier in the transfer.
    pub id: String,
    /// The one the archive gave.
    pub system_id: String,
}

/// A message to write; what a kind or a version has no place for is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// `Comment`.
    pub comment: Option<String>,
    /// `Date`, `AAAA-MM-JJThh:mm:ssZ`.
    pub date: String,
    /// Its own identifier.
    pub identifier: String,
    /// `ArchivalAgreement`.
    pub agreement: Option<String>,
    /// A `DataObjectPackage`, written; of its own version, without a prefix.
    pub package: Option<String>,
    /// Units accepted, told instead of a package.
    pub units: Vec<UnitId>,
    /// Archives accepted (0.2 and 1.0), told instead of a package: their `Archive` elements, written.
    pub accepted: Vec<String>,
    /// `ReplyCode`: OK, WARNING, KO; 000 and others in 0.2 and 1.0.
    pub reply_code: Option<String>,
    /// The events of `Operation`.
    pub events: Vec<Event>,
    /// The message answered.
    pub request: String,
    /// `GrantDate`: when the archives took charge.
    pub grant_date: Option<String>,
    /// `AuthorizationRequestReplyIdentifier`: the visa.
    pub authorization: Option<String>,
    /// `UnitIdentifier`s: at least one where the message names units.
    pub unit_identifiers: Vec<String>,
    /// Reason of an authorization request, and its day.
    pub reason: Option<(String, String)>,
    /// The archives.
    pub archives: Party,
    /// The other side.
    pub other: Party,
}

/// Writes a message. Before 2.0, only the acknowledgement (1.0) and the reply to a transfer exist here: `None` otherwise.
pub fn write(kind: Kind, version: Version, message: &Outgoing) -> Option<String> {
    if version.is_second() {
        return Some(second(kind, version, message));
    }
    match (kind, version) {
        (Kind::Acknowledgement, Version::V1_0) => Some(acknowledgement(message)),
        // 0.2 says that it accepts with a message of its own.
        (Kind::ArchiveTransferReply, Version::V0_2) if !message.accepted.is_empty() => Some(acceptance(message)),
        (Kind::ArchiveTransferReply, _) => Some(reply(version, message)),
        _ => None,
    }
}

fn second(kind: Kind, version: Version, message: &Outgoing) -> String {
    let mut xml = Xml::new(kind.root(), version.namespace());
    xml.maybe("Comment", message.comment.as_deref());
    xml.leaf("Date", &message.date);
    xml.leaf("MessageIdentifier", &message.identifier);
    if kind == Kind::Acknowledgement {
        xml.leaf("MessageReceivedIdentifier", &message.request);
        agency(&mut xml, "Sender", "Identifier", &message.archives);
        agency(&mut xml, "Receiver", "Identifier", &message.other);
        return xml.finish();
    }
    xml.maybe("ArchivalAgreement", message.agreement.as_deref());
    xml.open("CodeListVersions");
    xml.close();
    package(&mut xml, message);
    if kind.is_reply() {
        xml.maybe("ReplyCode", message.reply_code.as_deref());
        operation(&mut xml, message);
        xml.leaf("MessageRequestIdentifier", &message.request);
    }
    match kind {
        Kind::ArchiveTransferReply => xml.maybe("GrantDate", message.grant_date.as_deref()),
        Kind::ArchiveDeliveryRequestReply => {
            xml.maybe("AuthorizationRequestReplyIdentifier", message.authorization.as_deref());
        }
        Kind::ArchiveDestructionNotification => {
            xml.leaf("AuthorizationRequestReplyIdentifier", message.authorization.as_deref().unwrap_or_default());
        }
        Kind::AuthorizationControlAuthorityRequest => request(&mut xml, message),
        _ => {}
    }
    if kind.names_units() {
        for unit in &message.unit_identifiers {
            xml.leaf("UnitIdentifier", unit);
        }
    }
    agency(&mut xml, "ArchivalAgency", "Identifier", &message.archives);
    agency(&mut xml, kind.other(), "Identifier", &message.other);
    xml.finish()
}

fn package(xml: &mut Xml, message: &Outgoing) {
    if let Some(package) = &message.package {
        xml.raw(package);
        return;
    }
    if message.units.is_empty() {
        return;
    }
    xml.open("DataObjectPackage");
    xml.open("DescriptiveMetadata");
    for unit in &message.units {
        xml.open_with("ArchiveUnit", &[("id", &unit.id)]);
        xml.open("Content");
        xml.leaf("SystemId", &unit.system_id);
        // Where as@lae puts it: its clients look there.
        xml.leaf("ArchivalAgencyArchiveUnitIdentifier", &unit.system_id);
        xml.close();
        xml.close();
    }
    xml.close();
    xml.open("ManagementMetadata");
    xml.close();
    xml.close();
}

fn operation(xml: &mut Xml, message: &Outgoing) {
    if message.events.is_empty() {
        return;
    }
    xml.open("Operation");
    for event in &message.events {
        xml.open("Event");
        xml.leaf("EventTypeCode", &event.code);
        xml.leaf("EventType", &event.code);
        xml.leaf("EventDateTime", &event.date);
        xml.leaf("Outcome", &event.outcome);
        xml.leaf("OutcomeDetail", &event.detail);
        xml.leaf("OutcomeDetailMessage", &event.message);
        xml.close();
    }
    xml.close();
}

fn request(xml: &mut Xml, message: &Outgoing) {
    let (reason, day) = message.reason.clone().unwrap_or_default();
    xml.open("AuthorizationRequestContent");
    xml.leaf("AuthorizationReason", &reason);
    xml.leaf("RequestDate", &day);
    for unit in &message.unit_identifiers {
        xml.leaf("UnitIdentifier", unit);
    }
    agency(xml, "Requester", "Identifier", &message.archives);
    xml.close();
}

fn agency(xml: &mut Xml, name: &'static str, identifier: &'static str, party: &Party) {
    xml.open(name);
    xml.leaf(identifier, &party.identifier);
    xml.close();
}

/// 1.0.
fn acknowledgement(message: &Outgoing) -> String {
    let mut xml = Xml::new("Acknowledgement", Version::V1_0.namespace());
    xml.maybe("Comment", message.comment.as_deref());
    xml.leaf("Date", &message.date);
    xml.leaf("AcknowledgementIdentifier", &message.identifier);
    xml.leaf("MessageReceivedIdentifier", &message.request);
    agency(&mut xml, "Receiver", "Identification", &message.other);
    agency(&mut xml, "Sender", "Identification", &message.archives);
    xml.finish()
}

/// 1.0 and 0.2.
fn reply(version: Version, message: &Outgoing) -> String {
    let old = version == Version::V0_2;
    let mut xml = Xml::new("ArchiveTransferReply", version.namespace());
    xml.maybe("Comment", message.comment.as_deref());
    xml.leaf("Date", &message.date);
    if !old {
        xml.maybe("GrantDate", message.grant_date.as_deref());
    }
    let code = message.reply_code.as_deref().unwrap_or("000");
    let list: &[(&str, &str)] = if old { &[("listVersionID", "edition 2009")] } else { &[] };
    xml.leaf_with("ReplyCode", list, code);
    xml.leaf("TransferIdentifier", &message.request);
    xml.leaf("TransferReplyIdentifier", &message.identifier);
    let parties = [("ArchivalAgency", &message.archives), ("TransferringAgency", &message.other)];
    let order = if old { [1, 0] } else { [0, 1] };
    for at in order {
        agency(&mut xml, parties[at].0, "Identification", parties[at].1);
    }
    for archive in message.accepted.iter().filter(|_| !old) {
        xml.raw(archive);
    }
    xml.finish()
}

/// 0.2, for a transfer accepted.
fn acceptance(message: &Outgoing) -> String {
    let mut xml = Xml::new("ArchiveTransferAcceptance", Version::V0_2.namespace());
    xml.maybe("Comment", message.comment.as_deref());
    xml.leaf("Date", &message.date);
    let code = message.reply_code.as_deref().unwrap_or("000");
    xml.leaf_with("ReplyCode", &[("listVersionID", "edition 2009")], code);
    xml.leaf("TransferAcceptanceIdentifier", &message.identifier);
    xml.leaf("TransferIdentifier", &message.request);
    agency(&mut xml, "TransferringAgency", "Identification", &message.other);
    agency(&mut xml, "ArchivalAgency", "Identification", &message.archives);
    for archive in &message.accepted {
        xml.raw(archive);
    }
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::seda::{validate, xml::Limits};

    fn sample() -> Outgoing {
        Outgoing {
            comment: Some("Versement & reprise".into()),
            date: "2026-11-24T00:00:00Z".into(),
            identifier: "R-1".into(),
            agreement: Some("IC-000001".into()),
            units: vec![UnitId { id: "ID1".into(), system_id: "ark:/12345/lot1-x".into() }],
            reply_code: Some("000".into()),
            events: vec![Event {
                code: "CHECK_SEDA".into(),
                date: "2026-11-24T00:00:00Z".into(),
                outcome: "OK".into(),
                detail: "CHECK_SEDA.OK".into(),
                message: "bordereau conforme".into(),
            }],
            request: "M-1".into(),
            grant_date: Some("2026-11-24T00:00:00Z".into()),
            authorization: Some("V-1".into()),
            unit_identifiers: vec!["ark:/12345/lot1-x".into()],
            reason: Some(("destruction".into(), "2026-11-24".into())),
            archives: Party { identifier: "AD40".into() },
            other: Party { identifier: "MAIRIE".into() },
            ..Outgoing::default()
        }
    }

    #[test]
    fn every_message_is_valid_in_its_version() {
        let kinds = [
            Kind::Acknowledgement,
            Kind::ArchiveTransferReply,
            Kind::ArchiveDeliveryRequestReply,
            Kind::ArchiveRestitutionRequest,
            Kind::ArchiveRestitutionRequestReply,
            Kind::ArchiveModificationNotification,
            Kind::ArchiveDestructionNotification,
            Kind::AuthorizationControlAuthorityRequest,
            Kind::AuthorizationControlAuthorityRequestReply,
        ];
        let mut written = 0;
        for version in Version::ALL {
            for kind in kinds {
                let Some(text) = write(kind, version, &sample()) else { continue };
                written += 1;
                let checked = validate(text.as_bytes(), &Limits::default());
                let findings = checked.map(|checked| checked.findings.kept).unwrap_or_default();
                assert!(findings.is_empty(), "{version} {}: {findings:?}\n{text}", kind.root());
                if let Some(folder) = std::env::var_os("ARCHILAND_TEST_MESSAGES") {
                    let name = format!("{version}-{}.xml", kind.root());
                    assert!(std::fs::write(std::path::Path::new(&folder).join(name), text).is_ok());
                }
            }
        }
        assert_eq!(written, 3 * kinds.len() + 3);
    }
}
