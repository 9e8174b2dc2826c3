//! The rules of a validation (`policies/signature*.toml`): algorithms with end dates, signature policies, freshness,
//! and what is required of which document. Unknown keys are refused.

use crate::spec::crypto::{DigestAlgorithm, SignatureAlgorithm};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use time::{Date, OffsetDateTime};

/// The policy in force when none is given.
const DEFAULT: &str = include_str!("../../policies/signature.toml");

/// Why a policy is refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML, or not of this shape.
    #[error("politique de signature : {0}")]
    Toml(#[from] toml::de::Error),
    /// A name that is no algorithm.
    #[error("politique de signature : algorithme inconnu « {0} »")]
    Algorithm(String),
}

/// A validation policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignaturePolicy {
    /// Its name in reports.
    pub id: String,
    /// For people.
    pub description: String,
    /// SHA-256 of its file, hexadecimal.
    #[serde(skip)]
    pub sha256: String,
    /// What is safe until when.
    pub algorithms: Algorithms,
    /// Signature policies.
    pub signature_policies: SignaturePolicies,
    /// Of certificates.
    pub certificates: Certificates,
    /// Of revocation data.
    pub revocation: Revocation,
    /// Of trusted lists.
    #[serde(default)]
    pub trusted_lists: TrustedLists,
    /// RGS: level, then prefixes of certificate policies.
    #[serde(default)]
    pub rgs: BTreeMap<String, Vec<String>>,
    /// Requirement per document type.
    pub documents: BTreeMap<String, Requirement>,
}

/// End dates (inclusive).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Algorithms {
    /// By digest.
    pub digests: BTreeMap<String, Day>,
    /// By family: smallest size in bits, end date.
    pub keys: BTreeMap<String, Vec<(usize, Day)>>,
}

/// A day, `AAAA-MM-JJ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(
    /// The day.
    pub Date,
);

/// Known signature policies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignaturePolicies {
    /// What of the others.
    pub other: Other,
    /// The known ones.
    #[serde(default)]
    pub known: Vec<KnownPolicy>,
}

/// What to make of something unlisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Other {
    /// Take it.
    Accept,
    /// Take it and say so.
    Warn,
    /// SIGNATURE_POLICY_NOT_AVAILABLE.
    Refuse,
}

/// A known signature policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownPolicy {
    /// Dotted identifier or URI.
    pub id: String,
    /// For people.
    pub name: String,
    /// Digest of the policy document.
    pub digest: String,
    /// Its digest, base64.
    pub hash: String,
}

/// Rules of certificates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificates {
    /// Whether the signed reference to the certificate is needed.
    pub reference: Strength,
    /// One of these key usages.
    pub key_usage: Vec<String>,
    /// One of these certificate policies; none listed means any.
    #[serde(default)]
    pub policies: Vec<String>,
}

/// How strongly something is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Needed.
    Require,
    /// Said when it lacks.
    Warn,
}

/// Rules of revocation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Whether it is needed.
    pub mode: RevocationMode,
    /// The oldest answer for a validation at the present time.
    pub freshness_hours_max: u32,
}

/// Rules of trusted lists.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedLists {
    /// What of a list whose next issue was due before the time of validation.
    pub stale: Stale,
}

/// What of an overdue list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stale {
    /// Its services count, and the report says that it is overdue.
    #[default]
    Warn,
    /// Its services no longer count.
    Refuse,
}

/// Whether revocation data are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationMode {
    /// Without them, TRY_LATER.
    Require,
    /// Used when they are there.
    IfAvailable,
}

/// What is required at deposit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// Refused without a valid signature.
    Require,
    /// Refused when a signature does not hold (TOTAL-FAILED); unsigned, or signed by whom cannot be said, admitted.
    Intact,
    /// Admitted with a warning.
    Warn,
    /// The report is kept.
    #[default]
    Record,
    /// Nothing is looked at.
    None,
}

