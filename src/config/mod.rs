//! The configuration: one TOML file, typed, unknown keys refused, every error located and said in French.
//!
//! Relative paths are relative to the folder of the file. Secrets never stand in the file: a `*_file` key names the file
//! that holds them, or systemd passes them as credentials (`$CREDENTIALS_DIRECTORY`).

mod error;
mod keys;
mod limits;
mod producers;
mod store;
mod template;
mod timestamp;
mod trust;

pub use error::ConfigError;
pub(crate) use error::in_french;
pub use keys::{PKCS11_TIMEOUT_MS, Pkcs11Config, WARN_DAYS};
pub use limits::{BODY_BYTES_CEILING, Limits};
pub use producers::{Allowed, ArchivedFiles, Producers, Watched, Webhook};
pub use store::{S3Config, StoreConfig};
pub use timestamp::{ClockConfig, ExternalConfig, ExternalMode, ExternalTsaConfig, Timestamp};
pub use trust::TrustFetch;

use crate::package::Ark;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The name of the configuration file within an archive's folder.
pub const FILE_NAME: &str = "archiland.toml";

/// Everything the daemon is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Folder that relative paths are relative to (that of the file).
    pub base: PathBuf,
    /// Who the archive is.
    pub archive: Archive,
    /// Where the bucket is.
    pub store: StoreConfig,
    /// Folder of the views, the lock and the address of the running daemon; can be deleted when the daemon is stopped.
    pub state: PathBuf,
    /// Folder of the keys.
    pub keys: PathBuf,
    /// The time-stamping authority.
    pub timestamp: Timestamp,
    /// Days before the end of a certificate from which it is an alarm.
    pub key_warn_days: u32,
    /// The module that holds private keys, if any does.
    pub pkcs11: Option<Pkcs11Config>,
    /// Evidence records.
    pub evidence: Evidence,
    /// What SEDA transfers go through.
    pub transfers: TransfersConfig,
    /// Who cosigns our checkpoints.
    pub witness: WitnessConfig,
    /// The HTTP edge.
    pub http: Http,
    /// Télétransmission to Hélios.
    pub helios: Helios,
    /// Who deposits by which producer profile.
    pub producers: Producers,
    /// A limit on everything.
    pub limits: Limits,
    /// Files that replace the embedded policies.
    pub policies: Policies,
    /// What may be fetched for the validation of signatures.
    pub trust: TrustFetch,
}

/// Who the archive is: these three names are in every identifier and checkpoint, and never change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Name-assigning authority number of the ARKs; `99999` is reserved for tests.
    pub naan: String,
    /// Short name of the log within the ARKs (betanumeric).
    pub log: String,
    /// Origin line of the checkpoints and name of the log key (C2SP: unique, schema-less URL).
    pub origin: String,
}

/// Who cosigns our checkpoints (C2SP tlog-witness).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WitnessConfig {
    /// The policy (C2SP tlog-policy): witnesses, where they are, how many are wanted; nobody is asked without.
    pub policy: Option<PathBuf>,
    /// Whether receipts wait for the quorum.
    pub mode: WitnessMode,
    /// Between two checkpoints cosigned, in seconds; without effect where receipts wait.
    pub every_s: u64,
}

/// Whether receipts wait for the quorum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WitnessMode {
    /// Receipts are given at once; those fetched later carry the cosignatures.
    #[default]
    Open,
    /// No receipt is given before the quorum has cosigned.
    Closed,
}

impl Default for WitnessConfig {
    fn default() -> Self {
        Self { policy: None, mode: WitnessMode::Open, every_s: 10 }
    }
}

/// Télétransmission to Hélios.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Helios {
    /// What becomes of the files.
    pub mode: HeliosMode,
}

/// What becomes of the files for Hélios.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeliosMode {
    /// They are archived, and nobody is told that they were transmitted.
    #[default]
    Archive,
    /// For tests: answers are made up, and everything says so.
    Sandbox,
}

/// Evidence records (RFC 4998).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// After a new checkpoint, how many seconds more archives are waited for before their tree is stamped.
    pub every_s: u64,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { every_s: 5 }
    }
}

