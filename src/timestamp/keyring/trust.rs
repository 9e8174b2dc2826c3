//! What whoever checks receipts relies on, as `trust.toml`.

use super::super::generations::{Generation, Generations, RevocationReason};
use super::{KeyringError, unix_lines};
use crate::spec::tlog::note::NoteSigner;
use serde::Serialize;
use time::OffsetDateTime;

#[derive(Serialize)]
struct TrustFile<'a> {
    origin: &'a str,
    log_keys: [String; 1],
    anchors: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<TrustedKey<'a>>,
}

/// A key and its time.
#[derive(Serialize)]
struct TrustedKey<'a> {
    #[serde(rename = "use")]
    key_use: &'static str,
    certificate: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    until: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    revoked_since: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<RevocationReason>,
}

impl<'a> TrustedKey<'a> {
    fn of(generation: &'a Generation) -> Self {
        Self {
            key_use: generation.key_use.name(),
            certificate: &generation.certificate,
            since: generation.since,
            until: generation.until,
            revoked_since: generation.revoked.as_ref().map(|revoked| revoked.since),
            reason: generation.revoked.as_ref().map(|revoked| revoked.reason),
        }
    }
}

pub(super) fn render(log: &NoteSigner, anchors_pem: &str, generations: &Generations) -> Result<String, KeyringError> {
    let anchors = unix_lines(anchors_pem);
    // Until a key is replaced or revoked the authorities say it all.
    let told = generations.list.iter().filter(|_| generations.tell_a_story()).map(TrustedKey::of).collect();
    let file = TrustFile { origin: log.name(), log_keys: [log.vkey().to_string()], anchors: &anchors, keys: told };
    let text = toml::to_string_pretty(&file).map_err(|error| KeyringError::Generation(error.to_string()))?;
    Ok(format!("# Ce sur quoi repose la vérification des reçus de cette archive. Rien ici n'est secret.\n{text}"))
}
