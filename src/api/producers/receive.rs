//! A sending in: raw, or multipart; under limits, in memory but for ZIPs, which go to disk.

use crate::admission::multipart::{Event, MultipartError, Parser};
use crate::admission::{Reason, Refusal};
use crate::api::body::Incoming;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::producer::folder::Unit;
use crate::producer::profile::{Draft, Input, InputFile, Loaded, Refusals};
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use bytes::Bytes;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Longest sending held in memory, in bytes.
const HELD_BYTES_MAX: u64 = 128 << 20;
/// What one that does not say its length is taken for, in bytes.
const UNSAID_BYTES: u64 = 16 << 20;
/// Most parts of a multipart sending.
const PARTS_MAX: usize = 200;

/// A sending received.
pub(super) struct Received {
    input: Input,
    /// Its files on disk, while it is looked at and archived.
    _folder: Option<Folder>,
    _held: OwnedSemaphorePermit,
}

/// A folder of one sending, removed with it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new(app: &App) -> std::io::Result<Self> {
        let path = app.spool.with_file_name("producers").join(uuid::Uuid::now_v7().to_string());
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "dossier temporaire d'un envoi laissé en place");
        }
    }
}

impl Received {
    /// The data.
    pub(super) fn data(&self) -> &Bytes {
        &self.input.data
    }

    /// What it makes; the files it names live as long as the answer.
    pub(super) async fn drafts(self, loaded: &Loaded) -> Result<Result<Held, Refusals>, Problem> {
        let (loaded, this) = (loaded.clone(), Arc::new(self));
        let looking = this.clone();
        let looked = tokio::task::spawn_blocking(move || loaded.drafts(&looking.input)).await;
        Ok(looked.map_err(|error| Problem::internal(&error))?.map(|drafts| Held { drafts, received: this }))
    }
}

/// Drafts, and what holds their bytes.
pub(super) struct Held {
    pub(super) drafts: Vec<Draft>,
    /// Kept for what its end does: the temporary files go.
    #[allow(dead_code)]
    pub(super) received: Arc<Received>,
}

/// A short sending without files, whole in memory.
pub(super) async fn held_in_memory(app: &App, bytes_max: u64, parts: &Parts, body: Body) -> Result<Received, Problem> {
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(Refusal::at("Content-Length", Reason::BodyTooLarge { bytes_max }).into());
    }
    let kib = u32::try_from(announced.unwrap_or(bytes_max).div_ceil(1024).max(1)).unwrap_or(u32::MAX);
    let held = app.buffers.clone().try_acquire_many_owned(kib).map_err(|_| Problem::busy())?;
    let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
    let whole = Incoming::new(body, bytes_max, idle_max).whole().await.map_err(Refusal::from)?;
    Ok(Received { input: Input { data: whole.into(), ..Input::default() }, _folder: None, _held: held })
}

