//! The one thread that talks to a PKCS#11 module.

use super::{Expected, Health, HsmError, HsmOptions};
use crate::spec::cms::Certificate;
use crate::spec::cms::algorithm::{AlgorithmId, PublicKey};
use crate::spec::cms::asn1;
use crate::spec::cms::key::KeyKind;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use ring::digest::{SHA256, digest};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the token is looked at while nobody asks for anything.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How soon a token that could not be entered is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a key signs before anything else, to show that it is the certificate's. No CMS structure, no note.
const PROOF: &[u8] = b"archiland: this key answers for its certificate\n";

/// `DigestInfo` of SHA-256, up to the digest (RFC 8017 § 9.2).
const SHA256_INFO: &[u8] =
    &[0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// A signature wanted.
pub(super) struct Request {
    pub(super) key: Expected,
    pub(super) message: Vec<u8>,
    /// Whoever asked has gone by then.
    pub(super) until: Instant,
    pub(super) answer: SyncSender<Result<Vec<u8>, HsmError>>,
}

pub(super) struct Worker {
    options: HsmOptions,
    health: Arc<Mutex<Health>>,
    expected: Arc<Mutex<Vec<Expected>>>,
    /// Open and logged in.
    session: Option<Session>,
    /// Keys that have proved whose they are, by label and certificate.
    keys: HashMap<(String, String), ObjectHandle>,
    /// The PIN was refused: never again.
    refused: bool,
    tried: Option<Instant>,
}

impl Worker {
    /// The thread ends with the queue, unless the module never gives it back.
    pub(super) fn start(
        options: HsmOptions,
        inbox: Receiver<Request>,
        health: Arc<Mutex<Health>>,
        expected: Arc<Mutex<Vec<Expected>>>,
    ) -> Option<JoinHandle<()>> {
        let keys = HashMap::new();
        let mut worker = Self { options, health, expected, session: None, keys, refused: false, tried: None };
        let started = std::thread::Builder::new().name("pkcs11".to_owned()).spawn(move || worker.run(&inbox));
        if let Err(error) = &started {
            tracing::error!(%error, "le fil du module PKCS#11 n'a pas pu être créé");
        }
        started.ok()
    }

    fn run(&mut self, inbox: &Receiver<Request>) {
        self.look();
        loop {
            match inbox.recv_timeout(LOOK_EVERY) {
                Ok(request) if request.until < Instant::now() => {}
                Ok(request) => {
                    self.enter();
                    let signed = self.serve(&request);
                    self.leave(signed.as_ref().err());
                    let _ = request.answer.send(signed);
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Is the token still there, with the keys that should be in it?
    fn look(&mut self) {
        self.enter();
        let state = match &self.session {
            Some(session) => session.get_session_info().map(|_| ()).map_err(|error| self.told(&error)),
            None => Err(HsmError::Absent(self.options.token.clone())),
        };
        let state = state.or_else(|_| {
            self.forget();
            self.session().map(|_| ())
        });
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = state.and_then(|()| expected.iter().try_for_each(|key| self.proved(key).map(|_| ())));
        self.leave(state.as_ref().err());
    }

    fn enter(&self) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).inside = Some(Instant::now());
    }

    fn leave(&self, trouble: Option<&HsmError>) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.inside = None;
        if health.trouble.as_ref() != trouble {
            if let Some(error) = trouble {
                tracing::error!(token = %self.options.token, %error, "clés du module PKCS#11 indisponibles");
            } else {
                tracing::info!(token = %self.options.token, "clés du module PKCS#11 disponibles");
            }
        }
        health.trouble = trouble.cloned();
    }

    /// Signs, over a new session if the one at hand is worth nothing any more.
    fn serve(&mut self, request: &Request) -> Result<Vec<u8>, HsmError> {
        let had_session = self.session.is_some();
        match self.attempt(request) {
            Err(HsmError::Failed(_)) if had_session => {
                self.forget();
                self.tried = None;
                self.attempt(request)
            }
            outcome => outcome,
        }
    }

    fn attempt(&mut self, request: &Request) -> Result<Vec<u8>, HsmError> {
        let key = self.proved(&request.key)?;
        let session = self.session()?;
        let signed = sign(session, key, request.key.kind, &request.message);
        signed.map_err(|error| self.told(&error))
    }

    /// The key, once it has shown that it is the certificate's.
    fn proved(&mut self, expected: &Expected) -> Result<ObjectHandle, HsmError> {
        let name = (expected.label.clone(), expected.certificate.fingerprint());
        // The session first: without it a handle means nothing.
        self.session()?;
        if let Some(key) = self.keys.get(&name) {
            return Ok(*key);
        }
        let session = self.session()?;
        let template =
            [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(expected.label.clone().into_bytes())];
        let found = session.find_objects(&template).map_err(|error| self.told(&error))?;
        let key = match found.as_slice() {
            [] => return Err(HsmError::NoKey(expected.label.clone())),
            [key] => *key,
            _ => return Err(HsmError::SeveralKeys(expected.label.clone())),
        };
        let session = self.session()?;
        let proof = match sign(session, key, expected.kind, PROOF) {
            // Of another kind than the certificate's.
            Err(Error::Pkcs11(RvError::KeyTypeInconsistent | RvError::MechanismInvalid, _)) => {
                return Err(HsmError::Mismatch(expected.label.clone()));
            }
            signed => signed.map_err(|error| self.told(&error))?,
        };
        if !holds(&expected.certificate, expected.kind, &proof) {
            return Err(HsmError::Mismatch(expected.label.clone()));
        }
        self.keys.insert(name, key);
        Ok(key)
    }

    /// The session, opened and logged in if it is not.
    fn session(&mut self) -> Result<&Session, HsmError> {
        if self.session.is_none() {
            if self.refused {
                return Err(HsmError::PinRefused(self.options.token.clone()));
            }
            if self.tried.is_some_and(|at| at.elapsed() < RETRY_AFTER)
                && let Some(trouble) = self.health.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
            {
                return Err(trouble);
            }
            self.tried = Some(Instant::now());
            self.session = Some(self.login()?);
        }
        self.session.as_ref().ok_or_else(|| HsmError::Absent(self.options.token.clone()))
    }

    fn login(&mut self) -> Result<Session, HsmError> {
        let module = module(&self.options.module)?;
        let slots = module.get_slots_with_token().map_err(|error| self.told(&error))?;
        let labelled = |slot: &cryptoki::slot::Slot| {
            module.get_token_info(*slot).is_ok_and(|info| info.label() == self.options.token)
        };
        let slot = slots.into_iter().find(labelled).ok_or_else(|| HsmError::Absent(self.options.token.clone()))?;
        let session = module.open_ro_session(slot).map_err(|error| self.told(&error))?;
        let pin = AuthPin::new(self.options.pin.clone().into());
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => {
                let told = self.told(&error);
                self.refused = matches!(told, HsmError::PinRefused(_));
                Err(told)
            }
        }
    }

    fn forget(&mut self) {
        self.keys.clear();
        self.session = None;
    }

    fn told(&self, error: &Error) -> HsmError {
        let token = || self.options.token.clone();
        match error {
            Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _) => {
                HsmError::PinRefused(token())
            }
            Error::Pkcs11(RvError::PinLocked | RvError::PinExpired | RvError::UserPinNotInitialized, _) => {
                HsmError::Locked(token())
            }
            Error::Pkcs11(code, function) => HsmError::Failed(format!("{function} : {code:?}")),
            other => HsmError::Failed(other.to_string()),
        }
    }
}

