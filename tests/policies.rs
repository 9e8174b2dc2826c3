//! Promise: the practice statements of `policies/` say what the program does. Every number, date and object identifier they
//! state is compared with the program's constants and defaults; their references lead somewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use archiland::catalog::IDEMPOTENCY_WINDOW;
use archiland::config::{ClockConfig, Evidence, Limits, PKCS11_TIMEOUT_MS, Timestamp, WARN_DAYS};
use archiland::daemon::RENEWAL_EVERY;
use archiland::package::RECORD_BYTES_MAX;
use archiland::report::{ARCHIVES_MAX, DOCUMENTS_BYTES_MAX};
use archiland::spec::cms::RSA_BITS_MIN;
use archiland::timestamp::{
    ACCEPTED, ACCURACY_S, DEFAULT_POLICY, HSM_LOOK_EVERY, JOURNAL_DELAY_MAX, ROUNDS_MISSED_MAX,
};
use archiland::{api, evidence};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the program does, by the names that the statements use.
fn facts() -> BTreeMap<String, String> {
    let (clock, limits) = (ClockConfig::default(), Limits::default());
    let digests: Vec<String> = ACCEPTED.iter().map(|digest| format!("{digest:?}").replace("Sha", "SHA-")).collect();
    let renewal: toml::Table = include_str!("../policies/renewal.toml").parse().unwrap();
    let mut facts: BTreeMap<String, String> = [
        ("tsa.policy", DEFAULT_POLICY.to_owned()),
        ("tsa.accuracy_s", ACCURACY_S.to_string()),
        ("tsa.digests", digests.join(", ")),
        ("tsa.request_bytes_max", api::TSA_REQUEST_BYTES_MAX.to_string()),
        ("tsa.delay_s_max", JOURNAL_DELAY_MAX.as_secs().to_string()),
        ("tsa.ordering", Timestamp::default().ordering.to_string()),
        ("clock.drift_ms_max", clock.drift_ms_max.to_string()),
        ("clock.every_s", clock.every_s.to_string()),
        ("clock.rounds_missed_max", ROUNDS_MISSED_MAX.to_string()),
        ("keys.rsa_bits_min", RSA_BITS_MIN.to_string()),
        ("keys.warn_days", WARN_DAYS.to_string()),
        ("keys.pkcs11_timeout_ms_max", PKCS11_TIMEOUT_MS.to_string()),
        ("keys.pkcs11_look_every_s", HSM_LOOK_EVERY.as_secs().to_string()),
        ("archive.digests", "SHA-256, SHA-512".to_owned()),
        ("limits.body_bytes_max", limits.body_bytes_max.to_string()),
        ("limits.files_per_deposit_max", limits.files_per_deposit_max.to_string()),
        ("limits.record_bytes_max", RECORD_BYTES_MAX.to_string()),
        ("limits.batch_entries_max", limits.batch_entries_max.to_string()),
        ("catalog.idempotency_days", IDEMPOTENCY_WINDOW.whole_days().to_string()),
        ("report.archives_max", ARCHIVES_MAX.to_string()),
        ("report.documents_bytes_max", DOCUMENTS_BYTES_MAX.to_string()),
        ("renewal.margin_days", renewal["margin_days"].to_string()),
        ("renewal.successor", renewal["successor"].as_str().unwrap().to_owned()),
        ("evidence.entries_max", evidence::ENTRIES_MAX.to_string()),
        ("evidence.every_s", Evidence::default().every_s.to_string()),
        ("evidence.renewal_every_s", RENEWAL_EVERY.as_secs().to_string()),
        ("evidence.group_max", evidence::GROUP_MAX.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    // An entry of the log has room for these two digests and no other.
    assert_eq!(archiland::package::ENTRY_LEN, 1 + 32 + 64);
    for (section, name) in [("digests", "digest"), ("keys", "key")] {
        for (algorithm, day) in renewal[section].as_table().unwrap() {
            facts.insert(format!("renewal.{name}.{algorithm}"), day.as_str().unwrap().to_owned());
        }
    }
    facts
}

fn statements() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect();
    found.sort();
    found
}

/// The rows of a statement's last table: name and value.
fn rows(text: &str) -> Vec<(String, String)> {
    let values = text.split("\n## Valeurs\n").nth(1).expect("a part « Valeurs »");
    let rows = values.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        Some((name.to_owned(), cells.next()?.to_owned()))
    });
    rows.collect()
}

#[test]
fn every_value_stated_is_that_of_the_program_and_every_one_is_stated() {
    let (facts, mut stated) = (facts(), BTreeSet::new());
    let mut faults = Vec::new();
    for (path, text) in statements() {
        for (name, value) in rows(&text) {
            match facts.get(&name) {
                Some(known) if *known == value => {}
                Some(known) => faults.push(format!("{}: `{name}` is {known}, stated {value}", path.display())),
                None => faults.push(format!("{}: `{name}` is not known to this test", path.display())),
            }
            stated.insert(name);
        }
    }
    faults
        .extend(facts.keys().filter(|name| !stated.contains(*name)).map(|name| format!("`{name}` is stated nowhere")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn object_identifiers_and_commands_in_the_text_exist() {
    let help = archiland::cli::command_names();
    for (path, text) in statements() {
        let place = path.display();
        for word in text.split(|c: char| !c.is_ascii_digit() && c != '.') {
            let oid = word.trim_matches('.');
            if oid.split('.').count() > 4 {
                assert_eq!(oid, DEFAULT_POLICY, "{place}: object identifier {oid}");
            }
        }
        for (_, after) in text.match_indices("archiland ").map(|(at, found)| (at, &text[at + found.len()..])) {
            let command: String = after.chars().take_while(char::is_ascii_lowercase).collect();
            assert!(command.is_empty() || help.contains(&command), "{place}: archiland {command}");
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = path.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{place}: {link} leads nowhere");
        }
    }
}

#[test]
fn the_statements_an_auditor_asks_for_are_there() {
    let names: Vec<String> =
        statements().iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    for wanted in
        ["archivage.md", "ceremonie-des-cles.md", "horodatage-resume.md", "horodatage.md", "renouvellement.md"]
    {
        assert!(names.iter().any(|name| name == wanted), "{wanted}");
    }
}
