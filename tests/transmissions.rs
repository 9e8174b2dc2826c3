//! An accounting package transmits by the archive's own interface: each file has its outcome, the same file is never taken
//! twice, what changed is polled by cursor, and a dry run keeps nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/antivirus.rs"]
mod antivirus;
#[path = "support/node.rs"]
mod node;

use antivirus::antivirus;
use archiland::receipt::Receipt;
use node::{Archive, Kind};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::net::TcpListener;

fn pes(name: &str, number: u32) -> String {
    format!(
        r#"<?xml version="1.0" encoding="ISO-8859-1"?>
<n:PES_Aller xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller"><Enveloppe><Parametres><Version V="2"/><TypFic V="PESALR2"/><NomFic V="{name}"/></Parametres></Enveloppe>
<EnTetePES><DteStr V="2026-03-05"/><IdPost V="040999"/><IdColl V="21409999800019"/><CodCol V="999"/><CodBud V="00"/></EnTetePES>
<PES_DepenseAller><Bordereau><BlocBordereau><Exer V="2026"/><IdBord V="{number}"/><NbrPce V="1"/></BlocBordereau>
<Piece><BlocPiece><InfoPce><IdPce V="{number}"/></InfoPce></BlocPiece></Piece></Bordereau></PES_DepenseAller></n:PES_Aller>"#
    )
}

struct Vendor {
    archive: Archive,
    token: String,
}

impl Vendor {
    async fn start() -> Self {
        let archive = Archive::start(Kind::Memory).await;
        let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
        Self { archive, token }
    }

    async fn send(&self, query: &str, key: Option<&str>, body: String) -> Response {
        let path = format!("/v1/transmissions{query}");
        let mut request = self.archive.request(Method::POST, &path, &self.token).header("archiland-name", "flux.xml");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request.header("content-type", "application/xml").body(body).send().await.unwrap()
    }

    async fn poll(&self, query: &str) -> Value {
        self.archive.get(&format!("/v1/transmissions{query}"), &self.token).await.json().await.unwrap()
    }
}

/// The status, and what became of each file.
async fn outcomes(response: Response) -> (u16, Vec<Value>) {
    let status = response.status().as_u16();
    let told: Value = response.json().await.unwrap();
    (status, told["transmissions"].as_array().unwrap_or_else(|| panic!("{told}")).clone())
}

#[tokio::test]
async fn a_file_is_taken_once_with_its_receipt() {
    let mut vendor = Vendor::start().await;
    let (status, sent) = outcomes(vendor.send("", Some("envoi-1"), pes("P1", 1)).await).await;
    assert_eq!((status, sent[0]["outcome"].as_str(), sent[0]["state"].as_i64()), (201, Some("accepted"), Some(14)));
    let receipt = Receipt::parse(&serde_json::to_vec(&sent[0]["receipt"]).unwrap()).unwrap();
    assert_eq!(receipt.archive.to_string(), sent[0]["archive"].as_str().unwrap());
    assert!(!receipt.timestamps.is_empty() && receipt.record().is_ok());
    // Sent again, whatever the key: the same transmission.
    for key in [Some("envoi-1"), Some("autre"), None] {
        let (status, again) = outcomes(vendor.send("", key, pes("P1", 1)).await).await;
        assert_eq!((status, again[0]["outcome"].as_str()), (200, Some("before")));
        assert_eq!(
            (&again[0]["transaction"], &again[0]["receipt"]["record"]),
            (&sent[0]["transaction"], &sent[0]["receipt"]["record"])
        );
    }
    // The same key for another file is a mistake of the sender's.
    let (status, other) = outcomes(vendor.send("", Some("envoi-1"), pes("P2", 2)).await).await;
    assert_eq!(
        (status, other[0]["code"].as_str(), &other[0]["transaction"]),
        (422, Some("idempotency-conflict"), &Value::Null)
    );
    vendor.archive.stop().await;
}

