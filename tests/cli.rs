//! The binary, run for real: what an operator types and what a script sees.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs the binary without anything of the environment that could change its mind.
fn archiland(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_archiland"));
    for variable in
        ["DIR", "CONFIG", "SERVER", "TOKEN_FILE", "CA_FILE", "TRUST"].map(|name| format!("ARCHILAND_{name}"))
    {
        command.env_remove(variable);
    }
    command.current_dir(dir).env_remove("CREDENTIALS_DIRECTORY").args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Runs and expects success.
fn done(dir: &Path, arguments: &[&str]) -> String {
    let output = archiland(dir, arguments);
    assert_eq!(code(&output), 0, "{arguments:?}\n{}\n{}", out(&output), err(&output));
    out(&output)
}

/// A development archive with one deposited document, its receipt and its trust file.
struct Archive {
    folder: tempfile::TempDir,
    document: PathBuf,
    receipt: PathBuf,
}

impl Archive {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        done(dir, &["init", "--dir", "a"]);
        let document = dir.join("lettre.txt");
        std::fs::write(&document, "Madame la Maire,\n").unwrap();
        done(dir, &["agency", "add", "214099996", "Commune d'essai", "--dir", "a"]);
        let arguments = [
            "deposit",
            "lettre.txt",
            "--agency",
            "214099996",
            "--receipt-dir",
            "r",
            "--idempotency-key",
            "k1",
            "--dir",
            "a",
        ];
        done(dir, &arguments);
        let receipt = only_file(&dir.join("r"));
        Self { folder, document, receipt }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }
}

fn only_file(folder: &Path) -> PathBuf {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_demonstration_runs_leaves_its_layout_and_runs_again() {
    let folder = tempfile::tempdir().unwrap();
    let extra = folder.path().join("note de service.txt");
    std::fs::write(&extra, "Fermeture de la mairie le 24 décembre à 16 h.\n").unwrap();
    let first = done(folder.path(), &["demo", "--once", "--dir", "d", text(&extra)]);
    for expected in
        ["Récépissé d'archivage", "valide", "refusé", "le journal n'a fait que s'allonger", "Tout est conforme."]
    {
        assert!(first.contains(expected), "« {expected} » manque :\n{first}");
    }
    assert!(first.contains("note de service.txt"), "{first}");
    let dir = folder.path().join("d");
    for entry in
        ["archiland.toml", "trust.toml", "keys", "bucket", "state", "receipts", "bucket/head", "bucket/log/checkpoint"]
    {
        assert!(dir.join(entry).exists(), "{entry}");
    }
    let receipts = || {
        let names =
            std::fs::read_dir(dir.join("receipts")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "json")).count()
    };
    assert_eq!(receipts(), 6);
    assert_eq!(done(folder.path(), &["key", "show", "log", "--vkey", "--dir", "d"]).lines().count(), 1);

    let again = done(folder.path(), &["demo", "--once", "--dir", "d"]);
    assert!(again.contains("reprise"), "{again}");
    assert_eq!(receipts(), 11);
}

#[test]
fn verify_says_valid_not_valid_or_unusable() {
    let archive = Archive::new();
    let (dir, document, receipt) = (archive.dir(), text(&archive.document), text(&archive.receipt));
    let verify = |file: &str, receipt: &str, trust: &str| {
        archiland(dir, &["verify", file, "--receipt", receipt, "--trust", trust, "--format", "json"])
    };
    let outcome = |output: &Output| {
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (code(output), json["outcome"].as_str().unwrap().to_owned())
    };
    assert_eq!(outcome(&verify(document, receipt, "a/trust.toml")), (0, "valid".into()));

    std::fs::write(dir.join("faux.txt"), "Madame le Maire,\n").unwrap();
    assert_eq!(outcome(&verify("faux.txt", receipt, "a/trust.toml")), (1, "invalid".into()));
    let json = std::fs::read_to_string(&archive.receipt).unwrap();
    std::fs::write(dir.join("faux.json"), json.replacen("\"rule\":\"", "\"rule\":\"x", 1)).unwrap();
    assert_eq!(outcome(&verify(document, "faux.json", "a/trust.toml")), (1, "invalid".into()));
    // Another archive's trust file: everything is well made, by somebody else.
    done(dir, &["init", "--dir", "b"]);
    assert_eq!(outcome(&verify(document, receipt, "b/trust.toml")), (1, "invalid".into()));

    std::fs::write(dir.join("vide.json"), "").unwrap();
    for (file, receipt, trust) in [
        ("absent.txt", receipt, "a/trust.toml"),
        (document, "absent.json", "a/trust.toml"),
        (document, "vide.json", "a/trust.toml"),
        (document, receipt, "absent.toml"),
        (document, receipt, "lettre.txt"),
    ] {
        assert_eq!(outcome(&verify(file, receipt, trust)), (2, "unusable".into()), "{file} {receipt} {trust}");
    }
    let people = archiland(dir, &["verify", document, "--receipt", receipt, "--trust", "a/trust.toml"]);
    assert_eq!(code(&people), 0);
    assert!(out(&people).contains("Récépissé valide."), "{}", out(&people));
}

