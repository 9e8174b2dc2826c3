//! Changes of keys, told in the log before they count: under the old key's signatures while it can sign, then the new key
//! takes over.

use super::error::DaemonError;
use super::init::OPERATOR;
use crate::api::administrative_record;
use crate::clock::{SharedClock, format_record_time};
use crate::package::{Body, KeyChanged, KeyRevoked};
use crate::sequencer::{Sequencer, Submission};
use crate::timestamp::{Change, KeyUse, Keyring, KeyringError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const ACTOR: &str = "system:keys";

/// Refuses to go on with a key that was revoked and nothing to replace it: before anything is signed.
pub(super) fn refuse_revoked(keyring: &Keyring) -> Result<(), DaemonError> {
    let generations = keyring.generations();
    for key_use in KeyUse::ALL {
        let replaced = keyring
            .changes()
            .iter()
            .any(|change| matches!(change, Change::Rotation { key_use: of, .. } if *of == key_use));
        let current = generations.of(key_use, crate::timestamp::KeyState::Current);
        if current.is_some_and(|current| current.revoked.is_some()) && !replaced {
            return Err(KeyringError::Revoked { key_use }.into());
        }
    }
    Ok(())
}

/// Tells the log every change it does not tell yet; each counts from its record on. Before anybody is served.
pub(super) async fn tell_changes(
    keyring: &Keyring,
    sequencer: &Sequencer,
    clock: &SharedClock,
) -> Result<(), DaemonError> {
    let changes = keyring.changes();
    let told = |change: &Change, overlap| body(change, overlap);
    // A key that can sign no more cannot announce the one that follows: the record is then the first thing it signs.
    let silent: Vec<KeyUse> =
        KeyUse::ALL.into_iter().filter(|key_use| !keyring.may_sign(*key_use, clock.now())).collect();
    let hsm_is_gone = keyring.hsm_trouble().is_some();
    for change in &changes {
        if let Change::Rotation { key_use, .. } = change
            && (hsm_is_gone || silent.contains(key_use))
        {
            keyring.adopt(*key_use);
        }
    }
    for change in changes {
        let overlap = match &change {
            Change::Rotation { key_use, .. } => !hsm_is_gone && !silent.contains(key_use),
            Change::Revocation { .. } => true,
        };
        let record = administrative_record(OPERATOR, ACTOR, told(&change, overlap), clock.now())
            .map_err(|problem| DaemonError::FirstRecords(problem.detail))?;
        let submission = Submission { record: record.into(), idempotency: None };
        let committed = sequencer.submit(submission).await.map_err(|e| {
            DaemonError::Keys(KeyringError::Rotation(format!(
                "le changement de clé n'a pu être consigné dans le journal : {e}"
            )))
        })?;
        keyring.settle(&change, clock.now())?;
        if let Change::Rotation { key_use, .. } = &change {
            keyring.adopt(*key_use);
        }
        tracing::warn!(index = committed.index, ?change, "changement de clé consigné");
    }
    Ok(())
}

fn body(change: &Change, overlap: bool) -> Body {
    match change {
        Change::Rotation { key_use, next, replaces } => Body::KeyChanged(KeyChanged {
            key_use: key_use.name().to_owned(),
            certificate: STANDARD.encode(next.der()),
            fingerprint: next.fingerprint(),
            replaces: replaces.clone(),
            overlap,
        }),
        Change::Revocation { key_use, certificate, since, reason } => Body::KeyRevoked(KeyRevoked {
            key_use: key_use.name().to_owned(),
            fingerprint: certificate.clone(),
            since: format_record_time(*since),
            reason: reason.name().to_owned(),
        }),
    }
}
