//! Key files: created once and for ever, read from the folder or from systemd's credentials.

use ring::rand::{SecureRandom, SystemRandom};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file of keys or certificates is a few kilobytes.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Why a key file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is nowhere.
    #[error("« {} » est introuvable (ni dans ce dossier, ni parmi les credentials systemd). « archiland init » crée une PKI de développement ; sinon placez-y votre fichier, ou passez-le par LoadCredential={name}:…", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// Its name as a systemd credential.
        name: String,
    },
    /// A key is never overwritten.
    #[error("« {} » existe déjà : une clé n'est jamais écrasée. Choisissez un autre dossier, ou mettez celui-ci de côté si vous êtes certain qu'il ne sert plus", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// Anyone can read the secret.
    #[error("« {} » est accessible à d'autres (mode {mode:04o}) : faites « chmod 600 {} »", path.display(), path.display())]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Larger than a key file.
    #[error("« {} » dépasse 256 Kio : ce n'est pas un fichier de clé ou de certificat", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("« {} » : {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
}

/// Whether a file's content must stay with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Secret,
    Public,
}

/// Where keys are read: a folder first, then systemd's credentials.
#[derive(Debug, Clone)]
pub(super) struct Source {
    directory: PathBuf,
    credentials: Option<PathBuf>,
}

impl Source {
    pub(super) fn new(directory: &Path, credentials: Option<&Path>) -> Self {
        Self { directory: directory.to_owned(), credentials: credentials.map(Path::to_owned) }
    }

    /// The content of `name`, and where it was.
    pub(super) fn read(&self, name: &str, kind: Kind) -> Result<(PathBuf, Vec<u8>), KeyFileError> {
        let in_directory = self.directory.join(name);
        match read(&in_directory, kind) {
            Err(KeyFileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            found => return found.map(|content| (in_directory, content)),
        }
        let missing = KeyFileError::Missing { path: in_directory, name: name.to_owned() };
        let Some(credential) = self.credentials.as_ref().map(|folder| folder.join(name)) else { return Err(missing) };
        // systemd hands credentials over read-only in a folder of the service's own: their mode is its business.
        match read(&credential, Kind::Public) {
            Err(KeyFileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Err(missing),
            found => found.map(|content| (credential, content)),
        }
    }
}

/// Makes the folder, for us alone, if it is not there.
pub(super) fn create_directory(path: &Path) -> Result<(), KeyFileError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| KeyFileError::Io { path: path.to_owned(), source })
}

/// Refuses a folder where one of `names` already stands.
pub(super) fn refuse_existing(directory: &Path, names: &[&str]) -> Result<(), KeyFileError> {
    match names.iter().map(|name| directory.join(name)).find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(KeyFileError::Exists { path }),
        None => Ok(()),
    }
}

/// Creates a file that must not exist, durable and whole or not at all.
pub(super) fn create(directory: &Path, name: &str, content: &[u8], kind: Kind) -> Result<(), KeyFileError> {
    let path = directory.join(name);
    let mut suffix = [0_u8; 8];
    let io = |source| KeyFileError::Io { path: path.clone(), source };
    SystemRandom::new().fill(&mut suffix).map_err(|_| io(std::io::Error::other("aléa du système indisponible")))?;
    let temporary = directory.join(format!(".{name}.{}", hex::encode(suffix)));
    let mode = if kind == Kind::Secret { 0o600 } else { 0o644 };
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        // A link, unlike a rename, fails when the name is taken.
        std::fs::hard_link(&temporary, &path)
    })();
    let removed = std::fs::remove_file(&temporary);
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(KeyFileError::Exists { path }),
        outcome => outcome.and(removed).map_err(io)?,
    }
    File::open(directory).and_then(|folder| folder.sync_all()).map_err(io)
}

/// Replaces a public file, or creates it: whoever reads it sees the old one or the new one, whole.
pub(super) fn replace(directory: &Path, name: &str, content: &[u8]) -> Result<(), KeyFileError> {
    let path = directory.join(name);
    let io = |source| KeyFileError::Io { path: path.clone(), source };
    let mut suffix = [0_u8; 8];
    SystemRandom::new().fill(&mut suffix).map_err(|_| io(std::io::Error::other("aléa du système indisponible")))?;
    let temporary = directory.join(format!(".{name}.{}", hex::encode(suffix)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &path)?;
        File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(io)
}

fn read(path: &Path, kind: Kind) -> Result<Vec<u8>, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.mode() & 0o7777;
    // The owner, and at most its group for reading: what a packaged service with its own group needs.
    if kind == Kind::Secret && mode & 0o037 != 0 {
        return Err(KeyFileError::Permissions { path: path.to_owned(), mode });
    }
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(io)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(KeyFileError::TooLarge { path: path.to_owned() });
    }
    Ok(content)
}
