//! When evidence is renewed (`policies/renewal.toml`): end dates of algorithms in the shape of ETSI TS 119 312, and how
//! long before.

use crate::spec::cms::algorithm::Digest;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

/// The policy in force when none is given.
const DEFAULT: &str = include_str!("../../policies/renewal.toml");

/// Why a policy is refused.
#[derive(Debug, thiserror::Error)]
pub enum RenewalPolicyError {
    /// Not TOML, or not of this shape.
    #[error("politique de renouvellement : {0}")]
    Toml(#[from] toml::de::Error),
    /// What it asks for cannot be done.
    #[error("politique de renouvellement : {0}")]
    Meaning(&'static str),
}

/// When evidence is renewed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalPolicy {
    /// How long before an end renewal is due.
    margin_days: u16,
    /// The digest of new trees.
    successor: String,
    /// Until when a digest is safe.
    digests: BTreeMap<String, Day>,
    /// Until when a kind of key is.
    keys: BTreeMap<String, Day>,
}

/// The last day, `AAAA-MM-JJ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day(Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Date::parse(&text, format_description!("[year]-[month]-[day]"))
            .map(Self)
            .map_err(|_| serde::de::Error::custom("date AAAA-MM-JJ attendue"))
    }
}

impl Day {
    /// The first instant that is too late.
    fn end(self) -> OffsetDateTime {
        self.0.next_day().unwrap_or(Date::MAX).midnight().assume_utc()
    }
}

impl Default for RenewalPolicy {
    fn default() -> Self {
        // Embedded, and read by a test.
        Self::parse(DEFAULT).unwrap_or(Self {
            margin_days: 180,
            successor: "SHA-512".to_owned(),
            digests: BTreeMap::new(),
            keys: BTreeMap::new(),
        })
    }
}

impl RenewalPolicy {
    /// Reads a policy.
    pub fn parse(text: &str) -> Result<Self, RenewalPolicyError> {
        let policy: Self = toml::from_str(text)?;
        if policy.successor != "SHA-512" {
            return Err(RenewalPolicyError::Meaning("« successor » : seul SHA-512 est dans les enregistrements"));
        }
        if !policy.digests.contains_key(&policy.successor) {
            return Err(RenewalPolicyError::Meaning("« digests » ne donne pas de date à « successor »"));
        }
        Ok(policy)
    }

    /// The digest of new trees.
    pub fn successor(&self) -> Digest {
        Digest::Sha512
    }

    /// Whether a tree under this digest is to be replaced. One without a date is.
    pub fn digest_is_due(&self, digest: Digest, now: OffsetDateTime) -> bool {
        let name = match digest {
            Digest::Sha256 => "SHA-256",
            Digest::Sha384 => "SHA-384",
            Digest::Sha512 => "SHA-512",
        };
        self.is_due(self.digests.get(name), now)
    }

    /// Whether a token under such a key, with a certificate that ends then, is to be renewed.
    pub fn stamp_is_due(&self, key: &str, not_after: OffsetDateTime, now: OffsetDateTime) -> bool {
        now + self.margin() > not_after || self.is_due(self.keys.get(key), now)
    }

    fn is_due(&self, day: Option<&Day>, now: OffsetDateTime) -> bool {
        day.is_none_or(|day| now + self.margin() >= day.end())
    }

    fn margin(&self) -> Duration {
        Duration::days(i64::from(self.margin_days))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn renewal_is_due_before_the_end_by_the_margin() {
        let policy = RenewalPolicy::parse(DEFAULT).unwrap();
        assert!(!policy.digest_is_due(Digest::Sha256, datetime!(2029-01-01 00:00 UTC)));
        assert!(policy.digest_is_due(Digest::Sha256, datetime!(2029-07-05 00:00 UTC)));
        let now = datetime!(2027-01-01 00:00 UTC);
        assert!(!policy.stamp_is_due("ECDSA P-256", now + Duration::days(181), now));
        assert!(policy.stamp_is_due("ECDSA P-256", now + Duration::days(179), now));
        assert!(policy.stamp_is_due("unknown", now + Duration::days(1000), now));
        assert!(RenewalPolicy::parse(&DEFAULT.replace("\"SHA-512\"\n", "\"SHA-384\"\n")).is_err());
        assert!(RenewalPolicy::parse(&format!("x = 1\n{DEFAULT}")).is_err());
    }
}
