//! What an archival agreement asks is held: the profile's grammar, the formats, the counts, and what signatures are worth.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use archiland::digest::Digests;
use archiland::transfer::check::{Options, Signing, check};
use archiland::transfer::event::{Event, Outcome};
use archiland::transfer::referentials::{Referentials, SignatureVerification};
use archiland::validation::Rules;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use time::macros::datetime;
use zip::write::SimpleFileOptions;

const NAMESPACE: &str = "fr:gouv:culture:archivesdefrance:seda:v2.2";

/// A transfer of one unit and one object under the agreement `IC` and the profile `PR`.
fn package(directory: &Path, comment: &str, name: &str, content: &[u8]) -> PathBuf {
    let digest = hex::encode(Digests::of(content).sha512);
    let manifest = format!(
        "<ArchiveTransfer xmlns=\"{NAMESPACE}\"><Comment>{comment}</Comment><Date>2026-11-24T00:00:00</Date>\
         <MessageIdentifier>M</MessageIdentifier><ArchivalAgreement>IC</ArchivalAgreement><CodeListVersions/>\
         <DataObjectPackage><DataObjectGroup id=\"G\"><BinaryDataObject id=\"B\"><DataObjectVersion>BinaryMaster_1</DataObjectVersion>\
         <Uri>content/{name}</Uri><MessageDigest algorithm=\"SHA-512\">{digest}</MessageDigest><Size>{size}</Size>\
         <FormatIdentification><FormatId>maison</FormatId></FormatIdentification>\
         <FileInfo><Filename>{name}</Filename></FileInfo></BinaryDataObject></DataObjectGroup><DescriptiveMetadata>\
         <ArchiveUnit id=\"U\"><ArchiveUnitProfile>AUP</ArchiveUnitProfile><Content><DescriptionLevel>Item</DescriptionLevel><Title>T</Title></Content>\
         <DataObjectReference><DataObjectGroupReferenceId>G</DataObjectGroupReferenceId></DataObjectReference></ArchiveUnit>\
         </DescriptiveMetadata><ManagementMetadata><ArchivalProfile>PR</ArchivalProfile>\
         <OriginatingAgencyIdentifier>A</OriginatingAgencyIdentifier></ManagementMetadata></DataObjectPackage>\
         <ArchivalAgency><Identifier>AD</Identifier></ArchivalAgency><TransferringAgency><Identifier>A</Identifier></TransferringAgency>\
         </ArchiveTransfer>",
        size = content.len()
    );
    let path = directory.join("sip.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, bytes) in [("manifest.xml", manifest.as_bytes()), (&format!("content/{name}"), content)] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

/// The reference data: an agreement with more members, and a profile whose grammar wants a comment.
fn registered(directory: &Path, agreement: &str, title: &str) -> Referentials {
    let folder = directory.join("referentials");
    std::fs::create_dir_all(&folder).unwrap();
    let contract = format!("[{{\"Identifier\":\"IC\",\"Status\":\"ACTIVE\",\"ArchiveProfiles\":[\"PR\"]{agreement}}}]");
    std::fs::write(folder.join("contracts.json"), contract).unwrap();
    let profile = r#"[{"Identifier":"PR","Format":"RNG","Status":"ACTIVE","Path":"0_profil_PR.rng"}]"#;
    std::fs::write(folder.join("profiles.json"), profile).unwrap();
    let schema = r#"{\"type\":\"object\",\"required\":[\"Title\"],\"properties\":{\"Title\":{\"enum\":[\"T\"]}}}"#;
    let unit = format!("[{{\"Identifier\":\"AUP\",\"Status\":\"ACTIVE\",\"ControlSchema\":\"{schema}\"}}]");
    std::fs::write(folder.join("unit-profiles.json"), unit.replace("[\\\"T\\\"]", title)).unwrap();
    let grammar = format!(
        "<grammar xmlns=\"http://relaxng.org/ns/structure/1.0\" ns=\"{NAMESPACE}\"><start><element name=\"ArchiveTransfer\">\
         <element name=\"Comment\"><value>Attendu</value></element><zeroOrMore><ref name=\"any\"/></zeroOrMore></element></start>\
         <define name=\"any\"><element><anyName/><zeroOrMore><attribute><anyName/></attribute></zeroOrMore>\
         <mixed><zeroOrMore><ref name=\"any\"/></zeroOrMore></mixed></element></define></grammar>"
    );
    std::fs::write(folder.join("0_profil_PR.rng"), grammar).unwrap();
    Referentials::load(&folder).unwrap()
}

fn events(agreement: &str, comment: &str, name: &str, content: &[u8]) -> (Outcome, Vec<Event>) {
    events_with(agreement, comment, name, content, "[\\\"T\\\"]")
}

/// `title`: what the control schema of the unit's profile allows as its title.
fn events_with(agreement: &str, comment: &str, name: &str, content: &[u8], title: &str) -> (Outcome, Vec<Event>) {
    let directory = tempfile::tempdir().unwrap();
    let referentials = registered(directory.path(), agreement, title);
    let rules = Rules::load(None, None).unwrap();
    let at = datetime!(2026-11-24 00:00 UTC);
    let signing = Signing { rules: &rules, at, otherwise: SignatureVerification::None };
    let options = Options { referentials: Some(&referentials), signatures: Some(signing), ..Options::default() };
    let report = check(&package(directory.path(), comment, name, content), &options).unwrap().report;
    (report.outcome, report.events)
}

fn of<'e>(events: &'e [Event], name: &str) -> Vec<&'e Event> {
    events.iter().filter(|event| event.event.starts_with(name)).collect()
}

