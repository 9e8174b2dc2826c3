//! Storing one payload as it streams in: small ones in memory until their pack, large ones straight to the bucket.

use super::compress::compress;
use super::large::LargeUpload;
use super::{Store, StoreError};
use crate::digest::Digests;
use crate::package::Location;
use bytes::{Bytes, BytesMut};

/// Above this size, digests and compression leave the async thread.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// What is known of a payload once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPayload {
    /// Digests of the original bytes.
    pub digests: Digests,
    /// Length in bytes of the original.
    pub size_bytes: u64,
    /// Where the bytes are.
    pub location: Location,
}

/// Takes a payload's bytes in order. Dropping it before [`PayloadWriter::finish`] leaves nothing behind.
#[must_use]
#[derive(Debug)]
pub struct PayloadWriter {
    store: Store,
    agency: String,
    rule: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Small(BytesMut),
    Large(Box<LargeUpload>),
}

impl PayloadWriter {
    pub(super) fn new(store: Store, agency: String, rule: String) -> Self {
        Self { store, agency, rule, state: State::Small(BytesMut::new()) }
    }

    /// Takes the next bytes; waits when the store is slower than the sender.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        match &mut self.state {
            State::Small(buffer) if buffer.len() + chunk.len() < self.store.options.small_bytes_max => {
                buffer.extend_from_slice(&chunk);
                Ok(())
            }
            State::Small(buffer) => {
                let begun = std::mem::take(buffer);
                let mut large = Box::new(LargeUpload::start(&self.store, &self.agency));
                large.write(begun.freeze()).await?;
                large.write(chunk).await?;
                self.state = State::Large(large);
                Ok(())
            }
            State::Large(large) => large.write(chunk).await,
        }
    }

    /// Ends the payload without making it durable: what has passed can be judged first. See [`SealedPayload::store`].
    pub async fn seal(self) -> Result<SealedPayload, StoreError> {
        let Self { store, agency, rule, state } = self;
        Ok(match state {
            State::Small(buffer) => {
                let content = buffer.freeze();
                let size_bytes = content.len() as u64;
                let prepared = if content.len() <= INLINE_BYTES_MAX {
                    prepare(&content)
                } else {
                    tokio::task::spawn_blocking(move || prepare(&content)).await.map_err(|_| StoreError::Closed)?
                };
                let (digests, frame) = prepared.map_err(|e| StoreError::corrupt("payload", 0, e.to_string()))?;
                SealedPayload { digests, size_bytes, state: Sealed::Small { store, agency, rule, frame } }
            }
            State::Large(mut large) => {
                let (digests, size_bytes) = large.seal().await?;
                SealedPayload { digests, size_bytes, state: Sealed::Large(large) }
            }
        })
    }

    /// Seals and stores: returns once the payload is durable.
    pub async fn finish(self) -> Result<StoredPayload, StoreError> {
        self.seal().await?.store().await
    }
}

/// A payload that has passed whole and is not durable yet. Dropping it leaves nothing behind.
#[must_use]
#[derive(Debug)]
pub struct SealedPayload {
    digests: Digests,
    size_bytes: u64,
    state: Sealed,
}

#[derive(Debug)]
enum Sealed {
    Small { store: Store, agency: String, rule: String, frame: Vec<u8> },
    Large(Box<LargeUpload>),
}

impl Store {
    /// A small payload whose digests are known, sealed at once: they are not computed again. Compresses: call it off the
    /// runtime for many. Fails for one of `small_bytes_max` or more, which streams.
    pub fn known(
        &self,
        agency: &str,
        rule: &str,
        content: &[u8],
        digests: Digests,
    ) -> Result<SealedPayload, StoreError> {
        if content.len() >= self.options.small_bytes_max {
            return Err(StoreError::Usage("document trop grand pour un paquet"));
        }
        let PayloadWriter { store, agency, rule, .. } = self.payload(agency, rule)?;
        let frame = compress(content).map_err(|e| StoreError::corrupt("payload", 0, e.to_string()))?;
        let size_bytes = content.len() as u64;
        Ok(SealedPayload { digests, size_bytes, state: Sealed::Small { store, agency, rule, frame } })
    }
}

impl SealedPayload {
    /// Digests of the original bytes.
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// Length in bytes of the original.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns once the payload is durable. A small one waits for its pack: store several together, not in turn.
    pub async fn store(self) -> Result<StoredPayload, StoreError> {
        let Self { digests, size_bytes, state } = self;
        let location = match state {
            Sealed::Small { store, agency, rule, frame } => {
                store.packer.store(&agency, &rule, digests.sha256, size_bytes, frame).await?
            }
            Sealed::Large(large) => large.store().await?,
        };
        Ok(StoredPayload { digests, size_bytes, location })
    }
}

fn prepare(content: &[u8]) -> std::io::Result<(Digests, Vec<u8>)> {
    Ok((Digests::of(content), compress(content)?))
}
