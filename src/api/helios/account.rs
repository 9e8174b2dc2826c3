//! Who speaks: the client certificate of the TLS session, an account of that certificate by HTTP Basic (the login is the
//! label or the public name of a token, the password its secret), or a nonce got with such an account.

use crate::api::auth::{Caller, PeerCertificate, basic};
use crate::api::services::Services;
use crate::catalog::Token;
use crate::digest::sha256;
use axum::http::request::Parts;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How long a nonce is worth something.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// Nonces held.
const NONCES_MAX: usize = 4_096;
/// Memory for the files being received, in KiB: one of the largest, and a few more.
const HELD_KIB_MAX: usize = 192 * 1024;

/// What the façade holds between requests.
#[derive(Debug)]
pub(in crate::api) struct Desk {
    nonces: Mutex<HashMap<String, Nonce>>,
    pub(super) held: Arc<Semaphore>,
}

#[derive(Debug)]
struct Nonce {
    /// `sha256(password:nonce)`, hexadecimal: made while the password is at hand, which is kept nowhere.
    expected: String,
    login: String,
    token: String,
    certificate: [u8; 32],
    until: Instant,
}

impl Default for Desk {
    fn default() -> Self {
        Self { nonces: Mutex::default(), held: Arc::new(Semaphore::new(HELD_KIB_MAX)) }
    }
}

/// An account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) caller: Caller,
    pub(super) login: String,
    /// The password given, for a nonce.
    password: Option<String>,
    pub(super) certificate: Option<[u8; 32]>,
}

impl Account {
    /// The account of a request; `None` when there is none that is worth something.
    pub(super) fn identify(app: &Services, parts: &Parts) -> Option<Self> {
        let account = Self::found(app, parts)?;
        app.rates.take(&account.caller.agency, Instant::now()).ok()?;
        Some(account)
    }

    fn found(app: &Services, parts: &Parts) -> Option<Self> {
        let certificate = parts.extensions.get::<PeerCertificate>().map(|certificate| certificate.0);
        if let Some(account) = by_nonce(app, parts, certificate) {
            return Some(account);
        }
        if let Some((login, password)) = basic(&parts.headers) {
            let token = app.catalog.token_by_hash(&sha256(password.as_bytes()))?;
            let own = login == token.label || login == token.token;
            if !own || !accepts(app, &token, certificate) {
                return None;
            }
            return Self::of(app, token, login, Some(password), certificate);
        }
        let token = app.catalog.token_by_hash(&certificate?)?;
        let login = login_of(&token).to_owned();
        Self::of(app, token, login, None, certificate)
    }

    fn of(
        app: &Services,
        token: Token,
        login: String,
        password: Option<String>,
        certificate: Option<[u8; 32]>,
    ) -> Option<Self> {
        token.check(app.clock.now()).ok()?;
        Some(Self { caller: Caller::of(token, password.is_none()), login, password, certificate })
    }

    /// A nonce for this account, which must have come with its password.
    pub(super) fn nonce(&self, app: &Services) -> Option<String> {
        let (password, certificate) = (self.password.as_ref()?, self.certificate?);
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let nonce = hex::encode(bytes);
        let now = Instant::now();
        let mut nonces = app.helios.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= NONCES_MAX {
            nonces.retain(|_, nonce| nonce.until > now);
        }
        if nonces.len() >= NONCES_MAX {
            return None;
        }
        let kept = Nonce {
            expected: hex::encode(sha256(format!("{password}:{nonce}").as_bytes())),
            login: self.login.clone(),
            token: self.caller.token().token.clone(),
            certificate,
            until: now + NONCE_LIFE,
        };
        nonces.insert(nonce.clone(), kept);
        Some(nonce)
    }
}

/// Whether a secret may be used over this session: its own certificate's, or any that is known when it has none.
fn accepts(app: &Services, token: &Token, certificate: Option<[u8; 32]>) -> bool {
    let Some(certificate) = certificate else { return false };
    match token.certificate {
        Some(own) => own == certificate,
        None => app.catalog.token_by_hash(&certificate).is_some_and(|known| known.check(app.clock.now()).is_ok()),
    }
}

/// `nounce`, `login` and `hash`, as s2low names them. A nonce is worth one request.
fn by_nonce(app: &Services, parts: &Parts, certificate: Option<[u8; 32]>) -> Option<Account> {
    let query = super::form::pairs(parts.uri.query()?.as_bytes());
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let (nonce, login, hash) = (value("nounce")?, value("login")?, value("hash")?);
    let kept = app.helios.nonces.lock().unwrap_or_else(PoisonError::into_inner).remove(nonce)?;
    let same = bool::from(kept.expected.as_bytes().ct_eq(hash.to_ascii_lowercase().as_bytes()));
    if !same || kept.login != login || kept.until <= Instant::now() || certificate != Some(kept.certificate) {
        return None;
    }
    let token = app.catalog.token(&kept.token)?;
    token.check(app.clock.now()).ok()?;
    Some(Account { caller: Caller::of(token, false), login: kept.login, password: None, certificate })
}

/// The logins that a certificate serves.
pub(super) fn logins(app: &Services, certificate: &[u8; 32]) -> Vec<String> {
    let now = app.clock.now();
    let tokens = app.catalog.tokens(None).into_iter();
    let served = tokens.filter(|token| token.certificate.as_ref() == Some(certificate) || token.hash == *certificate);
    served.filter(|token| token.check(now).is_ok()).map(|token| login_of(&token).to_owned()).collect()
}

fn login_of(token: &Token) -> &str {
    if token.label.is_empty() { &token.token } else { &token.label }
}
