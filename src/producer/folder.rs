//! What a folder holds to be deposited: whole files only, never the ones still being written, never through a link.
//!
//! | shape | a unit is |
//! |---|---|
//! | [`Shape::Tree`] | every file, in sub-folders too |
//! | [`Shape::Sendings`] | every file of the folder itself; `x/` beside `x.json` holds the files that come with it |
//!
//! Names that begin with a dot and those transfer tools give to unfinished files (`.tmp`, `.part`, `.filepart`, `~`) are
//! not looked at. A rename within the folder makes them units at once.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Most entries looked at in one folder and what is under it.
pub const ENTRIES_MAX: usize = 200_000;
/// Deepest sub-folder.
pub const DEPTH_MAX: usize = 32;
/// Endings of files that are still being written.
const UNFINISHED: &[&str] = &[".tmp", ".part", ".filepart", ".crdownload", "~"];

/// What is a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Every file, at any depth.
    Tree,
    /// Every file of the folder itself, with those of the sub-folder of its name.
    Sendings,
}

/// One thing to deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The file.
    pub file: Found,
    /// The files that come with it, in the order of their names.
    pub beside: Vec<Found>,
}

/// A file, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its path within the folder, with `/`.
    pub name: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// When it was last written, in nanoseconds since 1970 (0 where the system does not say).
    pub modified_ns: u64,
}

impl Unit {
    /// Whether every file still has the length and the time it had.
    pub fn is_unchanged(&self) -> bool {
        std::iter::once(&self.file).chain(&self.beside).all(|found| {
            let about = std::fs::symlink_metadata(&found.path);
            about.is_ok_and(|a| a.is_file() && a.len() == found.size_bytes && modified_ns(&a) == found.modified_ns)
        })
    }

    /// Length and time of every file of the unit: unchanged while nobody writes to it.
    pub fn stamp(&self) -> Vec<(u64, u64)> {
        std::iter::once(&self.file).chain(&self.beside).map(|found| (found.size_bytes, found.modified_ns)).collect()
    }
}

/// The units of a folder, by name.
///
/// # Errors
///
/// A folder that cannot be read, more than [`ENTRIES_MAX`] entries, sub-folders deeper than [`DEPTH_MAX`], a name that is
/// not UTF-8.
pub fn units(folder: &Path, shape: Shape) -> io::Result<Vec<Unit>> {
    let mut budget = ENTRIES_MAX;
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    list(folder, "", &mut budget, &mut files, &mut folders)?;
    if shape == Shape::Tree {
        let mut depth = 0;
        while !folders.is_empty() {
            depth += 1;
            if depth > DEPTH_MAX {
                return Err(io::Error::other(format!("plus de {DEPTH_MAX} sous-dossiers emboîtés")));
            }
            for (path, name) in std::mem::take(&mut folders) {
                list(&path, &format!("{name}/"), &mut budget, &mut files, &mut folders)?;
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        return Ok(files.into_iter().map(|file| Unit { file, beside: Vec::new() }).collect());
    }
    let mut units = Vec::with_capacity(files.len());
    files.sort_by(|a, b| a.name.cmp(&b.name));
    for file in files {
        let stem = file.name.rsplit_once('.').map_or(file.name.as_str(), |(stem, _)| stem);
        let mut beside = Vec::new();
        if let Some((path, name)) = folders.iter().find(|(_, name)| name == stem && *name != file.name) {
            list(path, &format!("{name}/"), &mut budget, &mut beside, &mut Vec::new())?;
            beside.sort_by(|a, b| a.name.cmp(&b.name));
        }
        units.push(Unit { file, beside });
    }
    Ok(units)
}

/// Writes a file whole, through a temporary name, to the disk; one of that name is replaced.
///
/// # Errors
///
/// Those of the file system.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let written = (|| {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written.and_then(|()| synced(path))
}

/// Gives a file or folder another place of the same file system, durably.
///
/// # Errors
///
/// Those of the file system.
pub fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    synced(to)?;
    synced(from)
}

fn synced(path: &Path) -> io::Result<()> {
    File::open(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?.sync_all()
}

/// Whether a name is that of a file to leave alone.
pub fn is_unfinished(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    name.starts_with('.') || UNFINISHED.iter().any(|end| lower.ends_with(end))
}

fn list(
    folder: &Path,
    prefix: &str,
    budget: &mut usize,
    files: &mut Vec<Found>,
    folders: &mut Vec<(PathBuf, String)>,
) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        *budget = budget
            .checked_sub(1)
            .ok_or_else(|| io::Error::other(format!("plus de {ENTRIES_MAX} fichiers ; répartissez-les")))?;
        let name = entry.file_name().into_string().map_err(|name| {
            io::Error::other(format!("« {} » : nom de fichier qui n'est pas de l'UTF-8", name.to_string_lossy()))
        })?;
        if is_unfinished(&name) {
            continue;
        }
        // Of the entry itself: a link is neither file nor folder.
        let about = match entry.metadata() {
            Ok(about) => about,
            // Renamed or removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let name = format!("{prefix}{name}");
        if about.is_dir() {
            folders.push((entry.path(), name));
        } else if about.is_file() {
            let (size_bytes, modified_ns) = (about.len(), modified_ns(&about));
            files.push(Found { path: entry.path(), name, size_bytes, modified_ns });
        }
    }
    Ok(())
}

fn modified_ns(about: &Metadata) -> u64 {
    let since = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    fn names(folder: &Path, shape: Shape) -> Vec<String> {
        units(folder, shape).unwrap().into_iter().map(|unit| unit.file.name).collect()
    }

    #[test]
    fn unfinished_files_links_and_dotfiles_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["b.json", "a.tmp", "A.PART", ".caché", "c.filepart", "d~"] {
            fs::write(at(name), b"x").unwrap();
        }
        fs::create_dir_all(at("s/t")).unwrap();
        fs::write(at("s/t/e.pdf"), b"x").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", at("lien.txt")).unwrap();
        std::os::unix::fs::symlink("/etc", at("etc")).unwrap();
        assert_eq!(names(folder.path(), Shape::Tree), ["b.json", "s/t/e.pdf"]);
        assert_eq!(names(folder.path(), Shape::Sendings), ["b.json"]);
    }

    #[test]
    fn the_folder_of_the_same_name_comes_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("fiche")).unwrap();
        for name in ["fiche.json", "fiche/b.pdf", "fiche/a.pdf", "fiche/c.tmp", "autre.json"] {
            fs::write(at(name), b"x").unwrap();
        }
        let found = units(folder.path(), Shape::Sendings).unwrap();
        let beside: Vec<&str> = found[1].beside.iter().map(|found| found.name.as_str()).collect();
        assert_eq!((found[0].file.name.as_str(), found[1].file.name.as_str()), ("autre.json", "fiche.json"));
        assert_eq!(beside, ["fiche/a.pdf", "fiche/b.pdf"]);
        assert_eq!(found[1].stamp().len(), 3);
    }
}
