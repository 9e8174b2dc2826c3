//! The real clamd, where it is installed: a package with EICAR's file is refused, one without it goes on, and one that clamd
//! cannot take is not called clean. Its database is one line made here: nothing is downloaded.
//!
//! Debian: `apt-get install --no-install-recommends clamav-daemon`. Skipped where there is no `clamd` in the path, but in CI.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use archiland::transfer::check::{Options, check};
use archiland::transfer::clamd::{Address, Clamd, Verdict};
use archiland::transfer::event::Outcome;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zip::write::SimpleFileOptions;

/// EICAR's test file, in two parts so that no antivirus takes this source for it.
const EICAR: [&str; 2] = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Starts clamd in a directory, and waits until it answers.
fn clamd(directory: &Path) -> Option<(Daemon, Clamd)> {
    let database = directory.join("db");
    std::fs::create_dir_all(&database).unwrap();
    let signature: String = EICAR.concat().bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    std::fs::write(database.join("local.ndb"), format!("Eicar-Signature:0:*:{signature}\n")).unwrap();
    let socket = directory.join("clamd.sock");
    let configuration = directory.join("clamd.conf");
    let lines = format!(
        "Foreground yes\nLocalSocket {}\nDatabaseDirectory {}\nStreamMaxLength 2M\nOfficialDatabaseOnly no\n",
        socket.display(),
        database.display()
    );
    std::fs::write(&configuration, lines).unwrap();
    let mut command = Command::new("clamd");
    command.arg("--config-file").arg(&configuration).stdout(Stdio::null()).stderr(Stdio::null());
    let daemon = match command.spawn() {
        Ok(child) => Daemon(child),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI needs clamd (clamav-daemon): {error}");
            eprintln!("skipped: no clamd here ({error}): apt-get install --no-install-recommends clamav-daemon");
            return None;
        }
    };
    let clamd = Clamd { address: Address::Unix(socket), timeout: Duration::from_secs(20) };
    let deadline = Instant::now() + Duration::from_secs(60);
    while clamd.scan(&mut &b"bonjour"[..]).is_err() {
        assert!(Instant::now() < deadline, "clamd does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    Some((daemon, clamd))
}

fn package(directory: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.join(name);
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, bytes) in [("manifest.xml", &b"<ArchiveTransfer/>"[..]), ("content/a.txt", content)] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

#[test]
fn the_real_clamd_finds_eicar_in_a_package() {
    let directory = tempfile::tempdir().unwrap();
    let Some((_daemon, clamd)) = clamd(directory.path()) else { return };
    assert_eq!(clamd.scan(&mut &b"bonjour"[..]).unwrap(), Verdict::Clean);
    let infected = clamd.scan(&mut EICAR.concat().as_bytes()).unwrap();
    assert!(matches!(&infected, Verdict::Infected(name) if name.contains("Eicar")), "{infected:?}");
    // Beyond its own limit: not clean, and not infected.
    let long: Vec<u8> = (0..3_u64 << 20).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[7]).collect();
    assert!(clamd.scan(&mut &long[..]).is_err());

    let options = Options { clamd: Some(&clamd), ..Options::default() };
    let outcome = |content: &[u8]| {
        let checked = check(&package(directory.path(), "sip.zip", content), &options).unwrap();
        let event = checked.report.events.into_iter().find(|event| event.event == "SANITY_CHECK_SIP").unwrap();
        (event.outcome, event.location)
    };
    assert_eq!(outcome(b"bonjour"), (Outcome::Ok, None));
    assert_eq!(outcome(EICAR.concat().as_bytes()), (Outcome::Ko, Some("content/a.txt".to_owned())));
    assert_eq!(outcome(&long).0, Outcome::Ko);
}
