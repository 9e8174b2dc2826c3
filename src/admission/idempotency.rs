//! Same deposit, same receipt (invariant I8): the key's hash, and deposits of one key taking turns on this node.
//!
//! Between the moment a deposit is committed and the moment the catalog has followed the log, the answer is kept here;
//! between two nodes, the sequencer meets the other's record at the rebase.

use ring::digest::{Context, SHA256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// The hash of an idempotency key.
pub type KeyHash = [u8; 32];

/// SHA-256 of `agency ‖ 0x00 ‖ key`: two agencies may use the same key.
pub fn key_hash(agency: &str, key: &str) -> KeyHash {
    let mut context = Context::new(&SHA256);
    context.update(agency.as_bytes());
    context.update(&[0]);
    context.update(key.as_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// Whether a text may be an idempotency key: 1 to 255 visible ASCII characters.
pub fn key_is_valid(key: &[u8]) -> bool {
    (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic)
}

/// What became of an earlier deposit with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// Its place in the log.
    pub index: u64,
    /// The hash of its content.
    pub content: [u8; 32],
}

/// Deposits with a key that are under way or just committed on this node.
#[derive(Debug, Clone, Default)]
pub struct InFlight {
    turns: Arc<Mutex<Turns>>,
}

#[derive(Debug, Default)]
struct Turns {
    keys: HashMap<KeyHash, Arc<AsyncMutex<Option<Earlier>>>>,
    /// Entries with an answer, in the order they were given.
    answered: std::collections::VecDeque<(u64, KeyHash)>,
    /// The catalog knows every answer below this index.
    followed: u64,
}

/// A turn: until it is dropped, no other deposit with this key goes on.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    in_flight: InFlight,
    key: KeyHash,
    /// Taken at drop only.
    answer: Option<OwnedMutexGuard<Option<Earlier>>>,
}

impl InFlight {
    /// Waits for the deposits with this key that came before.
    pub async fn turn(&self, key: KeyHash) -> Turn {
        let cell = self.lock().keys.entry(key).or_default().clone();
        let answer = cell.lock_owned().await;
        Turn { in_flight: self.clone(), key, answer: Some(answer) }
    }

    /// Forgets the answers that the catalog gives from now on: those below `size`.
    pub fn followed(&self, size: u64) {
        let mut turns = self.lock();
        turns.followed = turns.followed.max(size);
        while let Some(&(index, key)) = turns.answered.front()
            && index < size
        {
            turns.answered.pop_front();
            turns.forget_idle(&key);
        }
    }

    /// How many keys are held.
    pub fn len(&self) -> usize {
        self.lock().keys.len()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    /// The only owner left is this map: nobody has the turn, nobody waits for it.
    fn forget_idle(&mut self, key: &KeyHash) {
        if self.keys.get(key).is_some_and(|cell| Arc::strong_count(cell) == 1) {
            self.keys.remove(key);
        }
    }
}

impl Turn {
    /// The deposit that this node has committed under the key, when the catalog may not know it yet.
    pub fn earlier(&self) -> Option<Earlier> {
        self.answer.as_ref().and_then(|answer| **answer)
    }

    /// Says what became of the deposit; kept until the catalog has followed.
    pub fn answered(mut self, earlier: Earlier) {
        if let Some(answer) = &mut self.answer {
            **answer = Some(earlier);
        }
        self.in_flight.lock().answered.push_back((earlier.index, self.key));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let earlier = self.earlier();
        self.answer = None;
        let mut turns = self.in_flight.lock();
        if earlier.is_none_or(|earlier| earlier.index < turns.followed) {
            turns.forget_idle(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agencies_do_not_share_keys() {
        assert_ne!(key_hash("a", "k"), key_hash("b", "k"));
        assert_ne!(key_hash("ab", "c"), key_hash("a", "bc"));
        assert!(!key_is_valid(b"") && !key_is_valid(b"a b") && !key_is_valid(&[b'x'; 256]) && key_is_valid(b"k-1"));
    }

    #[tokio::test]
    async fn the_second_waits_and_sees_the_first() {
        let in_flight = InFlight::default();
        let key = key_hash("a", "k");
        let first = in_flight.turn(key).await;
        let second = tokio::spawn({
            let in_flight = in_flight.clone();
            async move { in_flight.turn(key).await.earlier() }
        });
        tokio::task::yield_now().await;
        let answer = Earlier { index: 7, content: [1; 32] };
        first.answered(answer);
        assert_eq!(second.await.ok().flatten(), Some(answer));
        assert_eq!(in_flight.len(), 1);
        in_flight.followed(7);
        assert_eq!(in_flight.len(), 1);
        in_flight.followed(8);
        assert!(in_flight.is_empty());
    }

    #[tokio::test]
    async fn a_failed_deposit_leaves_nothing() {
        let in_flight = InFlight::default();
        drop(in_flight.turn([0; 32]).await);
        assert!(in_flight.is_empty());
    }
}
