//! The HTTP edge: who asks, for what, under which limits; every refusal a problem document ([`Code`]).
//!
//! | route | what | who |
//! |---|---|---|
//! | `POST /v1/deposits` | documents in, receipt out | deposit |
//! | `POST /v1/transfers` | a SEDA package in, an operation to follow out | deposit |
//! | `GET`, `DELETE /v1/transfers/{id}`, `GET …/reply` | what becomes of it, its messages | deposit, read |
//! | `GET /v1/deposits/{id}` | state of a deposit | deposit, read |
//! | `GET /v1/receipts/{id}[.tlog-proof\|.tsr\|.p7s\|.zip]` | the receipt, in its forms | deposit, read |
//! | `GET /v1/archives/{id}`, `…/payloads/{n}` | the record; the documents, with ranges | read |
//! | `GET /v1/archives/{id}/evidence.ers` | the evidence record (RFC 4998) | read |
//! | `GET /v1/archives/{id}/report`, `POST /v1/reports` | every check made again, sealed: JSON or PDF | read |
//! | `GET /v1/archives/{id}/attestation.pdf` | the attestation d'archivage | deposit, read |
//! | `POST /v1/evidence/renewals` | a pass over the evidence | admin |
//! | `GET /v1/archives?…` | look-up | read |
//! | `POST`, `GET /v1/agencies`; `POST`, `GET`, `DELETE /v1/tokens` | administration | admin |
//! | `POST`, `GET /v1/deliveries/…`, `/v1/restitutions` | archives as a SEDA package, to read or to archive elsewhere | read |
//! | `POST /v1/archives/{id}/modifications` | another title, other rules: a record, and a notification | archivist, admin |
//! | `POST`, `GET /v1/eliminations/…` | elimination: asked for, allowed by the control authority, carried out | archivist, admin |
//! | `POST`, `GET /v1/referentials/…` | reference data: agencies, rules, contracts, profiles | admin; audit reads |
//! | `/restservices/…` | the same transfers, as as@lae's clients speak | deposit, read |
//! | `/medona/…` | the same, as Maarch's clients speak | deposit, read |
//! | `POST /v1/validations` | what signatures are worth; nothing is stored | deposit, read |
//! | `POST /v1/archives/{id}/validations` | what an archive's signatures are worth now | read |
//! | `POST /tsa` | a time-stamp token (RFC 3161) | deposit, or anyone where configured |
//! | `POST /witness/add-checkpoint` | a cosignature (C2SP tlog-witness) | the logs watched |
//! | `GET /log/…` | the public log (C2SP tlog-tiles) | anyone |
//! | `GET /v1/transmissions…` | transmissions by what is in them; gaps of a year | deposit, read, archivist |
//! | `POST /v1/transmissions/answers` | acquittements and retours of the accountant | deposit |
//! | `/modules/helios/…`, `/api/…`, `/admin/users/…` | télétransmission as s2low speaks it | deposit, read, archivist |
//! | `POST /v1/producers/{profile}/deposits` | what a producer's system sends, by its profile | deposit, where allowed |
//! | `GET/POST /v1/producers/{profile}/webhook/{agency}` | what a producer's system announces, signed | the shared secret |
//! | `GET /v1/producers` | the profiles open to who asks | deposit, read |
//! | `/healthz`, `/readyz`, `/metrics`, `/v1/openapi.json` | operation | anyone |
//!
//! An agency sees its own archives only: for anyone else's the answer is 404, as if there were none. `audit` sees all.

mod admin;
mod archives;
mod asalae;
mod auth;
mod body;
mod code;
mod deliveries;
mod deposits;
mod eliminations;
mod ers;
mod evidence;
mod health;
mod helios;
mod identifier;
mod log;
mod maarch;
mod metrics;
mod modifications;
mod openapi;
mod own;
mod payloads;
mod problem;
mod producers;
mod pulse;
mod range;
mod rate;
mod receipts;
mod receive;
mod referentials;
mod refusals;
mod reports;
mod requests;
mod revalidations;
mod services;
mod signatures;
mod source;
mod transfers;
mod transmissions;
mod tsa;
mod validations;
mod witness;

pub(crate) use admin::{administrative_record, fresh_secret, new_token};
pub use auth::PeerCertificate;
pub use code::Code;
pub use metrics::Metrics;
pub use openapi::document as openapi_document;
pub use own::{Own, archive_own};
pub use problem::{Problem, ProblemDocument};
pub use producers::watch as watch_folders;
pub use services::{App, External, Parts, RenewalRequest, Services, Webhooks};
pub use tsa::REQUEST_BYTES_MAX as TSA_REQUEST_BYTES_MAX;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::time::Duration;
use tokio::time::{Instant, timeout};

const DEPOSITS: &str = "/v1/deposits";
const TRANSFERS: &str = "/v1/transfers";
const REPORT: &str = "/v1/archives/{id}/report";
const TRANSMISSIONS: &str = "/v1/transmissions";
const REPORTS: &str = "/v1/reports";
const ATTESTATION: &str = "/v1/archives/{id}/attestation.pdf";

