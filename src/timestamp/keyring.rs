//! Every key of an archive, loaded and checked together.

use super::files::{self, KeyFileError, Kind, Source};
use super::generations::{Generation, Generations, KeyState, KeyUse};
use super::hsm::{Hsm, HsmError, HsmOptions};
use super::{Sealer, TimestampError, Tsa, development};
use crate::clock::Clock;
use crate::config::{self, Config, Pkcs11Config};
use crate::spec::cms::key::{LocalKey, SigningKey};
use crate::spec::cms::path::{self, PathError, Purpose};
use crate::spec::cms::{Anchors, Certificate, CertificateError, CmsSigner, SignerError};
use crate::spec::tlog::note::{Cosigner, NoteError, NoteSigner, VerifierKey};
use der::pem::{LineEnding, encode_string};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The names of the files in the keys' folder. Secrets bear the same names as systemd credentials.
pub mod names {
    /// The log's Ed25519 private key, PKCS#8 PEM. Secret.
    pub const LOG_KEY: &str = "log.key";
    /// The log's verifier key (C2SP signed-note).
    pub const LOG_VKEY: &str = "log.vkey";
    /// The authorities that vouch for the time-stamping authority and the seal, PEM.
    pub const AUTHORITIES: &str = "ca.pem";
    /// The time-stamping authority's private key, PKCS#8 PEM. Secret.
    pub const TSA_KEY: &str = "tsa.key";
    /// Its certificate, then intermediates if any, PEM.
    pub const TSA_CERTIFICATE: &str = "tsa.pem";
    /// The seal's private key, PKCS#8 PEM. Secret.
    pub const SEAL_KEY: &str = "seal.key";
    /// Its certificate, then intermediates if any, PEM.
    pub const SEAL_CERTIFICATE: &str = "seal.pem";
    /// The HTTP server's private key, PKCS#8 PEM. Secret, optional.
    pub const SERVER_KEY: &str = "server.key";
    /// Its certificate, PEM. Optional.
    pub const SERVER_CERTIFICATE: &str = "server.pem";
    /// The witness's Ed25519 private key, PKCS#8 PEM. Secret, optional.
    pub const WITNESS_KEY: &str = "witness.key";
    /// Its verifier key (C2SP tlog-cosignature).
    pub const WITNESS_VKEY: &str = "witness.vkey";
    /// Generations of the two keys above, once there is more than one. Public.
    pub const GENERATIONS: &str = "keys.toml";
    /// The PIN of the PKCS#11 token. Secret, optional.
    pub const HSM_PIN: &str = "hsm.pin";
    /// What whoever checks receipts relies on. Public.
    pub const TRUST: &str = "trust.toml";
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// Not a PKCS#8 PEM key.
    #[error("« {} » ne contient pas de clé privée PKCS#8 en PEM (« BEGIN PRIVATE KEY ») ; convertissez-la par « openssl pkcs8 -topk8 -nocrypt »", path.display())]
    NotPkcs8 {
        /// Which file.
        path: PathBuf,
    },
    /// Not a certificate.
    #[error("« {} » : {source}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// Key and certificate do not go together.
    #[error("« {} » : {source}. Remettez ensemble la clé et le certificat demandé pour elle", path.display())]
    Signer {
        /// The key's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SignerError,
    },
    /// The certificate is not for this, or its authority is not in `ca.pem`.
    #[error("« {} » : {source}. Demandez à votre autorité un certificat pour cet usage, et mettez le certificat de cette autorité dans ca.pem", path.display())]
    Path {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PathError,
    },
    /// The log's key.
    #[error("« {} » : {source}", path.display())]
    Log {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: NoteError,
    },
    /// `log.vkey` belongs to another key.
    #[error("« {} » n'est pas la clé publique de la clé privée d'à côté (qui donne {expected}). Remettez le bon fichier : changer la clé du journal casse la vérification des reçus déjà remis", path.display())]
    LogMismatch {
        /// `log.vkey`.
        path: PathBuf,
        /// The verifier key of `log.key`.
        expected: String,
    },
    /// `archive.origin` and the log's key do not belong together.
    #[error(
        "la clé du journal porte le nom « {key} » et la configuration dit archive.origin = « {origin} » : l'un des deux vient d'une autre archive"
    )]
    Origin {
        /// The name of the log's key.
        key: String,
        /// What the configuration says.
        origin: String,
    },
    /// `timestamp.policy` cannot be used.
    #[error("[timestamp] policy : {0}")]
    Policy(#[source] TimestampError),
    /// `keys.toml` cannot be used.
    #[error("« {} » : {why}", path.display())]
    Generations {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A key is in a PKCS#11 token, and nothing says which.
    #[error("la clé « {0} » est dans un module PKCS#11, et [keys.pkcs11] manque dans la configuration")]
    NoModule(String),
    /// The key that signs was revoked, and no other is ready.
    #[error("la clé « {} » en service est révoquée : « archiland key rotate {} » en prépare une autre", key_use.name(), key_use.name())]
    Revoked {
        /// Which.
        key_use: KeyUse,
    },
    /// What was asked of the keys makes no sense.
    #[error("{0}")]
    Rotation(String),
    /// Making keys failed.
    #[error("la création des clés a échoué : {0}")]
    Generation(String),
}

/// The keys of an archive.
#[derive(Debug)]
pub struct Keyring {
    /// Signs checkpoints.
    pub log: NoteSigner,
    /// Stamps them.
    pub tsa: Tsa,
    /// Seals them.
    pub seal: Sealer,
    /// Cosigns the checkpoints of other logs, where there is such a key.
    pub witness: Option<Arc<Cosigner>>,
    anchors: Anchors,
    anchors_pem: String,
    server: Option<Certificate>,
    hsm: Option<Hsm>,
    /// Where the files are.
    pub(super) folder: PathBuf,
    pub(super) generations: Mutex<Generations>,
    /// Signers that take over once the log says so.
    pub(super) next: Mutex<HashMap<KeyUse, CmsSigner>>,
    /// Certificates of the generations that do not sign, by name.
    others: Vec<(Generation, Certificate)>,
}

impl Keyring {
    /// Makes a development PKI and a log key named `origin` in `keys_dir`, and loads it. Nothing is ever overwritten.
    pub fn create_development(keys_dir: &Path, origin: &str, clock: &dyn Clock) -> Result<Self, KeyringError> {
        let pki = development::make(clock.now())?;
        let mut seed = [0_u8; 32];
        let random = SystemRandom::new().fill(&mut seed);
        random.map_err(|_| KeyringError::Generation("aléa du système indisponible".to_owned()))?;
        let log_pkcs8 = [ED25519_PKCS8_PREFIX, &seed].concat();
        let log = NoteSigner::from_pkcs8(origin, &log_pkcs8)
            .map_err(|source| KeyringError::Log { path: keys_dir.join(names::LOG_KEY), source })?;
        let trust = trust::render(&log, &pki.authority_pem, &Generations::default())?;

        let secret = |der: &[u8]| {
            let pem = encode_string("PRIVATE KEY", LineEnding::LF, der);
            pem.map_err(|error| KeyringError::Generation(error.to_string()))
        };
        let files = [
            (names::LOG_KEY, secret(&log_pkcs8)?, Kind::Secret),
            (names::LOG_VKEY, format!("{}\n", log.vkey()), Kind::Public),
            (names::AUTHORITIES, unix_lines(&pki.authority_pem), Kind::Public),
            (names::TSA_KEY, secret(&pki.tsa.key_pkcs8)?, Kind::Secret),
            (names::TSA_CERTIFICATE, unix_lines(&pki.tsa.certificate_pem), Kind::Public),
            (names::SEAL_KEY, secret(&pki.seal.key_pkcs8)?, Kind::Secret),
            (names::SEAL_CERTIFICATE, unix_lines(&pki.seal.certificate_pem), Kind::Public),
            (names::SERVER_KEY, secret(&pki.server.key_pkcs8)?, Kind::Secret),
            (names::SERVER_CERTIFICATE, unix_lines(&pki.server.certificate_pem), Kind::Public),
            (names::TRUST, trust, Kind::Public),
        ];
        files::create_directory(keys_dir)?;
        // All or nothing as far as one can see: only a race or a full disk leaves a part behind, and then loading says
        // what is missing.
        files::refuse_existing(keys_dir, &files.each_ref().map(|(name, ..)| *name))?;
        for (name, content, kind) in &files {
            files::create(keys_dir, name, content.as_bytes(), *kind)?;
        }
        Self::load_with(keys_dir, None)
    }

    /// The keys that a configuration names, under the policy it names; the log's must bear the archive's origin.
    pub fn open(config: &Config) -> Result<Self, KeyringError> {
        let source = Source::new(&config.keys, config::credentials_directory().as_deref());
        let mut keyring = Self::assemble(&source, &config.keys, config.pkcs11.as_ref())?;
        if let Some(policy) = &config.timestamp.policy {
            keyring.tsa.set_policy(policy).map_err(KeyringError::Policy)?;
        }
        if keyring.log.name() != config.archive.origin {
            let (key, origin) = (keyring.log.name().to_owned(), config.archive.origin.clone());
            return Err(KeyringError::Origin { key, origin });
        }
        Ok(keyring)
    }

    /// Loads the keys of `keys_dir`; what is not there is looked for among systemd's credentials
    /// (`$CREDENTIALS_DIRECTORY`).
    ///
    /// Checks that keys and certificates match, and that the certificates are for their use and issued under `ca.pem`.
    /// Says nothing of today's date: signing does.
    pub fn load(keys_dir: &Path) -> Result<Self, KeyringError> {
        Self::load_with(keys_dir, config::credentials_directory().as_deref())
    }

    /// [`Keyring::load`] with an explicit folder of credentials.
    pub fn load_with(keys_dir: &Path, credentials: Option<&Path>) -> Result<Self, KeyringError> {
        Self::assemble(&Source::new(keys_dir, credentials), keys_dir, None)
    }

    fn assemble(source: &Source, keys_dir: &Path, pkcs11: Option<&Pkcs11Config>) -> Result<Self, KeyringError> {
        let log = load_log(source)?;
        let (authorities_path, pem) = source.read(names::AUTHORITIES, Kind::Public)?;
        let anchors =
            Anchors::from_pem(&pem).map_err(|source| KeyringError::Certificate { path: authorities_path, source })?;
        let hsm = pkcs11.map(|pkcs11| open_hsm(source, pkcs11)).transpose()?;
        let generations = Generations::load(source)?;
        let keys = KeyLoader { source, anchors: &anchors, hsm: hsm.as_ref(), pkcs11 };
        let (mut signers, mut others) = (HashMap::new(), Vec::new());
        for generation in &generations.list {
            match generation.state {
                KeyState::Retired => others.push((generation.clone(), keys.certificate(generation)?)),
                state => _ = signers.insert((generation.key_use, state), keys.signer(generation)?),
            }
        }
        let mut current = |key_use: KeyUse| {
            let missing = || KeyringError::Rotation(format!("aucune clé « {} » en service", key_use.name()));
            signers.remove(&(key_use, KeyState::Current)).ok_or_else(missing)
        };
        let (tsa, seal) = (current(KeyUse::Tsa)?, current(KeyUse::Seal)?);
        let next = signers.into_iter().map(|((key_use, _), signer)| (key_use, signer)).collect();
        let server = match load_certificates(source, names::SERVER_CERTIFICATE) {
            Ok((_, certificates)) => certificates.into_iter().next(),
            Err(KeyringError::File(KeyFileError::Missing { .. })) => None,
            Err(error) => return Err(error),
        };
        let witness = load_witness(source)?.map(Arc::new);
        let anchors_pem = pem_of(&anchors)?;
        Ok(Self {
            log,
            tsa: Tsa::new(tsa),
            seal: Sealer::new(seal),
            witness,
            anchors,
            anchors_pem,
            server,
            hsm,
            folder: keys_dir.to_owned(),
            generations: Mutex::new(generations),
            next: Mutex::new(next),
            others,
        })
    }

    /// Makes the key of a witness named `name`, in an archive's folder of keys. Nothing is ever overwritten.
    pub fn create_witness(keys_dir: &Path, name: &str) -> Result<VerifierKey, KeyringError> {
        let mut seed = [0_u8; 32];
        let random = SystemRandom::new().fill(&mut seed);
        random.map_err(|_| KeyringError::Generation("aléa du système indisponible".to_owned()))?;
        let pkcs8 = [ED25519_PKCS8_PREFIX, &seed].concat();
        let cosigner = Cosigner::from_pkcs8(name, &pkcs8)
            .map_err(|source| KeyringError::Log { path: keys_dir.join(names::WITNESS_KEY), source })?;
        let pem = encode_string("PRIVATE KEY", LineEnding::LF, &pkcs8)
            .map_err(|error| KeyringError::Generation(error.to_string()))?;
        files::refuse_existing(keys_dir, &[names::WITNESS_KEY, names::WITNESS_VKEY])?;
        // The public half last: a key without it is told as missing, and not used.
        files::create(keys_dir, names::WITNESS_KEY, pem.as_bytes(), Kind::Secret)?;
        files::create(keys_dir, names::WITNESS_VKEY, format!("{}\n", cosigner.vkey()).as_bytes(), Kind::Public)?;
        Ok(cosigner.vkey().clone())
    }

    /// What is wrong with the PKCS#11 token at the moment, where there is one.
    pub fn hsm_trouble(&self) -> Option<HsmError> {
        self.hsm.as_ref()?.trouble()
    }

    /// The authorities of `ca.pem`.
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// What whoever checks receipts relies on, as `trust.toml`: `origin`, `log_keys`, `anchors` (PEM). Public.
    pub fn trust_toml(&self) -> Result<String, KeyringError> {
        trust::render(&self.log, &self.anchors_pem, &self.generations())
    }
}

/// PKCS#8 version 1 around the 32-byte private key (RFC 8410 § 7), which openssl reads too.
const ED25519_PKCS8_PREFIX: &[u8] =
    &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

fn load_log(source: &Source) -> Result<NoteSigner, KeyringError> {
    let (vkey_path, vkey) = source.read(names::LOG_VKEY, Kind::Public)?;
    let vkey = String::from_utf8_lossy(&vkey);
    let vkey =
        VerifierKey::parse(vkey.trim()).map_err(|source| KeyringError::Log { path: vkey_path.clone(), source })?;
    let (key_path, pkcs8) = load_key(source, names::LOG_KEY)?;
    let log = NoteSigner::from_pkcs8(vkey.name(), pkcs8.secret_pkcs8_der())
        .map_err(|source| KeyringError::Log { path: key_path, source })?;
    if log.vkey().to_string() != vkey.to_string() {
        return Err(KeyringError::LogMismatch { path: vkey_path, expected: log.vkey().to_string() });
    }
    Ok(log)
}

/// The witness's key, where there is one: both halves or none.
fn load_witness(source: &Source) -> Result<Option<Cosigner>, KeyringError> {
    let (path, vkey) = match source.read(names::WITNESS_VKEY, Kind::Public) {
        Ok(found) => found,
        Err(KeyFileError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let vkey = VerifierKey::parse(String::from_utf8_lossy(&vkey).trim())
        .map_err(|source| KeyringError::Log { path: path.clone(), source })?;
    let (key_path, pkcs8) = load_key(source, names::WITNESS_KEY)?;
    let cosigner = Cosigner::from_pkcs8(vkey.name(), pkcs8.secret_pkcs8_der())
        .map_err(|source| KeyringError::Log { path: key_path, source })?;
    if *cosigner.vkey() != vkey {
        return Err(KeyringError::LogMismatch { path, expected: cosigner.vkey().to_string() });
    }
    Ok(Some(cosigner))
}

/// Opens the keys of generations, wherever they are.
struct KeyLoader<'a> {
    source: &'a Source,
    anchors: &'a Anchors,
    hsm: Option<&'a Hsm>,
    pkcs11: Option<&'a Pkcs11Config>,
}

impl KeyLoader<'_> {
    fn signer(&self, generation: &Generation) -> Result<CmsSigner, KeyringError> {
        let (path, leaf, intermediates) = self.certificates(generation)?;
        let purpose = match generation.key_use {
            KeyUse::Tsa => Purpose::TimeStamping,
            KeyUse::Seal => Purpose::Signature,
        };
        // As of the day it was issued: an old archive's keys still load and still say what they are.
        path::find(&leaf, &intermediates, self.anchors, leaf.not_before(), purpose)
            .map_err(|source| KeyringError::Path { path: path.clone(), source })?;
        let key: Box<dyn SigningKey> = match (self.label(generation), self.hsm) {
            (Some(label), Some(hsm)) => {
                Box::new(hsm.key(&label, &leaf).map_err(|source| KeyringError::Signer { path: path.clone(), source })?)
            }
            (Some(label), None) => return Err(KeyringError::NoModule(label)),
            (None, _) => {
                let (key_path, pkcs8) = load_key(self.source, &format!("{}.key", generation.name))?;
                let key = LocalKey::from_pkcs8(pkcs8.secret_pkcs8_der());
                Box::new(key.map_err(|source| KeyringError::Signer { path: key_path, source })?)
            }
        };
        CmsSigner::with_key(key, leaf, &intermediates).map_err(|source| KeyringError::Signer { path, source })
    }

    /// The label in the token: the generation's, or for the first ones the configuration's.
    fn label(&self, generation: &Generation) -> Option<String> {
        let configured = || match generation.key_use {
            _ if generation.name != generation.key_use.name() => None,
            KeyUse::Tsa => self.pkcs11?.tsa.clone(),
            KeyUse::Seal => self.pkcs11?.seal.clone(),
        };
        generation.hsm.clone().or_else(configured)
    }

    fn certificate(&self, generation: &Generation) -> Result<Certificate, KeyringError> {
        Ok(self.certificates(generation)?.1)
    }

    fn certificates(&self, generation: &Generation) -> Result<(PathBuf, Certificate, Vec<Certificate>), KeyringError> {
        let (path, mut certificates) = load_certificates(self.source, &format!("{}.pem", generation.name))?;
        let intermediates = certificates.split_off(1);
        let leaf = certificates.remove(0);
        if !generation.certificate.is_empty() && generation.certificate != leaf.fingerprint() {
            let why = format!("« {} » n'est plus le certificat noté dans keys.toml", generation.name);
            return Err(KeyringError::Generations { path, why });
        }
        Ok((path, leaf, intermediates))
    }
}

/// The token that holds keys; it is entered by the thread that talks to it, so that an absent one keeps nobody waiting.
fn open_hsm(source: &Source, pkcs11: &Pkcs11Config) -> Result<Hsm, KeyringError> {
    let (path, pin) = source.read(names::HSM_PIN, Kind::Secret)?;
    let pin = String::from_utf8(pin).map_err(|_| KeyringError::NotPkcs8 { path })?;
    Ok(Hsm::open(HsmOptions {
        module: pkcs11.module.clone(),
        token: pkcs11.token.clone(),
        pin: pin.trim_end_matches(['\r', '\n']).to_owned(),
        timeout: pkcs11.timeout(),
    }))
}

/// At least one certificate, the leaf first.
fn load_certificates(source: &Source, name: &str) -> Result<(PathBuf, Vec<Certificate>), KeyringError> {
    let (path, pem) = source.read(name, Kind::Public)?;
    match Anchors::from_pem(&pem) {
        Ok(found) => Ok((path, found.certificates().to_vec())),
        Err(source) => Err(KeyringError::Certificate { path, source }),
    }
}

fn load_key(source: &Source, name: &str) -> Result<(PathBuf, PrivatePkcs8KeyDer<'static>), KeyringError> {
    let (path, pem) = source.read(name, Kind::Secret)?;
    match PrivatePkcs8KeyDer::from_pem_slice(&pem) {
        Ok(key) => Ok((path, key)),
        Err(_) => Err(KeyringError::NotPkcs8 { path }),
    }
}

/// The certificates alone: comments and whatever else `ca.pem` holds stay home.
fn pem_of(anchors: &Anchors) -> Result<String, KeyringError> {
    let blocks = anchors.certificates().iter().map(|anchor| encode_string("CERTIFICATE", LineEnding::LF, anchor.der()));
    blocks.collect::<Result<String, _>>().map_err(|error| KeyringError::Generation(error.to_string()))
}

fn unix_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

mod inventory;
mod rotation;
mod trust;

pub use inventory::KeyEntry;
pub use rotation::{Change, NewKey, Staged};

#[cfg(test)]
mod tests;
