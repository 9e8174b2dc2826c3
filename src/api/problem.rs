//! Problem documents (RFC 9457): the one form of every refusal and failure, French unless English is asked for.

use super::code::Code;
use crate::admission::Refusal;
use crate::sequencer::{LogError, SubmitError};
use crate::store::StoreError;
use axum::body::Body;
use axum::http::header::{CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A refusal or failure on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What, for programs.
    pub code: Code,
    /// The French sentence.
    pub detail: String,
    /// The English one.
    pub detail_in_english: String,
    /// Where in what was sent.
    pub pointer: Option<String>,
    /// When to come back, in seconds.
    pub retry_after_s: Option<u32>,
}

/// The document as sent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemDocument<'a> {
    /// `urn:archiland:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Short title of the code.
    pub title: &'a str,
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: &'a str,
    /// What happened and what to do, in the language asked for.
    pub detail: &'a str,
    /// Where in what was sent: a JSON pointer into the metadata, or a header's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<&'a str>,
}

impl Problem {
    /// A problem with its sentence in both languages.
    pub fn new(code: Code, detail: impl Into<String>, detail_in_english: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            detail_in_english: detail_in_english.into(),
            pointer: None,
            retry_after_s: None,
        }
    }

    /// With the place in what was sent.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// With a time to come back.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Nothing there, or nothing this agency may know of.
    pub fn not_found() -> Self {
        Self::new(
            Code::NotFound,
            "Rien à cette adresse pour votre organisme.",
            "Nothing at this address for your agency.",
        )
    }

    /// A query parameter or JSON body that cannot be used.
    pub fn request(pointer: &str, detail: impl Into<String>, detail_in_english: impl Into<String>) -> Self {
        Self::new(Code::RequestInvalid, detail, detail_in_english).at(pointer)
    }

    /// Too much at once.
    pub fn busy() -> Self {
        let detail = "Trop de dépôts à la fois : réessayez dans une seconde.";
        Self::new(Code::Busy, detail, "Too many deposits at once: try again in a second.").retry_after(1)
    }

    /// A fault of ours; what happened is for the operator's log, not for the client.
    pub fn internal(what: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %what, "erreur interne pendant une requête");
        Self::new(
            Code::Internal,
            "Erreur interne : réessayez, et prévenez l'exploitant si elle persiste.",
            "Internal error: try again, and tell the operator if it persists.",
        )
    }

    fn respond(&self, english: bool) -> Response {
        let status = self.code.status();
        let document = ProblemDocument {
            kind: format!("urn:archiland:problem:{}", self.code.as_str()),
            title: if english { self.code.title_in_english() } else { self.code.title() },
            status: status.as_u16(),
            code: self.code.as_str(),
            detail: if english { &self.detail_in_english } else { &self.detail },
            pointer: self.pointer.as_deref(),
        };
        // A struct of strings and a number always serialises.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(if english { "en" } else { "fr" }));
        headers.insert(VARY, HeaderValue::from_static("accept-language"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"archiland\""));
        }
        response
    }
}

impl IntoResponse for Problem {
    /// In French; `in_language` says it again in English when that is what was asked for.
    fn into_response(self) -> Response {
        let mut response = self.respond(false);
        response.extensions_mut().insert(self);
        response
    }
}

/// Says a problem again in the language the request prefers.
pub(super) fn in_language(response: Response, english: bool) -> Response {
    if !english || !(response.status().is_client_error() || response.status().is_server_error()) {
        return response;
    }
    let Some(problem) = response.extensions().get::<Problem>() else { return response };
    let mut said = problem.respond(true);
    for (name, value) in response.headers() {
        if !said.headers().contains_key(name) && name != axum::http::header::CONTENT_LENGTH {
            said.headers_mut().insert(name, value.clone());
        }
    }
    said
}

