//! Gathers small payloads into packs. One group is written at a time, and the next takes whatever came meanwhile: a lone
//! payload never waits for neighbours, and packs grow with the load and with the slowness of the store.

use super::pack::{MemberPlace, PackBuilder};
use super::{StoreError, StoreOptions, key};
use crate::package::Location;
use bytes::Bytes;
use futures::future::join_all;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

/// Groups begin at least this far apart: on a store that answers at once, packs of one member would be as many objects as
/// documents.
pub const GROUP_INTERVAL_MIN: Duration = Duration::from_millis(4);

/// A payload waiting for its pack.
struct Request {
    agency: String,
    rule: String,
    sha256: [u8; 32],
    size_bytes: u64,
    frame: Bytes,
    answer: oneshot::Sender<Result<Location, StoreError>>,
}

/// The way in to the packing task.
#[derive(Clone)]
pub(super) struct Packer {
    requests: mpsc::Sender<Request>,
}

impl Packer {
    pub(super) fn start(objects: Arc<dyn ObjectStore>, options: Arc<StoreOptions>) -> Self {
        let (requests, inbox) = mpsc::channel(options.pack_queue_max);
        tokio::spawn(run(objects, options, inbox));
        Self { requests }
    }

    /// Returns once the payload's pack is durable.
    pub(super) async fn store(
        &self,
        agency: &str,
        rule: &str,
        sha256: [u8; 32],
        size_bytes: u64,
        frame: Vec<u8>,
    ) -> Result<Location, StoreError> {
        let (answer, location) = oneshot::channel();
        let request = Request {
            agency: agency.to_owned(),
            rule: rule.to_owned(),
            sha256,
            size_bytes,
            frame: frame.into(),
            answer,
        };
        self.requests.try_send(request).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        location.await.map_err(|_| StoreError::Closed)?
    }
}

async fn run(objects: Arc<dyn ObjectStore>, options: Arc<StoreOptions>, mut inbox: mpsc::Receiver<Request>) {
    let mut carried = None;
    loop {
        let first = match carried.take() {
            Some(request) => request,
            None => match inbox.recv().await {
                Some(request) => request,
                None => return,
            },
        };
        let next = Instant::now() + GROUP_INTERVAL_MIN;
        let group = gather(first, &mut inbox, &options, &mut carried);
        let packs = group_by_class(group).into_iter();
        join_all(packs.map(|((agency, rule), members)| write(&*objects, &options, agency, rule, members))).await;
        sleep_until(next).await;
    }
}

/// Takes what waits, until the group is full.
fn gather(
    first: Request,
    inbox: &mut mpsc::Receiver<Request>,
    options: &StoreOptions,
    carried: &mut Option<Request>,
) -> Vec<Request> {
    let mut bytes = first.frame.len();
    let mut group = vec![first];
    while group.len() < options.pack_members_max {
        let Ok(request) = inbox.try_recv() else { break };
        bytes += request.frame.len();
        if bytes > options.pack_bytes_max {
            *carried = Some(request);
            break;
        }
        group.push(request);
    }
    group
}

type Class = (String, String);

fn group_by_class(group: Vec<Request>) -> BTreeMap<Class, Vec<Request>> {
    let mut classes: BTreeMap<Class, Vec<Request>> = BTreeMap::new();
    for mut request in group {
        let class = (std::mem::take(&mut request.agency), std::mem::take(&mut request.rule));
        classes.entry(class).or_default().push(request);
    }
    classes
}

/// Writes one pack and answers each of its members.
async fn write(objects: &dyn ObjectStore, options: &StoreOptions, agency: String, rule: String, members: Vec<Request>) {
    let object = key::pack_key(&agency, &rule, Uuid::now_v7());
    let outcome = match build(&members) {
        Ok((bytes, places)) => put(objects, options, &object, bytes).await.map(|()| places),
        Err(source) => Err(StoreError::corrupt(object.as_ref(), 0, source.to_string())),
    };
    match outcome {
        Ok(places) => {
            for (member, place) in members.into_iter().zip(places) {
                let location = Location { object: object.to_string(), offset: place.offset, length: place.length };
                // A depositor that has gone away leaves an orphan, which the audit reports.
                let _ = member.answer.send(Ok(location));
            }
        }
        Err(error) => {
            for member in members {
                let _ = member.answer.send(Err(error.clone()));
            }
        }
    }
}

fn build(members: &[Request]) -> std::io::Result<(Vec<u8>, Vec<MemberPlace>)> {
    let mut pack = PackBuilder::default();
    let places = members.iter().map(|m| pack.push(&m.sha256, m.size_bytes, &m.frame)).collect::<Result<_, _>>()?;
    Ok((pack.finish()?, places))
}

/// One durable PUT within the time limit.
pub(super) async fn put(
    objects: &dyn ObjectStore,
    options: &StoreOptions,
    object: &object_store::path::Path,
    bytes: Vec<u8>,
) -> Result<(), StoreError> {
    match timeout(options.request_timeout, objects.put(object, PutPayload::from(bytes))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(source)) => Err(StoreError::backend(object.as_ref(), source)),
        Err(_) => Err(StoreError::Timeout { key: object.to_string() }),
    }
}
