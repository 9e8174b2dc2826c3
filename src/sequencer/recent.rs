//! Idempotency digests of the newest entries, whoever wrote them: covers what the views have not read yet (I8).

use std::collections::{HashMap, VecDeque};

/// Enough for twenty seconds of full load; the views are at most a few seconds behind.
const RECENT_MAX: usize = 65_536;

/// Digest → index of the newest entries that carry one.
#[derive(Debug, Default)]
pub(super) struct Recent {
    by_digest: HashMap<[u8; 32], u64>,
    order: VecDeque<[u8; 32]>,
}

impl Recent {
    pub(super) fn insert(&mut self, digest: [u8; 32], index: u64) {
        if self.by_digest.insert(digest, index).is_some() {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_digest.remove(&oldest);
        }
    }

    pub(super) fn get(&self, digest: &[u8; 32]) -> Option<u64> {
        self.by_digest.get(digest).copied()
    }
}
