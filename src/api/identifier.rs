//! Archive identifiers in paths: the ARK, percent-encoded, or its name part.

use super::auth::Caller;
use super::code::Code;
use super::problem::Problem;
use super::services::{App, Services};
use crate::package::{Ark, Record};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use bytes::Bytes;

/// The `{id}` of a path, not yet known to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identified {
    pub(super) index: u64,
    /// What followed the first dot: the form of a receipt.
    pub(super) extension: Option<String>,
}

/// A record that the caller may know of.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) index: u64,
    /// The record's bytes, canonical JSON.
    pub(super) bytes: Bytes,
    pub(super) record: Record,
}

impl FromRequestParts<App> for Identified {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Path(values) = Path::<Vec<(String, String)>>::from_request_parts(parts, app)
            .await
            .map_err(|_| malformed("l'adresse n'est pas de l'UTF-8"))?;
        let text = values.iter().find(|(name, _)| name == "id").map_or("", |(_, value)| value.as_str());
        Self::parse(app, text)
    }
}

impl Identified {
    /// An identifier as people write it.
    pub(super) fn parse(app: &Services, text: &str) -> Result<Self, Problem> {
        let (id, extension) = match text.split_once('.') {
            Some((id, extension)) => (id, Some(extension.to_owned())),
            None => (text, None),
        };
        let parsed =
            if id.starts_with("ark:") { id.parse() } else { format!("ark:/{}/{id}", app.archive.naan).parse::<Ark>() };
        let ark = parsed.map_err(|e| malformed(&e.to_string()))?;
        if ark.naan() != app.archive.naan || ark.log() != app.archive.log {
            return Err(Problem::not_found());
        }
        Ok(Self { index: ark.index(), extension })
    }

    /// Reads the record, if there is one and the caller may know of it.
    pub(super) async fn read(&self, app: &Services, caller: &Caller) -> Result<Found, Problem> {
        let size = app.log_size();
        let Some(bytes) = app.log.record(self.index, size).await? else { return Err(Problem::not_found()) };
        let record = Record::parse(&bytes).map_err(|e| Problem::internal(&e))?;
        if !caller.sees(&record.agency) {
            return Err(Problem::not_found());
        }
        Ok(Found { index: self.index, bytes, record })
    }
}

fn malformed(why: &str) -> Problem {
    Problem::new(
        Code::IdentifierInvalid,
        format!("Identifiant refusé : {why}."),
        "Not an identifier of this archive: expected an ARK (percent-encoded) or its name part.",
    )
}
