//! Folders of i-Parapheur v5: documents, detached signatures, circuit; what is rejected, incomplete or signed over other
//! bytes is refused with the reason.

use super::{archive, deposited, errors, record, send};
use archiland::digest::sha256;
use archiland::spec::cms::{Certificate, Certificates, CmsSigner, oid};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use std::io::Write as _;
use zip::write::SimpleFileOptions;

const ACT: &[u8] = b"Arrete du maire numero 12";

/// A detached signature of `content`.
fn signature(content: &[u8]) -> Vec<u8> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Agente");
    params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
    let key = KeyPair::generate().unwrap();
    let certificate = Certificate::from_der(params.signed_by(&key, &authority).unwrap().der()).unwrap();
    let signer = CmsSigner::new(key.serialized_der(), certificate, &[]).unwrap();
    let at = time::macros::datetime!(2026-03-01 12:00 UTC);
    signer.sign(&oid::DATA, content, Some(at), Certificates::Included).unwrap()
}

fn event(kind: &str, time: &str, note: &str) -> String {
    format!(
        "<event><eventType>{kind}</eventType><eventDateTime>{time}</eventDateTime><eventOutcomeInformation>\
         <eventOutcomeDetail><eventOutcomeDetailNote>{note}</eventOutcomeDetailNote></eventOutcomeDetail>\
         </eventOutcomeInformation><linkingAgentIdentifier><linkingAgentIdentifierValue>u1</linkingAgentIdentifierValue>\
         <linkingAgentRole>Maire</linkingAgentRole></linkingAgentIdentifier></event>"
    )
}

fn premis(files: &[&str], digest: &str, events: &[String]) -> String {
    let property = |name: &str, value: &str| {
        format!(
            "<significantProperties><significantPropertiesType>{name}</significantPropertiesType>\
             <significantPropertiesValue>{value}</significantPropertiesValue></significantProperties>"
        )
    };
    let files: Vec<String> = files
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let main = if n == 0 { property("i_Parapheur_reserved_mainDocument", "true") } else { String::new() };
            let fixity = if n == 0 {
                format!("<objectCharacteristics><fixity><messageDigestAlgorithm>SHA-256</messageDigestAlgorithm><messageDigest>{digest}</messageDigest></fixity></objectCharacteristics>")
            } else {
                String::new()
            };
            format!("<object xsi:type=\"file\">{main}{fixity}<originalName>{name}</originalName></object>")
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><premis xmlns=\"http://www.loc.gov/premis/v3\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" version=\"3.0\"><object xsi:type=\"intellectualEntity\">{}{}\
         <originalName>Arrêté 12</originalName></object>{}{}<agent><agentIdentifier>\
         <agentIdentifierValue>u1</agentIdentifierValue></agentIdentifier><agentName>A. Ndiaye</agentName></agent></premis>",
        property("i_Parapheur_reserved_type", "Arrêtés"),
        property("i_Parapheur_reserved_subtype", "Police"),
        files.concat(),
        events.concat()
    )
}

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn done() -> Vec<String> {
    vec![
        event("VISA", "2026-03-01T09:00:00+01:00", "Vu"),
        event("SIGNATURE", "2026-03-01T13:00:00+01:00", "Bon pour accord"),
    ]
}

/// A finished folder, its PREMIS as given (none: left out).
fn folder(premis: Option<&str>, signature: &[u8]) -> Vec<u8> {
    let mut members: Vec<(&str, &[u8])> = vec![
        ("Documents principaux/arrete.txt", ACT),
        ("Documents principaux/arrete.txt.p7s", signature),
        ("Annexes/plan.txt", b"Plan"),
        ("Arrêté 12_bordereau.txt", b"Bordereau de signature"),
    ];
    if let Some(premis) = premis {
        members.push(("i_Parapheur_internal_premis.xml", premis.as_bytes()));
    }
    zipped(&members)
}

const FILES: [&str; 2] = ["arrete.txt", "plan.txt"];

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_folder_goes_in_with_its_circuit() {
    let (mut archive, token) = archive("mairie", &["parapheur"]).await;
    let summary = premis(&FILES, &hex::encode(sha256(ACT)), &done());
    let made = deposited(send(&archive, &token, "parapheur", folder(Some(&summary), &signature(ACT))).await, 201).await;
    let kept = record(&archive, &token, &made[0]).await;
    assert_eq!((kept["title"].as_str(), kept["rule"].as_str()), (Some("Arrêté 12"), Some("deliberation")));
    let fields = &kept["produced"]["fields"];
    assert_eq!((fields["sous_type"].as_str(), fields["signatures_detachees"].as_str()), (Some("Police"), Some("1")));
    assert_eq!(fields["bordereau"], "Arrêté 12_bordereau.txt");
    let events = kept["produced"]["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(
        (events[1]["kind"].as_str(), events[1]["agent"].as_str()),
        (Some("signature"), Some("A. Ndiaye (Maire)"))
    );
    let names: Vec<&str> =
        kept["payloads"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"validation.json"), "the signature was validated: {names:?}");
    // The summary beside the ZIP, as another address of i-Parapheur gives it.
    let form = Form::new()
        .part("zip", Part::bytes(folder(None, &signature(ACT))).file_name("dossier.zip"))
        .part("premis", Part::text(summary).file_name("premis.xml"));
    let request = archive.request(Method::POST, "/v1/producers/parapheur/deposits", &token).multipart(form);
    deposited(request.send().await.unwrap(), 201).await;
    archive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_folder_is_told() {
    let (mut archive, token) = archive("mairie", &["parapheur"]).await;
    let good = signature(ACT);
    let told = async |bytes: Vec<u8>| errors(send(&archive, &token, "parapheur", bytes).await, 422).await;
    assert_eq!(told(folder(None, &good)).await, ["producer-premis @ -"]);
    assert_eq!(told(folder(Some("<premis"), &good)).await, ["producer-premis @ i_Parapheur_internal_premis.xml"]);
    let digest = hex::encode(sha256(ACT));
    let missing = premis(&["arrete.txt", "absent.pdf"], &digest, &done());
    let place = "i_Parapheur_internal_premis.xml, « absent.pdf »";
    assert_eq!(told(folder(Some(&missing), &good)).await, [format!("producer-file-missing @ {place}")]);
    let other = premis(&FILES, &"0".repeat(64), &done());
    assert_eq!(
        told(folder(Some(&other), &good)).await,
        ["digest-mismatch @ i_Parapheur_internal_premis.xml, « arrete.txt »"]
    );
    let mut events = done();
    events.push(event("REJECT", "2026-03-02T09:00:00+01:00", "Erreur de visa"));
    let rejected = premis(&FILES, &digest, &events);
    assert_eq!(
        told(folder(Some(&rejected), &good)).await,
        ["producer-parapheur-rejected @ i_Parapheur_internal_premis.xml"]
    );
    assert_eq!(told(b"%PDF-1.4".to_vec()).await, ["producer-syntax @ -"]);
    // A signature over other bytes: the door itself refuses, as for every deposit of a type that asks for it.
    let summary = premis(&FILES, &digest, &done());
    let answer = send(&archive, &token, "parapheur", folder(Some(&summary), &signature(b"Autre acte"))).await;
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    assert_eq!(status, 422, "{text}");
    assert!(text.contains("arrete.txt.p7s"), "{text}");
    archive.stop().await;
}
