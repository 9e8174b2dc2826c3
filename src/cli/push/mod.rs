//! `archiland push`: a folder into the archive, again and again, without archiving anything twice.

mod send;
mod state;

use super::archive::Remote;
use super::client::{Client, Problem};
use super::{Ending, Outcome, Unusable, terminal};
use crate::producer::folder::{Shape, Unit, units};
use futures::StreamExt;
use state::{Line, State};
use std::path::PathBuf;

/// Most refusals told one by one.
const TOLD_MAX: usize = 50;

/// Verser un dossier : chaque fichier une fois, autant de fois que la commande est relancée.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Avec --profile, chaque fichier du dossier est un envoi au profil de producteur ; les fichiers de « fiche/ » accompagnent
« fiche.json ». Sans, chaque fichier, sous-dossiers compris, devient une archive.
Les fichiers cachés ou en cours d'écriture (.tmp, .part, .filepart, ~) et les liens sont laissés de côté. Relancée, la commande
reprend où elle en était (fichier d'état .archiland-push.jsonl du dossier) ; même sans ce fichier, rien n'est archivé deux fois.
Codes de retour : 0 tout est archivé ; 1 un fichier au moins est refusé, ou l'archive ne répond plus ; 2 entrée inutilisable.")]
pub(super) struct Args {
    /// Dossier à verser.
    #[arg(value_name = "DOSSIER")]
    folder: PathBuf,
    /// Profil de producteur qui reçoit les fichiers.
    #[arg(long, value_name = "CODE", conflicts_with_all = ["document_type", "agency", "rule"])]
    profile: Option<String>,
    /// Type de document, sans profil.
    #[arg(long = "type", value_name = "CODE", default_value = "document")]
    document_type: String,
    /// Règle de conservation, sans profil [défaut : celle du type].
    #[arg(long, value_name = "CODE")]
    rule: Option<String>,
    /// Code du service versant, s'il n'est pas celui du jeton (sans profil).
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// Dossier où garder les récépissés [défaut : ils ne sont pas gardés].
    #[arg(long, value_name = "DOSSIER")]
    receipt_dir: Option<PathBuf>,
    /// Fichier d'état [défaut : .archiland-push.jsonl du dossier].
    #[arg(long, value_name = "FICHIER")]
    state: Option<PathBuf>,
    /// Envoyer de nouveau ce qui a été refusé.
    #[arg(long)]
    retry_refused: bool,
    /// Envois en même temps.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,
    #[command(flatten)]
    remote: Remote,
}

/// What was found and done.
#[derive(Debug, Default)]
struct Count {
    archived: usize,
    /// Archived by an earlier command.
    before: usize,
    refused: usize,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::block_on(async {
            let shape = if self.profile.is_some() { Shape::Sendings } else { Shape::Tree };
            let unusable = |error| Unusable(format!("{} : dossier inutilisable ({error})", self.folder.display()));
            let units = units(&self.folder, shape).map_err(unusable)?;
            if let Some(folder) = &self.receipt_dir {
                let unusable = |error| Unusable(format!("{} : dossier inutilisable ({error})", folder.display()));
                std::fs::create_dir_all(folder).map_err(unusable)?;
            }
            let path = self.state.clone().unwrap_or_else(|| self.folder.join(state::NAME));
            let mut state = State::open(&path, &self.destination())?;
            let archive = self.remote.connect().await?;
            let done = self.push(archive.client(), units, &mut state).await;
            archive.leave().await?;
            done
        })
    }

    /// Where to and as what, for the state file.
    fn destination(&self) -> String {
        let server = self.remote.server.clone().unwrap_or_else(|| {
            let dir = &self.remote.place.dir;
            std::path::absolute(dir).unwrap_or_else(|_| dir.clone()).display().to_string()
        });
        if let Some(profile) = &self.profile {
            return format!("{server} profil {profile}");
        }
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{server} type {} règle {} service {}", self.document_type, of(&self.rule), of(&self.agency))
    }

    async fn push(&self, client: &Client, units: Vec<Unit>, state: &mut State) -> Outcome {
        let (mut count, mut left) = (Count::default(), Vec::new());
        for unit in units {
            match state.of(&unit.file.name, &unit.stamp()) {
                Some(Line { refused: None, .. }) => count.before += 1,
                Some(Line { refused: Some(why), .. }) if !self.retry_refused => {
                    tell_refusal(&unit.file.name, why, &mut count)?;
                }
                _ => left.push(unit),
            }
        }
        let progress = terminal::items_bar(u64::try_from(left.len())?, "Versement");
        let sendings = left.into_iter().map(|unit| async {
            let outcome = send::send(self, client, &unit).await;
            (unit, outcome)
        });
        let mut sendings = futures::stream::iter(sendings).buffer_unordered(usize::from(self.jobs));
        let mut stopped = None;
        while let Some((unit, outcome)) = sendings.next().await {
            let mut line = Line {
                file: unit.file.name.clone(),
                to: self.destination(),
                stamp: unit.stamp(),
                archives: Vec::new(),
                refused: None,
            };
            match outcome {
                Ok(archives) => {
                    count.archived += 1;
                    line.archives = archives;
                    state.note(&line)?;
                }
                Err(error) if is_about_the_file(&error) => {
                    let why = format!("{error:#}");
                    progress.suspend(|| tell_refusal(&line.file, &why, &mut count))?;
                    line.refused = Some(why);
                    state.note(&line)?;
                }
                Err(error) => {
                    // Of the archive, the network, or the right to deposit: the next file would end alike.
                    stopped = Some(error);
                    break;
                }
            }
            progress.inc(1);
        }
        drop(sendings);
        progress.finish_and_clear();
        conclude(&count, stopped)
    }
}

fn conclude(count: &Count, stopped: Option<anyhow::Error>) -> Outcome {
    let before = if count.before == 0 { String::new() } else { format!(", {} déjà archivés", count.before) };
    terminal::say(format_args!("{} archivés{before}, {} refusés", count.archived, count.refused))?;
    if let Some(error) = stopped {
        return Err(error.context("versement interrompu ; relancez la même commande pour reprendre"));
    }
    Ok(if count.refused == 0 { Ending::Done } else { Ending::No })
}

fn tell_refusal(file: &str, why: &str, count: &mut Count) -> std::io::Result<()> {
    count.refused += 1;
    match count.refused {
        n if n <= TOLD_MAX => terminal::say(format_args!("{file} : refusé : {why}")),
        n if n == TOLD_MAX + 1 => terminal::say("… les refus suivants sont dans le fichier d'état"),
        _ => Ok(()),
    }
}

/// Whether another file could fare better.
fn is_about_the_file(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Problem>() {
        Some(problem) => matches!(problem.status, 400 | 409 | 413 | 415 | 422),
        None => error.is::<send::Changed>() || error.is::<Unusable>(),
    }
}
