//! `archiland push`: a folder goes in once, however often the command is run, killed or refused; and the examples of
//! `examples/` do what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/daemon.rs"]
mod daemon;
mod support;

use daemon::{AGENCY, ARCHILAND, Archive};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// An archive open for deposits by two profiles, and the file of its token.
async fn archive() -> (Archive, daemon::Daemon, PathBuf) {
    let mut archive = Archive::init();
    let mut config = std::fs::OpenOptions::new().append(true).open(archive.path().join("archiland.toml")).unwrap();
    for profile in ["telegestion", "rgpd"] {
        writeln!(config, "\n[[producers.allow]]\nprofile = \"{profile}\"\nagencies = [\"{AGENCY}\"]").unwrap();
    }
    let daemon = archive.started().await;
    archive.open_for_deposits().await;
    let token = archive.path().join("jeton");
    std::fs::write(&token, &archive.secret).unwrap();
    (archive, daemon, token)
}

fn command(archive: &Archive, token: &Path, folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(ARCHILAND);
    for variable in ["DIR", "CONFIG", "SERVER", "TOKEN_FILE", "CA_FILE"] {
        command.env_remove(format!("ARCHILAND_{variable}"));
    }
    command.arg("push").arg(folder).args(["--server", &archive.url("")]).arg("--token-file").arg(token).args(more);
    command.stdin(Stdio::null());
    command
}

