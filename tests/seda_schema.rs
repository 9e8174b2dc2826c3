//! The strict verdict on a manifest is that of the official schemas: real manifests, and each of them damaged in many
//! ways, are put to both. Needs `xmllint` and the schemas and packages of `../shared/data`; skipped where they are not.
#![allow(clippy::expect_used, clippy::print_stderr)]

use archiland::spec::seda::write::{Event, Kind, Outgoing, Party, UnitId, write};
use archiland::spec::seda::{Version, validate, xml::Limits};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Damages tried on each manifest.
const DAMAGES: usize = 120;

#[test]
fn strict_is_the_official_schema() {
    let Some(shared) = shared() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let mut by_version: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for (number, (version, manifest)) in manifests(&shared).into_iter().enumerate() {
        let mut random = Random(0x5eda + number as u64);
        for damage in 0..=DAMAGES {
            let text = if damage == 0 { manifest.clone() } else { damaged(&manifest, &mut random) };
            let file = scratch.path().join(format!("{number}-{damage}.xml"));
            std::fs::write(&file, text).expect("a written manifest");
            by_version.entry(version.number()).or_default().push(file);
        }
    }
    let mut faults = String::new();
    let mut compared = 0;
    for (number, files) in &by_version {
        let schema = schema(&shared, number);
        for chunk in files.chunks(200) {
            let verdicts = xmllint(&shared, &schema, chunk);
            for file in chunk {
                let text = std::fs::read(file).expect("a manifest");
                let ours = validate(&text[..], &Limits::default());
                let valid = ours.as_ref().is_ok_and(|checked| {
                    checked.version.is_some() && checked.findings.errors + checked.findings.deviations == 0
                });
                let official = verdicts.get(file).copied().unwrap_or(false);
                compared += 1;
                if valid != official && !(official && ours.as_ref().is_ok_and(|c| c.findings.kept.iter().all(left_out)))
                {
                    let told = ours.map(|checked| checked.findings.kept.first().map(ToString::to_string));
                    let kept = std::env::temp_dir().join(file.file_name().expect("a name"));
                    _ = std::fs::copy(file, &kept);
                    _ = writeln!(faults, "{} ({number}): official {official}, ours {told:?}", kept.display());
                }
            }
        }
    }
    eprintln!("{compared} manifests compared");
    assert!(compared > 1000, "too few manifests in {}", shared.display());
    assert!(faults.is_empty(), "{} verdicts differ:\n{faults}", faults.lines().count());
}

#[test]
fn messages_we_write_are_valid_by_the_official_schema() {
    let Some(shared) = shared() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let date = String::from("2026-11-24T00:00:00Z");
    let message = Outgoing {
        comment: Some("Versement & reprise".into()),
        date: date.clone(),
        identifier: "R-1".into(),
        agreement: Some("IC-000001".into()),
        units: vec![UnitId { id: "ID1".into(), system_id: "ark:/12345/lot1-x".into() }],
        reply_code: Some("000".into()),
        events: vec![Event {
            code: "CHECK_SEDA".into(),
            date: date.clone(),
            outcome: "OK".into(),
            detail: "CHECK_SEDA.OK".into(),
            message: "bordereau conforme".into(),
        }],
        request: "M-1".into(),
        grant_date: Some(date),
        authorization: Some("V-1".into()),
        unit_identifiers: vec!["ark:/12345/lot1-x".into()],
        reason: Some(("destruction".into(), "2026-11-24".into())),
        archives: Party { identifier: "AD40".into() },
        other: Party { identifier: "MAIRIE".into() },
        ..Outgoing::default()
    };
    for version in Version::ALL {
        let mut files = Vec::new();
        for kind in [
            Kind::Acknowledgement,
            Kind::ArchiveTransferReply,
            Kind::ArchiveDeliveryRequestReply,
            Kind::ArchiveRestitutionRequest,
            Kind::ArchiveRestitutionRequestReply,
            Kind::ArchiveModificationNotification,
            Kind::ArchiveDestructionNotification,
            Kind::AuthorizationControlAuthorityRequest,
            Kind::AuthorizationControlAuthorityRequestReply,
        ] {
            if let Some(text) = write(kind, version, &message) {
                let file = scratch.path().join(format!("{version}-{}.xml", kind.root()));
                std::fs::write(&file, text).expect("a written message");
                files.push(file);
            }
        }
        let verdicts = xmllint(&shared, &schema(&shared, version.number()), &files);
        let refused: Vec<_> = verdicts.iter().filter(|(_, valid)| !**valid).map(|(file, _)| file).collect();
        assert!(!files.is_empty() && refused.is_empty(), "{version}: {refused:?}");
    }
}

/// What libxml2 does not look at: references to identifiers that are not there, an identifier twice when one of them is
/// `xml:id` or of a union type, foreign characters in base64.
fn left_out(finding: &archiland::spec::seda::Finding) -> bool {
    let detail = &finding.detail;
    detail.starts_with("la référence") || detail.contains("déjà employé") || detail.contains("hexadécimal ou base64")
}

