//! Watched folders: a file put there is archived once, whatever dies when; what does not fit is put aside with the reason;
//! what is being written is left alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/daemon.rs"]
mod daemon;
mod support;

use daemon::{AGENCY, Archive, Daemon};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An archive that watches `depots`, with a folder of its own.
async fn archive() -> (Archive, Daemon, PathBuf) {
    let mut archive = Archive::init();
    let folder = archive.path().join("depots");
    std::fs::create_dir(&folder).unwrap();
    let mut config = std::fs::OpenOptions::new().append(true).open(archive.path().join("archiland.toml")).unwrap();
    write!(
        config,
        "\n[[producers.watch]]\nfolder = \"depots\"\nprofile = \"telegestion\"\nagency = \"{AGENCY}\"\nsettle_ms = 300\n"
    )
    .unwrap();
    let daemon = archive.started().await;
    archive.open_for_deposits().await;
    (archive, daemon, folder)
}

fn sheet(numero: &str, signature: bool) -> String {
    let signature = if signature { r#""signature":{"date":"2026-03-02T09:00:00+01:00"}"# } else { r#""signature":{}"# };
    format!(
        r#"{{"numero":"{numero}","service":"CIAS","intervenant":{{"matricule":"I-3"}},"beneficiaire":{{"dossier":"D-9"}},
        "debut":"2026-03-02T08:00:00+01:00","fin":"2026-03-02T09:00:00+01:00","nature":"repas",{signature}}}"#
    )
}

/// As a transfer tool does: under another name first.
fn put(folder: &Path, name: &str, text: &str) {
    let temporary = folder.join(format!("{name}.tmp"));
    std::fs::write(&temporary, text).unwrap();
    std::fs::rename(temporary, folder.join(name)).unwrap();
}

async fn until(what: &str, archive: &Archive, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while !done() {
        assert!(Instant::now() < deadline, "{what}\n{}", archive.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Files called `name` somewhere under `folder`.
fn found(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(self::found(&entry.path(), name));
        } else if entry.file_name().to_str() == Some(name) {
            found.push(entry.path());
        }
    }
    found
}

/// Identifiers of the agency's archives.
async fn archives(archive: &Archive) -> Vec<String> {
    let request = reqwest::Client::new().get(archive.url("/v1/archives?limit=100")).bearer_auth(&archive.secret);
    let text = request.send().await.unwrap().text().await.unwrap();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list = answer["archives"].as_array().unwrap_or_else(|| panic!("{text}")).iter();
    list.map(|one| one["external_id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_archived_or_put_aside_with_the_reason() {
    let (archive, _daemon, folder) = archive().await;
    std::fs::write(folder.join("en-cours.json.part"), sheet("F-0", true)).unwrap();
    std::fs::write(folder.join(".caché.json"), sheet("F-0", true)).unwrap();
    std::fs::create_dir(folder.join("b")).unwrap();
    std::fs::write(folder.join("b/photo.png"), b"\x89PNG").unwrap();
    put(&folder, "b.json", &sheet("F-2", true));
    put(&folder, "a.json", &sheet("F-1", true));
    put(&folder, "refus.json", &sheet("F-3", false));
    let gone = |name: &str| !folder.join(name).exists();
    until("a and b leave", &archive, || gone("a.json") && gone("b.json") && gone("refus.json")).await;
    let kept = found(&folder.join("archives"), "b.json");
    let place = kept[0].parent().unwrap();
    assert!(place.join("b/photo.png").exists(), "what comes with a file goes with it");
    let name = place.file_name().unwrap().to_str().unwrap();
    let receipt = std::fs::read(place.join(format!("{name}.recepisse.json"))).unwrap();
    archiland::receipt::Receipt::parse(&receipt).unwrap();
    let reason = std::fs::read_to_string(folder.join("quarantaine/refus.json.motif.txt")).unwrap();
    assert!(reason.contains("non signée") && reason.contains("Que faire"), "{reason}");
    assert!(folder.join("quarantaine/refus.json").exists());
    // The same name refused again does not hide the first.
    put(&folder, "refus.json", "{");
    until("a second refusal", &archive, || folder.join("quarantaine/refus-2.json").exists()).await;
    assert!(std::fs::read_to_string(folder.join("quarantaine/refus-2.json.motif.txt")).unwrap().contains("JSON"));
    assert!(folder.join("en-cours.json.part").exists() && folder.join(".caché.json").exists());
    until_listed(&archive, &["F-1", "F-2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_being_written_is_left_alone_until_it_stands_still() {
    let (archive, _daemon, folder) = archive().await;
    let whole = sheet("F-7", true);
    let mut file = std::fs::File::create(folder.join("lent.json")).unwrap();
    for byte in whole.as_bytes().chunks(whole.len() / 12 + 1) {
        file.write_all(byte).unwrap();
        file.sync_all().unwrap();
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    drop(file);
    until("taken", &archive, || !folder.join("lent.json").exists()).await;
    assert!(!folder.join("quarantaine").exists(), "taken when whole");
    until_listed(&archive, &["F-7"]).await;
}

async fn until_listed(archive: &Archive, wanted: &[&str]) {
    let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let listed = archives(archive).await;
        let all: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        if all == wanted {
            assert_eq!(listed.len(), wanted.len(), "archived twice: {listed:?}");
            return;
        }
        assert!(Instant::now() < deadline, "{listed:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_archive_and_the_move_archives_nothing_twice() {
    let (archive, mut daemon, folder) = archive().await;
    put(&folder, "a.json", &sheet("F-1", true));
    until("archived", &archive, || !folder.join("a.json").exists()).await;
    let kept = found(&folder.join("archives"), "a.json").remove(0);
    let place = kept.parent().unwrap().to_owned();
    daemon.kill();
    // What such a crash leaves: the file where it was, no receipt.
    std::fs::rename(&kept, folder.join("a.json")).unwrap();
    std::fs::remove_dir_all(&place).unwrap();
    let mut daemon = archive.started().await;
    until("taken again", &archive, || !folder.join("a.json").exists()).await;
    assert!(place.join("a.json").exists(), "the same archive");
    until_listed(&archive, &["F-1"]).await;
    // Killed anywhere, several times, with files coming in.
    let names: Vec<String> = (0..24).map(|n| format!("G-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        put(&folder, &format!("{name}.json"), &sheet(name, true));
        if n % 8 == 7 {
            tokio::time::sleep(Duration::from_millis(900 + 37 * u64::try_from(n).unwrap())).await;
            daemon.kill();
            daemon = archive.started().await;
        }
    }
    until("all taken", &archive, || names.iter().all(|name| !folder.join(format!("{name}.json")).exists())).await;
    let wanted: Vec<&str> = names.iter().map(String::as_str).chain(["F-1"]).collect();
    until_listed(&archive, &wanted).await;
    assert!(!folder.join("quarantaine").exists());
}
