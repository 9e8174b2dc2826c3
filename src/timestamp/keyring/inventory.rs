//! Every key, for people: what it is, where, until when.

use super::super::generations::{Generation, KeyState, KeyUse};
use super::{Keyring, names};
use crate::spec::cms::Certificate;
use serde::Serialize;
use time::OffsetDateTime;

/// One line of `archiland key list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyEntry {
    /// `log`, `witness`, `tsa`, `seal`, `server`, `ca`.
    pub name: &'static str,
    /// `current`, `next`, `retired`, `revoked`, `trusted` (an authority).
    pub state: &'static str,
    /// Where the private key is: a file, or a token.
    pub place: String,
    /// What the key is, and whose.
    pub algorithm: String,
    /// Subject of the certificate, or name of the log's key.
    pub subject: String,
    /// End of the certificate's validity (RFC 3339); a log key has none.
    #[serde(with = "time::serde::rfc3339::option")]
    pub not_after: Option<OffsetDateTime>,
    /// SHA-256 of the certificate's DER, or of the log's 32-byte public key; hexadecimal.
    pub fingerprint: String,
}

impl Keyring {
    /// Every key, for people.
    pub fn inventory(&self) -> Vec<KeyEntry> {
        let raw = |name, subject: &str, public: &[u8]| KeyEntry {
            name,
            state: "current",
            place: self.file(&format!("{name}.key")),
            algorithm: "Ed25519".to_owned(),
            subject: subject.to_owned(),
            not_after: None,
            fingerprint: hex::encode(ring::digest::digest(&ring::digest::SHA256, public)),
        };
        let mut entries = vec![raw("log", self.log.name(), self.log.vkey().public_key())];
        entries.extend(self.witness.iter().map(|by| raw("witness", by.vkey().name(), by.vkey().public_key())));
        for generation in self.generations().list {
            if let Some(certificate) = self.certificate_of(&generation) {
                let state = match (&generation.revoked, generation.state) {
                    (Some(_), _) => "revoked",
                    (None, KeyState::Next) => "next",
                    (None, KeyState::Current) => "current",
                    (None, KeyState::Retired) => "retired",
                };
                let place = self.place(&generation);
                entries.push(of(generation.key_use.name(), state, place, &certificate));
            }
        }
        let server = self.server.iter().map(|found| of("server", "current", self.file(names::SERVER_KEY), found));
        entries.extend(server);
        let authorities = self.anchors.certificates().iter();
        entries.extend(authorities.map(|found| of("ca", "trusted", self.file(names::AUTHORITIES), found)));
        entries
    }

    fn certificate_of(&self, generation: &Generation) -> Option<Certificate> {
        match (generation.state, generation.key_use) {
            (KeyState::Current, KeyUse::Tsa) => Some(self.tsa.certificate()),
            (KeyState::Current, KeyUse::Seal) => Some(self.seal.certificate()),
            (KeyState::Next, key_use) => {
                let next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                next.get(&key_use).map(|signer| signer.certificate().clone())
            }
            (KeyState::Retired, _) => {
                self.others.iter().find(|(other, _)| other.name == generation.name).map(|(_, found)| found.clone())
            }
        }
    }

    fn place(&self, generation: &Generation) -> String {
        match (&generation.hsm, &self.hsm) {
            (Some(label), Some(hsm)) => format!("PKCS#11, jeton « {} », clé « {label} »", hsm.token()),
            _ => self.file(&format!("{}.key", generation.name)),
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

fn of(name: &'static str, state: &'static str, place: String, certificate: &Certificate) -> KeyEntry {
    KeyEntry {
        name,
        state,
        place,
        algorithm: certificate.key_algorithm(),
        subject: certificate.subject().to_owned(),
        not_after: Some(certificate.not_after()),
        fingerprint: certificate.fingerprint(),
    }
}