/// What SEDA transfers go through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransfersConfig {
    /// The antivirus: `host:port`, or the path of clamd's socket. A transfer waits while it does not answer.
    pub clamd: Option<String>,
    /// What the archive calls itself in messages (`ArchivalAgency`); its origin where nothing is said.
    pub identifier: Option<String>,
    /// The authority that gives visas (`ControlAuthority`): the departmental archives, most often.
    pub control_authority: Option<String>,
}

/// The HTTP edge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address and port to listen on.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// TLS; without it the daemon belongs behind a reverse proxy or on loopback.
    #[serde(default)]
    pub tls: Option<Tls>,
}

/// TLS by rustls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM certificate chain, leaf first.
    pub certificate: PathBuf,
    /// PEM private key (PKCS#8, SEC1 or PKCS#1).
    pub key: PathBuf,
    /// PEM authorities whose client certificates are accepted (optional mutual TLS).
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// Files that replace the embedded policies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// Retention rules, in the form of `policies/retention.toml`.
    #[serde(default)]
    pub retention: Option<PathBuf>,
    /// Document types, in the form of `policies/document-types.toml`.
    #[serde(default)]
    pub document_types: Option<PathBuf>,
    /// When evidence is renewed, in the form of `policies/renewal.toml`.
    #[serde(default)]
    pub renewal: Option<PathBuf>,
    /// Signature validation, in the form of `policies/signature.toml`.
    #[serde(default)]
    pub signature: Option<PathBuf>,
    /// Folder of trust anchors, trusted lists and revocation data, in the form of `certs/`.
    #[serde(default)]
    pub certificates: Option<PathBuf>,
}

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    archive: Archive,
    store: store::File,
    #[serde(default)]
    state: Folder<State>,
    #[serde(default)]
    keys: keys::File,
    #[serde(default)]
    timestamp: Timestamp,
    #[serde(default)]
    evidence: Evidence,
    #[serde(default)]
    transfers: TransfersConfig,
    #[serde(default)]
    witness: WitnessConfig,
    #[serde(default)]
    http: Http,
    #[serde(default)]
    helios: Helios,
    #[serde(default)]
    producers: Producers,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    policies: Policies,
    #[serde(default)]
    trust: TrustFetch,
}

/// A section that only names a folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
struct Folder<Name: FolderName> {
    #[serde(default = "default_folder::<Name>")]
    path: PathBuf,
    #[serde(skip)]
    name: std::marker::PhantomData<Name>,
}

trait FolderName {
    const NAME: &'static str;
}

#[derive(Debug)]
struct State;

impl FolderName for State {
    const NAME: &'static str = "state";
}

fn default_folder<Name: FolderName>() -> PathBuf {
    PathBuf::from(Name::NAME)
}

impl<Name: FolderName> Default for Folder<Name> {
    fn default() -> Self {
        Self { path: default_folder::<Name>(), name: std::marker::PhantomData }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8470))
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: default_listen(), tls: None }
    }
}