/// Whether a request prefers English to French (RFC 9110 §12.5.4).
pub(super) fn prefers_english(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(axum::http::header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    let mut best = [0.0_f32; 2];
    for item in value.split(',').take(16) {
        let (tag, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).unwrap_or(0.0);
        let place = match tag.trim().split('-').next().unwrap_or_default() {
            "fr" | "*" => 0,
            "en" => 1,
            _ => continue,
        };
        best[place] = best[place].max(weight);
    }
    best[1] > best[0]
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let retry = matches!(refusal.reason, crate::admission::Reason::BodyIdle).then_some(1);
        Self {
            code: Code::from(&refusal.reason),
            detail: refusal.reason.in_french(),
            detail_in_english: refusal.reason.in_english(),
            pointer: refusal.pointer,
            retry_after_s: retry,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Busy => Self::busy(),
            StoreError::Full => {
                tracing::error!(%error, "le stockage est plein");
                Self::new(
                    Code::StoreFull,
                    "Le stockage de l'archive est plein : rien n'est archivé. L'exploitant doit faire de la place.",
                    "The archive's storage is full: nothing is archived. The operator has to make room.",
                )
                .retry_after(60)
            }
            StoreError::Backend { .. } | StoreError::Timeout { .. } | StoreError::Stale { .. } | StoreError::Closed => {
                tracing::warn!(%error, "le stockage a échoué pendant une requête");
                Self::new(
                    Code::StoreUnavailable,
                    "Le stockage de l'archive ne répond pas : rien n'est promis, réessayez avec la même clé d'idempotence.",
                    "The archive's storage does not answer: nothing is promised, try again with the same idempotency key.",
                )
                .retry_after(5)
            }
            StoreError::Corrupt { .. } => {
                tracing::error!(%error, "contenu altéré à la lecture");
                Self::new(
                    Code::Corrupt,
                    "Ce qui est stocké ne correspond plus à son empreinte : l'exploitant doit lancer « archiland audit ».",
                    "What is stored no longer matches its digest: the operator must run \"archiland audit\".",
                )
            }
            StoreError::Usage(_) => Self::internal(&error),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Store(error) => error.into(),
            LogError::Inconsistent(_) => {
                tracing::error!(%error, "journal incohérent à la lecture");
                Self::new(
                    Code::Corrupt,
                    "Le journal ne se relit pas : l'exploitant doit lancer « archiland audit ».",
                    "The log cannot be read back: the operator must run \"archiland audit\".",
                )
            }
            LogError::Sign(_) => Self::internal(&error),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match &error {
            SubmitError::Full => Self::busy(),
            SubmitError::Stopped(_) => Self::new(
                Code::LogStopped,
                "Le journal n'accepte plus d'écriture pour le moment : rien n'est archivé, réessayez plus tard.",
                "The log takes no writes at the moment: nothing is archived, try again later.",
            )
            .retry_after(5),
            SubmitError::Uncertain => Self::outcome_unknown(),
            SubmitError::Duplicate { .. } | SubmitError::TooLong => Self::internal(&error),
        }
    }
}

impl Problem {
    /// The deposit may or may not be archived.
    pub fn outcome_unknown() -> Self {
        Self::new(
            Code::OutcomeUnknown,
            "Le dépôt n'a pas été confirmé à temps : renvoyez-le avec la même clé d'idempotence, il ne sera pas archivé deux fois.",
            "The deposit was not confirmed in time: send it again with the same idempotency key, it will not be archived twice.",
        )
        .retry_after(2)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::admission::Reason;
    use http_body_util::BodyExt;

    async fn json(response: Response) -> serde_json::Value {
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn a_refusal_is_said_in_either_language() {
        let refusal = Refusal::at("/type", Reason::UnknownType { code: "x".into() });
        let response = Problem::from(refusal).into_response();
        let english = in_language(response, true);
        assert_eq!(english.status(), 422);
        assert_eq!(english.headers()[CONTENT_TYPE], "application/problem+json");
        let body = json(english).await;
        assert_eq!(body["code"], "unknown-type");
        assert_eq!(body["title"], "Unknown document type");
        assert_eq!(body["pointer"], "/type");
        let french = json(Problem::not_found().into_response()).await;
        assert_eq!(french["title"], "Introuvable");
    }

    #[test]
    fn languages_are_weighed() {
        let prefers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("accept-language", HeaderValue::from_str(value).unwrap());
            prefers_english(&headers)
        };
        assert!(prefers("en") && prefers("en-GB, fr;q=0.5") && prefers("de, en;q=0.3"));
        assert!(!prefers("fr, en;q=0.9") && !prefers("*") && !prefers("de") && !prefers(";;q=,"));
    }
}