const TEXT: &[u8] = b"bonjour\n";

#[test]
fn a_bordereau_is_held_to_the_grammar_of_its_profile() {
    const EVENT: &str = "CHECK_HEADER.CHECK_ARCHIVEPROFILE";
    let (outcome, found) = events("", "Attendu", "a.txt", TEXT);
    assert_eq!(outcome, Outcome::Ok, "{found:#?}");
    assert_eq!(of(&found, EVENT)[0].outcome, Outcome::Ok);
    let (outcome, found) = events("", "Autre", "a.txt", TEXT);
    assert_eq!(outcome, Outcome::Ko);
    let fault = of(&found, EVENT)[0];
    assert_eq!(fault.outcome, Outcome::Ko);
    assert!(fault.detail.contains("« Autre »") && fault.detail.contains("« Attendu »"), "{fault:?}");
    assert!(fault.location.as_deref().unwrap().contains("ligne 1"), "{fault:?}");
}

#[test]
fn counts_and_agencies_of_the_agreement_are_held() {
    for (agreement, told) in [
        (",\"ObjectBytesMax\":3", "l'objet B annonce 8 octets"),
        (",\"ObjectsMax\":0", "1 objets"),
        (",\"UnitsMax\":0", "1 unités"),
        (",\"TransferringAgencies\":[\"B\"]", "service versant « A »"),
        (",\"OriginatingAgencies\":[\"B\"]", "service producteur « A »"),
    ] {
        let (outcome, found) = events(agreement, "Attendu", "a.txt", TEXT);
        assert_eq!(outcome, Outcome::Ko, "{agreement}");
        let limits = of(&found, "CHECK_HEADER.CHECK_CONTRACT_INGEST.LIMITS");
        assert!(limits[0].detail.contains(told), "{limits:?}");
    }
    assert_eq!(events(",\"UnitsMax\":1,\"ObjectsMax\":1,\"BytesMax\":8", "Attendu", "a.txt", TEXT).0, Outcome::Ok);
}

#[test]
fn formats_of_the_agreement_are_held() {
    let pdf = b"%PDF-1.4\n%%EOF\n";
    let narrow = ",\"EveryFormatType\":false,\"FormatType\":[\"fmt/276\"]";
    let (outcome, found) = events(narrow, "Attendu", "a.pdf", pdf);
    assert_eq!(outcome, Outcome::Ko);
    assert!(of(&found, "OG_OBJECTS_FORMAT_CHECK")[0].detail.contains("fmt/18"), "{found:?}");
    let wide = ",\"EveryFormatType\":false,\"FormatType\":[\"fmt/18\"]";
    assert_eq!(events(wide, "Attendu", "a.pdf", pdf).0, Outcome::Ok);
}

#[test]
fn signatures_are_required_warned_of_or_told() {
    const EVENT: &str = "OG_SIGNATURES_CHECK";
    let signed =
        b"<a><ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo/></ds:Signature></a>";
    let asked = |what: &str| format!(",\"SignatureVerification\":\"{what}\"");
    let outcome = |what: &str, content: &[u8]| {
        let (outcome, found) = events(&asked(what), "Attendu", "a.xml", content);
        let of_signatures = of(&found, EVENT).iter().map(|event| event.event.clone()).collect::<Vec<_>>();
        (outcome, of_signatures)
    };
    assert_eq!(outcome("NONE", signed), (Outcome::Ok, vec![]));
    assert_eq!(outcome("RECORD", signed), (Outcome::Ok, vec![EVENT.to_owned()]));
    assert_eq!(outcome("WARN", signed), (Outcome::Warning, vec![format!("{EVENT}.INVALID")]));
    assert_eq!(outcome("REQUIRE", signed), (Outcome::Ko, vec![format!("{EVENT}.INVALID")]));
    assert_eq!(outcome("REQUIRE", b"<a/>"), (Outcome::Ko, vec![format!("{EVENT}.ABSENT")]));
    assert_eq!(outcome("WARN", b"<a/>"), (Outcome::Warning, vec![format!("{EVENT}.ABSENT")]));
}

#[test]
fn a_unit_is_held_to_the_control_schema_of_its_profile() {
    const EVENT: &str = "CHECK_ARCHIVE_UNIT_PROFILE";
    let (outcome, found) = events("", "Attendu", "a.txt", TEXT);
    assert_eq!((outcome, of(&found, EVENT)[0].outcome), (Outcome::Ok, Outcome::Ok));
    assert!(of(&found, EVENT)[0].detail.contains("1 unités conformes"), "{found:?}");
    let (outcome, found) = events_with("", "Attendu", "a.txt", TEXT, "[\\\"U\\\"]");
    assert_eq!(outcome, Outcome::Ko);
    assert!(of(&found, EVENT)[0].detail.contains("Title : \"T\" n'est pas parmi \"U\""), "{found:?}");
}
