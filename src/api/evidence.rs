//! The checkpoint under which an entry was committed, found again from the bucket alone, so that a receipt asked for years
//! later is the one that was given: the token and the seal of each batch are objects named by the size of the log, and the
//! seal carries the signed note.

use super::problem::Problem;
use crate::sequencer::Evidence;
use crate::spec::cms::SignedData;
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::note::VerifierKey;
use crate::spec::tlog::tile::parse_group_path;
use crate::store::{StoreError, seal_key, timestamp_key};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Checkpoints kept in memory.
const KEPT_MAX: usize = 256;

/// Sizes are listed by the thousand, as their objects are in folders.
const GROUP: u64 = 1_000;

/// Folders looked at: a batch is at most 65,536 entries.
const GROUPS_MAX: u64 = 67;

/// A token or a seal is a few KiB.
const PROOF_BYTES_MAX: u64 = 256 * 1024;

/// Finds checkpoints by entry.
#[derive(Debug)]
pub(super) struct Evidences {
    objects: Arc<dyn ObjectStore>,
    key: VerifierKey,
    origin: String,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Every batch size in a group of a thousand; only groups that are complete.
    groups: BTreeMap<u64, Arc<[u64]>>,
    checkpoints: BTreeMap<u64, Arc<Evidence>>,
}

impl Evidences {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, key: VerifierKey, origin: &str) -> Self {
        Self { objects, key, origin: origin.to_owned(), known: Mutex::default() }
    }

    /// The size of the log at the checkpoint that first covered an entry, and that checkpoint.
    pub(super) async fn covering(&self, index: u64, published: u64) -> Result<(u64, Arc<Evidence>), Problem> {
        let size = self.batch_of(index, published).await?;
        if let Some(evidence) = self.known().checkpoints.get(&size) {
            return Ok((size, evidence.clone()));
        }
        let evidence = Arc::new(self.read(size).await?);
        let mut known = self.known();
        if known.checkpoints.len() >= KEPT_MAX {
            known.checkpoints.clear();
        }
        known.checkpoints.insert(size, evidence.clone());
        Ok((size, evidence))
    }

    /// The smallest batch size above `index`.
    async fn batch_of(&self, index: u64, published: u64) -> Result<u64, Problem> {
        let first = (index + 1) / GROUP;
        for group in first..=(published / GROUP).min(first + GROUPS_MAX) {
            let sizes = self.sizes(group, published).await?;
            if let Some(&size) = sizes.iter().find(|&&size| size > index && size <= published) {
                return Ok(size);
            }
        }
        Err(corrupt(&timestamp_key(index + 1), "aucun jeton d'horodatage ne couvre cette entrée"))
    }

    async fn sizes(&self, group: u64, published: u64) -> Result<Arc<[u64]>, Problem> {
        if let Some(sizes) = self.known().groups.get(&group) {
            return Ok(sizes.clone());
        }
        // The folder of the group's first size.
        let first = timestamp_key(group * GROUP);
        let folder = first.rsplit_once('/').map_or("", |(folder, _)| folder);
        let listed = self.objects.list_with_delimiter(Some(&Path::from(folder))).await;
        let listed = listed.map_err(|e| StoreError::backend(folder, e))?;
        let mut sizes: Vec<u64> =
            listed.objects.iter().filter_map(|object| size_of(object.location.as_ref())).collect();
        sizes.sort_unstable();
        let sizes: Arc<[u64]> = sizes.into();
        if (group + 1) * GROUP <= published {
            let mut known = self.known();
            if known.groups.len() >= KEPT_MAX {
                known.groups.clear();
            }
            known.groups.insert(group, sizes.clone());
        }
        Ok(sizes)
    }

    async fn read(&self, size: u64) -> Result<Evidence, Problem> {
        let (tsr, seal) = futures::try_join!(self.get(timestamp_key(size)), self.get(seal_key(size)))?;
        let note = SignedData::parse(&seal).ok().and_then(|signed| signed.content.map(<[u8]>::to_vec));
        let note = note.and_then(|note| String::from_utf8(note).ok());
        let note = note.ok_or_else(|| corrupt(&seal_key(size), "cachet illisible"))?;
        let checkpoint = Checkpoint::open(&note, &self.origin, std::slice::from_ref(&self.key));
        match checkpoint {
            Ok(checkpoint) if checkpoint.size == size => Ok(Evidence { note, tsr, seal }),
            Ok(_) => Err(corrupt(&seal_key(size), "le cachet porte un autre point de contrôle")),
            Err(error) => Err(corrupt(&seal_key(size), &error.to_string())),
        }
    }

    async fn get(&self, key: String) -> Result<Bytes, Problem> {
        let found = self.objects.get(&Path::from(key.as_str())).await.map_err(|e| StoreError::backend(&key, e))?;
        if found.meta.size > PROOF_BYTES_MAX {
            return Err(corrupt(&key, "objet trop long"));
        }
        Ok(found.bytes().await.map_err(|e| StoreError::backend(&key, e))?)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size_of(location: &str) -> Option<u64> {
    let path = location.split_once("timestamp/")?.1.strip_suffix(".tsr")?;
    parse_group_path(path)
}

fn corrupt(key: &str, reason: &str) -> Problem {
    StoreError::corrupt(key, 0, reason).into()
}
