//! Keys in a PKCS#11 module (an HSM, a smart card, SoftHSM): the private key never leaves it.
//!
//! A module is somebody else's code and may hang: one thread of ours talks to it (`worker`), and whoever wants a signature
//! waits for that thread no longer than [`HsmOptions::timeout`]. A session that is lost is opened and logged in again; a
//! PIN that was refused is never tried twice, since a few wrong ones lock the token.

mod worker;

pub use worker::LOOK_EVERY;

use crate::spec::cms::key::{KeyFailure, KeyKind, SigningKey};
use crate::spec::cms::{Certificate, SignerError};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use worker::{Request, Worker};

/// Signatures waiting for the module; beyond, it is not keeping up.
const WAITING_MAX: usize = 4096;

/// How long leaving may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Where a module is and how to enter.
#[derive(Clone)]
pub(super) struct HsmOptions {
    /// The module: a shared library.
    pub(super) module: PathBuf,
    /// The token's label.
    pub(super) token: String,
    /// The user's PIN.
    pub(super) pin: String,
    /// How long a signature may take.
    pub(super) timeout: Duration,
}

impl std::fmt::Debug for HsmOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HsmOptions({}, {})", self.module.display(), self.token)
    }
}

/// Why a module does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HsmError {
    /// It cannot be loaded.
    #[error("le module PKCS#11 « {} » ne se charge pas : {why}", path.display())]
    Module {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// No token of that label.
    #[error("le jeton PKCS#11 « {0} » est absent : vérifiez que l'équipement est branché et initialisé")]
    Absent(String),
    /// The PIN was refused; it is not tried again.
    #[error(
        "le PIN du jeton « {0} » est refusé. Il n'est pas essayé de nouveau, pour ne pas verrouiller le jeton : corrigez hsm.pin et redémarrez"
    )]
    PinRefused(String),
    /// Too many wrong PINs, or an officer locked it.
    #[error("le jeton « {0} » est verrouillé : son officier de sécurité doit le déverrouiller")]
    Locked(String),
    /// No such key.
    #[error("aucune clé privée d'étiquette « {0} » dans le jeton")]
    NoKey(String),
    /// Several keys of one label.
    #[error("plusieurs clés privées d'étiquette « {0} » dans le jeton : donnez à chacune la sienne")]
    SeveralKeys(String),
    /// The key is not the certificate's.
    #[error("la clé « {0} » du jeton n'est pas celle du certificat")]
    Mismatch(String),
    /// Nothing within the time given.
    #[error("le module PKCS#11 n'a pas répondu en {0} ms")]
    Timeout(u128),
    /// Too many signatures wait.
    #[error("trop de signatures attendent le module PKCS#11")]
    Busy,
    /// Anything else it said.
    #[error("le module PKCS#11 a échoué : {0}")]
    Failed(String),
}

/// A token of a module, and the thread that talks to it.
#[derive(Debug, Clone)]
pub(super) struct Hsm {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: HsmOptions,
    /// There until the token is left.
    queue: Option<SyncSender<Request>>,
    worker: Option<JoinHandle<()>>,
    health: Arc<Mutex<Health>>,
    /// The keys that should be there.
    expected: Arc<Mutex<Vec<Expected>>>,
}

impl Drop for Shared {
    /// The thread leaves the module before the process does: a module whose memory goes while it works crashes, after the
    /// command has done all that was asked of it. One that is stuck is not waited for.
    fn drop(&mut self) {
        drop(self.queue.take());
        let left = Instant::now();
        let Some(worker) = self.worker.take() else { return };
        while !worker.is_finished() && left.elapsed() < LEAVE_WITHIN {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A key by its label, and whose it should be.
#[derive(Debug, Clone)]
struct Expected {
    label: String,
    kind: KeyKind,
    certificate: Certificate,
}

/// What the thread last met.
#[derive(Debug, Default)]
struct Health {
    trouble: Option<HsmError>,
    /// Since when it has been inside the module.
    inside: Option<Instant>,
}

impl Hsm {
    /// Starts talking to a token. What is wrong with it is found by [`Hsm::key`], or by [`Hsm::trouble`] later.
    pub(super) fn open(options: HsmOptions) -> Self {
        let (queue, inbox) = sync_channel(WAITING_MAX);
        let health = Arc::new(Mutex::new(Health::default()));
        let expected = Arc::new(Mutex::default());
        let worker = Worker::start(options.clone(), inbox, health.clone(), Arc::clone(&expected));
        Self { shared: Arc::new(Shared { options, queue: Some(queue), worker, health, expected }) }
    }

    /// The key of a label, which must be that of a certificate: it has signed something that the certificate verifies
    /// before it signs anything else. An absent token is no error here: the key is looked for again when it is wanted.
    pub(super) fn key(&self, label: &str, certificate: &Certificate) -> Result<HsmKey, SignerError> {
        let (kind, _) = KeyKind::of(certificate)?;
        let expected = Expected { label: label.to_owned(), kind, certificate: certificate.clone() };
        self.shared.expected.lock().unwrap_or_else(PoisonError::into_inner).push(expected.clone());
        Ok(HsmKey { hsm: self.clone(), key: expected })
    }

    /// What is wrong at the moment. A token that is pulled out is noticed within a few seconds, whether or not anybody
    /// asks for signatures.
    pub(super) fn trouble(&self) -> Option<HsmError> {
        let health = self.shared.health.lock().unwrap_or_else(PoisonError::into_inner);
        match health.inside {
            Some(since) if since.elapsed() > self.shared.options.timeout => {
                Some(HsmError::Timeout(self.shared.options.timeout.as_millis()))
            }
            _ => health.trouble.clone(),
        }
    }

    /// The token's label.
    pub(super) fn token(&self) -> &str {
        &self.shared.options.token
    }

    fn sign(&self, key: &HsmKey, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        // While the thread is stuck in the module, waiting again would only make a queue.
        if let Some(stuck @ HsmError::Timeout(_)) = self.trouble() {
            return Err(stuck);
        }
        let timeout = self.shared.options.timeout;
        let (answer, answered) = sync_channel(1);
        let request =
            Request { key: key.key.clone(), message: message.to_vec(), until: Instant::now() + timeout, answer };
        let gone = || HsmError::Failed("son fil s'est arrêté".to_owned());
        let queue = self.shared.queue.as_ref().ok_or_else(gone)?;
        match queue.try_send(request) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(HsmError::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(gone()),
        }
        match answered.recv_timeout(timeout) {
            Ok(signed) => signed,
            Err(RecvTimeoutError::Timeout) => Err(HsmError::Timeout(timeout.as_millis())),
            Err(RecvTimeoutError::Disconnected) => Err(self.trouble().unwrap_or(HsmError::Busy)),
        }
    }
}

/// A key of a token.
#[derive(Debug)]
pub(super) struct HsmKey {
    hsm: Hsm,
    key: Expected,
}

impl SigningKey for HsmKey {
    fn kind(&self) -> KeyKind {
        self.key.kind
    }

    fn public_key(&self) -> Option<Vec<u8>> {
        None
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyFailure> {
        self.hsm.sign(self, message).map_err(|error| KeyFailure(error.to_string()))
    }
}
