//! Where a deposit's files come from: the parts of a multipart body, one raw body with headers, or documents that another
//! interface of the daemon holds.

use super::body::Incoming;
use crate::admission::multipart::{Event, MultipartError, Parser};
use crate::admission::{Declared, Metadata, Reason, Refusal, content_digest, decode_header};
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// A document held by the daemon may be on a slow disk, no more.
const HELD_IDLE_MAX: Duration = Duration::from_secs(30);

/// Files in the order they come.
#[derive(Debug)]
pub(super) struct Source {
    incoming: Incoming,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Raw { file: Option<(Vec<u8>, Declared)> },
    Multipart { parser: Box<Parser> },
    Held { documents: VecDeque<Document> },
}

/// A document received by another interface.
#[derive(Debug)]
pub(super) struct Document {
    /// Its name, as received.
    pub(super) name: String,
    /// Its bytes, from memory or from a file.
    pub(super) content: Body,
}

/// A file about to come.
#[derive(Debug)]
pub(super) struct File {
    /// Its name, as received.
    pub(super) name: Vec<u8>,
    /// What the request's headers say of it.
    pub(super) declared: Declared,
}

/// Whether the body is a multipart message.
fn is_multipart(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], |v| v.as_bytes());
    value.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
}

impl Source {
    /// Reads the metadata: the first part, or the headers. On a refusal the body comes back, to be drained.
    pub(super) async fn open(
        headers: &HeaderMap,
        incoming: Incoming,
        metadata_bytes_max: usize,
    ) -> Result<(Metadata, Self), (Refusal, Incoming)> {
        if !is_multipart(headers) {
            return match from_headers(headers) {
                Ok((metadata, file)) => Ok((metadata, Self { incoming, kind: Kind::Raw { file: Some(file) } })),
                Err(refusal) => Err((refusal, incoming)),
            };
        }
        let parser = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).ok_or(MultipartError::Boundary);
        let parser = match parser.and_then(Parser::new) {
            Ok(parser) => Box::new(parser),
            Err(error) => return Err((malformed(&error), incoming)),
        };
        let mut source = Self { incoming, kind: Kind::Multipart { parser } };
        match source.metadata(metadata_bytes_max).await {
            Ok(metadata) => Ok((metadata, source)),
            Err(refusal) => Err((refusal, source.incoming)),
        }
    }

    /// Documents held by the daemon, whose interface has already counted their bytes.
    pub(super) fn held(documents: Vec<Document>) -> Self {
        let nothing = Incoming::new(Body::empty(), 0, Duration::ZERO);
        Self { incoming: nothing, kind: Kind::Held { documents: documents.into() } }
    }

    async fn metadata(&mut self, bytes_max: usize) -> Result<Metadata, Refusal> {
        match self.event().await? {
            Event::Part(head) if head.name == b"metadata" => {}
            _ => return Err(Reason::MetadataMissing.into()),
        }
        let mut json = Vec::new();
        while let Event::Data(data) = self.event().await? {
            if json.len() + data.len() > bytes_max {
                return Err(Reason::MetadataTooLong { bytes_max }.into());
            }
            json.extend_from_slice(&data);
        }
        Metadata::parse(&json)
    }

    /// The next file; its content must be read to the end with [`Source::data`] first.
    pub(super) async fn file(&mut self) -> Result<Option<File>, Refusal> {
        if let Kind::Raw { file } = &mut self.kind {
            return Ok(file.take().map(|(name, declared)| File { name, declared }));
        }
        if let Kind::Held { documents } = &mut self.kind {
            let Some(document) = documents.pop_front() else { return Ok(None) };
            self.incoming = Incoming::new(document.content, u64::MAX, HELD_IDLE_MAX);
            return Ok(Some(File { name: document.name.into_bytes(), declared: Declared::default() }));
        }
        match self.event().await? {
            // A field without a file name is taken by its own name: `-F lettre=@-` is a way to send standard input.
            Event::Part(head) if head.name != b"metadata" => {
                Ok(Some(File { name: head.file_name.unwrap_or(head.name), declared: Declared::default() }))
            }
            Event::End => {
                // What may follow is ignored, but read: the connection can then serve the next request.
                while self.incoming.chunk().await?.is_some() {}
                Ok(None)
            }
            _ => Err(Reason::Multipart("seule la première partie peut s'appeler « metadata »".into()).into()),
        }
    }

    /// The next bytes of the current file; `None` at its end.
    pub(super) async fn data(&mut self) -> Result<Option<Bytes>, Refusal> {
        if let Kind::Raw { .. } | Kind::Held { .. } = &self.kind {
            return Ok(self.incoming.chunk().await?);
        }
        match self.event().await? {
            Event::Data(data) => Ok(Some(data)),
            _ => Ok(None),
        }
    }

    /// Bytes received so far.
    pub(super) fn received(&self) -> u64 {
        self.incoming.received()
    }

    /// The rest of the body, to be drained.
    pub(super) fn into_incoming(self) -> Incoming {
        self.incoming
    }

    async fn event(&mut self) -> Result<Event, Refusal> {
        let Kind::Multipart { parser } = &mut self.kind else { return Ok(Event::End) };
        loop {
            if let Some(event) = parser.next().map_err(|e| malformed(&e))? {
                return Ok(event);
            }
            match self.incoming.chunk().await? {
                Some(chunk) => parser.push(chunk),
                None => parser.end(),
            }
        }
    }
}

fn malformed(error: &MultipartError) -> Refusal {
    match error {
        MultipartError::Cut => Reason::BodyCut.into(),
        other => Reason::Multipart(other.to_string()).into(),
    }
}

/// Metadata of a raw body: one header each, percent-encoded UTF-8.
fn from_headers(headers: &HeaderMap) -> Result<(Metadata, (Vec<u8>, Declared)), Refusal> {
    let text = |field: &'static str| headers.get(field).map(|v| decode_header(field, v.as_bytes())).transpose();
    let required = |field: &'static str| text(field)?.ok_or_else(|| Refusal::at(field, Reason::FieldMissing { field }));
    let declared = match headers.get("content-digest") {
        Some(value) => value
            .to_str()
            .map_err(|_| Reason::DigestSyntax)
            .and_then(content_digest)
            .map_err(|reason| Refusal::at("Content-Digest", reason))?,
        None => Declared::default(),
    };
    let name = headers
        .get("archiland-name")
        .ok_or_else(|| Refusal::at("Archiland-Name", Reason::FieldMissing { field: "Archiland-Name" }))?;
    let metadata = Metadata {
        title: required("Archiland-Title")?,
        document_type: required("Archiland-Type")?,
        rule: text("Archiland-Rule")?,
        external_id: text("Archiland-External-Id")?,
        agency: text("Archiland-Agency")?,
        ..Metadata::default()
    };
    Ok((metadata, (percent_encoding::percent_decode(name.as_bytes()).collect(), declared)))
}