fn sign(session: &Session, key: ObjectHandle, kind: KeyKind, message: &[u8]) -> Result<Vec<u8>, Error> {
    let hashed = digest(&SHA256, message);
    match kind {
        KeyKind::EcdsaP256 => {
            let raw = session.sign(&Mechanism::Ecdsa, key, hashed.as_ref())?;
            let (r, s) = raw.split_at(raw.len() / 2);
            Ok(asn1::sequence(&[&asn1::unsigned(r), &asn1::unsigned(s)]))
        }
        KeyKind::Rsa => session.sign(&Mechanism::RsaPkcs, key, &[SHA256_INFO, hashed.as_ref()].concat()),
    }
}

/// Whether a key's proof holds under a certificate.
fn holds(certificate: &Certificate, kind: KeyKind, proof: &[u8]) -> bool {
    let identifier = kind.algorithm();
    let algorithm = AlgorithmId::read(&mut asn1::Reader::new(&identifier));
    let (Ok(algorithm), Ok(key)) = (algorithm, PublicKey::parse(certificate.public_key_der())) else { return false };
    key.verify(&algorithm, None, PROOF, proof).is_ok()
}

/// The module of a path, loaded and initialised once for the whole process: PKCS#11 knows no second time.
fn module(path: &Path) -> Result<Pkcs11, HsmError> {
    static MODULES: OnceLock<Mutex<HashMap<PathBuf, Pkcs11>>> = OnceLock::new();
    let wrong = |error: Error| HsmError::Module { path: path.to_owned(), why: error.to_string() };
    let mut modules = MODULES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path).map_err(wrong)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(wrong(error)),
    }
    modules.insert(path.to_owned(), module.clone());
    Ok(module)
}
