//! A staged batch: one tar whose members are the objects to write, named by their keys, the checkpoint last.

use super::LogError;
use super::head::CHECKPOINT_KEY;
use crate::spec::tlog::Hash;
use crate::spec::tlog::checkpoint::Checkpoint;
use bytes::Bytes;
use std::io::Read;

/// Longest staged batch accepted: 4,096 records of 64 KiB, tiles and headers.
const STAGING_BYTES_MAX: usize = 320 * 1024 * 1024;

/// Keys a staged batch may write.
const WRITABLE: [&str; 4] = ["log/tile/", "log/timestamp/", "log/seal/", "records/"];

/// The objects of one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Staged {
    /// Keys and contents, in the order written.
    pub(super) objects: Vec<(String, Bytes)>,
    /// The signed checkpoint.
    pub(super) checkpoint: Bytes,
}

/// Where a batch that leads to this tree is staged.
pub(super) fn staging_key(size: u64, root: &Hash) -> String {
    format!("staging/{size}-{}", hex::encode(root))
}

impl Staged {
    pub(super) fn to_tar(&self) -> std::io::Result<Bytes> {
        let bytes: usize = self.objects.iter().map(|(_, content)| content.len() + 1024).sum();
        let mut builder = tar::Builder::new(Vec::with_capacity(bytes + self.checkpoint.len() + 2048));
        let checkpoint = (CHECKPOINT_KEY.to_owned(), self.checkpoint.clone());
        for (key, content) in self.objects.iter().chain([&checkpoint]) {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o444);
            header.set_entry_type(tar::EntryType::Regular);
            builder.append_data(&mut header, key, content.as_ref())?;
        }
        Ok(builder.into_inner()?.into())
    }

    /// Reads a staged batch; contents share the memory of `bytes`.
    pub(super) fn parse(key: &str, bytes: &Bytes) -> Result<Self, LogError> {
        let corrupt = |reason: &str| LogError::Inconsistent(format!("« {key} » : {reason}"));
        if bytes.len() > STAGING_BYTES_MAX {
            return Err(corrupt("lot en attente trop long"));
        }
        let mut staged = Self::default();
        let mut archive = tar::Archive::new(bytes.as_ref());
        for entry in archive.entries().map_err(|_| corrupt("tar illisible"))? {
            let mut entry = entry.map_err(|_| corrupt("tar illisible"))?;
            let name = String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| corrupt("clé illisible"))?;
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(|_| corrupt("tar tronqué"))?;
            if name == CHECKPOINT_KEY {
                staged.checkpoint = content.into();
            } else if WRITABLE.iter().any(|prefix| name.starts_with(prefix)) && !name.contains("..") {
                staged.objects.push((name, content.into()));
            } else {
                return Err(corrupt("clé inattendue"));
            }
        }
        if staged.checkpoint.is_empty() {
            return Err(corrupt("lot en attente tronqué : pas de point de contrôle"));
        }
        Ok(staged)
    }
}

/// The checkpoint in a signed note that this log wrote.
pub(super) fn checkpoint_of(note: &[u8]) -> Result<Checkpoint, LogError> {
    let wrong = || LogError::Inconsistent("point de contrôle illisible".to_owned());
    let text = std::str::from_utf8(note).map_err(|_| wrong())?;
    let (body, _signatures) = text.split_once("\n\n").ok_or_else(wrong)?;
    Checkpoint::parse(&format!("{body}\n")).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Staged {
        let objects = vec![
            ("log/tile/0/000.p/5".to_owned(), Bytes::from_static(b"tile")),
            ("records/000.p/5".to_owned(), Bytes::from(vec![1; 2000])),
        ];
        Staged { objects, checkpoint: Bytes::from_static(b"origin\n5\nAAAA\n\n- x y\n") }
    }

    #[test]
    fn round_trip() {
        let bytes = sample().to_tar().unwrap();
        assert_eq!(Staged::parse("k", &bytes).unwrap(), sample());
    }

    #[test]
    fn every_truncation_is_noticed() {
        let bytes = sample().to_tar().unwrap();
        // The tar's end marker and the padding of the last member carry nothing.
        let end = bytes.len() - 1024 - 512;
        for cut in 0..end {
            assert!(Staged::parse("k", &bytes.slice(..cut)).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn keys_outside_the_log_are_refused() {
        let mut staged = sample();
        staged.objects.push(("payload/x".to_owned(), Bytes::new()));
        assert!(Staged::parse("k", &staged.to_tar().unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = Staged::parse("k", &bytes.into());
        }
    }
}
