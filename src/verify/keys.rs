//! Keys that were replaced or revoked, and what that does to what they signed.
//!
//! * Replaced: what it signed while it did counts for ever; what bears a later date does not.
//! * Revoked, no longer used (`superseded`): the same, from the date given.
//! * Revoked, in somebody else's hands (`compromise`): whoever has a time-stamping key can date what he likes, so a token of
//!   an earlier date counts only where something else dates the same checkpoint before: a token of another authority, or a
//!   witness. A seal says no time of its own: the token's is taken.

use super::Trust;
use crate::receipt::french_time;
use crate::spec::cms::Certificate;
use crate::spec::tlog::note::Note;
use crate::timestamp::{KeyUse, RevocationReason};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

/// What nodes of one archive may be apart when they change keys.
const GRACE: Duration = Duration::days(1);

/// A key and its time, as `trust.toml` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// What for.
    #[serde(rename = "use")]
    pub key_use: KeyUse,
    /// SHA-256 of the certificate's DER, hexadecimal.
    pub certificate: String,
    /// First signature.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub since: Option<OffsetDateTime>,
    /// Last signature, at the latest.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub until: Option<OffsetDateTime>,
    /// From when it is not to be relied on.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub revoked_since: Option<OffsetDateTime>,
    /// Why.
    #[serde(default)]
    pub reason: Option<RevocationReason>,
}

/// What a signature of a date is worth, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// As any other.
    Good,
    /// Only if something else dates it before this time.
    Doubtful(OffsetDateTime),
    /// Nothing, and why.
    Worthless(String),
}

pub(super) fn standing(trust: &Trust, signer: &Certificate, key_use: KeyUse, at: OffsetDateTime) -> Standing {
    let fingerprint = signer.fingerprint();
    let Some(key) = trust.keys.iter().find(|key| key.key_use == key_use && key.certificate == fingerprint) else {
        return Standing::Good;
    };
    if let Some(since) = key.revoked_since {
        // Without a reason, the gravest (RFC 3161 § 4).
        let compromised = key.reason != Some(RevocationReason::Superseded);
        if at >= since {
            let why = if compromised { "compromise" } else { "hors service" };
            return Standing::Worthless(format!(
                "clé {why} depuis le {} : ce qu'elle signe ensuite ne vaut rien ({})",
                french_time(since),
                french_time(at)
            ));
        }
        if compromised {
            return Standing::Doubtful(since);
        }
    }
    match key.until {
        Some(until) if at > until + GRACE => Standing::Worthless(format!(
            "clé remplacée le {} : une signature du {} ne peut être d'elle",
            french_time(until),
            french_time(at)
        )),
        _ => Standing::Good,
    }
}

/// Whether a witness that the verifier trusts cosigned before a time.
pub(super) fn witnessed_before(note: &Note, trust: &Trust, time: OffsetDateTime) -> bool {
    let Ok(verified) = note.open(&trust.witness_keys) else { return false };
    verified.iter().filter_map(|by| i64::try_from(by.cosigned_at?).ok()).any(|at| at < time.unix_timestamp())
}
