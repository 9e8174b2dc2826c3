//! A ZIP and its manifest: a row, a file, a deposit. Everything is judged before anything is archived.

use super::compose::{draft, fields};
use super::csv::{Table, Unique};
use super::load::Loaded;
use super::model::{Csv, Severity, Zip};
use super::record::{Record, Row};
use super::text::glob;
use super::{Content, Draft, DraftPayload, Input, Refusal, Refusals};
use crate::digest::Hasher;
use crate::transfer::container::{Container, ContainerError, Limits};
use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Longest manifest, in bytes.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// Bounds of the container.
const LIMITS: Limits = Limits { members_max: 20_000, ratio_max: 200, bytes_max: 4 << 30 };
/// Warnings about members left out; beyond, they are counted.
const LEFT_OUT_MAX: usize = 20;

/// A member put on disk.
struct Taken {
    path: PathBuf,
    sha256: String,
    size_bytes: u64,
}

pub(super) fn drafts(loaded: &Loaded, input: &Input) -> Result<Vec<Draft>, Refusals> {
    let Some((archive, folder)) = &input.archive else {
        return Err(Refusal::new("producer-syntax", "un ZIP est attendu").by("entree").into());
    };
    let zip = loaded.profile.zip.clone().unwrap_or_else(default_zip);
    let csv = loaded.profile.csv.clone().unwrap_or_default();
    let container = Container::open(archive, LIMITS).map_err(|error| refused(&error))?;
    let table = manifest(&container, &zip, &csv)?;
    let wanted = wanted(loaded, &zip, &table)?;
    let taken = take(&container, &wanted, folder)?;
    let mut refusals = Refusals::default();
    let left_out = left_out(&container, &zip, &wanted, &mut refusals);
    let (mut drafts, mut unique) = (Vec::new(), Unique::default());
    for (line, cells) in &table.rows {
        let row = Row { columns: &table.columns, cells, line: *line };
        let mut found = fields(loaded, &row, &mut refusals);
        unique.check(loaded, &row, &mut found, &mut refusals);
        let payload = file_of(&zip, &row, &taken, &mut refusals);
        found.warnings.extend(table.warnings.iter().cloned());
        if drafts.is_empty() {
            found.warnings.extend(left_out.iter().cloned());
        }
        let payloads = payload.into_iter().collect();
        drafts.push(draft(loaded, &row, found, payloads, &mut refusals));
    }
    if refusals.is_empty() { Ok(drafts) } else { Err(refusals) }
}

fn default_zip() -> Zip {
    let (manifest, path) = ("manifest.csv".to_owned(), "chemin".to_owned());
    Zip { manifest, path, digest: None, excluded: Vec::new(), unlisted: Severity::default() }
}

fn refused(error: &ContainerError) -> Refusals {
    let code = match error {
        ContainerError::Member { .. } => "producer-member-name",
        ContainerError::Bomb { .. } | ContainerError::TooLarge(_) | ContainerError::TooMany(_) => "producer-zip-limits",
        _ => "producer-syntax",
    };
    Refusal::new(code, error.to_string()).by("zip").into()
}

