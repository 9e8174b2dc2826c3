//! Which key signs, which did, which will: `keys.toml`, in the folder of keys. Nothing in it is secret.
//!
//! ```toml
//! [[generation]]
//! use = "tsa"
//! name = "tsa-2"            # tsa-2.pem, tsa-2.key
//! state = "current"         # next, current, retired
//! certificate = "9f86d0…"   # SHA-256 of its DER
//! since = "2026-11-24T03:00:00Z"
//! ```
//!
//! Without the file there is one generation of each use, in the files that `archiland init` makes.

use super::files::{self, KeyFileError, Kind, Source};
use super::keyring::{KeyringError, names};
use serde::{Deserialize, Serialize};
use std::path::Path;
use time::OffsetDateTime;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyUse {
    /// Time-stamp tokens.
    Tsa,
    /// Seals.
    Seal,
}

impl KeyUse {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tsa, Self::Seal];

    /// Its stable name, which is that of its first files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tsa => "tsa",
            Self::Seal => "seal",
        }
    }
}

/// Whether a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// It will, once the log has the record that says so.
    Next,
    /// It does.
    Current,
    /// It did.
    Retired,
}

/// Why a key is not to be relied on any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// Somebody else may have it: what bears a date from then on is worth nothing, and earlier dates need another proof.
    Compromise,
    /// It is not used any more from that date.
    Superseded,
}

impl RevocationReason {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compromise => "compromise",
            Self::Superseded => "superseded",
        }
    }
}

/// A key that is not to be relied on from a date on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// From when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Why.
    pub reason: RevocationReason,
    /// Whether the log has the record of it.
    pub recorded: bool,
}

/// A key of a use, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// What for.
    #[serde(rename = "use")]
    pub key_use: KeyUse,
    /// Of its files, without extension.
    pub name: String,
    /// Whether it signs.
    pub state: KeyState,
    /// SHA-256 of the certificate's DER, hexadecimal; empty for the first one until the file is written.
    pub certificate: String,
    /// Label of the private key in the PKCS#11 token, when it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsm: Option<String>,
    /// First signature.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub since: Option<OffsetDateTime>,
    /// Last signature, at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub until: Option<OffsetDateTime>,
    /// When it is not to be relied on any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
}

/// Every generation, in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generations {
    /// In the order they came.
    #[serde(default, rename = "generation")]
    pub list: Vec<Generation>,
}

impl Generations {
    /// Reads `keys.toml`, or says what there is without it.
    pub(super) fn load(source: &Source) -> Result<Self, KeyringError> {
        let (path, bytes) = match source.read(names::GENERATIONS, Kind::Public) {
            Ok(found) => found,
            Err(KeyFileError::Missing { .. }) => return Ok(Self::first()),
            Err(error) => return Err(error.into()),
        };
        let wrong = |why: String| KeyringError::Generations { path: path.clone(), why };
        let text = std::str::from_utf8(&bytes).map_err(|error| wrong(error.to_string()))?;
        let read: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        read.check().map_err(wrong)?;
        Ok(read)
    }

    fn first() -> Self {
        let list = KeyUse::ALL.map(|key_use| Generation {
            key_use,
            name: key_use.name().to_owned(),
            state: KeyState::Current,
            certificate: String::new(),
            hsm: None,
            since: None,
            until: None,
            revoked: None,
        });
        Self { list: list.to_vec() }
    }

    fn check(&self) -> Result<(), String> {
        for key_use in KeyUse::ALL {
            let of = |state| self.list.iter().filter(|g| g.key_use == key_use && g.state == state).count();
            if of(KeyState::Current) != 1 || of(KeyState::Next) > 1 {
                return Err(format!(
                    "« {} » : une génération courante exactement, une suivante au plus",
                    key_use.name()
                ));
            }
        }
        // A name becomes a file's.
        let plain = |name: &str| {
            (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        match self.list.iter().find(|generation| !plain(&generation.name)) {
            Some(generation) => Err(format!("nom de génération « {} »", generation.name.escape_debug())),
            None => Ok(()),
        }
    }

    /// Replaces `keys.toml`, durably.
    pub(super) fn save(&self, keys_dir: &Path) -> Result<(), KeyringError> {
        let text = toml::to_string(self).map_err(|error| KeyringError::Generation(error.to_string()))?;
        let text = format!(
            "# Générations de clés, écrit par « archiland key » et par le démon. Rien ici n'est secret.\n{text}"
        );
        Ok(files::replace(keys_dir, names::GENERATIONS, text.as_bytes())?)
    }

    /// The one of a use in a state.
    pub fn of(&self, key_use: KeyUse, state: KeyState) -> Option<&Generation> {
        self.list.iter().find(|generation| generation.key_use == key_use && generation.state == state)
    }

    pub(super) fn of_mut(&mut self, key_use: KeyUse, state: KeyState) -> Option<&mut Generation> {
        self.list.iter_mut().find(|generation| generation.key_use == key_use && generation.state == state)
    }

    /// The next free name of a use: `tsa-2`, `tsa-3`, …
    pub(super) fn next_name(&self, key_use: KeyUse) -> String {
        let taken = |name: &str| self.list.iter().any(|generation| generation.name == name);
        let names = (2..).map(|number| format!("{}-{number}", key_use.name()));
        names.into_iter().find(|name| !taken(name)).unwrap_or_default()
    }

    /// Whether there is anything to tell whoever verifies: more than the first keys, or a revocation.
    pub(super) fn tell_a_story(&self) -> bool {
        self.list.len() > KeyUse::ALL.len() || self.list.iter().any(|generation| generation.revoked.is_some())
    }
}
