//! The s2low interface of télétransmission, as accounting software and Pastell speak it.
//!
//! | route | what |
//! |---|---|
//! | `/api/test-connexion.php`, `/api/info-connexion.php`, `/api/get-nounce.php`, `/admin/users/api-list-login.php` | who asks |
//! | `/modules/helios/api/helios_importer_fichier.php` | a PES_Aller in |
//! | `…/api/helios_transac_get_status.php`, `…/helios_download_acquit.php`, `…/helios_download_file.php` | what became of it |
//! | `…/api/helios_get_list.php`, `…/api/helios_get_retour.php`, `…/api/helios_change_status.php` | PES_Retour |
//! | `…/api/list_pes_aller.php`, `…/helios_transac_change_status_sae.php` | the archivist's |
//!
//! Refusals come with HTTP 200, as old clients want them; the words are s2low's. Every state told is that of a record.

mod account;
pub(super) mod answers;
mod antivirus;
mod follow;
mod form;
mod import;
pub(super) mod native;
mod sandbox;
mod who;

pub(super) use account::Desk;

use super::Problem;
use super::services::App;
use crate::catalog::{self, CatalogError, Distinct};
use crate::config::HeliosMode;
use crate::package::{Body as RecordBody, Transmission};
use crate::producer::helios::SANDBOX;
use crate::sequencer::Submission;
use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use std::time::Duration;
use tokio::time::timeout;

/// The route that takes files: it has limits of its own, step by step.
pub(super) const IMPORT: &str = "/modules/helios/api/helios_importer_fichier.php";

/// How long an answer waits for the views of this node: a client asks for the state at once.
const FOLLOW_MAX: Duration = Duration::from_secs(10);

/// Refused, in the words of s2low.
const DENIED: &str = "Accès refusé";
const UNKNOWN: &str = "Échec de l'authentification";

/// The routes.
pub(super) fn routes() -> Router<App> {
    let module = |path: &str| format!("/modules/helios/{path}");
    Router::new()
        .route("/api/test-connexion.php", get(who::test))
        .route("/api/info-connexion.php", get(who::information))
        .route("/api/get-nounce.php", get(who::nonce))
        .route("/admin/users/api-list-login.php", get(who::logins))
        .route(IMPORT, post(import::import))
        .route(&module("api/helios_transac_get_status.php"), get(follow::status).post(follow::status))
        .route(&module("helios_download_acquit.php"), get(follow::acquit).post(follow::acquit))
        .route(&module("helios_download_file.php"), get(follow::file).post(follow::file))
        .route(&module("api/helios_get_list.php"), get(follow::retours).post(follow::retours))
        .route(&module("api/helios_get_retour.php"), get(follow::retour).post(follow::retour))
        .route(&module("api/helios_change_status.php"), get(follow::read_retour).post(follow::read_retour))
        .route(&module("api/list_pes_aller.php"), get(follow::list))
        .route(&module("helios_transac_change_status_sae.php"), post(follow::change_archive_state))
}

/// Writes a transmission's record and waits until this node knows of it; the record's index.
async fn record(
    app: &App,
    agency: &str,
    actor: &str,
    references: Vec<String>,
    mut body: Transmission,
) -> Result<u64, Problem> {
    body.message = labelled(app, body.message);
    let body = RecordBody::Transmission(body);
    let bytes = super::admin::record_with(agency, actor, references, body, app.clock.now())?;
    let committed = app.sequencer.submit(Submission { record: bytes.into(), idempotency: None }).await?;
    let mut views = app.views.clone();
    let followed = timeout(FOLLOW_MAX, views.wait_for(|progress| progress.applied() > committed.index)).await;
    followed.map_err(|_| Problem::outcome_unknown())?.map_err(|e| Problem::internal(&e))?;
    Ok(committed.index)
}

/// In a sandbox, every text says so.
fn labelled(app: &App, text: String) -> String {
    if app.helios_mode == HeliosMode::Sandbox { format!("{SANDBOX}{text}") } else { text }
}

/// What two transmissions must not share, as a task holds it.
enum Own {
    Sha1(String),
    Name(String, String),
}

/// The transmission of an agency that has this already.
async fn with(app: &App, agency: &str, own: Own) -> Result<Option<u64>, Problem> {
    let agency = agency.to_owned();
    off_runtime(app, move |catalog| match &own {
        Own::Sha1(sha1) => catalog.transmission_with(&agency, &Distinct::Sha1(sha1)),
        Own::Name(name, code) => catalog.transmission_with(&agency, &Distinct::Name(name, code)),
    })
    .await
}

/// The transmission of a number.
async fn row(app: &App, number: u64) -> Result<Option<catalog::Transmission>, Problem> {
    off_runtime(app, move |catalog| catalog.transmission(number)).await
}

/// The catalog may read the disk.
async fn off_runtime<T: Send + 'static>(
    app: &App,
    ask: impl FnOnce(&dyn catalog::Catalog) -> Result<T, CatalogError> + Send + 'static,
) -> Result<T, Problem> {
    let catalog = app.catalog.clone();
    let answer = tokio::task::spawn_blocking(move || ask(&*catalog)).await.map_err(|e| Problem::internal(&e))?;
    answer.map_err(|e| Problem::internal(&e))
}

fn told(media_type: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn plain(text: impl Into<Body>) -> Response {
    told("text/plain; charset=utf-8", text)
}

fn xml(text: String) -> Response {
    told("text/xml; charset=ISO-8859-1", text)
}

fn json(text: String) -> Response {
    told("application/json", text)
}

fn with_status(mut response: Response, status: StatusCode) -> Response {
    *response.status_mut() = status;
    response
}