fn shared() -> Option<PathBuf> {
    let found = ["../shared/data", "../../shared/data"].iter().map(PathBuf::from).find(|p| p.join("seda-xsd").is_dir());
    let tool = Command::new("xmllint").arg("--version").output().is_ok();
    assert!(tool || found.is_none() || std::env::var_os("CI").is_none(), "CI needs xmllint (libxml2-utils)");
    if found.is_none() || !tool {
        eprintln!("skipped: needs ../shared/data/seda-xsd and xmllint");
    }
    found.filter(|_| tool)
}

/// The manifests of the packages, by version; what is not well-formed or of no version is left out.
fn manifests(shared: &Path) -> Vec<(Version, String)> {
    let mut found = Vec::new();
    let packages = shared.join("seda-sip");
    for directory in [packages.clone(), packages.join("legacy")] {
        let mut files: Vec<_> =
            std::fs::read_dir(directory).expect("packages").map(|e| e.expect("a package").path()).collect();
        files.sort();
        for file in files {
            let text = match file.extension().and_then(|e| e.to_str()) {
                Some("zip") => {
                    Command::new("unzip").arg("-p").arg(&file).arg("manifest.xml").output().map(|o| o.stdout)
                }
                Some("xml") => std::fs::read(&file),
                _ => continue,
            };
            let Ok(text) = String::from_utf8(text.unwrap_or_default()) else { continue };
            if let Ok(checked) = validate(text.as_bytes(), &Limits::default()) {
                found.extend(checked.version.map(|version| (version, text)));
            }
        }
    }
    found
}

fn schema(shared: &Path, number: &str) -> PathBuf {
    let schemas = shared.join("seda-xsd");
    match number {
        "0.2" => schemas.join("seda-0.2/seda_v0-2.xsd"),
        "1.0" => schemas.join("seda-1.0/seda_v1-0.xsd"),
        _ => schemas.join(format!("seda-{number}/seda-{number}-main.xsd")),
    }
}

fn xmllint(shared: &Path, schema: &Path, files: &[PathBuf]) -> BTreeMap<PathBuf, bool> {
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--huge", "--schema"])
        .arg(schema)
        .args(files)
        .env("XML_CATALOG_FILES", shared.join("seda-xsd/catalog.xml"))
        .output()
        .expect("xmllint");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    files.iter().map(|file| (file.clone(), told.contains(&format!("{} validates", file.display())))).collect()
}

/// One damage: an element taken away, doubled, moved, renamed, emptied, or its text or an attribute changed.
fn damaged(text: &str, random: &mut Random) -> String {
    let tags: Vec<(usize, usize)> = tags(text);
    let pick = |random: &mut Random| tags[random.below(tags.len())];
    let (start, end) = pick(random);
    let name: String = text[start + 1..].chars().take_while(|c| c.is_alphanumeric()).collect();
    let close = format!("</{name}>");
    let whole = text[start..].find(&close).map_or(end, |at| start + at + close.len());
    let inside = text[end..whole].strip_suffix(close.as_str()).unwrap_or_default();
    let replace = |with: &str| format!("{}{with}{}", &text[..start], &text[whole..]);
    match random.below(8) {
        0 => replace(""),
        1 => replace(&text[start..whole].repeat(2)),
        2 => {
            let (other, _) = pick(random);
            format!("{}{}{}", &text[..other], &text[start..whole], &text[other..])
        }
        3 => {
            let names = ["Title", "Rule", "StartDate", "Event", "Content", "Identifier", "Inconnu", "DataObjectGroup"];
            let other = names[random.below(names.len())];
            replace(
                &text[start..whole]
                    .replace(&format!("<{name}"), &format!("<{other}"))
                    .replace(&close, &format!("</{other}>")),
            )
        }
        4 => replace(&format!("<{name}></{name}>")),
        5 if !inside.contains('<') => {
            let values =
                ["", "x", "2020-02-30", "2020-01-01", "12", "-1", "true", "Keep", "File", "a b", "abcd", "ID1"];
            let value = values[random.below(values.len())];
            replace(&format!("{}{value}{close}", &text[start..end]))
        }
        6 => format!("{} inconnu=\"1\"{}", &text[..end - 1], &text[end - 1..]),
        _ => format!("{}texte{}", &text[..end], &text[end..]),
    }
}

/// Start tags that end with `>`, by extent, the root's left out.
fn tags(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('<') {
        if text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic()) {
            let end = text[at..].find('>').map_or(text.len(), |length| at + length + 1);
            if !text[..end].ends_with("/>") {
                found.push((at, end));
            }
        }
    }
    found.split_off(1.min(found.len()))
}

/// A small deterministic generator.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap_or(0)
    }
}
