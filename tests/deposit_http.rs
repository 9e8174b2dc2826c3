//! The promises of the HTTP edge, over real HTTP on a loopback node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/node.rs"]
mod node;

use archiland::receipt::Receipt;
use archiland::verify::{self, Trust};
use node::{Archive, Kind};
use serde_json::Value;

#[tokio::test]
async fn a_document_in_a_proof_out() {
    for kind in [Kind::Memory, Kind::Local] {
        let mut archive = Archive::start(kind).await;
        let (token, _) = archive.agency("200040475", &["deposit", "read"]).await;
        let response = archive.deposit(&token, "délib.pdf", "%PDF-1.7 contenu").send().await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let json = response.bytes().await.unwrap();
        let receipt = Receipt::parse(&json).unwrap();
        let trust = Trust::load(&archive.config.keys.join("trust.toml")).unwrap();
        let report = verify::receipt(&receipt, &trust);
        assert_eq!(report.outcome.exit_code(), 0, "{report:?}");

        let state: Value = archive.get(&location, &token).await.json().await.unwrap();
        assert_eq!(state["title"], "Délibération n° 12");
        let href = state["payloads"][0]["href"].as_str().unwrap();
        let payload = archive.get(href, &token).await;
        assert_eq!(payload.headers()["content-type"], "application/pdf");
        assert_eq!(payload.text().await.unwrap(), "%PDF-1.7 contenu");

        // The receipt asked for later, and after a restart, is the one that was given.
        for _ in 0..2 {
            let again = archive.get(state["receipt"].as_str().unwrap(), &token).await.bytes().await.unwrap();
            assert_eq!(again, json);
            archive.restart().await;
        }
        archive.stop().await;
    }
}
