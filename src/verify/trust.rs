//! What a verifier relies on, from one small file that the archive hands out once: `trust.toml`.
//!
//! ```toml
//! origin = "archives.example/journal"
//! log_keys = ["archives.example/journal+c74f20a3+ARpc2Q…"]
//! anchors = """
//! -----BEGIN CERTIFICATE-----
//! …
//! """
//! # Optional: witnesses that must have cosigned the checkpoint, and how many of them.
//! witness_keys = ["temoin.example/t1+…"]
//! witness_quorum = 1
//! # Once a key was replaced or revoked: which certificate, from when to when.
//! [[keys]]
//! use = "tsa"
//! certificate = "9f86d081884c7d65…"
//! until = "2027-01-31T09:00:00Z"
//! revoked_since = "2027-01-30T00:00:00Z"
//! reason = "compromise"
//! ```

use super::keys::TrustedKey;
use crate::spec::cms::{Anchors, CertificateError};
use crate::spec::tlog::note::{KeyType, NoteError, VerifierKey};
use serde::Deserialize;
use std::path::Path;
use thiserror::Error;

/// The longest trust file read, in bytes.
const TRUST_BYTES_MAX: u64 = 1024 * 1024;

/// The log, witnesses and certificate authorities relied on.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The log's origin.
    pub origin: String,
    /// Keys that may sign its checkpoints; several while one replaces another.
    pub log_keys: Vec<VerifierKey>,
    /// Authorities of the timestamps and the seal.
    pub anchors: Anchors,
    /// Witnesses whose cosignatures count.
    pub witness_keys: Vec<VerifierKey>,
    /// How many of them must have cosigned.
    pub witness_quorum: usize,
    /// Keys that were replaced or revoked, and the ones that signed since; none until that happens.
    pub keys: Vec<TrustedKey>,
}

/// Why a trust file cannot be relied on.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error("fichier de confiance {path} : {source}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML of the expected shape; the message has line and column.
    #[error("fichier de confiance : {0}")]
    Toml(#[from] toml::de::Error),
    /// A key that is none.
    #[error("fichier de confiance, {field} : {source}")]
    Key {
        /// `log_keys` or `witness_keys`.
        field: &'static str,
        /// Why.
        source: NoteError,
    },
    /// Certificates that are none.
    #[error("fichier de confiance, anchors : {0}")]
    Anchors(#[from] CertificateError),
    /// Something that would make every check meaningless.
    #[error("fichier de confiance : {0}")]
    Meaning(&'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    origin: String,
    log_keys: Vec<String>,
    anchors: String,
    #[serde(default)]
    witness_keys: Vec<String>,
    #[serde(default)]
    witness_quorum: usize,
    #[serde(default)]
    keys: Vec<TrustedKey>,
}

impl Trust {
    /// Reads `trust.toml`.
    pub fn load(path: &Path) -> Result<Self, TrustError> {
        let io = |source| TrustError::Io { path: path.display().to_string(), source };
        if std::fs::metadata(path).map_err(io)?.len() > TRUST_BYTES_MAX {
            return Err(TrustError::Meaning("plus d'un mébioctet : ce n'est pas un fichier de confiance"));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(io)?)
    }

    /// Certificate authorities alone: no log, and no key known to be revoked.
    pub fn in_authorities(anchors: Anchors) -> Self {
        Self {
            origin: String::new(),
            log_keys: Vec::new(),
            anchors,
            witness_keys: Vec::new(),
            witness_quorum: 0,
            keys: Vec::new(),
        }
    }

    /// Reads the text of `trust.toml`.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        let wire: Wire = toml::from_str(text)?;
        let log_keys = keys("log_keys", KeyType::Ed25519, &wire.log_keys)?;
        let witness_keys = keys("witness_keys", KeyType::CosignatureV1, &wire.witness_keys)?;
        if wire.origin.is_empty() {
            return Err(TrustError::Meaning("origin est vide"));
        }
        if log_keys.is_empty() {
            return Err(TrustError::Meaning("log_keys est vide : aucune clé de journal à croire"));
        }
        if wire.witness_quorum > witness_keys.len() {
            return Err(TrustError::Meaning("witness_quorum dépasse le nombre de témoins"));
        }
        Ok(Self {
            origin: wire.origin,
            log_keys,
            anchors: Anchors::from_pem(wire.anchors.as_bytes())?,
            witness_keys,
            witness_quorum: wire.witness_quorum,
            keys: wire.keys,
        })
    }
}

fn keys(field: &'static str, key_type: KeyType, texts: &[String]) -> Result<Vec<VerifierKey>, TrustError> {
    let mut keys: Vec<VerifierKey> = Vec::with_capacity(texts.len());
    for text in texts {
        let key = VerifierKey::parse(text).map_err(|source| TrustError::Key { field, source })?;
        if key.key_type() != key_type {
            return Err(TrustError::Meaning("une clé de journal parmi les témoins, ou l'inverse"));
        }
        // One witness under two names would count twice in a quorum.
        if keys.iter().any(|known| known.public_key() == key.public_key()) {
            return Err(TrustError::Meaning("deux fois la même clé"));
        }
        keys.push(key);
    }
    Ok(keys)
}
