//! The sequencing task: waits for records, takes batches, answers depositors, follows other nodes.

use super::commit::{CommitError, Done, Log, answer};
use super::pool::{Item, Placed};
use super::{LogError, Published, SubmitError};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub(super) async fn run(
    mut log: Log,
    mut inbox: mpsc::Receiver<Item>,
    publish: watch::Sender<Published>,
    complain: watch::Sender<Option<String>>,
) {
    let mut items = Vec::new();
    loop {
        let batch_max = log.options().batch_max;
        match timeout(log.options().follow_interval, inbox.recv_many(&mut items, batch_max)).await {
            Ok(0) => {
                log.tidy_up();
                return;
            }
            Ok(_) => {}
            Err(_) => {
                follow(&mut log, &publish, &complain).await;
                log.tidy_up();
                continue;
            }
        }
        match log.commit(&mut items).await {
            Ok(done) => {
                complain.send_if_modified(|trouble| trouble.take().is_some());
                if let Some(done) = done {
                    publish.send_replace(done.published);
                    answer_all(items.drain(..), &done);
                }
            }
            Err(error) => refuse_all(items.drain(..), &error, &complain),
        }
    }
}

/// Refuses every record: nothing may be written.
pub(super) async fn refuse(
    mut inbox: mpsc::Receiver<Item>,
    publish: watch::Sender<Published>,
    complain: watch::Sender<Option<String>>,
) {
    while let Some(item) = inbox.recv().await {
        let why = complain.borrow().clone().unwrap_or_default();
        answer(item, SubmitError::Stopped(why));
    }
    // Whoever follows the log has waited for nothing until here.
    drop(publish);
}

/// Looks for batches of other nodes.
async fn follow(log: &mut Log, publish: &watch::Sender<Published>, complain: &watch::Sender<Option<String>>) {
    match log.recover().await {
        Ok(published) => {
            complain.send_if_modified(|trouble| trouble.take().is_some());
            publish.send_if_modified(|known| std::mem::replace(known, published) != published);
        }
        Err(error) => report(&error, complain),
    }
}

fn answer_all(items: impl Iterator<Item = Item>, done: &Done) {
    for (item, index) in items.zip(done.first..) {
        // A depositor that has gone away finds its receipt with its idempotency key.
        let _ = item.answer.send(Ok(Placed { index, batch: done.shared.clone() }));
    }
}

fn refuse_all(items: impl Iterator<Item = Item>, error: &CommitError, complain: &watch::Sender<Option<String>>) {
    let (cause, reply) = match error {
        CommitError::Before(cause) => (cause, SubmitError::Stopped(cause.to_string())),
        CommitError::Unknown(cause) => (cause, SubmitError::Uncertain),
    };
    report(cause, complain);
    for item in items {
        answer(item, reply.clone());
    }
}

fn report(error: &LogError, complain: &watch::Sender<Option<String>>) {
    tracing::error!(%error, "le journal ne peut pas être prolongé");
    complain.send_replace(Some(error.to_string()));
}