impl Config {
    /// Reads and checks a configuration file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let base = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        Self::parse(&text, path, base)
    }

    /// Checks a configuration's text; `path` is only named in errors, `base` is where relative paths start.
    pub fn parse(text: &str, path: &Path, base: &Path) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|e| ConfigError::syntax(path, text, &e))?;
        let at = |p: PathBuf| base.join(p);
        let config = Self {
            base: base.to_owned(),
            archive: file.archive,
            store: file.store.checked(base).map_err(|detail| ConfigError::value(path, "store", detail))?,
            state: at(file.state.path),
            keys: at(file.keys.path),
            key_warn_days: file.keys.warn_days,
            pkcs11: file.keys.pkcs11.map(|pkcs11| pkcs11.at(base)),
            timestamp: file.timestamp.at(base),
            evidence: file.evidence,
            transfers: file.transfers,
            witness: WitnessConfig { policy: file.witness.policy.map(at), ..file.witness },
            http: Http {
                listen: file.http.listen,
                tls: file.http.tls.map(|tls| Tls {
                    certificate: at(tls.certificate),
                    key: at(tls.key),
                    client_ca: tls.client_ca.map(at),
                }),
            },
            helios: file.helios,
            producers: file.producers.at(base),
            limits: file.limits,
            policies: Policies {
                retention: file.policies.retention.map(at),
                document_types: file.policies.document_types.map(at),
                renewal: file.policies.renewal.map(at),
                signature: file.policies.signature.map(at),
                certificates: file.policies.certificates.map(at),
            },
            trust: file.trust,
        };
        config.check().map_err(|(key, detail)| ConfigError::value(path, key, detail))?;
        Ok(config)
    }

    /// The configuration of a fresh development archive kept whole in `directory`: `bucket/`, `keys/`, `state/`.
    pub fn for_directory(directory: &Path) -> Self {
        Self {
            base: directory.to_owned(),
            archive: Archive { naan: "99999".into(), log: "d1".into(), origin: "archiland.localhost/d1".into() },
            store: StoreConfig::Local { path: directory.join("bucket") },
            state: directory.join(State::NAME),
            keys: directory.join("keys"),
            key_warn_days: keys::WARN_DAYS,
            pkcs11: None,
            timestamp: Timestamp::default(),
            evidence: Evidence::default(),
            transfers: TransfersConfig::default(),
            witness: WitnessConfig::default(),
            http: Http::default(),
            helios: Helios::default(),
            producers: Producers::default(),
            limits: Limits::default(),
            policies: Policies::default(),
            trust: TrustFetch::default(),
        }
    }

    /// The configuration as an annotated file; [`Config::parse`] reads it back to the same values.
    pub fn to_toml(&self) -> String {
        template::render(self)
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        for (key, part) in [("archive.naan", &self.archive.naan), ("archive.log", &self.archive.log)] {
            if !Ark::part_is_valid(part) {
                return Err((
                    key,
                    "1 à 32 caractères parmi 0123456789bcdfghjkmnpqrstvwxz (sans voyelle ni « l »)".into(),
                ));
            }
        }
        let origin = &self.archive.origin;
        let printable = !origin.is_empty() && origin.len() <= 255 && origin.bytes().all(|b| b.is_ascii_graphic());
        if !printable || origin.contains('+') {
            return Err(("archive.origin", "1 à 255 caractères ASCII sans espace ni « + »".into()));
        }
        self.timestamp.check()?;
        self.pkcs11.as_ref().map_or(Ok(()), Pkcs11Config::check)?;
        if self.witness.every_s > 3600 {
            return Err(("witness.every_s", "3600 au plus".into()));
        }
        if self.witness.mode == WitnessMode::Closed && self.witness.policy.is_none() {
            return Err(("witness.mode", "« closed » demande une politique (witness.policy)".into()));
        }
        if self.evidence.every_s > 3600 {
            return Err(("evidence.every_s", "3600 au plus".into()));
        }
        self.trust.check()?;
        self.limits.check()
    }
}

/// Reads a secret: from `file` when given, else from the systemd credential `credential`; one final newline is dropped.
///
/// `Ok(None)` when there is neither.
pub fn secret(file: Option<&Path>, credential: &str) -> Result<Option<String>, ConfigError> {
    secret_in(file, credentials_directory().as_deref(), credential)
}

/// The folder where systemd hands its credentials over (`LoadCredential=`), when it does.
pub fn credentials_directory() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