fn manifest(container: &Container, zip: &Zip, csv: &Csv) -> Result<Table, Refusals> {
    let index = container.members.iter().position(|member| member.name == zip.manifest).ok_or_else(|| {
        let detail = format!("« {} » n'est pas à la racine du ZIP", zip.manifest);
        Refusals::from(Refusal::new("producer-manifest", detail).by("zip.manifeste"))
    })?;
    let mut bytes = Vec::new();
    let read = container.read(index, |input| input.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut bytes).map(drop));
    read.map_err(|error| refused(&error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MANIFEST_BYTES_MAX {
        let detail = format!("manifeste de plus de {MANIFEST_BYTES_MAX} octets");
        return Err(Refusal::new("producer-manifest", detail).by("zip.manifeste").into());
    }
    Table::read(&bytes, csv).map_err(|mut refusals| {
        for refusal in &mut refusals.list {
            let place = refusal.location.take().unwrap_or_default();
            refusal.location = Some(format!("{}, {place}", zip.manifest));
        }
        refusals
    })
}

/// The members that rows name; a path that climbs or is excluded is told here, before anything is read.
fn wanted(loaded: &Loaded, zip: &Zip, table: &Table) -> Result<BTreeSet<String>, Refusals> {
    let (mut wanted, mut refusals) = (BTreeSet::new(), Refusals::default());
    for (line, cells) in &table.rows {
        let row = Row { columns: &table.columns, cells, line: *line };
        let Some(path) = row.value(&zip.path) else {
            let refusal = Refusal::new("producer-field-missing", "chemin absent");
            refusals.push(refusal.at(row.place(&zip.path)).by("zip.chemin"));
            continue;
        };
        let place = row.place(&zip.path);
        if path.starts_with(['/', '\\']) || path.contains('\\') || path.split('/').any(|part| part == "..") {
            let refusal = Refusal::new("producer-member-name", "chemin absolu, ou qui remonte dans l'arborescence");
            refusals.push(refusal.at(place).by("zip.chemin"));
        } else if let Some(n) = excluded(zip, &path) {
            let refusal = Refusal::new("producer-excluded", "ce document ne s'archive pas (exclusion du profil)");
            refusals.push(refusal.at(place).by(format!("zip.exclusions[{n}]")));
        } else if !wanted.insert(path) {
            let refusal = Refusal::new("producer-twice", "ce fichier a déjà une ligne");
            refusals.push(refusal.at(place).by("zip.chemin"));
        }
    }
    let count_max = loaded.profile.csv.as_ref().map_or(20_000, |csv| csv.rows_max);
    if wanted.len() > count_max {
        refusals
            .push(Refusal::new("producer-zip-limits", format!("plus de {count_max} fichiers")).by("csv.lignes_max"));
    }
    if refusals.is_empty() { Ok(wanted) } else { Err(refusals) }
}

/// The pattern that excludes a path, by its whole or by its last part.
fn excluded(zip: &Zip, path: &str) -> Option<usize> {
    let last = path.rsplit('/').next().unwrap_or(path);
    zip.excluded.iter().position(|pattern| glob(pattern, path) || glob(pattern, last))
}

fn take(container: &Container, wanted: &BTreeSet<String>, folder: &Path) -> Result<HashMap<String, Taken>, Refusals> {
    let mut taken = HashMap::new();
    let want = |at: usize| container.members.get(at).is_some_and(|member| wanted.contains(&member.name));
    let read = container.each(&want, &mut |at, input| {
        let Some(member) = container.members.get(at) else { return Ok(true) };
        // Never the name found inside.
        let path = folder.join(format!("membre-{at}"));
        let mut file = std::fs::File::create_new(&path)?;
        let (mut hasher, mut size_bytes, mut buffer) = (Hasher::new(), 0u64, vec![0; 1 << 16]);
        loop {
            let count = input.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            file.write_all(&buffer[..count])?;
            size_bytes += u64::try_from(count).unwrap_or(0);
        }
        let sha256 = hex::encode(hasher.finish().sha256);
        taken.insert(member.name.clone(), Taken { path, sha256, size_bytes });
        Ok(true)
    });
    read.map_err(|error| refused(&error))?;
    Ok(taken)
}

/// What is in the ZIP and in no row.
fn left_out(container: &Container, zip: &Zip, wanted: &BTreeSet<String>, refusals: &mut Refusals) -> Vec<String> {
    let files = container.members.iter().filter(|member| !member.folder && member.name != zip.manifest);
    let (mut told, mut more) = (Vec::new(), 0usize);
    for member in files.filter(|member| !wanted.contains(&member.name)) {
        if excluded(zip, &member.name).is_some() {
            // Left aside on purpose: its name alone may be personal data.
            more += 1;
        } else if zip.unlisted == Severity::Refuser {
            let refusal = Refusal::new("producer-unlisted", "fichier sans ligne dans le manifeste");
            refusals.push(refusal.at(format!("membre « {} »", member.name)).by("zip.non_listes"));
        } else if told.len() < LEFT_OUT_MAX {
            told.push(format!("membre « {} » sans ligne dans le manifeste : laissé de côté", member.name));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        told.push(format!("{more} membres exclus ou laissés de côté"));
    }
    told
}

fn file_of(zip: &Zip, row: &Row<'_>, taken: &HashMap<String, Taken>, refusals: &mut Refusals) -> Option<DraftPayload> {
    let path = row.value(&zip.path)?;
    let place = row.place(&zip.path);
    let Some(file) = taken.get(&path) else {
        let refusal = Refusal::new("producer-file-missing", "ce fichier n'est pas dans le ZIP");
        refusals.push(refusal.at(place).by("zip.chemin"));
        return None;
    };
    if file.size_bytes == 0 {
        refusals.push(Refusal::new("empty-payload", "fichier vide").at(place));
        return None;
    }
    if let Some(column) = &zip.digest
        && let Some(digest) = row.value(column)
        && !digest.trim().eq_ignore_ascii_case(&file.sha256)
    {
        let refusal = Refusal::new("digest-mismatch", "l'empreinte SHA-256 n'est pas celle du fichier");
        refusals.push(refusal.at(row.place(column)).by("zip.empreinte"));
    }
    let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
    Some(DraftPayload { name, content: Content::File(file.path.clone()) })
}
