//! The accountant's files in: an acquittement is matched to its transmission by `NomFic` and `CodCol` and archived with it;
//! a `PES_Retour` is archived and waits to be read. The state follows from the file, and from nothing else.

use super::Own;
use super::follow::UNREAD;
use crate::admission::{Metadata, SHORT_CHARS_MAX, file_name, key_hash};
use crate::api::auth::Caller;
use crate::api::body::Incoming;
use crate::api::deposits;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::api::source::Document;
use crate::digest::sha256;
use crate::package::{Direction, Flow, Link, Scope, Transmission};
use crate::producer::helios::{BYTES_MAX, State as Reached};
use crate::spec::pes::{self, Acquit, Pes, Retour};
use crate::spec::xml;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use sha1::{Digest as _, Sha1};
use std::time::Duration;

/// What became of an answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Answered {
    /// The transmission it is about, or the number of the `PES_Retour`.
    transaction: u64,
    /// The state from now on.
    state: i8,
    /// Its archive.
    archive: String,
}

/// Archives a file of the accountant: `PES_ACQUIT`, its refusal, or `PES_Retour`.
#[utoipa::path(
    post, path = "/v1/transmissions/answers", tag = "transmissions",
    request_body(description = "The XML file as the accountant sent it. `Archiland-Name` may name it.", content((String = "application/xml"))),
    responses(
        (status = 201, description = "Archived; the transmission's state follows.", body = Answered),
        (status = 200, description = "Archived before.", body = Answered),
        (status = "4XX", description = "No such file, or of no transmission.", body = crate::api::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(in crate::api) async fn deposit(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit])?;
    let (parts, body) = request.into_parts();
    let name = parts.headers.get("archiland-name").and_then(|value| file_name(value.as_bytes()).ok());
    let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
    let bytes_max = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).min(app.limits.body_bytes_max);
    let whole = Incoming::new(body, bytes_max, idle_max).whole().await.map_err(crate::admission::Refusal::from)?;
    let (status, answered) = take(&app, &caller, name, whole.into()).await?;
    Ok((status, axum::Json(answered)).into_response())
}

enum Answer {
    Acquit(Acquit),
    Retour(Retour),
}

/// Takes a file of the accountant in.
pub(super) async fn take(
    app: &App,
    caller: &Caller,
    name: Option<String>,
    bytes: Bytes,
) -> Result<(StatusCode, Answered), Problem> {
    let looked = bytes.clone();
    let answer =
        tokio::task::spawn_blocking(move || read(&looked)).await.map_err(|error| Problem::internal(&error))??;
    match answer {
        Answer::Acquit(acquit) => acquitted(app, caller, name, bytes, &acquit).await,
        Answer::Retour(retour) => returned(app, caller, name, bytes, &retour).await,
    }
}

fn read(bytes: &[u8]) -> Result<Answer, Problem> {
    let wrong =
        |why: &str| Problem::request("", format!("Fichier refusé : {why}."), "Neither a PES_ACQUIT nor a PES_Retour.");
    let limits = xml::Limits { size_bytes_max: BYTES_MAX, nodes_max: 4 << 20, ..xml::Limits::default() };
    let document = xml::Document::parse(bytes, &limits).map_err(|error| wrong(&error.to_string()))?;
    match Pes::read(&document, &pes::Limits::default()).map_err(|error| wrong(&error.to_string()))? {
        Pes::Acquit(acquit) => Ok(Answer::Acquit(acquit)),
        Pes::Retour(retour) => Ok(Answer::Retour(retour)),
        Pes::Aller(_) => Err(wrong("un PES_Aller se dépose par l'interface de télétransmission")),
    }
}

