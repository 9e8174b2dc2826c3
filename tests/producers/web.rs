//! Captures of web sites: what wget and warcio write goes in and its pages are listed; what was altered, cut or is of
//! another site does not.

use super::{archive, archive_with, deposited, errors, record, send};
use crate::support::{find_tool, require_tool};
use archiland::digest::sha256;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use zip::write::SimpleFileOptions;

/// Serves a small site until the process ends.
fn site() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 2048];
            let read = stream.read(&mut request).unwrap_or(0);
            let line = String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned();
            let html = |body: &str| {
                let length = body.len();
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                )
            };
            let answer = match line.split_whitespace().nth(1) {
                Some("/") => html("<a href=\"/conseil.html\">Conseil</a> <img src=\"/logo.png\">"),
                // In chunks, as most servers do.
                Some("/conseil.html") => "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n9\r\n<p>Ordre \r\n8\r\ndu jour.\r\n0\r\n\r\n".to_owned(),
                Some("/logo.png") => "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 4\r\nConnection: close\r\n\r\nPNG!".to_owned(),
                _ => "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// What `wget --warc-file` makes of the site.
fn captured(folder: &Path, compressed: bool) -> Vec<u8> {
    let mut wget = Command::new("wget");
    wget.current_dir(folder).args(["-q", "-r", "-l", "2", "-p", "--warc-file=capture"]).arg(site());
    if !compressed {
        wget.arg("--no-warc-compression");
    }
    // Some page is not found: wget tells.
    wget.status().unwrap();
    std::fs::read(folder.join(if compressed { "capture.warc.gz" } else { "capture.warc" })).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wget_captures_goes_in_and_its_pages_are_listed() {
    if !require_tool("wget") {
        return;
    }
    let (mut archive, token) = archive("mairie", &["webpublic"]).await;
    for compressed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let bytes = captured(folder.path(), compressed);
        let made = deposited(send(&archive, &token, "webpublic", bytes.clone()).await, 201).await;
        let kept = record(&archive, &token, &made[0]).await;
        assert_eq!(kept["produced"]["fields"]["site"], "127.0.0.1");
        assert_eq!(kept["produced"]["fields"]["pages"], "2");
        assert_eq!(kept["rule"], "definitive");
        let names: Vec<&str> =
            kept["payloads"].as_array().unwrap().iter().map(|payload| payload["name"].as_str().unwrap()).collect();
        assert_eq!(names, [if compressed { "capture.warc.gz" } else { "capture.warc" }, "pages.csv"]);
        let ark = made[0]["archive"].as_str().unwrap().rsplit('/').next().unwrap();
        let list = archive.get(&format!("/v1/archives/{ark}/payloads/1"), &token).await.text().await.unwrap();
        assert!(list.starts_with("url;date;statut;type;octets;enregistrement\n"), "{list}");
        assert!(list.contains("/conseil.html\";\"20") && !list.contains("logo.png"), "{list}");
        // The same again is the same archive.
        deposited(send(&archive, &token, "webpublic", bytes.clone()).await, 200).await;
        // Cut, and altered.
        let cut = errors(send(&archive, &token, "webpublic", bytes[..bytes.len() - 40].to_vec()).await, 422).await;
        assert_eq!(cut, ["producer-web-cut @ capture"]);
        if !compressed {
            let mut altered = bytes;
            let at = memchr::memmem::find(&altered, b"Ordre").unwrap();
            altered[at] = b'0';
            let told = errors(send(&archive, &token, "webpublic", altered).await, 422).await;
            assert!(told.iter().all(|one| one.starts_with("digest-mismatch @ enregistrement ")), "{told:?}");
            assert_eq!(told.len(), 2, "block and payload: {told:?}");
        }
    }
    archive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_warcio_writes_goes_in() {
    let there = find_tool("python3").is_some()
        && Command::new("python3").args(["-c", "import warcio"]).output().is_ok_and(|done| done.status.success());
    if !there {
        eprintln!("skipped: no python3 with warcio");
        return;
    }
    let script = r"
import io, sys
from warcio.warcwriter import WARCWriter
from warcio.statusandheaders import StatusAndHeaders
out = io.BytesIO()
writer = WARCWriter(out, gzip=True, warc_version='1.1')
writer.write_record(writer.create_warcinfo_record('c.warc.gz', {'software': 'warcio', 'operator': 'Mairie'}))
for n in range(3):
    head = StatusAndHeaders('200 OK', [('Content-Type', 'text/html')], protocol='HTTP/1.1')
    body = io.BytesIO(('<p>%d</p>' % n).encode())
    writer.write_record(writer.create_warc_record('http://mairie.example/%d' % n, 'response', payload=body, http_headers=head))
writer.write_record(writer.create_revisit_record('http://mairie.example/9', 'sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ', 'http://mairie.example/0', '2026-03-01T00:00:00Z'))
sys.stdout.buffer.write(out.getvalue())
";
    let written = Command::new("python3").args(["-c", script]).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let (mut archive, token) = archive("mairie", &["webpublic"]).await;
    let made = deposited(send(&archive, &token, "webpublic", written.stdout).await, 201).await;
    let kept = record(&archive, &token, &made[0]).await;
    let fields = &kept["produced"]["fields"];
    assert_eq!((fields["site"].as_str(), fields["pages"].as_str()), (Some("mairie.example"), Some("3")));
    assert_eq!((fields["logiciel"].as_str(), fields["operateur"].as_str()), (Some("warcio"), Some("Mairie")));
    archive.stop().await;
}

/// A response of a capture, with its digest.
fn response(uri: &str, body: &str) -> Vec<u8> {
    let block = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{body}");
    let digest = hex::encode(sha256(block.as_bytes()));
    format!(
        "WARC/1.1\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{uri}>\r\nWARC-Date: 2026-03-31T10:00:00Z\r\n\
         WARC-Target-URI: {uri}\r\nWARC-Block-Digest: sha256:{digest}\r\nContent-Type: application/http;msgtype=response\r\n\
         Content-Length: {}\r\n\r\n{block}\r\n\r\n",
        block.len()
    )
    .into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A package; `change` may alter the members after the digests were taken.
fn package(warc: &[u8], main: &str, change: impl Fn(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
    let pages = format!(
        "{{\"format\":\"json-pages-1.0\",\"id\":\"pages\"}}\n{{\"url\":\"{main}\",\"ts\":\"2026-03-31T10:00:00Z\"}}\n"
    );
    let mut members = vec![
        ("archive/data.warc.gz".to_owned(), warc.to_vec()),
        ("indexes/index.cdx".to_owned(), b"!meta 0 {}\n".to_vec()),
        ("pages/pages.jsonl".to_owned(), pages.into_bytes()),
    ];
    let resources = members.iter().map(|(path, bytes)| {
        serde_json::json!({ "path": path, "hash": format!("sha256:{}", hex::encode(sha256(bytes))), "bytes": bytes.len() })
    });
    let list = serde_json::json!({ "profile": "data-package", "wacz_version": "1.1.1", "mainPageUrl": main,
        "software": "essai", "resources": resources.collect::<Vec<_>>() });
    let list = list.to_string().into_bytes();
    let seal =
        serde_json::json!({ "path": "datapackage.json", "hash": format!("sha256:{}", hex::encode(sha256(&list))) });
    members.push(("datapackage.json".to_owned(), list));
    members.push(("datapackage-digest.json".to_owned(), seal.to_string().into_bytes()));
    change(&mut members);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(name, stored).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const HOME: &str = "https://www.mairie.example/";

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_checked_file_by_file() {
    let (mut archive, token) = archive("mairie", &["webpublic"]).await;
    let warc = gzip(&[response(HOME, "a"), response("https://mairie.example/b", "b")].concat());
    let made = deposited(send(&archive, &token, "webpublic", package(&warc, HOME, |_| {})).await, 201).await;
    let kept = record(&archive, &token, &made[0]).await;
    assert_eq!(kept["produced"]["fields"]["site"], "www.mairie.example");
    assert_eq!(kept["produced"]["fields"]["pages"], "2");
    assert!(made[0].get("warnings").is_none(), "{made}");
    let told = async |bytes: Vec<u8>| errors(send(&archive, &token, "webpublic", bytes).await, 422).await;
    let altered = package(&warc, HOME, |members| members[1].1 = b"other".to_vec());
    assert_eq!(told(altered).await, ["digest-mismatch @ indexes/index.cdx"]);
    let missing = package(&warc, HOME, |members| drop(members.remove(1)));
    assert_eq!(told(missing).await, ["producer-file-missing @ indexes/index.cdx"]);
    let resealed = package(&warc, HOME, |members| members[3].1.push(b' '));
    assert_eq!(told(resealed).await, ["digest-mismatch @ datapackage-digest.json"]);
    let cut = package(&warc[..warc.len() - 20], HOME, |_| {});
    assert_eq!(told(cut).await, ["producer-web-cut @ archive/data.warc.gz"]);
    let climbing = package(&warc, HOME, |members| members.push(("../x".into(), b"x".to_vec())));
    assert_eq!(told(climbing).await, ["producer-member-name @ -"]);
    assert_eq!(
        told(package(&warc, HOME, |members| drop(members.remove(3)))).await,
        ["producer-manifest @ datapackage.json"]
    );
    archive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_and_other_sites_stay_out() {
    let folder = tempfile::tempdir().unwrap();
    let profile = include_str!("../../policies/producers/webpublic.toml");
    let tolerant =
        profile.replace("\"refuser\"", "\"avertir\"").replace("code = \"webpublic\"", "code = \"web-tolerant\"");
    std::fs::write(folder.path().join("web-tolerant.toml"), tolerant).unwrap();
    let (mut archive, token) = archive_with("mairie", &["webpublic", "web-tolerant"], |config| {
        config.producers.folder = Some(folder.path().to_owned());
    })
    .await;
    let foreign = [response(HOME, "a"), response("https://casino.example/", "b")].concat();
    let told = errors(send(&archive, &token, "webpublic", foreign.clone()).await, 422).await;
    assert_eq!(told, ["producer-web-foreign @ capture"]);
    let made = deposited(send(&archive, &token, "web-tolerant", foreign).await, 201).await;
    assert!(made[0]["warnings"][0].as_str().unwrap().contains("casino.example"), "{made}");
    let bomb = gzip(&response(HOME, &"a".repeat(8 << 20)));
    let told = errors(send(&archive, &token, "webpublic", bomb).await, 422).await;
    assert_eq!(told, ["producer-zip-limits @ capture"]);
    let told = errors(send(&archive, &token, "webpublic", b"%PDF-1.4".to_vec()).await, 422).await;
    assert_eq!(told, ["producer-syntax @ capture"]);
    let empty = response(HOME, "a").as_slice().to_vec();
    let empty = String::from_utf8(empty).unwrap().replace("text/html", "image/png");
    let told = errors(send(&archive, &token, "webpublic", empty).await, 422).await;
    assert!(
        told.iter().any(|one| one == "producer-web-empty @ capture")
            || told.iter().any(|one| one.starts_with("digest"))
    );
    archive.stop().await;
}
