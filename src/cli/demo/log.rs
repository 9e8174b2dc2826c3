//! The public log, read over HTTP as anyone can: two checkpoints, and the proof that the second extends the first.

use crate::cli::client::Client;
use crate::cli::terminal;
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::encode_hash;
use crate::spec::tlog::note::Note;
use crate::spec::tlog::proof::verify_consistency;
use crate::spec::tlog::tree::{self, TileSet};
use crate::verify::Trust;
use anyhow::{Context, ensure};
use std::path::Path;

/// The signed note of the newest checkpoint.
pub(super) async fn checkpoint(client: &Client) -> anyhow::Result<String> {
    let bytes = client.get_bytes("/log/checkpoint", &[]).await?;
    String::from_utf8(bytes).context("le point de contrôle n'est pas du texte")
}

/// Proves that the log of now extends the log of before; keeps both notes. Returns the number of failures.
pub(super) async fn consistency(client: &Client, before: &str, trust: &Path, folder: &Path) -> anyhow::Result<usize> {
    let trust = Trust::load(trust)?;
    let after = checkpoint(client).await?;
    let (old, new) = (open(before, &trust)?, open(&after, &trust)?);
    for (note, size) in [(before, old.size), (after.as_str(), new.size)] {
        let path = folder.join(format!("checkpoint-{size}.txt"));
        std::fs::write(&path, note).with_context(|| format!("écriture de {}", path.display()))?;
    }
    let mut tiles = TileSet::default();
    for id in tree::tiles_for_consistency(old.size, new.size) {
        let bytes = client.get_bytes(&format!("/log/{}", id.path()), &[]).await?;
        tiles.insert(id, bytes.into())?;
    }
    let proof = tree::consistency(old.size, new.size, &tiles)?;
    terminal::say(format_args!("  avant    {} entrées, racine {}", old.size, encode_hash(&old.root)))?;
    terminal::say(format_args!("  après    {} entrées, racine {}", new.size, encode_hash(&new.root)))?;
    for hash in &proof {
        terminal::say(format_args!("  preuve   {}", encode_hash(hash)))?;
    }
    match verify_consistency(old.size, new.size, &proof, &old.root, &new.root) {
        Ok(()) => {
            terminal::say("  valide   le journal n'a fait que s'allonger")?;
            Ok(0)
        }
        Err(error) => {
            terminal::say(format_args!("  ÉCHEC    {error}"))?;
            Ok(1)
        }
    }
}

/// A checkpoint, once its signature and origin are checked.
fn open(note: &str, trust: &Trust) -> anyhow::Result<Checkpoint> {
    let note = Note::parse(note)?;
    note.open(&trust.log_keys)?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    ensure!(checkpoint.origin == trust.origin, "point de contrôle d'un autre journal : {}", checkpoint.origin);
    Ok(checkpoint)
}