fn push(archive: &Archive, token: &Path, folder: &Path, more: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(archive, token, folder, more).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// How many deposits the agency has.
async fn deposits(archive: &Archive) -> usize {
    let client = reqwest::Client::new();
    let mut count = 0;
    let mut next = None;
    loop {
        let after = next.map_or_else(String::new, |after: u64| format!("&after={after}"));
        let request = client.get(archive.url(&format!("/v1/archives?limit=100{after}"))).bearer_auth(&archive.secret);
        let text = request.send().await.unwrap().text().await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        count += answer["archives"].as_array().unwrap_or_else(|| panic!("{text}")).len();
        match answer["next"].as_u64() {
            Some(after) => next = Some(after),
            None => return count,
        }
    }
}

/// Files of the folder whose push is killed.
const FILES: usize = 60;

/// Waits until the look-up view shows `wanted` deposits, and sees that no more come.
async fn expect_deposits(archive: &Archive, wanted: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while deposits(archive).await < wanted && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(deposits(archive).await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_goes_in_once() {
    let (archive, _daemon, token) = archive().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("mars")).unwrap();
    for name in ["a.txt", "mars/b.txt", "c.txt.tmp", ".caché"] {
        std::fs::write(at(name), format!("Contenu de {name}\n")).unwrap();
    }
    let receipts = at("../recepisses-push");
    let receipts = tempfile::tempdir_in(receipts.parent().unwrap()).unwrap();
    let keep = ["--receipt-dir", receipts.path().to_str().unwrap()];
    let (code, out, err) = push(&archive, &token, folder.path(), &keep);
    assert_eq!((code, out.as_str()), (0, "2 archivés, 0 refusés\n"), "{err}");
    assert_eq!(std::fs::read_dir(receipts.path()).unwrap().count(), 2);
    let (code, out, _) = push(&archive, &token, folder.path(), &keep);
    assert_eq!((code, out.as_str()), (0, "0 archivés, 2 déjà archivés, 0 refusés\n"));
    // Without the state file: asked again, not archived again.
    std::fs::remove_file(at(".archiland-push.jsonl")).unwrap();
    assert_eq!(push(&archive, &token, folder.path(), &keep).0, 0);
    expect_deposits(&archive, 2).await;
    // An empty file is refused, the others go in, and the refusal is remembered until it is asked again.
    std::fs::write(at("d.txt"), b"").unwrap();
    std::fs::write(at("e.txt"), b"e").unwrap();
    let (code, out, _) = push(&archive, &token, folder.path(), &[]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("d.txt : refusé : ") && out.contains("1 archivés, 2 déjà archivés, 1 refusés"), "{out}");
    std::fs::write(at("d.txt"), b"d").unwrap();
    assert_eq!(push(&archive, &token, folder.path(), &[]).0, 0, "a file that changed is asked again by itself");
    expect_deposits(&archive, 4).await;
    assert_eq!(push(&archive, &token, &at("absent"), &[]).0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_it_goes_on_where_it_was() {
    let (archive, mut daemon, token) = archive().await;
    let folder = tempfile::tempdir().unwrap();
    for n in 0..FILES {
        std::fs::write(folder.path().join(format!("{n:03}.txt")), format!("Pièce {n}\n")).unwrap();
    }
    let state = folder.path().join(".archiland-push.jsonl");
    let mut child = command(&archive, &token, folder.path(), &["--jobs", "2"]).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::fs::metadata(&state).map_or(0, |about| about.len()) < 200 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let known = std::fs::read_to_string(&state).unwrap().lines().count();
    assert!(known > 0 && known < FILES, "killed too early or too late: {known}");
    // The daemon dies in the middle of the second run, and comes back.
    let running = command(&archive, &token, folder.path(), &["--jobs", "2"]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(150));
    daemon.kill();
    let _daemon = archive.started().await;
    let ended = running.wait_with_output().unwrap();
    let out = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{out}");
    assert!(out.contains("déjà archivés, 0 refusés"), "{out}");
    expect_deposits(&archive, FILES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_profile_every_refusal_is_located_and_files_come_along() {
    let (archive, _daemon, token) = archive().await;
    let folder = tempfile::tempdir().unwrap();
    let sheet = |numero: &str| {
        format!(
            r#"{{"numero":"{numero}","service":"CIAS","intervenant":{{"matricule":"I-3"}},"beneficiaire":{{"dossier":"D-9"}},
            "debut":"2026-03-02T08:00:00+01:00","fin":"2026-03-02T09:00:00+01:00","nature":"repas",
            "signature":{{"date":"2026-03-02T09:00:00+01:00","fichier":"signature.png"}}}}"#
        )
    };
    std::fs::create_dir(folder.path().join("f1")).unwrap();
    std::fs::write(folder.path().join("f1.json"), sheet("F-1")).unwrap();
    std::fs::write(folder.path().join("f1/signature.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    std::fs::write(folder.path().join("f2.json"), sheet("F-2")).unwrap();
    let (code, out, err) = push(&archive, &token, folder.path(), &["--profile", "telegestion"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("f2.json : refusé : ") && out.contains("/signature/fichier"), "{out}");
    assert!(out.ends_with("1 archivés, 1 refusés\n"), "{out}");
    // A profile that is not open: nothing is tried file by file.
    let (code, out, err) = push(&archive, &token, folder.path(), &["--profile", "autre"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("versement interrompu"), "{err}");
    expect_deposits(&archive, 1).await;
}

/// The examples, each for one file: a deposit, the same again, a refusal.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_deposit_once_and_tell_a_refusal() {
    let (archive, _daemon, token) = archive().await;
    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut wanted = 0;
    for (program, script) in [("curl", "deposer.sh"), ("python3", "deposer.py"), ("php", "deposer.php")] {
        if !support::require_tool(program) {
            continue;
        }
        let file = folder.path().join(format!("é {script}.txt"));
        std::fs::write(&file, format!("Pièce de {script}\n")).unwrap();
        let run = |file: &Path, kind: &str| {
            let mut command = match script {
                "deposer.sh" => Command::new("sh"),
                _ => Command::new(program),
            };
            let command = command.arg(examples.join(script)).args([archive.url("").as_str()]).arg(&token).arg(file);
            command.args([kind, "Intitulé « d'essai »"]).current_dir(folder.path()).output().unwrap()
        };
        for time in ["first", "second"] {
            let output = run(&file, "courrier-arrive");
            let text = String::from_utf8(output.stdout).unwrap();
            let told = format!("{script}, {time}: {text}{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && text.starts_with("ark:/"), "{told}");
            let mut name = file.clone().into_os_string();
            name.push(".recepisse.json");
            let receipt = std::fs::read(name).unwrap();
            archiland::receipt::Receipt::parse(&receipt).expect(script);
        }
        wanted += 1;
        let output = run(&file, "inconnu");
        assert_eq!(output.status.code(), Some(1), "{script}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("422"), "{script}");
    }
    expect_deposits(&archive, wanted).await;
}