#[tokio::test]
async fn each_file_of_many_has_its_outcome() {
    let mut vendor = Vendor::start().await;
    let part = |name: &str, content: String| Part::bytes(content.into_bytes()).file_name(name.to_owned());
    let form = Form::new()
        .part("f", part("un.xml", pes("P1", 1)))
        .part("f", part("deux.xml", pes("P2", 2).replace("<CodCol V=\"999\"/>", "")))
        .part("f", part("trois.xml", "<autre/>".to_owned()))
        .part("f", part("quatre.xml", pes("P1", 4)))
        .part("f", part("vide.xml", String::new()))
        .part("f", part("six.xml", pes("P6", 6)));
    let request = vendor.archive.request(Method::POST, "/v1/transmissions", &vendor.token);
    let (status, sent) = outcomes(request.multipart(form).send().await.unwrap()).await;
    let told: Vec<_> =
        sent.iter().map(|one| (one["outcome"].as_str().unwrap(), one["code"].as_str().unwrap_or(""))).collect();
    assert_eq!(status, 201);
    assert_eq!(
        told,
        [
            ("accepted", ""),
            ("refused", "helios-header-missing"),
            ("refused", "helios-encoding"),
            ("refused", "helios-name-seen"),
            ("refused", "empty-payload"),
            ("accepted", ""),
        ]
    );
    assert_eq!(
        (sent[3]["state"].as_i64(), &sent[3]["archive"]),
        (Some(-1), &Value::Null),
        "a number, and nothing kept"
    );
    assert!(
        sent.iter().all(|one| one["outcome"] != "refused" || one["detail"].as_str().is_some_and(|d| !d.is_empty()))
    );
    let (status, all) = outcomes(vendor.send("", None, "<autre/>".to_owned() + " ").await).await;
    assert_eq!((status, all[0]["code"].as_str()), (422, Some("helios-encoding")));
    vendor.archive.stop().await;
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_keeps_nothing() {
    let mut vendor = Vendor::start().await;
    let (status, tried) = outcomes(vendor.send("?dry_run=true", None, pes("P1", 1)).await).await;
    assert_eq!((status, tried[0]["outcome"].as_str()), (200, Some("acceptable")));
    let (status, tried) = outcomes(
        vendor
            .send("?dry_run=true", None, pes("P1", 1).replace("IdBord", "Autre").replace("<NomFic V=\"P1\"/>", ""))
            .await,
    )
    .await;
    assert_eq!(
        (status, tried[0]["outcome"].as_str(), tried[0]["code"].as_str()),
        (200, Some("refused"), Some("helios-nom-fic"))
    );
    assert_eq!(vendor.poll("").await["transmissions"], json!([]));
    // What was tried is accepted, and tried again was before.
    assert_eq!(outcomes(vendor.send("", None, pes("P1", 1)).await).await.0, 201);
    let (_, tried) = outcomes(vendor.send("?dry_run=true", None, pes("P1", 1)).await).await;
    assert_eq!(tried[0]["outcome"], "before");
    vendor.archive.stop().await;
}

#[tokio::test]
async fn an_attachment_with_a_virus_is_refused_and_without_an_antivirus_nothing_is_taken() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let adjust = |config: &mut archiland::config::Config| config.transfers.clamd = Some(address.to_string());
    let archive = Archive::start_with(Kind::Memory, adjust, |objects| objects).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let mut vendor = Vendor { archive, token };
    // Base64 of « un virus »: nothing in the file itself says so.
    let attached = |name: &str, content: &str| {
        let pj = format!(
            "<PES_PJ><PJ><Contenu><Fichier>{content}</Fichier></Contenu><IdUnique V=\"1\"/><NomPJ V=\"p.txt\"/></PJ></PES_PJ></n:PES_Aller>"
        );
        pes(name, 1).replace("</n:PES_Aller>", &pj)
    };
    let (status, sent) = outcomes(vendor.send("", None, attached("P1", "dW4gdmlydXM=")).await).await;
    assert_eq!((status, sent[0]["code"].as_str()), (503, Some("unavailable")), "nobody listens there yet");
    assert_eq!(vendor.poll("").await["transmissions"], json!([]));
    antivirus(TcpListener::bind(address).unwrap());
    let (status, sent) = outcomes(vendor.send("", None, attached("P1", "dW4gdmlydXM=")).await).await;
    assert_eq!((status, sent[0]["code"].as_str(), sent[0]["state"].as_i64()), (422, Some("virus"), Some(-1)));
    assert!(sent[0]["detail"].as_str().unwrap().contains("p.txt") && sent[0]["archive"].is_null());
    let (status, _) = outcomes(vendor.send("", None, attached("P1", "Ym9uam91cg==")).await).await;
    assert_eq!(status, 201);
    vendor.archive.stop().await;
}

#[tokio::test]
async fn what_changes_is_polled_by_cursor() {
    let mut vendor = Vendor::start().await;
    for n in 1..=5 {
        assert_eq!(outcomes(vendor.send("", None, pes(&format!("P{n}"), n)).await).await.0, 201);
    }
    let names = |page: &Value| -> Vec<String> {
        let rows = page["transmissions"].as_array().unwrap().iter();
        rows.map(|row| row["nom_fic"].as_str().unwrap().to_owned()).collect()
    };
    let first = vendor.poll("?limit=3").await;
    assert_eq!(names(&first), ["P1", "P2", "P3"]);
    let second = vendor.poll(&format!("?limit=3&cursor={}", first["cursor"])).await;
    assert_eq!(names(&second), ["P4", "P5"]);
    let path = format!("/v1/transmissions?cursor={}", second["cursor"]);
    let quiet = vendor.archive.get(&path, &vendor.token).await;
    let etag = quiet.headers()["etag"].to_str().unwrap().to_owned();
    let quiet: Value = quiet.json().await.unwrap();
    assert_eq!((names(&quiet).len(), &quiet["cursor"]), (0, &second["cursor"]));
    let ask = || vendor.archive.request(Method::GET, &path, &vendor.token).header("if-none-match", &etag).send();
    assert_eq!(ask().await.unwrap().status(), 304);
    // A change of state brings an old one back.
    let acquit = r#"<?xml version="1.0" encoding="ISO-8859-1"?><n:PES_ACQUIT xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/retour/v2"><Enveloppe><Parametres><NomFic V="P2"/></Parametres></Enveloppe><EnTetePES><CodCol V="999"/></EnTetePES></n:PES_ACQUIT>"#;
    let request = vendor.archive.request(Method::POST, "/v1/transmissions/answers", &vendor.token);
    assert_eq!(request.body(acquit).send().await.unwrap().status(), 201);
    let changed = ask().await.unwrap();
    assert_eq!(changed.status(), 200);
    let changed: Value = changed.json().await.unwrap();
    assert_eq!((names(&changed), changed["transmissions"][0]["state"].as_i64()), (vec!["P2".to_owned()], Some(4)));
    let (other, _) = vendor.archive.agency("autre", &["read"]).await;
    let theirs: Value = vendor.archive.get("/v1/transmissions", &other).await.json().await.unwrap();
    assert_eq!(theirs["transmissions"], json!([]), "another agency sees nothing of it");
    vendor.archive.stop().await;
}
