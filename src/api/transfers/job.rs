//! What is to be done, on disk beside what was sent: a daemon that starts finds the transfers it has not finished.

use super::spool::Spooled;
use crate::digest::sha256;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use uuid::Uuid;

/// How the other side speaks: the same messages, with customs of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::api) enum Dialect {
    /// The standard, with VITAM's reply codes in 2.x: OK, WARNING, KO.
    #[default]
    Standard,
    /// as@lae's: the reply codes of 1.0 in every version.
    Asalae,
    /// Maarch RM's: the reply codes of 1.0, the bordereau named after the message.
    Maarch,
}

/// A transfer received, to be checked and archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::api) struct Job {
    /// Format version: 1.
    pub(in crate::api) v: u8,
    /// The operation.
    pub(in crate::api) operation: String,
    /// Whose archives they become.
    pub(in crate::api) agency: String,
    /// Who sent it.
    pub(in crate::api) actor: String,
    /// When, in record time.
    pub(in crate::api) received: String,
    /// The package, or the bordereau alone.
    pub(in crate::api) package: Spooled,
    /// The attachments of a bordereau alone.
    pub(in crate::api) attachments: Option<Spooled>,
    /// Only the checks were asked for.
    pub(in crate::api) test: bool,
    /// How the other side speaks.
    pub(in crate::api) dialect: Dialect,
    /// Name of the bordereau in a package without a `content` folder.
    pub(in crate::api) flat: Option<String>,
}

impl Job {
    /// The operation of what was sent: sent again, it is the same one.
    pub(in crate::api) fn operation_of(
        agency: &str,
        package: &Spooled,
        attachments: Option<&Spooled>,
        test: bool,
    ) -> String {
        let attachments = attachments.map_or("", |spooled| &spooled.sha256);
        let all = format!("{agency}\0{}\0{attachments}\0{test}", package.sha256);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&sha256(all.as_bytes())[..16]);
        // Version 8 (RFC 9562): made as the application sees fit.
        bytes[6] = bytes[6] & 0x0F | 0x80;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Uuid::from_bytes(bytes).to_string()
    }

    /// The files of the spool that are its own.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = vec![self.package.file.clone(), file_name(&self.operation)];
        files.extend(self.attachments.iter().map(|attachments| attachments.file.clone()));
        files
    }

    /// Digests of what was sent, in order.
    pub(super) fn sent(&self) -> impl Iterator<Item = &Spooled> {
        std::iter::once(&self.package).chain(&self.attachments)
    }

    /// Writes it to the spool, durably: what it names is durable already.
    pub(super) fn write(&self, spool: &Path) -> io::Result<()> {
        let mut file = File::create(spool.join(file_name(&self.operation)))?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        File::open(spool)?.sync_all()
    }

    /// The jobs of the spool, oldest first; whatever belongs to none is deleted.
    pub(super) fn all(spool: &Path) -> io::Result<Vec<Self>> {
        fs::create_dir_all(spool)?;
        let mut names = Vec::new();
        for entry in fs::read_dir(spool)? {
            names.extend(entry?.file_name().into_string());
        }
        let mut jobs: Vec<Self> = names
            .iter()
            .filter(|name| name.ends_with(EXTENSION))
            .filter_map(|name| serde_json::from_slice(&fs::read(spool.join(name)).ok()?).ok())
            .filter(|job: &Self| job.v == 1 && job.sent().all(|sent| names.contains(&sent.file)))
            .collect();
        jobs.sort_by(|a, b| (&a.received, &a.operation).cmp(&(&b.received, &b.operation)));
        let owned: Vec<String> = jobs.iter().flat_map(Self::files).collect();
        for stray in names.iter().filter(|name| !owned.contains(name)) {
            fs::remove_file(spool.join(stray))?;
        }
        Ok(jobs)
    }

    /// Takes it off the spool: its record says what became of it.
    pub(super) fn forget(&self, spool: &Path) {
        // The job first: what it named is then nobody's, and goes at the next start if not now.
        for file in self.files().iter().rev() {
            if let Err(error) = fs::remove_file(spool.join(file))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, file, "un transfert terminé reste dans la file d'attente sur disque");
            }
        }
    }
}

const EXTENSION: &str = ".job.json";

fn file_name(operation: &str) -> String {
    format!("{operation}{EXTENSION}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_stop_leaves_is_found_and_the_rest_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let spooled = |file: &str| Spooled { file: file.into(), ..Spooled::default() };
        let operation = Job::operation_of("a", &spooled("p"), None, false);
        assert_ne!(operation, Job::operation_of("a", &spooled("p"), None, true));
        let job = Job {
            v: 1,
            operation,
            agency: "a".into(),
            actor: "token:t".into(),
            received: "2026-11-24T00:00:00.000Z".into(),
            package: spooled("p.sip"),
            attachments: None,
            test: false,
            dialect: Dialect::Asalae,
            flat: None,
        };
        for name in ["p.sip", "stray.sip", "half.job.json"] {
            fs::write(dir.path().join(name), b"{").unwrap();
        }
        job.write(dir.path()).unwrap();
        assert_eq!(Job::all(dir.path()).unwrap(), vec![job.clone()]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        job.forget(dir.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
