//! Revocation data from the places that certificates name: only when asked, only from the hosts named, and kept in the
//! folder of trust material so that the next validation needs no network.

use super::super::Unusable;
use crate::spec::cms::asn1;
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::x509::{Certificate, name};
use crate::validation::Facts;
use crate::validation::facts::{SignatureFacts, TimestampFacts};
use crate::validation::trust::TrustMaterial;
use const_oid::ObjectIdentifier;
use reqwest::{Client, Url};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// The longest answer read, in bytes.
const BYTES_MAX: usize = 64 << 20;
/// The most requests in one validation.
const REQUESTS_MAX: usize = 64;
const TIME_MAX: Duration = Duration::from_secs(10);

const ID_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");

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
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().timeout(TIME_MAX).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| Unusable(error.to_string()))?;
    let mut told = Vec::new();
    for request in requests(facts, hosts, trust).into_iter().take(REQUESTS_MAX) {
        match runtime.block_on(answer(&client, &request)) {
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

/// A list to get, or a question to post.
struct Request {
    url: Url,
    body: Option<Vec<u8>>,
}

fn requests(facts: &Facts, hosts: &[String], trust: &TrustMaterial) -> Vec<Request> {
    let mut ders: Vec<&[u8]> = facts.material.certificates.iter().map(|der| der.0.as_slice()).collect();
    facts.signatures.iter().for_each(|signature| collect(signature, &mut ders));
    facts.timestamps.iter().for_each(|stamp| collect_stamp(stamp, &mut ders));
    let ders: BTreeSet<&[u8]> = ders.into_iter().collect();
    let mut known: Vec<_> = ders.into_iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    known.extend(trust.certificates.iter().chain(&trust.anchors).cloned());
    let allowed = |text: &String| Url::parse(text).ok().filter(|url| is_allowed(url, hosts));
    let (mut asked, mut found) = (BTreeSet::new(), Vec::new());
    for certificate in &known {
        let extensions = certificate.extensions();
        let issuer = known.iter().find(|other| name::same(other.subject_der(), certificate.issuer_der()));
        if let (Some(url), Some(issuer)) = (extensions.ocsp_urls.iter().find_map(allowed), issuer)
            && let Some(body) = question(certificate, issuer)
        {
            found.push(Request { url, body: Some(body) });
        }
        for url in extensions.crl_urls.iter().filter_map(allowed) {
            if asked.insert(url.to_string()) {
                found.push(Request { url, body: None });
            }
        }
    }
    found
}

/// HTTP to a host that was named; nothing else, whatever a certificate says.
fn is_allowed(url: &Url, hosts: &[String]) -> bool {
    let host = url.host_str().unwrap_or_default();
    ["http", "https"].contains(&url.scheme()) && hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
}

/// An OCSPRequest about one certificate (RFC 6960 § 4.1), which every responder understands with SHA-1.
fn question(certificate: &Certificate, issuer: &Certificate) -> Option<Vec<u8>> {
    let mut key = asn1::Reader::new(issuer.spki_der()).sequence("").ok()?;
    key.any().ok()?;
    let key = key.bit_string("").ok()?;
    let hash = |data: &[u8]| Some(asn1::encode(asn1::tag::OCTET_STRING, &[&DigestAlgorithm::Sha1.digest(data).ok()?]));
    let algorithm = asn1::sequence(&[&asn1::oid(&ID_SHA1), &[asn1::tag::NULL, 0]]);
    let serial = asn1::encode(asn1::tag::INTEGER, &[certificate.serial()]);
    let id = asn1::sequence(&[&algorithm, &hash(certificate.issuer_der())?, &hash(key)?, &serial]);
    Some(asn1::sequence(&[&asn1::sequence(&[&asn1::sequence(&[&asn1::sequence(&[&id])])])]))
}

async fn answer(client: &Client, request: &Request) -> Result<Vec<u8>, String> {
    let sent = match &request.body {
        None => client.get(request.url.clone()),
        Some(body) => {
            client.post(request.url.clone()).header("content-type", "application/ocsp-request").body(body.clone())
        }
    };
    let mut response = sent.send().await.map_err(|error| error.without_url().to_string())?;
    if !response.status().is_success() {
        return Err(format!("réponse {}", response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
        if bytes.len() + chunk.len() > BYTES_MAX {
            return Err("réponse de plus de 64 Mio".to_owned());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn keep(folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let digest = DigestAlgorithm::Sha256.digest(bytes).map(hex::encode).unwrap_or_default();
    std::fs::write(folder.join(format!("{digest}.der")), bytes)
}

fn collect<'a>(signature: &'a SignatureFacts, ders: &mut Vec<&'a [u8]>) {
    ders.extend(
        signature.signing_certificate.iter().chain(&signature.material.certificates).map(|der| der.0.as_slice()),
    );
    signature.timestamps.iter().for_each(|stamp| collect_stamp(stamp, ders));
    signature.counter_signatures.iter().for_each(|counter| collect(counter, ders));
}

fn collect_stamp<'a>(stamp: &'a TimestampFacts, ders: &mut Vec<&'a [u8]>) {
    if let Some(token) = &stamp.token {
        collect(token, ders);
    }
}
