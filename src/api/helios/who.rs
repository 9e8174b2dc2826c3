//! Connection tests, logins, nonces.

use super::account::{Account, logins as served};
use super::{json, plain, with_status};
use crate::api::auth::PeerCertificate;
use crate::api::services::App;
use crate::config::HeliosMode;
use crate::package::Scope;
use crate::producer::helios::json_text;
use axum::extract::{Request, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

/// `OK`, to whoever has a connection.
pub(super) async fn test() -> Response {
    plain("OK")
}

/// The logins of the certificate, one a line; nothing for a certificate that serves none.
pub(super) async fn logins(State(app): State<App>, request: Request) -> Response {
    let Some(certificate) = request.extensions().get::<PeerCertificate>() else { return plain("") };
    plain(served(&app, &certificate.0).into_iter().map(|login| login + "\n").collect::<String>())
}

/// A nonce, to an account that gave its password.
pub(super) async fn nonce(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let nonce = Account::identify(&app, &parts).and_then(|account| account.nonce(&app));
    match nonce {
        Some(nonce) => json(format!("{{\"nounce\":{}}}", json_text(&nonce))),
        None => unauthenticated(),
    }
}

/// Who is connected.
pub(super) async fn information(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let Some(account) = Account::identify(&app, &parts) else { return unauthenticated() };
    let caller = &account.caller;
    let name = app.catalog.agency(&caller.agency).map(|agency| agency.name).unwrap_or_default();
    let mode = match app.helios_mode {
        HeliosMode::Archive => "archive",
        HeliosMode::Sandbox => "sandbox",
    };
    let role = if caller.has(Scope::Archivist) { "ARCH" } else { "USER" };
    let fields = [
        ("id", caller.token().token.as_str()),
        ("login", &account.login),
        ("name", &account.login),
        ("role", role),
        ("authority_id", &caller.agency),
        ("authority_name", &name),
        ("siren", &caller.agency),
        ("mode", mode),
    ];
    let members: Vec<_> =
        fields.iter().map(|(name, value)| format!("{}:{}", json_text(name), json_text(value))).collect();
    json(format!("{{{}}}", members.join(",")))
}

fn unauthenticated() -> Response {
    let mut response = with_status(plain(super::UNKNOWN), StatusCode::UNAUTHORIZED);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"archiland\""));
    response
}
