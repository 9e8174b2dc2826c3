//! The deposits, as any producer makes them.

use super::Item;
use crate::cli::client::Client;
use crate::cli::receipt::{self, Saved};
use crate::cli::{terminal, upload};
use anyhow::ensure;
use std::path::{Path, PathBuf};

/// A document and the receipt kept for it.
pub(super) struct Deposited {
    /// The document on disk.
    pub(super) document: PathBuf,
    /// Its receipt on disk.
    pub(super) saved: Saved,
}

/// Deposits each document; the first one twice, as after a lost answer: the same receipt comes back.
pub(super) async fn deposit(client: &Client, items: &[Item], receipts: &Path) -> anyhow::Result<Vec<Deposited>> {
    let progress = terminal::bytes_bar(items.iter().map(|item| item.file.size_bytes()).sum(), "");
    let mut deposited = Vec::with_capacity(items.len());
    // One run, one set of archives: the keys tell a retry within this run from the same demonstration tomorrow.
    let run = uuid::Uuid::new_v4();
    for (number, item) in items.iter().enumerate() {
        progress.set_message(item.file.name().to_owned());
        let (key, files) = (format!("demo-{run}-{number}"), std::slice::from_ref(&item.file));
        let accepted = upload::deposit(client, &item.metadata, files, &key, &progress).await?;
        if number == 0 {
            let silent = indicatif::ProgressBar::hidden();
            let again = upload::deposit(client, &item.metadata, files, &key, &silent).await?;
            ensure!(
                !again.created && again.receipt == accepted.receipt,
                "le même dépôt, répété, n'a pas rendu le même récépissé"
            );
        }
        let saved = receipt::save(receipts, &accepted.receipt)?;
        deposited.push(Deposited { document: item.file.path().to_owned(), saved });
    }
    progress.finish_and_clear();
    terminal::say(format_args!(
        "{} documents déposés ; le premier deux fois, avec un seul récépissé\n",
        deposited.len()
    ))?;
    Ok(deposited)
}
