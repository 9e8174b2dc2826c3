//! Watched folders: what a system puts there is archived by a profile, as if it had been sent.
//!
//! ```text
//! FOLDER/fiche.json                            put there, at best by a rename
//! FOLDER/archives/d1-4-b/fiche.json            archived, under the name of its archive
//! FOLDER/archives/d1-4-b/d1-4-b.recepisse.json its receipt
//! FOLDER/quarantaine/fiche.json                refused
//! FOLDER/quarantaine/fiche.json.motif.txt      why, and what to do
//! ```
//!
//! A file is taken when it stood still for a while. It leaves its place after its receipt is on the disk; a crash before
//! that has it taken again, and the archive knows its content: the same archive, the same receipt.

use super::archive::{Archived, archive};
use super::{Failed, receive, refused};
use crate::api::auth::Caller;
use crate::api::deposits::name_of;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::config::{ArchivedFiles, Watched};
use crate::producer::folder::{Shape, Unit, move_to, put, units};
use crate::producer::profile::{Loaded, Refusals};
use futures::future::join_all;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks at a folder.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// After something that is no fault of the file.
const LATER: Duration = Duration::from_secs(10);
/// Most units taken between two looks.
const UNITS_MAX: usize = 500;
/// Folders of our own.
const ARCHIVES: &str = "archives";
const QUARANTINE: &str = "quarantaine";

/// What a unit looked like, and since when.
type Still = HashMap<String, (Vec<(u64, u64)>, Instant)>;

/// Why a unit stays where it is for now: told, and tried again.
#[derive(Debug)]
struct Stays(String);