pub(super) async fn receive(app: &App, loaded: &Loaded, request: Request) -> Result<Received, Problem> {
    let (parts, body) = request.into_parts();
    let header = |name| parts.headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let content_type = header(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let announced = header(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    let to_disk = loaded.profile.intake.is_on_disk();
    let bytes_max = if to_disk { app.limits.body_bytes_max } else { app.limits.body_bytes_max.min(HELD_BYTES_MAX) };
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(Refusal::at("Content-Length", Reason::BodyTooLarge { bytes_max }).into());
    }
    let kib = if to_disk { 1024 } else { announced.unwrap_or(UNSAID_BYTES).div_ceil(1024).max(1) };
    let kib = u32::try_from(kib).unwrap_or(u32::MAX);
    let held = app.buffers.clone().try_acquire_many_owned(kib).map_err(|_| Problem::busy())?;
    let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
    let mut incoming = Incoming::new(body, bytes_max, idle_max);
    let folder = if to_disk { Some(Folder::new(app).map_err(|error| Problem::internal(&error))?) } else { None };
    let read = if content_type.starts_with("multipart/") {
        let written = header(CONTENT_TYPE).unwrap_or_default();
        multipart(written, &mut incoming, folder.as_ref()).await
    } else {
        raw(&mut incoming, folder.as_ref()).await
    };
    match read {
        Ok(input) => Ok(Received { input, _folder: folder, _held: held }),
        Err(refusal) => {
            incoming.drain().await;
            Err(refusal.into())
        }
    }
}

/// A unit of a watched folder: copied, so that who writes there changes nothing of what is looked at.
pub(super) async fn of_folder(app: &App, loaded: &Loaded, unit: &Unit) -> Result<Received, Problem> {
    let to_disk = loaded.profile.intake.is_on_disk();
    let bytes_max = if to_disk { app.limits.body_bytes_max } else { app.limits.body_bytes_max.min(HELD_BYTES_MAX) };
    let length = std::iter::once(&unit.file).chain(&unit.beside).fold(0u64, |all, f| all.saturating_add(f.size_bytes));
    if length > bytes_max {
        return Err(Refusal::from(Reason::BodyTooLarge { bytes_max }).into());
    }
    let kib = if to_disk { 1024 } else { length.div_ceil(1024).max(1) };
    let kib = u32::try_from(kib).unwrap_or(u32::MAX);
    let held = app.buffers.clone().try_acquire_many_owned(kib).map_err(|_| Problem::busy())?;
    let folder = if to_disk { Some(Folder::new(app).map_err(|error| Problem::internal(&error))?) } else { None };
    let unit = unit.clone();
    let reading = tokio::task::spawn_blocking(move || -> std::io::Result<(Input, Option<Folder>)> {
        let mut input = Input::default();
        if let Some(folder) = &folder {
            std::fs::copy(&unit.file.path, archive_of(folder))?;
            input.archive = Some((archive_of(folder), folder.0.clone()));
        } else {
            input.data = std::fs::read(&unit.file.path)?.into();
        }
        for file in &unit.beside {
            let name = file.name.rsplit('/').next().unwrap_or(&file.name).to_owned();
            input.files.push(InputFile { name, content: std::fs::read(&file.path)?.into() });
        }
        Ok((input, folder))
    });
    let read = reading.await.map_err(|error| Problem::internal(&error))?;
    let (input, folder) = read.map_err(|error| Problem::internal(&error))?;
    Ok(Received { input, _folder: folder, _held: held })
}

async fn raw(incoming: &mut Incoming, folder: Option<&Folder>) -> Result<Input, Refusal> {
    let mut sink = Sink::new(folder)?;
    while let Some(chunk) = incoming.chunk().await? {
        sink.write(&chunk)?;
    }
    Ok(sink.into_input(folder, Vec::new()))
}

/// The data: in memory, or in the folder's ZIP.
enum Sink {
    Held(Vec<u8>),
    Disk(std::fs::File),
}

impl Sink {
    fn new(folder: Option<&Folder>) -> Result<Self, Refusal> {
        match folder {
            None => Ok(Self::Held(Vec::new())),
            Some(folder) => std::fs::File::create(archive_of(folder)).map(Self::Disk).map_err(|e| unwritten(&e)),
        }
    }

    fn write(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Held(bytes) => {
                bytes.extend_from_slice(chunk);
                Ok(())
            }
            Self::Disk(file) => file.write_all(chunk).map_err(|error| unwritten(&error)),
        }
    }

    fn into_input(self, folder: Option<&Folder>, files: Vec<InputFile>) -> Input {
        let data = match self {
            Self::Held(bytes) => Bytes::from(bytes),
            Self::Disk(_) => Bytes::new(),
        };
        Input { data, files, archive: folder.map(|folder| (archive_of(folder), folder.0.clone())) }
    }
}

fn archive_of(folder: &Folder) -> PathBuf {
    folder.0.join("envoi.zip")
}

fn unwritten(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "un envoi ne peut être mis de côté");
    Reason::BodyCut.into()
}

/// The first part is the data, the others are files.
async fn multipart(content_type: &str, incoming: &mut Incoming, folder: Option<&Folder>) -> Result<Input, Refusal> {
    let broken = |error: MultipartError| match error {
        MultipartError::Cut => Refusal::from(Reason::BodyCut),
        other => Reason::Multipart(other.to_string()).into(),
    };
    let mut parser = Parser::new(content_type).map_err(broken)?;
    let mut data = Sink::new(folder)?;
    let (mut files, mut seen) = (Vec::new(), 0usize);
    let mut current: Option<(String, Vec<u8>)> = None;
    loop {
        match parser.next().map_err(broken)? {
            Some(Event::Part(head)) => {
                seen += 1;
                if seen > PARTS_MAX {
                    return Err(Reason::TooMany { field: "fichiers", count_max: PARTS_MAX }.into());
                }
                if seen > 1 {
                    let name = head.file_name.unwrap_or(head.name);
                    let name = String::from_utf8(name).map_err(|_| Refusal::from(Reason::NameEncoding))?;
                    current = Some((name, Vec::new()));
                }
            }
            Some(Event::Data(chunk)) => match &mut current {
                Some((_, bytes)) => bytes.extend_from_slice(&chunk),
                None => data.write(&chunk)?,
            },
            Some(Event::PartEnd) => {
                if let Some((name, bytes)) = current.take() {
                    files.push(InputFile { name, content: bytes.into() });
                }
            }
            Some(Event::End) => return Ok(data.into_input(folder, files)),
            None => match incoming.chunk().await? {
                Some(chunk) => parser.push(chunk),
                None => parser.end(),
            },
        }
    }
}
