//! One file of a pushed folder, sent: as a deposit of its own, or to a producer profile.

use super::Args;
use crate::cli::client::{ATTEMPTS_DEPOSIT, Client, read_all, segment};
use crate::cli::{Unusable, receipt, upload};
use crate::digest::One;
use crate::producer::folder::{Found, Unit};
use crate::receipt::Receipt;
use anyhow::Context;
use indicatif::ProgressBar;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, RequestBuilder};
use serde::Deserialize;
use std::io::Read as _;
use tokio_util::io::ReaderStream;

/// Bytes read from a file at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// The file is not what it was when its digest was computed.
#[derive(Debug, thiserror::Error)]
#[error("le fichier a changé pendant son envoi : c'est son ancien contenu, ou un mélange, qui est archivé")]
pub(super) struct Changed;

/// The answer of a producer profile.
#[derive(Debug, Deserialize)]
struct Deposited {
    deposits: Vec<Made>,
}

#[derive(Debug, Deserialize)]
struct Made {
    archive: String,
    receipt: String,
}

/// Sends a unit; the archives it made, now or before.
pub(super) async fn send(args: &Args, client: &Client, unit: &Unit) -> anyhow::Result<Vec<String>> {
    match &args.profile {
        Some(profile) => by_profile(args, client, unit, profile).await,
        None => plain(args, client, unit).await,
    }
}

async fn plain(args: &Args, client: &Client, unit: &Unit) -> anyhow::Result<Vec<String>> {
    let file = upload::File::look(unit.file.path.clone())?;
    let digest = digest_of(&unit.file).await?;
    let metadata = upload::Metadata {
        title: unit.file.name.clone(),
        document_type: args.document_type.clone(),
        rule: args.rule.clone(),
        agency: args.agency.clone(),
        ..upload::Metadata::default()
    };
    let key = key(args, &unit.file.name, &digest);
    let accepted = upload::deposit(client, &metadata, &[file], &key, &ProgressBar::hidden()).await?;
    let read = Receipt::parse(&accepted.receipt).context("la réponse n'est pas un récépissé")?;
    if let Some(folder) = &args.receipt_dir {
        receipt::save(folder, &accepted.receipt)?;
    }
    let record = read.record().context("récépissé illisible")?;
    let same = record.deposit().and_then(|deposit| deposit.payloads.first()).is_some_and(|p| p.sha256 == digest);
    if same { Ok(vec![read.archive.to_string()]) } else { Err(Changed.into()) }
}

/// The same file at the same place is the same deposit, whoever sends it and from wherever.
fn key(args: &Args, name: &str, digest: &str) -> String {
    let mut key = One::sha256();
    for part in [name, digest, &args.document_type, args.rule.as_deref().unwrap_or_default()] {
        key.update(part.as_bytes());
        key.update(&[0]);
    }
    let key: [u8; 32] = key.finish();
    format!("push-{}", hex::encode(key))
}

async fn digest_of(file: &Found) -> anyhow::Result<String> {
    let path = file.path.clone();
    let digesting = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        let (mut digest, mut input, mut buffer) = (One::sha256(), std::fs::File::open(path)?, vec![0; CHUNK_BYTES]);
        loop {
            let count = input.read(&mut buffer)?;
            if count == 0 {
                let digest: [u8; 32] = digest.finish();
                return Ok(hex::encode(digest));
            }
            digest.update(&buffer[..count]);
        }
    });
    digesting.await?.map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Found, error: &std::io::Error) -> anyhow::Error {
    Unusable(format!("{} : illisible ({error})", file.path.display())).into()
}

async fn by_profile(args: &Args, client: &Client, unit: &Unit, profile: &str) -> anyhow::Result<Vec<String>> {
    let path = format!("/v1/producers/{}/deposits", segment(profile));
    // The archive knows what it has by its content: sending again what may have arrived is safe.
    let prepare = async || request(client.request(Method::POST, &path), unit).await;
    let response = client.persist(ATTEMPTS_DEPOSIT, prepare).await?;
    let answer = read_all(response).await?;
    let answer: Deposited = serde_json::from_slice(&answer).context("réponse inattendue de l'archive")?;
    if let Some(folder) = &args.receipt_dir {
        for one in &answer.deposits {
            receipt::save(folder, &client.get_bytes(&one.receipt, &[]).await?)?;
        }
    }
    Ok(answer.deposits.into_iter().map(|one| one.archive).collect())
}

async fn request(request: RequestBuilder, unit: &Unit) -> anyhow::Result<RequestBuilder> {
    if unit.beside.is_empty() {
        let request = request.header("content-type", "application/octet-stream");
        return Ok(request.header("content-length", unit.file.size_bytes).body(body(&unit.file).await?));
    }
    let part = async |file: &Found| -> anyhow::Result<Part> {
        let name = file.name.rsplit('/').next().unwrap_or(&file.name).to_owned();
        Ok(Part::stream_with_length(body(file).await?, file.size_bytes).file_name(name))
    };
    let mut form = Form::new().part("donnees", part(&unit.file).await?);
    for file in &unit.beside {
        form = form.part("fichier", part(file).await?);
    }
    Ok(request.multipart(form))
}

async fn body(file: &Found) -> anyhow::Result<Body> {
    let input = tokio::fs::File::open(&file.path).await.map_err(|error| unreadable(file, &error))?;
    Ok(Body::wrap_stream(ReaderStream::with_capacity(input, CHUNK_BYTES)))
}
