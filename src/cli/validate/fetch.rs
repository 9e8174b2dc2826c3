//! Revocation data from the places that certificates name: only when asked, only from the hosts named, and kept in the
//! folder of trust material so that the next validation needs no network.

use super::super::Unusable;
use crate::spec::crypto::DigestAlgorithm;
use crate::trust::{Client, requests};
use crate::validation::Facts;
use crate::validation::trust::TrustMaterial;
use std::path::Path;
use std::time::Duration;

/// The longest answer read, in bytes.
const BYTES_MAX: usize = 64 << 20;
/// The most requests in one validation.
const REQUESTS_MAX: usize = 64;
const TIME_MAX: Duration = Duration::from_secs(10);

/// Fetches what the certificates of `facts` name on `hosts`, adds it to `trust`, and keeps it in `folder` when there is
/// one. What cannot be fetched is told, and does not stop the validation.
pub(super) fn run(
    facts: &Facts,
    hosts: &[String],
    trust: &mut TrustMaterial,
    folder: Option<&Path>,
) -> Result<Vec<String>, Unusable> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Unusable(error.to_string()))?;
    let client = Client::new(hosts, TIME_MAX).map_err(Unusable)?;
    let mut told = Vec::new();
    for request in requests(facts, hosts, trust).into_iter().take(REQUESTS_MAX) {
        match runtime.block_on(client.fetch(&request.url, request.body.as_deref(), BYTES_MAX)) {
            Ok(bytes) => {
                let (kept, subfolder) = match &request.body {
                    None => (&mut trust.crls, "crl"),
                    Some(_) => (&mut trust.ocsps, "ocsp"),
                };
                if let Some(folder) = folder {
                    keep(&folder.join(subfolder), &bytes).map_err(|error| Unusable(error.to_string()))?;
                }
                kept.push(bytes);
            }
            Err(why) => told.push(format!("{} : {why}", request.url)),
        }
    }
    Ok(told)
}

fn keep(folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let digest = DigestAlgorithm::Sha256.digest(bytes).map(hex::encode).unwrap_or_default();
    std::fs::write(folder.join(format!("{digest}.der")), bytes)
}
