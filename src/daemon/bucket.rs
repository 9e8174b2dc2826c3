//! From the configuration to the bucket.

use super::error::DaemonError;
use crate::config::{Config, S3Config, StoreConfig};
use crate::sequencer::head::{self, HeadStore};
use crate::store::{Backend, BackendError, S3Options, open_backend};
use object_store::ObjectStore;
use std::sync::Arc;

/// Objects, and the compare-and-swap that goes with them.
#[derive(Clone)]
pub struct Bucket {
    /// The objects.
    pub objects: Arc<dyn ObjectStore>,
    /// The head of the log.
    pub heads: Arc<dyn HeadStore>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({})", self.objects)
    }
}

impl Bucket {
    /// Opens the bucket of a configuration; an S3 server is not contacted yet.
    pub fn open(config: &Config) -> Result<Self, DaemonError> {
        let backend = backend(config)?;
        let objects = open_backend(&backend)?;
        let heads = head::open(&backend, &objects);
        Ok(Self { objects, heads })
    }
}

/// The objects of a configuration's bucket, to read.
pub fn open_bucket(config: &Config) -> Result<Arc<dyn ObjectStore>, DaemonError> {
    Ok(open_backend(&backend(config)?)?)
}

fn backend(config: &Config) -> Result<Backend, DaemonError> {
    Ok(match &config.store {
        StoreConfig::Local { path } => Backend::Local(path.clone()),
        StoreConfig::Memory => Backend::Memory,
        StoreConfig::S3(s3) => Backend::S3(Box::new(options(s3)?)),
    })
}

fn options(s3: &S3Config) -> Result<S3Options, DaemonError> {
    let missing = || {
        let source = "clés d'accès absentes : access_key_file et secret_key_file, ou justificatifs systemd".into();
        BackendError::Settings(object_store::Error::Generic { store: "S3", source })
    };
    let (access_key, secret_key) = s3.keys()?.ok_or_else(missing)?;
    // A client of object_store needs the process to have a TLS provider; another part may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(S3Options {
        endpoint: s3.endpoint.clone(),
        bucket: s3.bucket.clone(),
        region: s3.region.clone(),
        prefix: s3.prefix.clone(),
        access_key,
        secret_key,
        allow_http: s3.allow_http,
        request_timeout: s3.request_time_max(),
    })
}