#[test]
fn a_repeated_deposit_gives_the_same_receipt_and_another_content_is_refused() {
    let archive = Archive::new();
    let dir = archive.dir();
    let before = std::fs::read(&archive.receipt).unwrap();
    let deposit = |file: &str| {
        let key = ["--idempotency-key", "k1", "--agency", "214099996", "--receipt-dir", "r", "--dir", "a"];
        archiland(dir, &[&["deposit", file], key.as_slice()].concat())
    };
    let again = deposit("lettre.txt");
    assert_eq!(code(&again), 0, "{}", err(&again));
    assert!(out(&again).contains("déjà déposé"), "{}", out(&again));
    assert_eq!(std::fs::read(only_file(&dir.join("r"))).unwrap(), before);

    std::fs::write(dir.join("autre.txt"), "Autre chose.\n").unwrap();
    let other = deposit("autre.txt");
    assert_eq!(code(&other), 1);
    assert!(err(&other).contains("409"), "{}", err(&other));

    let id = out(&again).split_whitespace().next().unwrap().to_owned();
    assert!(done(dir, &["receipt", &id, "--dir", "a"]).contains(&id));
    assert_eq!(done(dir, &["receipt", &id, "--format", "json", "--dir", "a"]).into_bytes(), before);
}

#[test]
fn what_was_deposited_is_found() {
    let archive = Archive::new();
    let dir = archive.dir();
    for criterion in [["--file", "lettre.txt"], ["--type", "document"], ["--agency", "214099996"]] {
        // The look-up view is seconds fresh.
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let found = archiland(dir, &[&["find", "--dir", "a"], criterion.as_slice()].concat());
            if code(&found) == 0 && out(&found).contains("lettre.txt") {
                break;
            }
            assert!(Instant::now() < deadline, "{criterion:?}: {} {}", out(&found), err(&found));
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    let nothing = archiland(dir, &["find", "--external-id", "inconnu", "--dir", "a"]);
    assert_eq!(code(&nothing), 1);
}

#[test]
fn an_intact_archive_passes_the_audit_and_a_damaged_one_does_not() {
    let archive = Archive::new();
    let dir = archive.dir();
    let report = done(dir, &["audit", "--full", "--format", "json", "--dir", "a", "--since", text(&archive.receipt)]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["outcome"], "intact");
    done(dir, &["rebuild", "--dir", "a"]);

    let payloads = dir.join("a/bucket/payload/214099996");
    let pack = only_file(&payloads);
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let damaged = archiland(dir, &["audit", "--full", "--dir", "a"]);
    assert_eq!(code(&damaged), 1, "{}", out(&damaged));
    assert!(out(&damaged).contains("ANOMALIES"), "{}", out(&damaged));
}

#[test]
fn a_revoked_token_opens_nothing_any_more() {
    let archive = Archive::new();
    let dir = archive.dir();
    let server = Server::start(dir);
    let remote = ["--server", &server.url];
    let admin = [remote.as_slice(), &["--token-file", "a/keys/admin.token"]].concat();
    let create = ["token", "create", "--agency", "214099996", "--scope", "deposit,read", "--output", "jeton"];
    let created = done(dir, &[create.as_slice(), &admin].concat());
    let token = created.split(" :").next().unwrap().to_owned();

    let find = [&["find", "--type", "document"], remote.as_slice(), &["--token-file", "jeton"]].concat();
    let allowed = || archiland(dir, &find);
    assert_ne!(code(&allowed()), 2, "{}", err(&allowed()));
    assert!(!err(&allowed()).contains("401"), "{}", err(&allowed()));
    // A token is for its own tasks.
    let forbidden = archiland(dir, &[&["agency", "list"], remote.as_slice(), &["--token-file", "jeton"]].concat());
    assert!(code(&forbidden) == 1 && err(&forbidden).contains("403"), "{}", err(&forbidden));

    assert!(done(dir, &[&["token", "list"], admin.as_slice()].concat()).contains(&token));
    done(dir, &[&["token", "revoke", &token], admin.as_slice()].concat());
    let deadline = Instant::now() + Duration::from_secs(10);
    while !err(&allowed()).contains("401") {
        assert!(Instant::now() < deadline, "still allowed: {}", err(&allowed()));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A daemon of the archive `a`, stopped when dropped.
struct Server {
    process: std::process::Child,
    url: String,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let address = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let file = dir.join("a/archiland.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, config.replace("127.0.0.1:8470", &address.to_string())).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_archiland"))
            .current_dir(dir)
            .args(["serve", "--dir", "a"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, url: format!("http://{address}") };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_archive_with_its_own_authority_is_reached_over_tls_and_an_unknown_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    done(dir, &["init", "--dir", "a"]);
    let file = dir.join("a/archiland.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let tls = "[http.tls]\ncertificate = \"keys/server.pem\"\nkey = \"keys/server.key\"\n";
    std::fs::write(&file, config.replace("# [http.tls]", tls)).unwrap();
    let server = Server::start(dir);
    let url = server.url.replace("http://", "https://");
    let list = ["agency", "list", "--server", &url, "--token-file", "a/keys/admin.token"];
    assert!(done(dir, &[list.as_slice(), &["--ca-file", "a/keys/ca.pem"]].concat()).contains("exploitant"));
    let refused = archiland(dir, &list);
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("certificat refusé") && err(&refused).contains("--ca-file"), "{}", err(&refused));
    // The daemon of a folder is trusted through that folder's keys.
    assert!(done(dir, &["agency", "list", "--dir", "a"]).contains("exploitant"));
}

#[test]
fn an_unknown_configuration_key_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    done(dir, &["init", "--dir", "a"]);
    assert!(done(dir, &["config", "check", "--dir", "a"]).contains("configuration valide"));
    let file = dir.join("a/archiland.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("couleur = 1\n{config}")).unwrap();
    for command in [["config", "check"].as_slice(), &["serve"], &["audit"]] {
        let refused = archiland(dir, &[command, &["--dir", "a"]].concat());
        assert_eq!(code(&refused), 2, "{command:?}");
        assert!(
            err(&refused).contains("ligne 1") && err(&refused).contains("clé inconnue « couleur »"),
            "{}",
            err(&refused)
        );
    }
}

#[test]
fn the_log_key_is_shown_as_others_read_it() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["init", "--dir", "a"]);
    let vkey = done(folder.path(), &["key", "show", "log", "--vkey", "--dir", "a"]);
    let key = archiland::spec::tlog::note::VerifierKey::parse(vkey.trim()).unwrap();
    assert_eq!(key.to_string(), vkey.trim());
    let trust = done(folder.path(), &["key", "trust", "--dir", "a"]);
    assert!(trust.contains(vkey.trim()));
    assert!(archiland::verify::Trust::parse(&trust).is_ok());
    let list = done(folder.path(), &["key", "list", "--dir", "a"]);
    for key in ["log", "tsa", "seal"] {
        assert!(list.lines().any(|line| line.starts_with(key)), "{list}");
    }
    assert!(!list.contains("PRIVATE"));
}

#[test]
fn init_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["init", "--dir", "a"]);
    let key = std::fs::read(folder.path().join("a/keys/log.key")).unwrap();
    let again = archiland(folder.path(), &["init", "--dir", "a"]);
    assert_eq!(code(&again), 2, "{}", err(&again));
    assert_eq!(std::fs::read(folder.path().join("a/keys/log.key")).unwrap(), key);
}

#[test]
fn mistakes_are_told_once_in_french_with_code_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vide"), "").unwrap();
    for (arguments, expected) in [
        (["dposit"].as_slice(), "commande inconnue"),
        (&["deposit"], "il manque"),
        (&["find"], "pas d'archive"),
        (&["serve", "--dir", "nulle-part"], "pas d'archive"),
        (&["deposit", "absent.pdf", "--server", "http://127.0.0.1:9"], "absent.pdf"),
        (&["deposit", "vide", "--server", "http://127.0.0.1:9"], "fichier vide"),
        (&["find", "--server", "archives.example"], "http"),
    ] {
        let output = archiland(folder.path(), arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", err(&output));
        let told = err(&output);
        assert!(told.contains(expected) && told.starts_with("archiland : "), "{arguments:?}: {told}");
        assert_eq!(told.matches("archiland : ").count(), 1, "{told}");
    }
}

#[test]
fn completions_and_manual_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    assert!(done(folder.path(), &["completions", "bash"]).contains("_archiland"));
    done(folder.path(), &["man", "--output", "man"]);
    let page = std::fs::read_to_string(folder.path().join("man/archiland-verify.1")).unwrap();
    assert!(page.contains("hors ligne"), "{page}");
}
