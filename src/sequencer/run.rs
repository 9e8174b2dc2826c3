//! The sequencing task: waits for records, closes batches, answers depositors, follows other nodes.

use super::commit::{CommitError, Done, Log, answer};
use super::pool::{Item, Placed};
use super::{LogError, Published, SubmitError};
use crate::store::Pace;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

pub(super) async fn run(
    mut log: Log,
    mut inbox: mpsc::Receiver<Item>,
    mut pace: Pace,
    publish: watch::Sender<Published>,
    complain: watch::Sender<Option<String>>,
) {
    loop {
        let first = match timeout(log.options().follow_interval, inbox.recv()).await {
            Ok(Some(item)) => item,
            Ok(None) => {
                log.tidy_up();
                return;
            }
            Err(_) => {
                follow(&mut log, &publish, &complain).await;
                log.tidy_up();
                continue;
            }
        };
        let mut items = gather(first, &mut inbox, &pace, log.options().batch_max).await;
        let (started, count) = (Instant::now(), items.len());
        match log.commit(&mut items).await {
            Ok(done) => {
                complain.send_if_modified(|trouble| trouble.take().is_some());
                if let Some(done) = done {
                    publish.send_replace(done.published);
                    answer_all(items, &done);
                }
            }
            Err(error) => refuse_all(items, &error, &complain),
        }
        pace.done(started, count);
    }
}

/// Takes items until the pace allows the next batch and nothing more waits, or the batch is full.
async fn gather(first: Item, inbox: &mut mpsc::Receiver<Item>, pace: &Pace, batch_max: usize) -> Vec<Item> {
    let mut items = vec![first];
    while items.len() < batch_max {
        match (inbox.try_recv(), pace.next()) {
            (Ok(item), _) => items.push(item),
            (Err(_), Some(at)) if Instant::now() < at => tokio::select! {
                biased;
                received = inbox.recv() => match received { Some(item) => items.push(item), None => break },
                () = sleep_until(at) => break,
            },
            (Err(_), _) => break,
        }
    }
    items
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

fn answer_all(items: Vec<Item>, done: &Done) {
    for (item, index) in items.into_iter().zip(done.first..) {
        // A depositor that has gone away finds its receipt with its idempotency key.
        let _ = item.answer.send(Ok(Placed { index, batch: done.shared.clone() }));
    }
}

fn refuse_all(items: Vec<Item>, error: &CommitError, complain: &watch::Sender<Option<String>>) {
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
