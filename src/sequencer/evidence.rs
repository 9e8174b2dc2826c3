//! Finding the evidence of a batch again: the seal carries the signed note, so that two objects tell all.

use super::batch::Evidence;
use super::reader::located;
use super::state::get;
use super::{LogError, LogReader};
use crate::spec::cms::SignedData;
use crate::store::{StoreError, seal_key, timestamp_key};
use object_store::ObjectStore;
use object_store::path::Path;

/// Groups of three digits in the largest log size.
const GROUPS_MAX: u32 = 7;

/// The evidence of the batch that brought an entry into the log.
#[derive(Debug, Clone)]
pub struct PublishedEvidence {
    /// Size of the log at that checkpoint.
    pub size: u64,
    /// The checkpoint, its token and its seal.
    pub evidence: Evidence,
}

impl LogReader {
    /// The evidence of the batch that brought entry `index` into the log: the first checkpoint that covers it.
    pub async fn evidence_for(&self, index: u64) -> Result<Option<PublishedEvidence>, LogError> {
        let Some(size) = self.size_above("log/seal", ".p7s", index).await? else { return Ok(None) };
        let (seal, tsr) = futures::try_join!(async { get(&*self.objects, &seal_key(size)).await }, async {
            get(&*self.objects, &timestamp_key(size)).await
        },)?;
        let note = sealed_note(&seal).ok_or_else(|| located(&seal_key(size), "sceau illisible"))?;
        Ok(Some(PublishedEvidence { size, evidence: Evidence { note, tsr, seal } }))
    }

    /// The smallest log size above `index` that names an object in `root`, where names are sizes in groups of three
    /// digits: at most one folder of a thousand names per group is listed.
    pub async fn size_above(&self, root: &str, suffix: &str, index: u64) -> Result<Option<u64>, LogError> {
        for groups in 1..=GROUPS_MAX {
            let first = if groups == 1 { 0 } else { 1000u64.pow(groups - 1) };
            let end = 1000u64.checked_pow(groups).unwrap_or(u64::MAX);
            if index + 1 < end
                && let Some(size) = self.size_in(root.to_owned(), suffix, groups, 0, first.max(index + 1)).await?
            {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }

    /// The largest log size that names an object in `root`.
    pub async fn last_size(&self, root: &str, suffix: &str) -> Result<Option<u64>, LogError> {
        for groups in (1..=GROUPS_MAX).rev() {
            if let Some(size) = self.last_in(root.to_owned(), suffix, groups, 0).await? {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }

    /// The largest size below a folder; `groups` groups are still to come after `prefix_value`.
    async fn last_in(
        &self,
        folder: String,
        suffix: &str,
        groups: u32,
        prefix_value: u64,
    ) -> Result<Option<u64>, LogError> {
        let listed = self
            .objects
            .list_with_delimiter(Some(&Path::from(folder.as_str())))
            .await
            .map_err(|e| StoreError::backend(&folder, e))?;
        let value = |name: &str| name.parse::<u64>().ok().map(|n| prefix_value.saturating_mul(1000).saturating_add(n));
        if groups == 1 {
            let sizes = listed.objects.iter().filter_map(|o| o.location.filename()?.strip_suffix(suffix));
            return Ok(sizes.filter_map(value).max());
        }
        let names = listed.common_prefixes.iter().filter_map(|p| p.filename()?.strip_prefix('x'));
        let mut values: Vec<u64> = names.filter_map(value).collect();
        values.sort_unstable();
        for folder_value in values.into_iter().rev() {
            let below = format!("{folder}/x{:03}", folder_value % 1000);
            if let Some(size) = Box::pin(self.last_in(below, suffix, groups - 1, folder_value)).await? {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }

    /// The smallest size at or above `at_least` below a folder; `groups` groups are still to come after `prefix_value`.
    async fn size_in(
        &self,
        folder: String,
        suffix: &str,
        groups: u32,
        prefix_value: u64,
        at_least: u64,
    ) -> Result<Option<u64>, LogError> {
        let listed = self
            .objects
            .list_with_delimiter(Some(&Path::from(folder.as_str())))
            .await
            .map_err(|e| StoreError::backend(&folder, e))?;
        let scale = 1000u64.checked_pow(groups - 1).unwrap_or(u64::MAX);
        let value = |name: &str| name.parse::<u64>().ok().map(|n| prefix_value.saturating_mul(1000).saturating_add(n));
        if groups == 1 {
            let sizes = listed.objects.iter().filter_map(|o| o.location.filename()?.strip_suffix(suffix));
            return Ok(sizes.filter_map(value).filter(|&size| size >= at_least).min());
        }
        let names = listed.common_prefixes.iter().filter_map(|p| p.filename()?.strip_prefix('x'));
        let mut values: Vec<u64> = names.filter_map(value).filter(|&v| v >= at_least / scale).collect();
        values.sort_unstable();
        for folder_value in values {
            let below = format!("{folder}/x{:03}", folder_value % 1000);
            if let Some(size) = Box::pin(self.size_in(below, suffix, groups - 1, folder_value, at_least)).await? {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }
}

/// The signed note inside a seal.
fn sealed_note(seal: &[u8]) -> Option<String> {
    let content = SignedData::parse(seal).ok()?.content?;
    String::from_utf8(content.to_vec()).ok()
}