/// Routes with limits of their own, step by step: what they receive may take hours to send; a report reads documents again,
/// as many as [`crate::report::DOCUMENTS_BYTES_MAX`] lets it.
const STREAMED: &[&str] = &[
    DEPOSITS,
    TRANSFERS,
    asalae::MESSAGES,
    asalae::CHUNKS,
    maarch::TRANSFERS,
    maarch::TRANSFERS_TOO,
    helios::IMPORT,
    TRANSMISSIONS,
    REPORT,
    REPORTS,
    producers::DEPOSITS,
];

/// Every route of the daemon.
pub fn router(app: App) -> Router {
    Router::new()
        .route(DEPOSITS, post(deposits::create))
        .route("/v1/deposits/{id}", get(deposits::state))
        .route(TRANSFERS, post(transfers::create))
        .route("/v1/transfers/{id}", get(transfers::state).delete(transfers::cancel))
        .route("/v1/transfers/{id}/{document}", get(transfers::document))
        .route("/v1/receipts/{id}", get(receipts::fetch))
        .route("/v1/archives", get(archives::find))
        .route("/v1/archives/{id}", get(archives::fetch))
        .route("/v1/archives/{id}/evidence.ers", get(ers::fetch))
        .route(REPORT, get(reports::fetch))
        .route(REPORTS, post(reports::create))
        .route(ATTESTATION, get(reports::attest))
        .route("/v1/evidence/renewals", post(ers::renew))
        .route("/v1/archives/{id}/payloads/{n}", get(payloads::fetch))
        .route("/v1/archives/{id}/modifications", post(modifications::modify))
        .route("/v1/archives/{id}/validations", post(revalidations::validate))
        .route("/v1/agencies", get(admin::agencies).post(admin::register))
        .route("/v1/tokens", get(admin::tokens).post(admin::issue))
        .route("/v1/tokens/{token}", axum::routing::delete(admin::revoke))
        .route("/v1/deliveries", get(deliveries::dips).post(deliveries::request_dip))
        .route("/v1/restitutions", get(deliveries::transfers).post(deliveries::request_transfer))
        .route("/v1/deliveries/{id}", get(deliveries::state))
        .route("/v1/deliveries/{id}/package", get(deliveries::package))
        .route("/v1/deliveries/{id}/authorization", get(deliveries::question).post(deliveries::answer))
        .route("/v1/deliveries/{id}/reply", get(deliveries::reply))
        .route("/v1/eliminations", get(eliminations::list).post(eliminations::request))
        .route("/v1/eliminations/{id}", get(eliminations::state))
        .route("/v1/eliminations/{id}/authorization", get(eliminations::question).post(eliminations::answer))
        .route("/v1/eliminations/{id}/execution", post(eliminations::execute))
        .route("/v1/eliminations/{id}/notification", get(eliminations::notification))
        .route("/v1/referentials", get(referentials::lists).post(referentials::import))
        .route("/v1/referentials/{list}", get(referentials::list))
        .route("/v1/referentials/{list}/changes", get(referentials::changes))
        .route("/v1/referentials/{list}/entries/{id}", get(referentials::entry))
        .route("/v1/openapi.json", get(openapi::fetch))
        .route("/v1/validations", post(validations::validate))
        .route(TRANSMISSIONS, get(transmissions::find).post(helios::native::transmit))
        .route("/v1/transmissions/completeness", get(transmissions::completeness))
        .route("/v1/transmissions/{transaction}", get(transmissions::fetch))
        .route("/v1/transmissions/answers", post(helios::answers::deposit))
        .route("/tsa", post(tsa::stamp))
        .route("/witness/add-checkpoint", post(witness::add_checkpoint))
        .route("/log/{*path}", get(log::fetch).options(log::preflight))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .merge(producers::routes())
        .merge(asalae::routes())
        .merge(maarch::routes())
        .merge(helios::routes())
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(
                Code::MethodNotAllowed,
                "Cette adresse n'admet pas cette méthode.",
                "This address does not take that method.",
            )
        })
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(app.clone(), watch))
        .with_state(app)
}

/// Around every request: counts it, and says its problem in the language asked for.
async fn watch(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let english = problem::prefers_english(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let response = if route.as_ref().is_some_and(|route| STREAMED.contains(&route.as_str())) {
        next.run(request).await
    } else {
        let limit = Duration::from_millis(app.limits.request_ms_max);
        timeout(limit, next.run(request)).await.unwrap_or_else(|_| too_slow().into_response())
    };
    let response = problem::in_language(response, english);
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    app.metrics.request(&method, route, response.status(), started.elapsed());
    response
}

fn too_slow() -> Problem {
    Problem::new(
        Code::StoreUnavailable,
        "La réponse a pris trop de temps : réessayez.",
        "The answer took too long: try again.",
    )
    .retry_after(5)
}
