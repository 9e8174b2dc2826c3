//! Seals documents in the archive's name: replies to transfers, reports, attestations.
//!
//! As for checkpoints, the intent is on this node's disk before the signature ([`Intents`]), and what may wait (a disk, an HSM)
//! never holds a thread of the runtime.

use super::intent::Intents;
use super::{Keyring, TimestampError};
use crate::clock::SharedClock;
use bytes::Bytes;
use std::sync::Arc;
use time::OffsetDateTime;

/// How a seal stands to its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealForm {
    /// Around it.
    Around,
    /// Beside it.
    Beside,
    /// Beside what it covers of a PDF, which says the time itself.
    InPdf,
}

/// Where documents are sealed.
#[derive(Clone)]
pub struct SealOffice {
    keyring: Arc<Keyring>,
    clock: SharedClock,
    intents: Option<Arc<Intents>>,
}

impl std::fmt::Debug for SealOffice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealOffice({})", self.keyring.seal.certificate().subject())
    }
}

impl SealOffice {
    /// Seals with the current seal key. Without `intents` nothing is announced: an archive in memory keeps nothing else either.
    pub fn new(keyring: Arc<Keyring>, clock: SharedClock, intents: Option<Arc<Intents>>) -> Self {
        Self { keyring, clock, intents }
    }

    /// Announces that `content`, a document of this `kind`, is about to be sealed, then seals it: a DER CMS SignedData.
    pub async fn seal(&self, kind: &'static str, content: Bytes, form: SealForm) -> Result<Vec<u8>, TimestampError> {
        let office = self.clone();
        let sealed = tokio::task::spawn_blocking(move || office.seal_here(kind, &content, form)).await;
        sealed.map_err(|error| TimestampError::Journal(error.to_string()))?
    }

    fn seal_here(&self, kind: &str, content: &[u8], form: SealForm) -> Result<Vec<u8>, TimestampError> {
        let seal = &self.keyring.seal;
        // Taken before it is announced: others may seal meanwhile.
        let at = seal.now(&*self.clock)?;
        if let Some(intents) = &self.intents {
            let digest = crate::digest::sha256(content);
            let announced = intents.announce_document(kind, &digest, at, &seal.certificate().fingerprint());
            announced.map_err(|error| TimestampError::Journal(format!("journal des signatures : {error}")))?;
        }
        match form {
            SealForm::Around => seal.seal_then(content, at),
            SealForm::Beside => seal.seal_beside(content, Some(at)),
            SealForm::InPdf => seal.seal_beside(content, None),
        }
    }

    /// The certificate it seals with.
    pub fn certificate(&self) -> crate::spec::cms::Certificate {
        self.keyring.seal.certificate()
    }

    /// The time it is.
    pub fn time(&self) -> OffsetDateTime {
        self.clock.now()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::clock::SystemClock;
    use crate::spec::cms::{verify_attached, verify_detached};

    #[tokio::test]
    async fn each_form_verifies_and_is_announced_first() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keyring::create_development(&folder.path().join("keys"), "a.example/log", &SystemClock).unwrap();
        let keys = Arc::new(keys);
        let clock: SharedClock = Arc::new(SystemClock);
        let intents = Arc::new(Intents::new(folder.path()));
        let office = SealOffice::new(keys.clone(), clock.clone(), Some(intents));
        let (content, now) = (Bytes::from_static(b"rapport"), clock.now());
        let around = office.seal("report", content.clone(), SealForm::Around).await.unwrap();
        assert_eq!(verify_attached(&around, keys.anchors(), now).unwrap().content, content);
        let beside = office.seal("report", content.clone(), SealForm::Beside).await.unwrap();
        assert!(verify_detached(&beside, &content, keys.anchors(), now).unwrap().signing_time.is_some());
        assert!(verify_detached(&beside, b"autre", keys.anchors(), now).is_err());
        let inside = office.seal("report", content.clone(), SealForm::InPdf).await.unwrap();
        assert!(verify_detached(&inside, &content, keys.anchors(), now).unwrap().signing_time.is_none());
        let day = std::fs::read_dir(folder.path().join("signatures")).unwrap().next().unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(day.path()).unwrap().lines().count(), 3);
        // What cannot be announced is not sealed.
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let deaf = SealOffice::new(keys, clock, Some(Arc::new(Intents::new(&file))));
        assert!(matches!(deaf.seal("x", content, SealForm::Around).await, Err(TimestampError::Journal(_))));
    }
}
