//! The catalog: what the hot path must know exactly and now. Which credentials are worth something, which agencies exist,
//! and which idempotency keys were used in the last 90 days. Derived from the log, never the truth.

mod embedded;
mod keys;
mod standing;
mod transmissions;

pub use embedded::{CatalogOptions, EmbeddedCatalog};
pub use standing::Standing;
pub use transmissions::{Distinct, Listing, Transmission};

use crate::package::{Agency, DeliveryRequested, ReferentialChange, Scope};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

/// How long the catalog answers for an idempotency key at least, counted back from the log's latest record. Older keys are
/// found in the search view.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::days(90);

/// What the catalog answers, whatever engine is behind it. Agencies and tokens are answered from memory;
/// [`Catalog::prior`] may read the disk, so call it off the runtime.
pub trait Catalog: Send + Sync + 'static {
    /// The agency of this code.
    fn agency(&self, code: &str) -> Option<Agency>;

    /// All agencies, by code.
    fn agencies(&self) -> Vec<Agency>;

    /// The credential with this SHA-256 of its secret or certificate. It may have ended: see [`Token::check`].
    fn token_by_hash(&self, hash: &[u8; 32]) -> Option<Token>;

    /// The credential with this public name.
    fn token(&self, name: &str) -> Option<Token>;

    /// Credentials of an agency, or of all of them, by name; ended ones included.
    fn tokens(&self, agency: Option<&str>) -> Vec<Token>;

    /// The lists of reference data as they are now, by name.
    fn referentials(&self) -> Vec<Register>;

    /// The request for archives whose record has this index.
    fn delivery(&self, index: u64) -> Option<Delivery>;

    /// Requests for archives, newest first; those of an agency, or of all of them.
    fn deliveries(&self, agency: Option<&str>) -> Vec<Delivery>;

    /// What became of the archive at this index since its deposit: its title, its rules, its end.
    fn standing(&self, archive: u64) -> Result<Option<Standing>, CatalogError>;

    /// The deposit that used this idempotency digest within [`IDEMPOTENCY_WINDOW`], if the agency made it.
    fn prior(&self, agency: &str, idempotency: &[u8; 32]) -> Result<Option<Prior>, CatalogError>;

    /// The transmission of this number.
    fn transmission(&self, number: u64) -> Result<Option<Transmission>, CatalogError>;

    /// The transmission of an agency that already has this, unless it ended in error.
    fn transmission_with(&self, agency: &str, what: &Distinct<'_>) -> Result<Option<u64>, CatalogError>;

    /// Transmissions of an agency, by number.
    fn transmissions(&self, agency: &str, listing: &Listing<'_>) -> Result<Vec<Transmission>, CatalogError>;
}

/// A credential as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Token {
    /// Public name.
    pub token: String,
    /// Whose it is.
    pub agency: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Free label.
    pub label: String,
    /// SHA-256 of the secret or of the certificate's DER.
    #[serde(with = "hex_digest")]
    pub hash: [u8; 32],
    /// Index of the record that issued it.
    pub index: u64,
    /// When it ends, Unix milliseconds; none means until revoked.
    pub expires_ms: Option<i64>,
    /// When it was revoked, Unix milliseconds.
    pub revoked_ms: Option<u64>,
    /// SHA-256 of the client certificate without which it is worth nothing.
    #[serde(default)]
    pub certificate: Option<[u8; 32]>,
}

/// A list of reference data as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Register {
    /// The change that made it what it is.
    pub change: ReferentialChange,
    /// Index of its record.
    pub index: u64,
    /// When, Unix milliseconds.
    pub time_ms: u64,
}

/// A request for archives as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Delivery {
    /// Index of its record.
    pub index: u64,
    /// When, Unix milliseconds.
    pub time_ms: u64,
    /// The agency that asked.
    pub agency: String,
    /// What was asked for.
    pub asked: DeliveryRequested,
    /// The control authority's answer: whether it allows, and its identifier.
    pub authorization: Option<(bool, String)>,
    /// How many times it was given; for an elimination, 1 once the bytes are no more.
    pub given: u64,
    /// Index of the record of the elimination itself.
    #[serde(default)]
    pub eliminated: Option<u64>,
}

/// Why a credential is not worth anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenRefusal {
    /// It was revoked.
    #[error("jeton révoqué ; en demander un autre à l'exploitant")]
    Revoked,
    /// It has ended.
    #[error("jeton expiré ; en demander un autre à l'exploitant")]
    Expired,
}

impl Token {
    /// Whether the credential is worth something at this moment. The moment it ends is already outside.
    pub fn check(&self, now: OffsetDateTime) -> Result<(), TokenRefusal> {
        if self.revoked_ms.is_some() {
            return Err(TokenRefusal::Revoked);
        }
        let now_ms = now.unix_timestamp_nanos() / 1_000_000;
        match self.expires_ms {
            Some(end) if now_ms >= i128::from(end) => Err(TokenRefusal::Expired),
            _ => Ok(()),
        }
    }

    /// Whether it allows this.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// An earlier deposit with the same idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prior {
    /// Its place in the log.
    pub index: u64,
    /// Digest of what was asked then.
    pub content: [u8; 32],
}

/// Why the catalog cannot answer.
#[derive(Debug, Error)]
#[error("catalogue illisible : {0} ; redémarrer, il sera reconstruit s'il est endommagé")]
pub struct CatalogError(pub String);

mod hex_digest {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let mut digest = [0; 32];
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        hex::decode_to_slice(text.as_bytes(), &mut digest).map_err(D::Error::custom)?;
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_ends_at_its_end_and_at_its_revocation() {
        let mut token = Token {
            token: "t".into(),
            agency: "a".into(),
            scopes: vec![Scope::Read],
            label: String::new(),
            hash: [7; 32],
            index: 3,
            expires_ms: Some(1_000),
            revoked_ms: None,
            certificate: None,
        };
        let at = |ms: i64| OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(ms);
        assert_eq!(token.check(at(999)), Ok(()));
        assert_eq!(token.check(at(1_000)), Err(TokenRefusal::Expired));
        token.revoked_ms = Some(5);
        assert_eq!(token.check(at(0)), Err(TokenRefusal::Revoked));
        assert!(token.allows(Scope::Read) && !token.allows(Scope::Deposit));
        let text = serde_json::to_string(&token).unwrap();
        assert_eq!(serde_json::from_str::<Token>(&text).unwrap(), token);
    }
}
