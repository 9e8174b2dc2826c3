//! One deposit over HTTP: `metadata` then the files, streamed, with a progress bar, sent again with the same idempotency
//! key when the connection is lost.

use super::Unusable;
use super::client::{ATTEMPTS_DEPOSIT, Client, read_all};
use anyhow::Context;
use futures::StreamExt;
use indicatif::ProgressBar;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, StatusCode};
use serde::Serialize;
use std::path::PathBuf;
use tokio_util::io::ReaderStream;

/// Bytes read from a file at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// What the producer says of a deposit, as the archive's `metadata` part.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Metadata {
    /// What a reader would call it.
    pub(crate) title: String,
    /// Code of the document type.
    #[serde(rename = "type")]
    pub(crate) document_type: String,
    /// Code of the retention rule; that of the type by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
    /// The producer's own identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    /// Free description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Dates of the document.
    #[serde(skip_serializing_if = "crate::package::Dates::is_empty")]
    pub(crate) dates: crate::package::Dates,
    /// The agency, when it is not the token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agency: Option<String>,
}

/// A file to deposit: its size is that at the time it was looked at, and what is sent must have it.
#[derive(Debug, Clone)]
pub(crate) struct File {
    path: PathBuf,
    name: String,
    size_bytes: u64,
}

/// What the archive answered.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The receipt, as received.
    pub(crate) receipt: Vec<u8>,
    /// Whether the archive was created now; else the same deposit had been made before.
    pub(crate) created: bool,
}

impl File {
    /// Looks at a file: it must be a regular, non-empty file with a name in UTF-8.
    pub(crate) fn look(path: PathBuf) -> anyhow::Result<Self> {
        let unusable = |why: String| Unusable(format!("{} : {why}", path.display()));
        let about = std::fs::metadata(&path).map_err(|e| unusable(format!("illisible ({e})")))?;
        if !about.is_file() {
            return Err(unusable("n'est pas un fichier ; donnez des fichiers, ou un ZIP du dossier".into()).into());
        }
        if about.len() == 0 {
            return Err(unusable("fichier vide ; l'archive refuse les documents sans contenu".into()).into());
        }
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let name = name.filter(|name| !name.chars().any(char::is_control));
        let name = name.ok_or_else(|| unusable("nom de fichier qui n'est pas de l'UTF-8 imprimable".into()))?;
        Ok(Self { name, size_bytes: about.len(), path })
    }

    /// The path it was given as.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The file's own name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its length in bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn part(&self, progress: &ProgressBar) -> anyhow::Result<Part> {
        let file = tokio::fs::File::open(&self.path)
            .await
            .map_err(|e| Unusable(format!("{} : illisible ({e})", self.path.display())))?;
        let progress = progress.clone();
        let stream = ReaderStream::with_capacity(file, CHUNK_BYTES).inspect(move |chunk| {
            if let Ok(bytes) = chunk {
                progress.inc(u64::try_from(bytes.len()).unwrap_or(0));
            }
        });
        Ok(Part::stream_with_length(Body::wrap_stream(stream), self.size_bytes).file_name(self.name.clone()))
    }
}

/// Deposits files as one archive. `progress` is in bytes of the files and starts again at each attempt.
pub(crate) async fn deposit(
    client: &Client,
    metadata: &Metadata,
    files: &[File],
    idempotency_key: &str,
    progress: &ProgressBar,
) -> anyhow::Result<Accepted> {
    let metadata = serde_json::to_string(metadata)?;
    let start = progress.position();
    let response = client
        .persist(ATTEMPTS_DEPOSIT, async || {
            progress.set_position(start);
            let json = Part::text(metadata.clone()).mime_str("application/json")?;
            let mut form = Form::new().part("metadata", json);
            for file in files {
                form = form.part("file", file.part(progress).await?);
            }
            let request = client.request(Method::POST, "/v1/deposits");
            Ok(request.header("Idempotency-Key", idempotency_key).multipart(form))
        })
        .await?;
    let created = response.status() == StatusCode::CREATED;
    let receipt = read_all(response).await.context("le dépôt est archivé, mais son récépissé n'est pas arrivé ; relancez avec la même --idempotency-key pour l'obtenir")?;
    Ok(Accepted { receipt, created })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_document_is_refused_before_anything_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("vide.pdf");
        std::fs::write(&empty, b"").unwrap();
        for (path, why) in
            [(dir.path().to_owned(), "n'est pas un fichier"), (empty, "vide"), (dir.path().join("absent"), "illisible")]
        {
            let error = File::look(path).unwrap_err();
            assert!(error.is::<Unusable>() && error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn metadata_says_only_what_is_known() {
        let metadata = Metadata { title: "T".into(), document_type: "document".into(), ..Metadata::default() };
        assert_eq!(serde_json::to_string(&metadata).unwrap(), r#"{"title":"T","type":"document"}"#);
    }
}
