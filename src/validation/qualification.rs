//! What a signature is worth in law: eIDAS by the trusted lists (ETSI TS 119 615 § 4.4, 4.5), RGS by certificate
//! policies.

use super::policy::SignaturePolicy;
use super::trust::TrustMaterial;
use crate::spec::tsl::{CA_QC, Period, TSA_QTST};
use crate::spec::x509::Certificate;
use serde::Serialize;
use time::OffsetDateTime;
use time::macros::datetime;

/// When regulation 910/2014 replaced directive 1999/93.
const EIDAS: OffsetDateTime = datetime!(2016-07-01 0:00 UTC);
const QC_TYPE_SIGNATURE: &str = "0.4.0.1862.1.6.1";
const QC_TYPE_SEAL: &str = "0.4.0.1862.1.6.2";
const QC_TYPE_WEB: &str = "0.4.0.1862.1.6.3";

/// What a signature is worth in law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Qualification {
    /// `QESig`, `QESeal`, `AdESig-QC`, `AdESeal-QC`, `AdESig`, `AdESeal`.
    pub eidas: &'static str,
    /// RGS level of the certificate: `*`, `**`, `***`.
    pub rgs: Option<String>,
    /// Why, in French.
    pub reasons: Vec<String>,
}

/// The qualification of a signature with `certificate`, whose chain is `chain`, at `at`.
pub(super) fn of(
    certificate: &Certificate,
    chain: &[Certificate],
    at: OffsetDateTime,
    trust: &TrustMaterial,
    policy: &SignaturePolicy,
) -> Qualification {
    let mut reasons = Vec::new();
    let qc = &certificate.extensions().qc;
    let service = granting(chain, at, trust, CA_QC);
    let (mut qualified, mut device, mut seal) = (false, qc.sscd, qc.types.iter().any(|kind| kind == QC_TYPE_SEAL));
    let mut signature = qc.types.is_empty() || qc.types.iter().any(|kind| kind == QC_TYPE_SIGNATURE);
    if qc.types.iter().any(|kind| kind == QC_TYPE_WEB) && !seal && qc.types.len() == 1 {
        signature = false;
    }
    match service {
        None => reasons.push(
            "aucune autorité de la chaîne n'est dans une liste de confiance pour des certificats qualifiés".to_owned(),
        ),
        Some((period, provider)) => {
            reasons.push(format!("service qualifié de « {provider} »"));
            // The certificate was qualified only if the service was, when it was issued (TS 119 615 § 4.4).
            let at_issue = granting(chain, certificate.not_before(), trust, CA_QC).is_some();
            if !at_issue {
                reasons.push("le service n'était pas qualifié quand il a émis le certificat".to_owned());
            }
            qualified = qc.compliance && at_issue;
            for qualifier in period.qualifiers(certificate) {
                reasons.push(format!("la liste de confiance ajoute {qualifier}"));
                match qualifier {
                    "QCStatement" => qualified = at_issue,
                    "NotQualified" => qualified = false,
                    "QCWithSSCD" | "QCWithQSCD" | "QCQSCDManagedOnBehalf" => device = true,
                    "QCNoSSCD" | "QCNoQSCD" => device = false,
                    "QCForESig" => (signature, seal) = (true, false),
                    "QCForESeal" | "QCForLegalPerson" => (signature, seal) = (false, true),
                    "QCForWSA" => (signature, seal) = (false, false),
                    _ => {}
                }
            }
            // Since eIDAS the service itself is granted for signatures, seals or sites.
            let purpose = if seal && !signature { "ForeSeals" } else { "ForeSignatures" };
            let listed = period.additional.iter().any(|uri| uri.ends_with(purpose));
            if at >= EIDAS && !listed && period.additional.iter().any(|uri| uri.contains("SvcInfoExt/Fore")) {
                reasons.push(format!("le service n'est pas qualifié pour cet usage ({purpose})"));
                qualified = false;
            }
        }
    }
    if qualified && !signature && !seal {
        reasons.push("le certificat n'est ni de signature ni de cachet".to_owned());
        qualified = false;
    }
    let sealing = seal && !signature;
    let eidas = match (qualified, device, sealing) {
        (true, true, false) => "QESig",
        (true, true, true) => "QESeal",
        (true, false, false) => "AdESig-QC",
        (true, false, true) => "AdESeal-QC",
        (false, _, false) => "AdESig",
        (false, _, true) => "AdESeal",
    };
    Qualification { eidas, rgs: rgs(certificate, policy), reasons }
}

/// Whether a time-stamp of this chain is qualified at `at`.
pub(super) fn is_qualified_stamp(chain: &[Certificate], at: OffsetDateTime, trust: &TrustMaterial) -> bool {
    granting(chain, at, trust, TSA_QTST).is_some()
}

/// The service of this kind, in good standing at `at`, whose certificate is in the chain; with its provider's name.
fn granting<'a>(
    chain: &[Certificate],
    at: OffsetDateTime,
    trust: &'a TrustMaterial,
    kind: &str,
) -> Option<(&'a Period, &'a str)> {
    trust
        .services()
        .filter(|service| service.certificates.iter().any(|certificate| chain.contains(certificate)))
        .filter_map(|service| Some((service.at(at)?, service.provider.as_str())))
        .find(|(period, _)| period.kind == kind && period.is_granted())
}

fn rgs(certificate: &Certificate, policy: &SignaturePolicy) -> Option<String> {
    let held = certificate.extensions().policies.as_deref().unwrap_or_default();
    let below = |oid: &String, prefix: &String| {
        oid == prefix || oid.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.'))
    };
    let levels = policy
        .rgs
        .iter()
        .filter(|(_, prefixes)| prefixes.iter().any(|prefix| held.iter().any(|oid| below(oid, prefix))));
    levels.map(|(level, _)| level.clone()).max_by_key(String::len)
}
