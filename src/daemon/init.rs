//! `init`: a new archive with development keys, its operator, and the operator's first token.

use super::bucket::Bucket;
use super::error::DaemonError;
use super::lock::Lock;
use super::signer::KeyringSigner;
use crate::api::{administrative_record, fresh_secret, new_token};
use crate::clock::SharedClock;
use crate::config::{Config, FILE_NAME};
use crate::digest::sha256;
use crate::package::{Agency, Body, Scope};
use crate::sequencer::{Sequencer, SequencerOptions, Submission};
use crate::timestamp::{Intents, Keyring};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Code of the agency that operates the archive.
pub const OPERATOR: &str = "exploitant";

/// The administrator's first token, within the keys' folder: whoever reads it administers the archive.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";

const ACTOR: &str = "system:init";

/// What `init` made.
#[derive(Debug)]
pub struct Initialised {
    /// The configuration file.
    pub config_file: PathBuf,
    /// The administrator's secret, readable by its owner only.
    pub admin_token_file: PathBuf,
    /// The log's verifier key (C2SP).
    pub log_vkey: String,
}

/// Makes a development archive: keys in `config.keys`, the operator's agency and token as the first two records of the
/// log, then, last, `archiland.toml` in `config.base`. Nothing is ever overwritten.
pub async fn init(config: &Config, clock: SharedClock) -> Result<Initialised, DaemonError> {
    init_over(config, clock, Bucket::open(config)?).await
}

/// [`init`] over a bucket at hand.
pub async fn init_over(config: &Config, clock: SharedClock, bucket: Bucket) -> Result<Initialised, DaemonError> {
    let config_file = config.base.join(FILE_NAME);
    if config_file.exists() {
        return Err(DaemonError::Exists { path: config_file });
    }
    fs::create_dir_all(&config.base).map_err(|e| DaemonError::file(&config.base, e))?;
    let _lock = Lock::take(&config.state)?;
    let found = crate::sequencer::LogReader::new(bucket.objects.clone()).published().await?;
    if found.size > 0 {
        return Err(DaemonError::NotEmpty { size: found.size });
    }
    let keyring = Arc::new(Keyring::create_development(&config.keys, &config.archive.origin, &*clock)?);
    let log_vkey = keyring.log.vkey().to_string();
    // The secret is on disk before the record that makes it worth something.
    let secret = fresh_secret().map_err(|problem| DaemonError::FirstRecords(problem.detail))?;
    let admin_token_file = config.keys.join(ADMIN_TOKEN_FILE);
    write_new(&admin_token_file, format!("{secret}\n").as_bytes(), 0o600)?;
    first_records(config, clock, keyring, bucket, &secret).await?;
    write_new(&config_file, config.to_toml().as_bytes(), 0o644)?;
    Ok(Initialised { config_file, admin_token_file, log_vkey })
}

async fn first_records(
    config: &Config,
    clock: SharedClock,
    keyring: Arc<Keyring>,
    bucket: Bucket,
    secret: &str,
) -> Result<(), DaemonError> {
    let agency = Agency { code: OPERATOR.to_owned(), name: "Exploitant de l'archive".to_owned() };
    let scopes = vec![Scope::Deposit, Scope::Read, Scope::Audit, Scope::Admin];
    let token = new_token(sha256(secret.as_bytes()), scopes, format!("Premier jeton ({})", config.archive.log), None);
    let signer = Arc::new(KeyringSigner::new(keyring, clock.clone()).announcing(Arc::new(Intents::new(&config.state))));
    let (sequencer, task) = Sequencer::start(bucket.objects, bucket.heads, signer, SequencerOptions::default()).await?;
    for body in [Body::AgencyRegistered(agency), Body::TokenIssued(token)] {
        let record = administrative_record(OPERATOR, ACTOR, body, clock.now())
            .map_err(|problem| DaemonError::FirstRecords(problem.detail))?;
        let submission = Submission { record: record.into(), idempotency: None };
        sequencer.submit(submission).await.map_err(|e| DaemonError::FirstRecords(e.to_string()))?;
    }
    drop(sequencer);
    task.await.map_err(|e| DaemonError::Task(e.to_string()))
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), DaemonError> {
    let written = OpenOptions::new().create_new(true).write(true).mode(mode).open(path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(|e| DaemonError::file(path, e))
}
