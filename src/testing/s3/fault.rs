//! What can go wrong with a request, and how many there were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Decides what goes wrong with one request.
pub(super) type Hook = Arc<dyn Fn(&Asked<'_>) -> Fault + Send + Sync>;

/// A request, as a hook sees it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is asked.
    pub verb: Verb,
    /// The bucket.
    pub bucket: &'a str,
    /// The key, decoded; the prefix for a listing; empty for a request about the bucket.
    pub key: &'a str,
    /// It carries `If-Match` or `If-None-Match`.
    pub conditional: bool,
}

/// The requests told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// PutObject.
    Put,
    /// CopyObject.
    Copy,
    /// GetObject.
    Get,
    /// HeadObject and HeadBucket.
    Head,
    /// DeleteObject and DeleteObjects.
    Delete,
    /// ListObjectsV2.
    List,
    /// CreateMultipartUpload.
    CreateUpload,
    /// UploadPart.
    Part,
    /// CompleteMultipartUpload.
    CompleteUpload,
    /// AbortMultipartUpload.
    AbortUpload,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Answered with this status, not carried out.
    Refuse(u16),
    /// Carried out, answered with this status all the same.
    LieAfter(u16),
    /// The connection is cut, nothing is carried out.
    Cut,
    /// Carried out, then the connection is cut: the lost answer.
    LoseAnswer,
    /// The connection is cut now; the request is carried out this much later.
    LandLate(Duration),
    /// Carried out this much later than usual, then answered.
    Delay(Duration),
    /// Carried out; the answer stops after this many bytes of body.
    Truncate(usize),
}

/// Requests received, by verb, and bytes of bodies. Requests that went wrong count too: a store bills them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// PutObject.
    pub put: u64,
    /// CopyObject.
    pub copy: u64,
    /// GetObject.
    pub get: u64,
    /// HeadObject.
    pub head: u64,
    /// DeleteObject and DeleteObjects.
    pub delete: u64,
    /// ListObjectsV2.
    pub list: u64,
    /// CreateMultipartUpload.
    pub create_upload: u64,
    /// UploadPart.
    pub part: u64,
    /// CompleteMultipartUpload.
    pub complete_upload: u64,
    /// AbortMultipartUpload.
    pub abort_upload: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of answered objects.
    pub bytes_out: u64,
}

impl Counts {
    /// What a store bills as a write: PUT, COPY and the POSTs and PUTs of multipart uploads.
    pub fn writes(&self) -> u64 {
        self.put + self.copy + self.create_upload + self.part + self.complete_upload
    }
}

/// [`Counts`], while they grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    verbs: [AtomicU64; 10],
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Counters {
    pub(super) fn request(&self, verb: Verb) {
        self.verbs[verb as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Counts {
        let of = |verb: Verb| self.verbs[verb as usize].load(Ordering::Relaxed);
        Counts {
            put: of(Verb::Put),
            copy: of(Verb::Copy),
            get: of(Verb::Get),
            head: of(Verb::Head),
            delete: of(Verb::Delete),
            list: of(Verb::List),
            create_upload: of(Verb::CreateUpload),
            part: of(Verb::Part),
            complete_upload: of(Verb::CompleteUpload),
            abort_upload: of(Verb::AbortUpload),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }

    pub(super) fn reset(&self) {
        for counter in self.verbs.iter().chain([&self.bytes_in, &self.bytes_out]) {
            counter.store(0, Ordering::Relaxed);
        }
    }
}
