//! `POST /v1/archives/{id}/validations`: what the signatures of an archive are worth now, with the archive's own log as the
//! proof that they existed when they were deposited (EN 319 102-1 § 5.6.2.3). Nothing is stored.

use super::auth::Caller;
use super::identifier::Identified;
use super::problem::Problem;
use super::services::{App, Services};
use super::signatures::{self, Past};
use super::validations::instant;
use super::{archives, receipts};
use crate::clock::format_record_time;
use crate::package::{self, Scope};
use crate::spec::tsp::received::{Token, token_bytes};
use crate::validation::facts::{Der, Material};
use crate::validation::report;
use axum::extract::{Query, State};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

/// The most documents of an archive read together, in bytes.
const BYTES_MAX: u64 = 128 << 20;

/// When to validate.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct When {
    /// Time of validation, RFC 3339; now by default.
    at: Option<String>,
}

/// What the signatures of an archive are worth.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Revalidation {
    /// The archive.
    archive: String,
    /// Since when its documents provably exist: the time of the token over the checkpoint that holds it.
    existed: Option<String>,
    /// Each signed document.
    files: Vec<RevalidatedFile>,
}

/// One signed document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RevalidatedFile {
    /// Its name.
    name: String,
    /// One screen, in French.
    simple: String,
    /// The verdict, for programs.
    verdict: Value,
}

/// What the signatures of an archive are worth now.
#[utoipa::path(
    post, path = "/v1/archives/{id}/validations", tag = "validations",
    params(("id" = String, Path, description = "ARK (percent-encoded) or its name part."), When),
    responses(
        (status = 200, description = "The verdicts, with the archive's log as proof of existence. Nothing is stored.", body = Revalidation),
        (status = "4XX", description = "Not found, not allowed, or more than 128 MiB.", body = super::openapi::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too much at once.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn validate(
    State(app): State<App>,
    caller: Caller,
    id: Identified,
    Query(when): Query<When>,
) -> Result<axum::Json<Revalidation>, Problem> {
    caller.require(&[Scope::Read, Scope::Audit])?;
    let at = instant(when.at.as_deref())?.unwrap_or_else(|| app.clock.now());
    let found = id.read(&app, &caller).await?;
    if found.record.deposit().is_none() {
        return Err(Problem::not_found());
    }
    let (existence, validated) = revalidate(&app, found.index, &found.record, at).await?;
    let files = validated.iter().flat_map(signatures::Validated::verdicts).map(|(name, verdict)| RevalidatedFile {
        name: name.to_owned(),
        simple: report::simple(verdict),
        verdict: report::json(verdict),
    });
    Ok(axum::Json(Revalidation {
        archive: archives::ark_of(&app, found.index),
        existed: existence.map(format_record_time),
        files: files.collect(),
    }))
}

/// What the signatures of a deposit are worth at a time, and since when its documents provably exist.
pub(super) async fn revalidate(
    app: &Services,
    index: u64,
    record: &package::Record,
    at: OffsetDateTime,
) -> Result<(Option<OffsetDateTime>, Option<signatures::Validated>), Problem> {
    let Some(deposit) = record.deposit() else { return Ok((None, None)) };
    let total = deposit.payloads.iter().map(|payload| payload.size_bytes).fold(0, u64::saturating_add);
    if total > BYTES_MAX {
        let detail = "Plus de 128 Mio : validez les documents un à un, avec « archiland validate --receipt ».";
        return Err(Problem::request("id", detail, "More than 128 MiB: use `archiland validate --receipt`."));
    }
    let kib = u32::try_from(total.div_ceil(1024)).unwrap_or(u32::MAX);
    let _held = app.buffers.clone().try_acquire_many_owned(kib).map_err(|_| Problem::busy())?;
    let reports = deposit.signatures.as_ref().map(|signatures| signatures.reports.as_slice()).unwrap_or_default();
    let (mut files, mut material) = (Vec::new(), Material::default());
    for payload in &deposit.payloads {
        if !reports.contains(&payload.name) {
            files.push((payload.name.clone(), content(app, payload).await?));
        } else if reports.first() == Some(&payload.name) {
            material = kept(&content(app, payload).await?);
        }
    }
    let receipt = receipts::load(app, index).await?;
    let existence = receipt.timestamps.first().and_then(|response| stamped_at(response));
    let past = Past { existence, material };
    let validated = signatures::validate(app, app.signatures.current(), files, Some(past), at).await?;
    Ok((existence, validated))
}

async fn content(app: &Services, payload: &package::Payload) -> Result<Bytes, Problem> {
    let stream = app.store.read(payload, 0..payload.size_bytes).await?;
    let read = stream.try_fold(BytesMut::new(), async |mut whole, piece| {
        whole.extend_from_slice(&piece);
        Ok(whole)
    });
    Ok(read.await.map_err(|error| Problem::internal(&error))?.freeze())
}

/// The time of a token of ours: the receipt was made from what this archive published.
fn stamped_at(response: &[u8]) -> Option<OffsetDateTime> {
    Some(Token::parse(token_bytes(response).ok()?).ok()?.info.time)
}

/// The revocation data kept in the report of the deposit.
fn kept(report: &[u8]) -> Material {
    let report: Value = serde_json::from_slice(report).unwrap_or_default();
    let ders = |member: &str| -> Vec<Der> {
        let list = report["fetched"]["material"][member].as_array();
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.filter_map(|text| BASE64_STANDARD.decode(text).ok()).map(Der).collect()
    };
    Material { crls: ders("crls"), ocsps: ders("ocsps"), ..Material::default() }
}
