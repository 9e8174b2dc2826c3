//! Revocation lists are fetched when asked, from the hosts named and nowhere else, and kept for the next time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use archiland::spec::cms::{Certificate, Certificates, CmsSigner, oid};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, CrlDistributionPoint, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use time::OffsetDateTime;

/// A server that answers every request with `body` and counts them.
fn serve(body: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).unwrap();
        }
    });
    (address, asked)
}

fn validate(folder: &Path, more: &[&str]) -> i32 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_archiland"));
    command.current_dir(folder).args(["validate", "acte.p7m", "--certs", "certs", "--format", "json"]).args(more);
    command.output().unwrap().status.code().unwrap()
}

#[test]
fn a_list_is_fetched_from_the_host_named_and_kept() {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let list = CertificateRevocationListParams {
        this_update: now - time::Duration::hours(1),
        next_update: now + time::Duration::days(1),
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let (address, asked) = serve(list.signed_by(&authority).unwrap().der().to_vec());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
    params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![format!("http://{address}/ca.crl")] }];
    let key = KeyPair::generate().unwrap();
    let certificate = Certificate::from_der(params.signed_by(&key, &authority).unwrap().der()).unwrap();
    let signer = CmsSigner::new(key.serialized_der(), certificate, &[]).unwrap();
    let signature = signer.sign(&oid::DATA, b"Acte", Some(now), Certificates::Included).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("certs")).unwrap();
    std::fs::write(folder.path().join("certs/autorite.pem"), authority.pem()).unwrap();
    std::fs::write(folder.path().join("acte.p7m"), signature).unwrap();

    assert_eq!(validate(folder.path(), &[]), 2, "TRY_LATER: nothing is fetched by default");
    assert_eq!(validate(folder.path(), &["--fetch", "ailleurs.example"]), 2, "not a host that was named");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_eq!(validate(folder.path(), &["--fetch", "127.0.0.1"]), 0);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(validate(folder.path(), &[]), 0, "kept in certs/crl");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
