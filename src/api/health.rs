//! `/healthz`: the process answers. `/readyz`: it can take deposits and its checkpoint moves. `/metrics`.

use super::services::{App, Services};
use crate::receipt::french_time;
use crate::timestamp::ClockState;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Alive.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, description = "The process answers.", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the archive can take deposits, and if not, why.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Readiness {
    /// All of `reasons` is empty.
    ready: bool,
    /// Why not, in French, for the operator.
    reasons: Vec<String>,
    /// What needs the operator without stopping deposits, in French.
    warnings: Vec<String>,
    /// Entries in the published log.
    log_size: u64,
    /// Entries taken in by every view.
    views_size: u64,
}

/// Ready to take deposits.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses((status = 200, description = "Ready.", body = Readiness), (status = 503, description = "Not ready, and why.", body = Readiness)),
)]
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let readiness = readiness(&app);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = (status, axum::Json(readiness)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn readiness(app: &Services) -> Readiness {
    let mut reasons = Vec::new();
    if let Some(trouble) = app.sequencer.trouble() {
        reasons.push(format!("le journal ne s'allonge plus : {trouble}"));
    }
    if app.pulse.is_stale(std::time::Duration::from_millis(app.limits.checkpoint_age_ms_max)) {
        reasons.push("des dépôts attendent et le point de contrôle ne bouge plus".to_owned());
    }
    if app.views.has_changed().is_err() {
        reasons.push("les vues ne suivent plus le journal : redémarrez le démon".to_owned());
    }
    let mut warnings = Vec::new();
    for doubt in app.external.iter().flat_map(|external| external.doubts.borrow().clone()) {
        let (witness, size) = (doubt.witness, doubt.size);
        reasons.push(format!("le témoin « {witness} » a cosigné une autre histoire de ce journal, de {size} entrées"));
    }
    keys(app, &mut reasons, &mut warnings);
    for (origin, refusal) in app.watch.alarms() {
        warnings.push(format!("le journal surveillé « {origin} » se contredit : {refusal}"));
    }
    match app.timestamps.trust().state() {
        ClockState::Trusted => {}
        ClockState::Unknown(why) => warnings.push(format!("l'horodatage est fermé, l'horloge n'est pas sûre : {why}")),
        ClockState::Wrong(why) => reasons.push(format!("rien n'est plus signé, l'horloge n'est pas sûre : {why}")),
    }
    Readiness {
        ready: reasons.is_empty(),
        reasons,
        warnings,
        log_size: app.log_size(),
        views_size: app.views.borrow().applied(),
    }
}

/// What is wrong with the keys, or soon will be.
fn keys(app: &Services, reasons: &mut Vec<String>, warnings: &mut Vec<String>) {
    if let Some(trouble) = app.keys.hsm_trouble() {
        reasons.push(format!("rien n'est plus signé : {trouble}"));
    }
    let now = app.clock.now();
    for key in app.keys.inventory() {
        let Some(end) = key.not_after.filter(|_| ["current", "next", "trusted"].contains(&key.state)) else { continue };
        let (name, subject) = (key.name, key.subject);
        if end <= now {
            // Without a seal or a token nothing is committed; an old authority only vouches for what is old.
            let told = if key.state == "current" && name != "server" { &mut *reasons } else { &mut *warnings };
            told.push(format!("le certificat « {subject} » ({name}) a expiré le {}", french_time(end)));
        } else if end - now <= time::Duration::days(i64::from(app.key_warn_days)) {
            let days = (end - now).whole_days();
            warnings.push(format!(
                "le certificat « {subject} » ({name}) expire dans {days} jours, le {}",
                french_time(end)
            ));
        }
    }
}

/// Metrics (OpenMetrics text).
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, description = "OpenMetrics text.", body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let mut response = app.metrics.render(&app).into_response();
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
