//! Signature validation as a process, beside the programs that people would use otherwise: `xmlsec1`, `openssl cms` and
//! `pdfsig`, on files that they made or accept, in turn.

mod files;
mod samples;

use super::server::Scratch;
use super::{Where, median, verdict};
use crate::cli::terminal;
use anyhow::Context;
use files::Case;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No measurement of one file lasts longer, after its first three rounds.
const CASE_TIME_MAX: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Passages par fichier ; la médiane compte.
    #[arg(long, value_name = "N", default_value_t = 21)]
    rounds: usize,
    /// Taille des gros fichiers, en Mio.
    #[arg(long, value_name = "MIO", default_value_t = 100)]
    large: usize,
    /// Dossiers de fichiers signés à mesurer aussi, chacun avec le programme de son genre.
    #[arg(long, value_name = "DOSSIER", num_args = 1..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: Where,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let scratch = Scratch::new(self.place.dir.as_deref())?;
        let own = std::env::current_exe().context("chemin du programme")?;
        let mut cases = samples::make(&scratch.join("signatures"), self.large << 20)?;
        for folder in &self.files {
            cases.extend(files::of(folder)?);
        }
        terminal::say("ms par processus, médiane ; rapport : le temps du pair sur le nôtre")?;
        let mut ratios: Vec<(&Case, f64)> = Vec::new();
        for case in &cases {
            if let Some(ratio) = self.compare(&own, case)? {
                ratios.push((case, ratio));
            }
        }
        for (peer, wanted) in files::WANTED {
            let found = || ratios.iter().filter(|(case, _)| case.peer() == peer);
            let ordinary: Vec<f64> = found().filter(|(case, _)| !case.large).map(|(_, ratio)| *ratio).collect();
            let least = ordinary.iter().copied().fold(f64::INFINITY, f64::min);
            if !ordinary.is_empty() {
                verdict(
                    &format!("{peer} : rapport médian de {} fichier(s)", ordinary.len()),
                    median(ordinary),
                    wanted,
                    true,
                    "×",
                )?;
                verdict(&format!("{peer} : le moindre rapport"), least, wanted, true, "×")?;
            }
            for (case, ratio) in found().filter(|(case, _)| case.large) {
                verdict(&format!("{peer} : {}", case.name), *ratio, case.wanted(wanted), true, "×")?;
            }
        }
        Ok(())
    }

    /// The median of the peer over ours; `None` when one of them does not accept the file.
    fn compare(&self, own: &Path, case: &Case) -> anyhow::Result<Option<f64>> {
        let ours = [&["validate".into(), case.file.clone().into(), "--integrity-only".into()][..], &case.ours].concat();
        // Once without counting: files come into memory, and whoever refuses is told.
        for (program, arguments) in [(own.as_os_str(), &ours), (case.program.as_ref(), &case.theirs)] {
            let (accepted, _) = timed(program.as_ref(), arguments)?;
            if !accepted {
                let program = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
                terminal::say(format_args!("{:<44} non comparé : {program} le refuse", case.name))?;
                return Ok(None);
            }
        }
        let (mut mine, mut peer) = (Vec::new(), Vec::new());
        let began = Instant::now();
        while mine.len() < self.rounds.max(1) && (mine.len() < 3 || began.elapsed() < CASE_TIME_MAX) {
            mine.push(timed(own, &ours)?.1);
            peer.push(timed(case.program.as_ref(), &case.theirs)?.1);
        }
        let (mine, peer) = (median(mine), median(peer));
        terminal::say(format_args!(
            "{:<44} archiland {mine:>8.2}   {:<8} {peer:>8.2}   rapport {:>6.2}",
            case.name,
            case.peer(),
            peer / mine
        ))?;
        Ok(Some(peer / mine))
    }
}

/// Whether a program succeeds, and the milliseconds it takes.
fn timed(program: &Path, arguments: &[std::ffi::OsString]) -> anyhow::Result<(bool, f64)> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status().with_context(|| format!("lancement de {}", program.display()))?;
    Ok((status.success(), began.elapsed().as_secs_f64() * 1000.0))
}
