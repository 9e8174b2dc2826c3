//! The bucket behind the store: a local directory, an S3-compatible service, or memory for tests.

use super::local::LocalBucket;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Which bucket.
#[derive(Debug, Clone)]
pub enum Backend {
    /// A directory, laid out exactly as on S3; every write is synced before it is acknowledged.
    Local(PathBuf),
    /// An S3-compatible service.
    S3(Box<S3Options>),
    /// Memory: tests only, nothing survives.
    Memory,
}

/// An S3-compatible bucket.
#[derive(Clone)]
pub struct S3Options {
    /// `https://…` of the service, without the bucket.
    pub endpoint: String,
    /// Bucket name.
    pub bucket: String,
    /// Region, `us-east-1` where the service has none.
    pub region: String,
    /// Prefix of every key; empty for none.
    pub prefix: String,
    /// Access key identifier.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: String,
    /// Accept `http://` (loopback and closed networks only).
    pub allow_http: bool,
    /// Longest wait for one HTTP request.
    pub request_timeout: Duration,
}

impl std::fmt::Debug for S3Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The keys stay out of logs.
        write!(f, "S3Options({}/{}/{})", self.endpoint, self.bucket, self.prefix)
    }
}

/// Why a bucket cannot be opened.
#[derive(Debug, Error)]
pub enum BackendError {
    /// The directory cannot be made or read.
    #[error("dossier de stockage « {path} » inutilisable : {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The service's settings are refused.
    #[error("réglages du stockage refusés : {0}")]
    Settings(#[from] object_store::Error),
}

/// Opens the bucket; an S3 service is not contacted yet.
pub fn open(backend: &Backend) -> Result<Arc<dyn ObjectStore>, BackendError> {
    match backend {
        Backend::Local(path) => {
            let unusable = |source| BackendError::Directory { path: path.clone(), source };
            std::fs::create_dir_all(path).map_err(unusable)?;
            Ok(Arc::new(LocalBucket::new(path)?))
        }
        Backend::S3(options) => open_s3(options),
        Backend::Memory => Ok(Arc::new(InMemory::new())),
    }
}

fn open_s3(options: &S3Options) -> Result<Arc<dyn ObjectStore>, BackendError> {
    // The HTTP client wants one even for plain HTTP. Refused when there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = ClientOptions::new()
        .with_allow_http(options.allow_http)
        .with_timeout(options.request_timeout)
        .with_connect_timeout(Duration::from_secs(5))
        .with_pool_max_idle_per_host(64);
    // Retries stay short: the commit protocol re-reads and decides by itself.
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(2),
            ..BackoffConfig::default()
        },
        max_retries: 4,
        retry_timeout: options.request_timeout,
    };
    let s3 = AmazonS3Builder::new()
        .with_endpoint(&options.endpoint)
        .with_bucket_name(&options.bucket)
        .with_region(&options.region)
        .with_access_key_id(&options.access_key)
        .with_secret_access_key(&options.secret_key)
        .with_allow_http(options.allow_http)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_client_options(client)
        .with_retry(retry)
        .build()?;
    if options.prefix.is_empty() {
        return Ok(Arc::new(s3));
    }
    Ok(Arc::new(PrefixStore::new(s3, options.prefix.as_str())))
}
