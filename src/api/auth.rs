//! Who asks: an API token or a client certificate, both known by their SHA-256 in the catalog.

use super::code::Code;
use super::problem::Problem;
use super::services::{App, Services};
use crate::catalog::{Token, TokenRefusal};
use crate::digest::sha256;
use crate::package::Scope;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// The longest secret looked at, in bytes.
const SECRET_BYTES_MAX: usize = 256;

/// The bucket of requests without a valid credential.
const NOBODY: &str = "";

/// SHA-256 of the DER of the certificate that the client proved to hold during the TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCertificate(pub [u8; 32]);

/// The agency that asks, and what it may do.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) agency: String,
    pub(super) actor: String,
    token: Token,
}

impl Caller {
    /// Who holds a token that was checked.
    pub(super) fn of(token: Token, by_certificate: bool) -> Self {
        let actor = if by_certificate {
            format!("certificate:{}", hex::encode(token.hash))
        } else {
            format!("token:{}", token.token)
        };
        Self { agency: token.agency.clone(), actor, token }
    }

    /// A system that signs what it announces with the secret it shares with us: it deposits for one agency, and no more.
    pub(super) fn of_webhook(agency: &str, profile: &str) -> Self {
        Self::of_system("webhook", agency, profile)
    }

    /// Who puts files into a watched folder: as the configuration says.
    pub(super) fn of_folder(agency: &str, profile: &str) -> Self {
        Self::of_system("dossier", agency, profile)
    }

    fn of_system(way: &str, agency: &str, profile: &str) -> Self {
        let token = Token {
            token: format!("{way}-{profile}"),
            agency: agency.to_owned(),
            scopes: vec![Scope::Deposit],
            label: String::new(),
            hash: [0; 32],
            index: 0,
            expires_ms: None,
            revoked_ms: None,
            certificate: None,
        };
        Self { agency: agency.to_owned(), actor: format!("{way}:{profile}"), token }
    }

    /// Its token.
    pub(super) fn token(&self) -> &Token {
        &self.token
    }

    /// Fails unless the credential has one of these scopes.
    pub(super) fn require(&self, scopes: &[Scope]) -> Result<(), Problem> {
        if scopes.iter().any(|scope| self.token.allows(*scope)) {
            return Ok(());
        }
        Err(Problem::new(
            Code::Forbidden,
            "Ce jeton ne permet pas cette action : demandez à l'exploitant un jeton qui la permette.",
            "This token does not allow this action: ask the operator for one that does.",
        ))
    }

    /// Whether it has this scope.
    pub(super) fn has(&self, scope: Scope) -> bool {
        self.token.allows(scope)
    }

    /// Whether a login names its agency or its token.
    pub(super) fn is_named(&self, login: &str) -> bool {
        self.agency == login || self.token.token == login
    }

    /// Whether it may know of an agency's archives.
    pub(super) fn sees(&self, agency: &str) -> bool {
        self.agency == agency || self.has(Scope::Audit)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let found = identify(app, parts);
        let agency = found.as_ref().map_or(NOBODY, |caller| &caller.agency);
        if let Err(seconds) = app.rates.take(agency, Instant::now()) {
            return Err(too_many(seconds));
        }
        found
    }
}

/// Who asks through the interface of another system, by a secret that came its way; rates are counted all the same.
pub(super) fn by_secret(app: &Services, secret: Option<&[u8]>) -> Result<Caller, Problem> {
    let usable = secret.filter(|secret| (1..=SECRET_BYTES_MAX).contains(&secret.len()));
    let found = usable.ok_or_else(unauthenticated).and_then(|secret| known(app, sha256(secret), None, false));
    let agency = found.as_ref().map_or(NOBODY, |caller| &caller.agency);
    match app.rates.take(agency, Instant::now()) {
        Ok(()) => found,
        Err(seconds) => Err(too_many(seconds)),
    }
}

/// The login and the password of `Authorization: Basic …` (RFC 7617).
pub(super) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    use base64::Engine as _;
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, credentials) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") || credentials.len() > 4 * SECRET_BYTES_MAX {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(credentials.trim_ascii()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (login, password) = text.split_once(':')?;
    Some((login.to_owned(), password.to_owned()))
}

pub(super) fn too_many(seconds: u32) -> Problem {
    Problem::new(
        Code::RateLimited,
        "Trop de requêtes pour votre organisme : réessayez dans une seconde.",
        "Too many requests for your agency: try again in a second.",
    )
    .retry_after(seconds)
}

fn identify(app: &Services, parts: &Parts) -> Result<Caller, Problem> {
    let certificate = parts.extensions.get::<PeerCertificate>().map(|certificate| certificate.0);
    match (bearer(parts), certificate) {
        (Some(secret), _) => known(app, sha256(secret), certificate, false),
        (None, Some(own)) => known(app, own, certificate, true),
        (None, None) => Err(unauthenticated()),
    }
}

fn known(
    app: &Services,
    hash: [u8; 32],
    certificate: Option<[u8; 32]>,
    by_certificate: bool,
) -> Result<Caller, Problem> {
    let token = app.catalog.token_by_hash(&hash).ok_or_else(unauthenticated)?;
    // Some secrets are worth something over one certificate's session only.
    if !bool::from(token.hash.ct_eq(&hash)) || token.certificate.is_some_and(|own| certificate != Some(own)) {
        return Err(unauthenticated());
    }
    token.check(app.clock.now()).map_err(|refusal| match refusal {
        TokenRefusal::Revoked => Problem::new(
            Code::TokenRevoked,
            format!("{}.", capital(&refusal)),
            "This token was revoked: ask the operator for another.",
        ),
        TokenRefusal::Expired => Problem::new(
            Code::TokenExpired,
            format!("{}.", capital(&refusal)),
            "This token has expired: ask the operator for another.",
        ),
    })?;
    Ok(Caller::of(token, by_certificate))
}

/// The secret of `Authorization: Bearer …`.
fn bearer(parts: &Parts) -> Option<&[u8]> {
    let value = parts.headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, secret) = value.split_at_checked(7)?;
    let secret = secret.trim_ascii();
    let usable = scheme.eq_ignore_ascii_case(b"Bearer ") && (1..=SECRET_BYTES_MAX).contains(&secret.len());
    usable.then_some(secret)
}

fn unauthenticated() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "Jeton absent ou inconnu : envoyez « Authorization: Bearer … » avec un jeton délivré par l'exploitant.",
        "Token missing or unknown: send \"Authorization: Bearer …\" with a token issued by the operator.",
    )
}

fn capital(text: &impl std::fmt::Display) -> String {
    let text = text.to_string();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}