impl From<std::io::Error> for Stays {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Watches folders, for ever: ended by whoever started it.
pub async fn watch(app: App, watched: Vec<Watched>) {
    join_all(watched.iter().map(|one| folder(&app, one))).await;
}

async fn folder(app: &App, watched: &Watched) {
    let Some(loaded) = app.profiles.get(&watched.profile).cloned() else { return };
    tracing::info!(folder = %watched.folder.display(), profile = %watched.profile, "dossier surveillé");
    let (mut still, mut told) = (Still::new(), String::new());
    loop {
        let pause = match look(app, watched, &loaded, &mut still).await {
            Ok(()) => {
                told.clear();
                LOOK_AGAIN
            }
            Err(Stays(why)) => {
                if why != told {
                    tracing::warn!(folder = %watched.folder.display(), why, "un dossier surveillé attend");
                    told = why;
                }
                LATER
            }
        };
        sleep(pause).await;
    }
}

async fn look(app: &App, watched: &Watched, loaded: &Loaded, still: &mut Still) -> Result<(), Stays> {
    let place = watched.folder.clone();
    let found = tokio::task::spawn_blocking(move || units(&place, Shape::Sendings)).await;
    let mut found = found.map_err(|error| Stays(error.to_string()))??;
    for unit in &mut found {
        let own = |name: &str| [ARCHIVES, QUARANTINE].iter().any(|folder| name.starts_with(&format!("{folder}/")));
        unit.beside.retain(|file| !own(&file.name));
    }
    let now = Instant::now();
    still.retain(|name, _| found.iter().any(|unit| unit.file.name == *name));
    let settle = Duration::from_millis(watched.settle_ms);
    let mut settled = Vec::new();
    for unit in found {
        let stamp = unit.stamp();
        let (known, since) = still.entry(unit.file.name.clone()).or_insert_with(|| (stamp.clone(), now));
        if *known != stamp {
            (*known, *since) = (stamp, now);
        }
        if now - *since >= settle {
            settled.push(unit);
        }
    }
    // A file that cannot be read does not hold back the others.
    let mut outcome = Ok(());
    for unit in settled.into_iter().take(UNITS_MAX) {
        let taken = take(app, watched, loaded, &unit).await;
        outcome = outcome.and(taken);
    }
    outcome
}

/// Archives a unit, or puts it aside with the reason.
async fn take(app: &App, watched: &Watched, loaded: &Loaded, unit: &Unit) -> Result<(), Stays> {
    let caller = Caller::of_folder(&watched.agency, &watched.profile);
    let failed = match sent(app, &caller, loaded, unit).await {
        Ok(Some(archived)) => return done(watched, unit, archived).await,
        // Somebody is writing: looked at again when it stands still.
        Ok(None) => return Ok(()),
        Err(failed) => failed,
    };
    let (problem, refusals) = match failed {
        Failed::Problem(problem) => (problem, Refusals::default()),
        Failed::Refused(problem, refusals) => (problem, refusals),
    };
    let status = problem.code.status().as_u16();
    if status >= 500 || status == 429 {
        return Err(Stays(problem.detail));
    }
    if unchanged(unit).await {
        aside(watched, loaded, unit, &problem, &refusals).await?;
    }
    Ok(())
}

async fn sent(app: &App, caller: &Caller, loaded: &Loaded, unit: &Unit) -> Result<Option<Vec<Archived>>, Failed> {
    let received = receive::of_folder(app, loaded, unit).await?;
    if !unchanged(unit).await {
        return Ok(None);
    }
    let drafts = received.drafts(loaded).await?.map_err(|refusals| refused(app, caller, loaded, refusals))?;
    archive(app, caller, loaded, drafts).await?.map(Some).map_err(|refusals| refused(app, caller, loaded, refusals))
}

/// Whether the files are those that were looked at.
async fn unchanged(unit: &Unit) -> bool {
    let unit = unit.clone();
    let looking = tokio::task::spawn_blocking(move || unit.is_unchanged());
    looking.await.unwrap_or(false)
}

/// The receipts to the disk, then the files to the archived ones.
async fn done(watched: &Watched, unit: &Unit, archived: Vec<Archived>) -> Result<(), Stays> {
    let Some(first) = archived.first() else { return Ok(()) };
    let place = watched.folder.join(ARCHIVES).join(name_of(&first.receipt.archive));
    let mut receipts = Vec::with_capacity(archived.len());
    for one in &archived {
        let bytes = one.receipt.to_json().map_err(|error| Stays(error.to_string()))?;
        receipts.push((format!("{}.recepisse.json", name_of(&one.receipt.archive)), bytes));
    }
    let (unit, remove) = (unit.clone(), watched.archived == ArchivedFiles::Remove);
    blocking(move || {
        std::fs::create_dir_all(&place)?;
        for (name, bytes) in receipts {
            put(&place.join(name), &bytes)?;
        }
        for path in parts(&unit) {
            if !remove {
                let name = path.file_name().unwrap_or_default();
                replace(&path, &place.join(name))?;
            } else if path.is_dir() {
                std::fs::remove_dir_all(&path)?;
            } else {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    })
    .await
}

/// The file itself goes last: while it is there, the unit is.
fn parts(unit: &Unit) -> Vec<PathBuf> {
    let beside = unit.beside.first().and_then(|file| file.path.parent()).map(Path::to_owned);
    beside.into_iter().chain([unit.file.path.clone()]).collect()
}

/// Moves; what an interrupted move left there gives way.
fn replace(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.is_dir() {
        std::fs::remove_dir_all(to)?;
    }
    move_to(from, to)
}

/// To the quarantine, the reason first.
async fn aside(
    watched: &Watched,
    loaded: &Loaded,
    unit: &Unit,
    problem: &Problem,
    refusals: &Refusals,
) -> Result<(), Stays> {
    let reason = reason(loaded, unit, problem, refusals);
    let (place, unit) = (watched.folder.join(QUARANTINE), unit.clone());
    tracing::warn!(folder = %watched.folder.display(), code = problem.code.as_str(), "fichier mis en quarantaine");
    blocking(move || {
        std::fs::create_dir_all(&place)?;
        let name = &unit.file.name;
        let (stem, end) = name.rsplit_once('.').map_or((name.as_str(), String::new()), |(s, e)| (s, format!(".{e}")));
        let free = |stem: &str| !place.join(format!("{stem}{end}")).exists() && !place.join(stem).exists();
        let numbered = (2..10_000u32).map(|n| format!("{stem}-{n}"));
        let stem = std::iter::once(stem.to_owned()).chain(numbered).find(|stem| free(stem));
        let stem = stem.ok_or_else(|| std::io::Error::other("quarantaine pleine : videz-la"))?;
        put(&place.join(format!("{stem}{end}.motif.txt")), reason.as_bytes())?;
        for path in parts(&unit) {
            let name = if path.is_dir() { stem.clone() } else { format!("{stem}{end}") };
            move_to(&path, &place.join(name))?;
        }
        Ok(())
    })
    .await
}

fn reason(loaded: &Loaded, unit: &Unit, problem: &Problem, refusals: &Refusals) -> String {
    let mut text = format!(
        "Fichier : {}\nProfil : {} ({}, version {})\n\nCe fichier n'est pas archivé.\n\nPourquoi [{}] :\n",
        unit.file.name,
        loaded.profile.code,
        loaded.profile.title,
        loaded.profile.version,
        problem.code.as_str()
    );
    for refusal in &refusals.list {
        let place = refusal.location.as_deref().unwrap_or("envoi");
        let _ = writeln!(text, "- {place} : {} [{}]", refusal.detail, refusal.code);
    }
    if refusals.list.is_empty() {
        let _ = writeln!(text, "- {}", problem.detail);
    }
    if refusals.more > 0 {
        let _ = writeln!(text, "- et {} autres erreurs", refusals.more);
    }
    text.push_str(
        "\nQue faire : corrigez la cause dans le logiciel qui a produit le fichier, puis remettez le fichier dans le dossier\n\
         surveillé, au même nom si vous voulez. Rien n'est archivé deux fois. Supprimez ensuite celui-ci et ce motif.\n\
         Pour essayer avant de remettre : archiland producer check PROFIL FICHIER.\n",
    );
    text
}

async fn blocking(work: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Result<(), Stays> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(error) => Err(Stays(error.to_string())),
    }
}
