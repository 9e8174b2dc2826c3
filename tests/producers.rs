//! A producer is a profile: what its system sends becomes archives, what does not fit is told whole and journalled
//! without its content, and nobody deposits by a profile that was not opened to him.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "producers/courrier.rs"]
mod courrier;
#[path = "producers/ent.rs"]
mod ent;
#[path = "producers/glpi.rs"]
mod glpi;
#[path = "producers/listes.rs"]
mod listes;
#[path = "producers/marches.rs"]
mod marches;
#[path = "support/node.rs"]
mod node;
#[path = "producers/parapheur.rs"]
mod parapheur;
#[path = "producers/rgpd.rs"]
mod rgpd;
#[path = "producers/small.rs"]
mod small;
mod support;
#[path = "producers/web.rs"]
mod web;

use archiland::config::{Allowed, Config};
use node::{Archive, Kind};
use reqwest::{Method, Response};
use serde_json::Value;

/// An archive where `agency` deposits by `profiles`.
pub(crate) async fn archive(agency: &str, profiles: &[&str]) -> (Archive, String) {
    archive_with(agency, profiles, |_| {}).await
}

pub(crate) async fn archive_with(
    agency: &str,
    profiles: &[&str],
    adjust: impl FnOnce(&mut Config),
) -> (Archive, String) {
    let allowed = profiles.iter().map(|code| Allowed { profile: (*code).into(), agencies: vec![agency.into()] });
    let allowed: Vec<_> = allowed.collect();
    let archive = Archive::start_with(
        Kind::Memory,
        |config| {
            config.producers.allow = allowed;
            adjust(config);
        },
        |objects| objects,
    )
    .await;
    let (token, _) = archive.agency(agency, &["deposit", "read"]).await;
    (archive, token)
}

pub(crate) async fn send(archive: &Archive, token: &str, profile: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = archive.request(Method::POST, &format!("/v1/producers/{profile}/deposits"), token);
    request.header("content-type", "application/octet-stream").body(body).send().await.unwrap()
}

/// The refusal of a sending: its errors as `code @ location`.
pub(crate) async fn errors(response: Response, status: u16) -> Vec<String> {
    let found = response.status().as_u16();
    let text = response.text().await.unwrap();
    assert_eq!(found, status, "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    let errors = told["errors"].as_array().unwrap().iter();
    let errors = errors.map(|one| {
        assert!(one["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        format!("{} @ {}", one["code"].as_str().unwrap(), one["location"].as_str().unwrap_or("-"))
    });
    errors.collect()
}

/// The archives of an accepted sending.
pub(crate) async fn deposited(response: Response, status: u16) -> Value {
    let found = response.status().as_u16();
    let text = response.text().await.unwrap();
    assert_eq!(found, status, "{text}");
    serde_json::from_str::<Value>(&text).unwrap()["deposits"].take()
}

/// The record of an archive.
pub(crate) async fn record(archive: &Archive, token: &str, deposit: &Value) -> Value {
    let ark = deposit["archive"].as_str().unwrap();
    let path = format!("/v1/archives/{}", ark.rsplit('/').next().unwrap());
    let answer: Value = archive.get(&path, token).await.json().await.unwrap();
    answer["record"]["body"].clone()
}