fn secret_in(file: Option<&Path>, folder: Option<&Path>, credential: &str) -> Result<Option<String>, ConfigError> {
    let path = match (file, folder) {
        (Some(file), _) => file.to_owned(),
        (None, Some(folder)) if folder.join(credential).is_file() => folder.join(credential),
        (None, _) => return Ok(None),
    };
    let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Secret { path: path.clone(), source })?;
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
    if secret.is_empty() {
        return Err(ConfigError::EmptySecret { path });
    }
    Ok(Some(secret.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    const MINIMAL: &str =
        "[archive]\nnaan = \"99999\"\nlog = \"d1\"\norigin = \"a.example/d1\"\n[store]\nkind = \"local\"\n";

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("archiland.toml"), Path::new("/srv/archive"))
    }

    #[test]
    fn the_minimal_file_has_defaults_next_to_it() {
        let config = parse(MINIMAL).unwrap();
        assert_eq!(config.store, StoreConfig::Local { path: "/srv/archive/bucket".into() });
        assert_eq!(config.state, Path::new("/srv/archive/state"));
        assert_eq!(config.keys, Path::new("/srv/archive/keys"));
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.http.listen.to_string(), "127.0.0.1:8470");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let message = parse(&MINIMAL.replace("[store]", "[store]\ncouleur = 1")).unwrap_err().to_string();
        assert!(message.contains("archiland.toml, ligne 6"), "{message}");
        assert!(message.contains("clé inconnue « couleur »"), "{message}");
        let message = parse(&format!("{MINIMAL}[sauvegarde]\nx = 1\n")).unwrap_err().to_string();
        assert!(message.contains("sauvegarde") && message.contains("policies"), "{message}");
    }

    #[test]
    fn what_is_missing_or_of_the_wrong_kind_is_said_in_french() {
        let message = parse("[archive]\nnaan = \"1\"\nlog = \"d\"\norigin = \"o\"\n").unwrap_err().to_string();
        assert!(message.contains("il manque la clé « store »"), "{message}");
        let message = parse(&format!("{MINIMAL}[limits]\nbody_bytes_max = \"x\"\n")).unwrap_err().to_string();
        assert!(message.contains("ligne 8") && message.contains("attendu"), "{message}");
        let message = parse(&format!("{MINIMAL}[limits]\nbody_bytes_max = 99_999_999_999_999\n")).unwrap_err();
        assert!(message.to_string().contains("limits.body_bytes_max"), "{message}");
        let message = parse(&MINIMAL.replace("a.example/d1", "a b")).unwrap_err().to_string();
        assert!(message.contains("archive.origin"), "{message}");
        let message = parse(&format!("{MINIMAL}[timestamp]\npolicy = \"x\"\n")).unwrap_err().to_string();
        assert!(message.contains("timestamp.policy"), "{message}");
        let message = parse(&MINIMAL.replace("\"local\"", "\"ftp\"")).unwrap_err().to_string();
        assert!(message.contains("ftp"), "{message}");
    }

    #[test]
    fn what_init_writes_is_read_back() {
        let mut config = Config::for_directory(Path::new("/srv/archive"));
        assert_eq!(parse(&config.to_toml()).unwrap(), config);
        config.store = StoreConfig::S3(S3Config::new("http://127.0.0.1:9000", "archives"));
        config.timestamp.policy = Some("1.2.250.1.9999".into());
        config.timestamp.open = true;
        config.timestamp.clock.ntp = vec!["ntp.example".into(), "ntp2.example:1123".into()];
        config.timestamp.clock.quorum = Some(2);
        config.key_warn_days = 30;
        config.pkcs11 = Some(Pkcs11Config {
            module: "/usr/lib/softhsm/libsofthsm2.so".into(),
            token: "archives".into(),
            tsa: Some("tsa 2026".into()),
            seal: None,
            timeout_ms_max: 2000,
        });
        config.evidence.every_s = 60;
        config.transfers = TransfersConfig {
            clamd: Some("/run/clamav/clamd.ctl".into()),
            identifier: Some("FRAD040_SAE".into()),
            control_authority: Some("FRAD040".into()),
        };
        config.witness =
            WitnessConfig { policy: Some("/srv/archive/temoins".into()), mode: WitnessMode::Closed, every_s: 3 };
        config.policies.renewal = Some("/srv/archive/renewal.toml".into());
        config.timestamp.external = ExternalConfig {
            mode: ExternalMode::Require,
            every_s: 5,
            tsa: vec![ExternalTsaConfig {
                url: "https://tsa.example".into(),
                anchors: "/srv/archive/tsa/a.pem".into(),
                timeout_ms_max: 1000,
            }],
        };
        config.helios.mode = HeliosMode::Sandbox;
        config.http.tls = Some(Tls { certificate: "/c.pem".into(), key: "/k.pem".into(), client_ca: None });
        assert_eq!(parse(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn secrets_come_from_a_file_or_a_credential() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s3-access-key");
        std::fs::write(&file, "clé\n").unwrap();
        assert_eq!(secret_in(Some(&file), None, "x").unwrap().unwrap(), "clé");
        assert_eq!(secret_in(None, Some(dir.path()), "s3-access-key").unwrap().unwrap(), "clé");
        assert_eq!(secret_in(None, Some(dir.path()), "autre").unwrap(), None);
        assert!(secret_in(Some(&dir.path().join("absent")), None, "x").is_err());
    }
}