impl SignaturePolicy {
    /// Reads a policy.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut policy: Self = toml::from_str(text)?;
        policy.sha256 = sha256_of(text);
        let digests =
            policy.algorithms.digests.keys().chain(policy.signature_policies.known.iter().map(|known| &known.digest));
        for name in digests {
            DigestAlgorithm::from_name(name).ok_or_else(|| PolicyError::Algorithm(name.clone()))?;
        }
        let families = ["RSA", "RSA-PSS", "ECDSA", "DSA", "Ed25519", "Ed448"];
        if let Some(unknown) = policy.algorithms.keys.keys().find(|family| !families.contains(&family.as_str())) {
            return Err(PolicyError::Algorithm(unknown.clone()));
        }
        Ok(policy)
    }

    /// The policy that comes with the archive.
    pub fn embedded() -> Result<Self, PolicyError> {
        Self::parse(DEFAULT)
    }

    /// The policy that comes with the archive by its name alone, without a rule: all that integrity asks of a policy, since
    /// to read the rules takes longer than to check a signature.
    pub fn embedded_name() -> Self {
        let id = DEFAULT.lines().find_map(|line| line.strip_prefix("id = \"")).and_then(|rest| rest.split('"').next());
        Self {
            id: id.unwrap_or_default().to_owned(),
            description: String::new(),
            sha256: sha256_of(DEFAULT),
            algorithms: Algorithms { digests: BTreeMap::new(), keys: BTreeMap::new() },
            signature_policies: SignaturePolicies { other: Other::Refuse, known: Vec::new() },
            certificates: Certificates { reference: Strength::Require, key_usage: Vec::new(), policies: Vec::new() },
            revocation: Revocation { mode: RevocationMode::Require, freshness_hours_max: 0 },
            trusted_lists: TrustedLists::default(),
            rgs: BTreeMap::new(),
            documents: BTreeMap::new(),
        }
    }

    /// The last day on which `digest` is accepted.
    pub fn digest_until(&self, digest: DigestAlgorithm) -> Option<Day> {
        self.algorithms.digests.get(digest.name()).copied()
    }

    /// The last day on which a key of this family and size is accepted.
    pub fn key_until(&self, family: &str, bits: usize) -> Option<Day> {
        let steps = self.algorithms.keys.get(family)?;
        steps.iter().filter(|(least, _)| bits >= *least).map(|(_, until)| *until).max()
    }

    /// Why a signature algorithm with a key of `bits` is not accepted at `at`; `None` when it is.
    pub fn refuses(&self, algorithm: &SignatureAlgorithm, bits: Option<usize>, at: OffsetDateTime) -> Option<Refusal> {
        let digest = algorithm.digest().map(|digest| (digest.name().to_owned(), self.digest_until(digest)));
        let key = bits.map(|bits| (format!("{} {bits}", algorithm.family()), self.key_until(algorithm.family(), bits)));
        let worst = digest.into_iter().chain(key).min_by_key(|(_, until)| *until)?;
        refusal(worst, at)
    }

    /// Why a digest is not accepted at `at`.
    pub fn refuses_digest(&self, digest: DigestAlgorithm, at: OffsetDateTime) -> Option<Refusal> {
        refusal((digest.name().to_owned(), self.digest_until(digest)), at)
    }

    /// What is required of a type of document.
    pub fn requirement(&self, document_type: &str) -> Requirement {
        let found = self.documents.get(document_type).or_else(|| self.documents.get("default"));
        found.copied().unwrap_or_default()
    }
}

fn sha256_of(text: &str) -> String {
    DigestAlgorithm::Sha256.digest(text.as_bytes()).map(hex::encode).unwrap_or_default()
}

/// Why an algorithm is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The algorithm, with the size of the key.
    pub name: String,
    /// Its end date; `None` when it was never accepted.
    pub until: Option<Day>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.until {
            Some(Day(until)) => write!(f, "{} n'est plus accepté depuis le {until}", self.name),
            None => write!(f, "{} n'est pas accepté", self.name),
        }
    }
}

fn refusal((name, until): (String, Option<Day>), at: OffsetDateTime) -> Option<Refusal> {
    let accepted = until.is_some_and(|Day(until)| at.to_offset(time::UtcOffset::UTC).date() <= until);
    (!accepted).then_some(Refusal { name, until })
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let form = time::macros::format_description!("[year]-[month]-[day]");
        Date::parse(&text, form)
            .map(Self)
            .map_err(|_| serde::de::Error::custom(format!("« {text} » : date AAAA-MM-JJ attendue")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn algorithms_end_on_their_day() {
        let policy = SignaturePolicy::embedded().unwrap();
        let sha1 = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha1);
        assert_eq!(policy.refuses(&sha1, Some(2048), datetime!(2012-08-01 23:59 UTC)), None);
        let refusal = policy.refuses(&sha1, Some(2048), datetime!(2012-08-02 00:00 UTC)).unwrap();
        assert_eq!(refusal.to_string(), "SHA-1 n'est plus accepté depuis le 2012-08-01");
        let sha256 = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
        assert!(policy.refuses(&sha256, Some(1024), datetime!(2026-01-01 00:00 UTC)).is_some());
        assert!(policy.refuses(&sha256, Some(512), datetime!(2000-01-01 00:00 UTC)).is_some());
        assert_eq!(policy.refuses(&sha256, Some(2048), datetime!(2026-01-01 00:00 UTC)), None);
    }

    #[test]
    fn the_name_alone_is_that_of_the_policy() {
        let (name, policy) = (SignaturePolicy::embedded_name(), SignaturePolicy::embedded().unwrap());
        assert_eq!((name.id, name.sha256), (policy.id, policy.sha256));
    }

    #[test]
    fn unknown_keys_and_algorithms_are_refused() {
        assert!(SignaturePolicy::parse(&format!("surprise = 1\n{DEFAULT}")).is_err());
        assert!(SignaturePolicy::parse(&DEFAULT.replace("\"SHA-224\"", "\"SHA-225\"")).is_err());
        assert!(SignaturePolicy::parse(&DEFAULT.replace("2012-08-01", "2012-13-01")).is_err());
    }
}
