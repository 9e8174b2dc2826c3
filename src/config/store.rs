//! `[store]`: where the bucket is.

use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// A folder of the local disk, laid out exactly as on S3; fsync on.
    Local {
        /// The folder.
        path: PathBuf,
    },
    /// An S3 server with conditional writes.
    S3(S3Config),
    /// Memory: tests only, everything is lost at the end.
    Memory,
}

/// An S3 server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// URL of the server, `https://s3.example.fr`.
    pub endpoint: String,
    /// The bucket, which must exist.
    pub bucket: String,
    /// The region, as the server names it.
    #[serde(default = "default_region")]
    pub region: String,
    /// Prefix of every key; empty for the whole bucket.
    #[serde(default)]
    pub prefix: String,
    /// File holding the access key; else the systemd credential `s3-access-key`.
    #[serde(default)]
    pub access_key_file: Option<PathBuf>,
    /// File holding the secret key; else the systemd credential `s3-secret-key`.
    #[serde(default)]
    pub secret_key_file: Option<PathBuf>,
    /// Accept `http://` (a server on the same machine or a test).
    #[serde(default)]
    pub allow_http: bool,
    /// A request to the server takes this long at most, retries excepted.
    #[serde(default = "default_request_ms")]
    pub request_ms_max: u64,
    /// A connection opens within this time.
    #[serde(default = "default_connect_ms")]
    pub connect_ms_max: u64,
}

/// The section as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    kind: Kind,
    #[serde(default)]
    path: Option<PathBuf>,
    #[serde(default)]
    s3: Option<S3Config>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Local,
    S3,
    Memory,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

const fn default_request_ms() -> u64 {
    30_000
}

const fn default_connect_ms() -> u64 {
    5_000
}

impl S3Config {
    /// A server with the default region and time-outs; `http://` is allowed when the endpoint says so.
    pub fn new(endpoint: &str, bucket: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            region: default_region(),
            prefix: String::new(),
            access_key_file: None,
            secret_key_file: None,
            allow_http: endpoint.starts_with("http://"),
            request_ms_max: default_request_ms(),
            connect_ms_max: default_connect_ms(),
        }
    }

    /// [`S3Config::request_ms_max`] as a duration.
    pub fn request_time_max(&self) -> Duration {
        Duration::from_millis(self.request_ms_max)
    }

    /// [`S3Config::connect_ms_max`] as a duration.
    pub fn connect_time_max(&self) -> Duration {
        Duration::from_millis(self.connect_ms_max)
    }

    /// The access and secret keys, from their files or the systemd credentials; `None` when neither is configured.
    pub fn keys(&self) -> Result<Option<(String, String)>, super::ConfigError> {
        let access = super::secret(self.access_key_file.as_deref(), "s3-access-key")?;
        let secret = super::secret(self.secret_key_file.as_deref(), "s3-secret-key")?;
        Ok(access.zip(secret))
    }

    fn checked(mut self, base: &Path) -> Result<Self, String> {
        let secure = self.endpoint.starts_with("https://");
        if !secure && !self.endpoint.starts_with("http://") {
            return Err("s3.endpoint doit commencer par https:// (ou http:// avec allow_http = true)".into());
        }
        if !secure && !self.allow_http {
            return Err("s3.endpoint est en http:// : ajoutez allow_http = true si c'est voulu".into());
        }
        if self.bucket.is_empty() {
            return Err("s3.bucket est vide".into());
        }
        if self.prefix.split('/').any(|part| matches!(part, "." | "..")) {
            return Err("s3.prefix ne peut contenir « . » ni « .. »".into());
        }
        self.access_key_file = self.access_key_file.map(|p| base.join(p));
        self.secret_key_file = self.secret_key_file.map(|p| base.join(p));
        Ok(self)
    }
}

impl File {
    pub(super) fn checked(self, base: &Path) -> Result<StoreConfig, String> {
        match (self.kind, self.path, self.s3) {
            (Kind::Local, path, None) => {
                Ok(StoreConfig::Local { path: base.join(path.unwrap_or_else(|| "bucket".into())) })
            }
            (Kind::S3, None, Some(s3)) => Ok(StoreConfig::S3(s3.checked(base)?)),
            (Kind::Memory, None, None) => Ok(StoreConfig::Memory),
            (Kind::Local, _, Some(_)) => Err("kind = \"local\" ne va pas avec [store.s3]".into()),
            (Kind::S3, _, None) => Err("kind = \"s3\" demande une section [store.s3]".into()),
            (Kind::S3, Some(_), Some(_)) => Err("kind = \"s3\" ne va pas avec store.path".into()),
            (Kind::Memory, ..) => Err("kind = \"memory\" (tests) n'a pas d'autre réglage".into()),
        }
    }
}
