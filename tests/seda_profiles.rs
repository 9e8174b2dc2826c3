//! The profiles that are shipped (`seda/profils/`) hold what they promise: a bordereau that follows its producer's profile
//! passes, one that does not is refused by it, with the place; and the agreement brings the profile in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use archiland::spec::seda::Mode;
use archiland::transfer::check::{Options, check};
use archiland::transfer::event::Outcome;
use archiland::transfer::referentials::Referentials;
use std::path::{Path, PathBuf};
use std::process::Command;

fn profiles() -> Vec<PathBuf> {
    let folders = std::fs::read_dir("seda/profils").unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[test]
fn each_profile_takes_one_sample_and_refuses_the_other() {
    let profiles = profiles();
    assert!(profiles.len() >= 4, "{profiles:?}");
    for profile in profiles {
        let referentials = Referentials::load(&profile).unwrap();
        let options = Options { mode: Mode::Strict, referentials: Some(&referentials), ..Options::default() };
        let good = check(&profile.join("exemples/recevable.xml"), &options).unwrap().report;
        assert_eq!(good.outcome, Outcome::Ok, "{}: {:#?}", profile.display(), good.events);
        let held = |event: &str| good.events.iter().any(|e| e.event == event && e.outcome == Outcome::Ok);
        assert!(held("CHECK_HEADER.CHECK_ARCHIVEPROFILE") && held("CHECK_HEADER.CHECK_IC_AP_RELATION"));
        let bad = check(&profile.join("exemples/refuse.xml"), &options).unwrap().report;
        let refusals: Vec<_> = bad.events.iter().filter(|event| event.outcome == Outcome::Ko).collect();
        assert!(!refusals.is_empty(), "{}: {:#?}", profile.display(), bad.events);
        for refusal in refusals {
            assert_eq!(refusal.event, "CHECK_HEADER.CHECK_ARCHIVEPROFILE", "{refusal:?}");
            assert!(refusal.location.as_deref().is_some_and(|place| place.contains("ligne")), "{refusal:?}");
        }
        // Without naming the profile, the agreement refuses it.
        let text = std::fs::read_to_string(profile.join("exemples/recevable.xml")).unwrap();
        let start = text.find("<ArchivalProfile>").unwrap();
        let end = text.find("</ArchivalProfile>").unwrap() + "</ArchivalProfile>".len();
        let unnamed = tempfile::Builder::new().suffix(".xml").tempfile().unwrap();
        std::fs::write(unnamed.path(), format!("{}{}", &text[..start], &text[end..])).unwrap();
        let report = check(unnamed.path(), &options).unwrap().report;
        let first = report.events.iter().find(|event| event.outcome == Outcome::Ko).unwrap();
        assert_eq!(first.event, "CHECK_HEADER.CHECK_IC_AP_RELATION.DIFF", "{:#?}", report.events);
    }
}

#[test]
fn another_validator_agrees() {
    for profile in profiles() {
        let name = profile.file_name().unwrap().to_str().unwrap().to_uppercase();
        let grammar = profile.join(format!("{name}.rng"));
        let run = |sample: &Path| {
            Command::new("xmllint").args(["--nonet", "--noout", "--relaxng"]).arg(&grammar).arg(sample).output()
        };
        match (run(&profile.join("exemples/recevable.xml")), run(&profile.join("exemples/refuse.xml"))) {
            (Ok(good), Ok(bad)) => {
                assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
                assert!(!bad.status.success(), "{}", profile.display());
            }
            (Err(error), _) | (_, Err(error)) => {
                assert!(std::env::var_os("CI").is_none(), "CI needs xmllint (libxml2-utils): {error}");
                eprintln!("skipped: xmllint: {error}");
            }
        }
    }
}