async fn acquitted(
    app: &App,
    caller: &Caller,
    name: Option<String>,
    bytes: Bytes,
    acquit: &Acquit,
) -> Result<(StatusCode, Answered), Problem> {
    let (Some(nom_fic), Some(cod_col)) = (&acquit.parameters.nom_fic, &acquit.header.cod_col) else {
        let detail = "L'acquittement ne porte pas NomFic et CodCol : il ne peut être rapproché d'un PES.";
        return Err(Problem::request("", detail, "The file has no NomFic and CodCol to match."));
    };
    let matched = super::with(app, &caller.agency, Own::Name(nom_fic.clone(), cod_col.clone())).await?;
    let number = matched.ok_or_else(|| {
        let detail = format!("Aucune transmission de votre organisme n'a le NomFic {nom_fic} et le CodCol {cod_col}.");
        Problem::request("", detail, "No transmission of yours has this NomFic and CodCol.")
    })?;
    // Two answers to one transmission take turns.
    let _turn = app.in_flight.turn(key_hash(&caller.agency, &format!("helios-state\0{number}"))).await;
    let row = super::row(app, number).await?.ok_or_else(Problem::not_found)?;
    let (state, message) = if acquit.refused {
        (Reached::Refused, "Transaction refusée par Hélios")
    } else if acquit.detailed {
        (Reached::Information, "Information disponible")
    } else {
        (Reached::Acknowledged, "Acquittement reçu")
    };
    let metadata = Metadata {
        title: format!("Acquittement du PES {}", nom_fic.chars().take(255).collect::<String>()),
        document_type: "pes-acquit".to_owned(),
        external_id: Some(nom_fic.chars().take(SHORT_CHARS_MAX).collect()),
        links: row.archive.iter().map(|pes| Link { relation: "acknowledges".into(), target: pes.clone() }).collect(),
        ..Metadata::default()
    };
    let name = name.unwrap_or_else(|| "PES_ACQUIT.xml".to_owned());
    let (status, archive) = archive(app, caller, metadata, name, bytes).await?;
    // A second sending of the same file changes nothing.
    if row.acquit.as_ref() == Some(&archive) {
        return Ok((status, Answered { transaction: number, state: row.state(), archive }));
    }
    let body = Transmission { transaction: Some(number), state: state.code(), message: message.to_owned(), flow: None };
    super::record(app, &caller.agency, &caller.actor, vec![archive.clone()], body).await?;
    Ok((status, Answered { transaction: number, state: state.code(), archive }))
}

async fn returned(
    app: &App,
    caller: &Caller,
    name: Option<String>,
    bytes: Bytes,
    retour: &Retour,
) -> Result<(StatusCode, Answered), Problem> {
    let told = retour.parameters.nom_fic.clone().unwrap_or_else(|| "PES_Retour".to_owned());
    let metadata = Metadata {
        title: format!("PES retour {}", told.chars().take(255).collect::<String>()),
        document_type: "pes-retour".to_owned(),
        external_id: retour.parameters.nom_fic.as_ref().map(|name| name.chars().take(SHORT_CHARS_MAX).collect()),
        ..Metadata::default()
    };
    let name = name.or_else(|| file_name(told.as_bytes()).ok());
    let name = named_xml(name.unwrap_or_else(|| "PES_Retour".to_owned()));
    let header = &retour.header;
    let flow = Flow {
        direction: Direction::Retour,
        file: name.clone(),
        size_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha1: hex::encode(Sha1::digest(&bytes)),
        sha256: hex::encode(sha256(&bytes)),
        nom_fic: retour.parameters.nom_fic.clone(),
        cod_col: header.cod_col.clone(),
        id_post: header.id_post.clone(),
        cod_bud: header.cod_bud.clone(),
        id_coll: header.id_coll.clone(),
        dte_str: header.dte_str.clone(),
        ..Flow::default()
    };
    let (status, archive) = archive(app, caller, metadata, name, bytes).await?;
    let message = "PES Retour reçu".to_owned();
    let body = Transmission { transaction: None, state: UNREAD, message, flow: Some(Box::new(flow)) };
    let number = super::record(app, &caller.agency, &caller.actor, vec![archive.clone()], body).await?;
    Ok((status, Answered { transaction: number, state: UNREAD, archive }))
}

/// Pastell fetches those of the list whose name ends so, and no others.
fn named_xml(name: String) -> String {
    let ends =
        name.len().checked_sub(4).and_then(|at| name.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(".xml"));
    if ends { name } else { name + ".xml" }
}

async fn archive(
    app: &App,
    caller: &Caller,
    mut metadata: Metadata,
    name: String,
    bytes: Bytes,
) -> Result<(StatusCode, String), Problem> {
    metadata.title = super::labelled(app, metadata.title);
    let key = format!("helios-answer-{}", hex::encode(sha256(&[bytes.as_ref(), name.as_bytes()].concat())));
    let documents = vec![Document { name, content: Body::from(bytes) }];
    let (status, receipt) = deposits::deposit(app, caller, metadata, Some(&key), documents).await?;
    Ok((status, receipt.archive.to_string()))
}
