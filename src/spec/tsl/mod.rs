//! European trusted lists (ETSI TS 119 612 v2, list versions 5 and 6): who provides which trust service, with which
//! status since when, and what a list adds to a certificate (qualifiers).
//!
//! This room reads; whether a list is signed by whom its scheme says is for whoever holds the signer's certificates.
//! A list read is bounded: 40 MiB, 200,000 elements of interest, nothing fetched.

mod criteria;
mod read;

pub use criteria::{Assertion, Criteria};
pub use read::read;

use super::x509::Certificate;
use time::OffsetDateTime;

/// The type of a list of lists.
pub const LIST_OF_LISTS: &str = "http://uri.etsi.org/TrstSvc/TrustedList/TSLType/EUlistofthelists";
/// Issues qualified certificates.
pub const CA_QC: &str = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC";
/// Issues qualified time-stamps.
pub const TSA_QTST: &str = "http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST";

/// Why a list is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Not XML that is read here.
    #[error("liste de confiance illisible : {0}")]
    Xml(#[from] super::xml::XmlError),
    /// XML, but not a trusted list.
    #[error("ce n'est pas une liste de confiance (TrustServiceStatusList)")]
    OtherRoot,
    /// A mandatory field lacks.
    #[error("liste de confiance incomplète : {0}")]
    Missing(&'static str),
    /// A version not known here.
    #[error("liste de confiance de version {0} : les versions 5 et 6 sont lues")]
    Version(String),
}

/// A list.
#[derive(Debug, Clone)]
pub struct TrustedList {
    /// `TSLVersionIdentifier`
    pub version: u32,
    /// `TSLSequenceNumber`
    pub sequence: u64,
    /// `TSLType`
    pub kind: String,
    /// `SchemeTerritory`: `FR`, `EU`…
    pub territory: String,
    /// `SchemeOperatorName`, English or the first.
    pub operator: String,
    /// `ListIssueDateTime`
    pub issued: OffsetDateTime,
    /// `NextUpdate`; `None` for a closed list.
    pub next_update: Option<OffsetDateTime>,
    /// Other lists.
    pub pointers: Vec<Pointer>,
    /// The services of every provider.
    pub services: Vec<Service>,
    /// SHA-256 of the file, hexadecimal: what a report names the list by.
    pub sha256: String,
}

impl TrustedList {
    /// Whether the list is overdue at `at`.
    pub fn is_stale(&self, at: OffsetDateTime) -> bool {
        self.next_update.is_some_and(|next| next < at)
    }
}

/// Where another list is, and who signs it.
#[derive(Debug, Clone)]
pub struct Pointer {
    /// `TSLLocation`
    pub location: String,
    /// `SchemeTerritory`
    pub territory: String,
    /// `TSLType` of the list pointed to
    pub kind: String,
    /// `MimeType`
    pub media_type: String,
    /// The certificates of those who may sign it.
    pub signers: Vec<Certificate>,
}

/// A trust service.
#[derive(Debug, Clone)]
pub struct Service {
    /// `TSPName`
    pub provider: String,
    /// `ServiceName`, as of the newest period.
    pub name: String,
    /// The certificates that identify it.
    pub certificates: Vec<Certificate>,
    /// Its periods, newest first.
    pub periods: Vec<Period>,
}

/// A service from one change of status to the next.
#[derive(Debug, Clone)]
pub struct Period {
    /// `ServiceTypeIdentifier`
    pub kind: String,
    /// `ServiceStatus`
    pub status: String,
    /// `StatusStartingTime`
    pub since: OffsetDateTime,
    /// `AdditionalServiceInformation`: `ForeSignatures`, `ForeSeals`…
    pub additional: Vec<String>,
    /// What the list adds to certificates that fulfil criteria.
    pub qualifications: Vec<Qualification>,
}

/// A `QualificationElement`.
#[derive(Debug, Clone)]
pub struct Qualification {
    /// URIs
    pub qualifiers: Vec<String>,
    /// For which certificates.
    pub criteria: Criteria,
}

impl Service {
    /// The period that holds at `at`.
    pub fn at(&self, at: OffsetDateTime) -> Option<&Period> {
        self.periods.iter().filter(|period| period.since <= at).max_by_key(|period| period.since)
    }

    /// Whether it was ever in good standing before or at `at`.
    pub fn was_granted(&self, at: OffsetDateTime) -> bool {
        self.periods.iter().any(|period| period.since <= at && period.is_granted())
    }
}

impl Period {
    /// Whether the status is one under which the service may be relied on (TS 119 612 § 5.5.4, and those before
    /// regulation 910/2014).
    pub fn is_granted(&self) -> bool {
        let name = self.status.rsplit('/').next().unwrap_or_default();
        [
            "granted",
            "undersupervision",
            "supervisionincessation",
            "accredited",
            "recognisedatnationallevel",
            "setbynationallaw",
        ]
        .contains(&name)
    }

    /// The qualifiers that apply to a certificate, without their path: `QCForESig`, `QCWithSSCD`…
    pub fn qualifiers(&self, certificate: &Certificate) -> Vec<&str> {
        let applying = self.qualifications.iter().filter(|element| element.criteria.matches(certificate));
        applying.flat_map(|element| &element.qualifiers).filter_map(|uri| uri.rsplit('/').next()).collect()
    }
}

#[cfg(test)]
mod tests;
