//! A bucket that fails on purpose: each request to it asks a plan what shall become of it.
#![allow(clippy::unwrap_used)]

use archiland::sequencer::head::{HeadStore, Swap, Version};
use archiland::store::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It works.
    Works,
    /// It works after a while.
    Slow(Duration),
    /// An error, and nothing was done.
    Fails,
    /// It was done, and the answer is an error.
    AnswerLost,
    /// It was done twice; the second answer is given.
    Twice,
    /// An error now; it is done after a while.
    LandsLate(Duration),
    /// A read of a cell gives what this node read there before the last change it saw.
    Stale,
    /// The node dies before the request leaves.
    CrashBefore,
    /// The node dies after the request was done.
    CrashAfter,
}

/// Decides the fate of requests.
pub trait Plan: Send + Sync + 'static {
    /// `write` tells whether the request changes anything.
    fn fate(&self, operation: &'static str, key: &str, write: bool) -> Fate;

    /// Called when the node is to die; the request never answers.
    fn crash(&self);

    /// Called after each object has changed in the bucket.
    fn written(&self, _key: &str) {}
}

/// The bucket as one node sees it.
#[derive(Clone)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    plan: Arc<dyn Plan>,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn ObjectStore>, plan: Arc<dyn Plan>) -> Self {
        Self { inner, plan }
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

fn injected() -> Error {
    Error::Generic { store: "faulty", source: "injected".into() }
}

/// Applies a fate to a request that can be made again.
async fn meet<T, F>(plan: &dyn Plan, fate: Fate, request: impl Fn() -> F, late: impl FnOnce(Duration)) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    match fate {
        Fate::Works | Fate::Stale => request().await,
        Fate::Slow(wait) => {
            sleep(wait).await;
            request().await
        }
        Fate::Fails => Err(injected()),
        Fate::AnswerLost => {
            let _ = request().await;
            Err(injected())
        }
        Fate::Twice => {
            let _ = request().await;
            request().await
        }
        Fate::LandsLate(wait) => {
            late(wait);
            Err(injected())
        }
        Fate::CrashBefore => {
            plan.crash();
            futures::future::pending().await
        }
        Fate::CrashAfter => {
            let _ = request().await;
            plan.crash();
            futures::future::pending().await
        }
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fate = self.plan.fate("put", location.as_ref(), true);
        let request = || async {
            let done = self.inner.put_opts(location, payload.clone(), options.clone()).await;
            if done.is_ok() {
                self.plan.written(location.as_ref());
            }
            done
        };
        let late = |wait| {
            let (this, location, payload, options) = (self.clone(), location.clone(), payload.clone(), options.clone());
            tokio::spawn(async move {
                sleep(wait).await;
                if this.inner.put_opts(&location, payload, options).await.is_ok() {
                    this.plan.written(location.as_ref());
                }
            });
        };
        meet(&*self.plan, fate, request, late).await
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let fate = self.plan.fate("multipart", at.as_ref(), true);
        meet(&*self.plan, fate, || self.inner.put_multipart_opts(at, options.clone()), |_| {}).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fate = self.plan.fate("get", location.as_ref(), false);
        meet(&*self.plan, fate, || self.inner.get_opts(location, options.clone()), |_| {}).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let deletions = locations.and_then(move |location| {
            let this = this.clone();
            async move {
                let fate = this.plan.fate("delete", location.as_ref(), true);
                let request = || async { this.inner.delete(&location).await };
                meet(&*this.plan, fate, request, |_| {}).await.map(|()| location.clone())
            }
        });
        deletions.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.plan.fate("list", prefix.map_or("", AsRef::as_ref), false) {
            Fate::Works | Fate::Slow(_) | Fate::Twice => self.inner.list(prefix),
            _ => stream::once(async { Err(injected()) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let fate = self.plan.fate("list", prefix.map_or("", AsRef::as_ref), false);
        meet(&*self.plan, fate, || self.inner.list_with_delimiter(prefix), |_| {}).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// The compare-and-swap cells as one node sees them.
#[derive(Clone)]
pub struct FaultyHeads {
    inner: Arc<dyn HeadStore>,
    plan: Arc<dyn Plan>,
    /// By key, what this node read last and what it had read before that.
    seen: Arc<Mutex<HashMap<String, [Cell; 2]>>>,
}

type Cell = Option<(Bytes, Version)>;

impl FaultyHeads {
    pub fn new(inner: Arc<dyn HeadStore>, plan: Arc<dyn Plan>) -> Self {
        Self { inner, plan, seen: Arc::default() }
    }

    fn remember(&self, key: &str, found: &Cell) {
        let mut seen = self.seen.lock().unwrap();
        let [last, before] = seen.entry(key.to_owned()).or_default();
        if last != found {
            *before = std::mem::replace(last, found.clone());
        }
    }
}

fn backend(error: StoreError) -> Error {
    Error::Generic { store: "faulty", source: Box::new(error) }
}

fn store(key: &str, error: Error) -> StoreError {
    StoreError::Backend { key: key.to_owned(), source: Arc::new(error) }
}

#[async_trait]
impl HeadStore for FaultyHeads {
    async fn read(&self, key: &str) -> std::result::Result<Option<(Bytes, Version)>, StoreError> {
        let fate = self.plan.fate("read", key, false);
        if fate == Fate::Stale
            && let Some([_, before]) = self.seen.lock().unwrap().get(key)
        {
            return Ok(before.clone());
        }
        let request = || async { self.inner.read(key).await.map_err(backend) };
        let found = meet(&*self.plan, fate, request, |_| {}).await.map_err(|e| store(key, e))?;
        self.remember(key, &found);
        Ok(found)
    }

    async fn swap(
        &self,
        key: &str,
        expected: Option<&Version>,
        content: Bytes,
    ) -> std::result::Result<Swap, StoreError> {
        let fate = self.plan.fate("swap", key, true);
        let request = || async {
            let done = self.inner.swap(key, expected, content.clone()).await.map_err(backend);
            if matches!(done, Ok(Swap::Taken)) {
                self.plan.written(key);
            }
            done
        };
        let late = |wait| {
            let (this, key, expected, content) = (self.clone(), key.to_owned(), expected.cloned(), content.clone());
            tokio::spawn(async move {
                sleep(wait).await;
                if matches!(this.inner.swap(&key, expected.as_ref(), content).await, Ok(Swap::Taken)) {
                    this.plan.written(&key);
                }
            });
        };
        meet(&*self.plan, fate, request, late).await.map_err(|e| store(key, e))
    }
}
