//! The buckets every promise of the store is proved on: memory, local disk, the in-process S3 server, and a real S3
//! server where `.ci/run` started one (`ARCHILAND_S3_ENDPOINT`, `_BUCKET`, `_ACCESS_KEY`, `_SECRET_KEY`).
#![allow(dead_code, unreachable_pub, clippy::panic, clippy::print_stderr, clippy::expect_used)]

use archiland::sequencer::head::{self, HeadStore};
use archiland::store::{Backend, S3Options, open_backend};
use archiland::testing::s3::{Options, S3Server};
use object_store::ObjectStore;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A bucket of its own for one test, and what keeps it alive.
pub struct Bucket {
    pub backend: Backend,
    pub objects: Arc<dyn ObjectStore>,
    pub heads: Arc<dyn HeadStore>,
    pub server: Option<S3Server>,
    _directory: Option<TempDir>,
}

impl Bucket {
    pub fn memory() -> Self {
        Self::open(Backend::Memory, None, None)
    }

    pub fn local() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self::open(Backend::Local(directory.path().join("bucket")), None, Some(directory))
    }

    /// On the in-process server.
    pub async fn s3(options: Options) -> Self {
        let server = S3Server::start(options).await.expect("a loopback port");
        let backend = s3_backend(&server.endpoint(), "archive", "", ("test", "test"));
        Self::open(backend, Some(server), None)
    }

    /// On the real server, under a prefix of its own; `None`, with a reason, where there is no server.
    ///
    /// # Panics
    ///
    /// Under `CI=true` without a server.
    pub fn real() -> Option<Self> {
        let variable = |name: &str| std::env::var(format!("ARCHILAND_S3_{name}")).ok();
        let Some(endpoint) = variable("ENDPOINT") else {
            let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!ci, "CI=true and ARCHILAND_S3_ENDPOINT is not set: .ci/run starts a server");
            eprintln!("skipped: no S3 server (ARCHILAND_S3_ENDPOINT is not set; required when CI=true)");
            return None;
        };
        let bucket = variable("BUCKET").unwrap_or_else(|| "archiland-ci".to_owned());
        let keys = (variable("ACCESS_KEY").unwrap_or_default(), variable("SECRET_KEY").unwrap_or_default());
        let prefix = uuid::Uuid::now_v7().to_string();
        Some(Self::open(s3_backend(&endpoint, &bucket, &prefix, (&keys.0, &keys.1)), None, None))
    }

    fn open(backend: Backend, server: Option<S3Server>, directory: Option<TempDir>) -> Self {
        let objects = open_backend(&backend).expect("a bucket");
        let heads = head::open(&backend, &objects);
        Self { backend, objects, heads, server, _directory: directory }
    }
}

fn s3_backend(endpoint: &str, bucket: &str, prefix: &str, (access, secret): (&str, &str)) -> Backend {
    Backend::S3(Box::new(S3Options {
        endpoint: endpoint.to_owned(),
        bucket: bucket.to_owned(),
        region: "us-east-1".to_owned(),
        prefix: prefix.to_owned(),
        access_key: access.to_owned(),
        secret_key: secret.to_owned(),
        allow_http: true,
        request_timeout: Duration::from_secs(20),
    }))
}
