//! The zip on its way out: written by a thread that reads one document after the other from the store, and waits when the
//! client is slower.

use super::super::services::App;
use crate::dissemination::Member;
use crate::dissemination::package::Zip;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use std::io::{self, Write};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Bytes handed over at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Pieces waiting for the client.
const PIECES_MAX: usize = 8;

/// The package: `manifest.xml`, then the documents. A document that cannot be read ends the connection, never a zip that
/// looks whole.
pub(super) fn zip(app: App, manifest: String, members: Vec<Member>, slot: OwnedSemaphorePermit) -> Body {
    let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let pipe = Pipe { sender: sender.clone(), piece: BytesMut::with_capacity(PIECE_BYTES) };
        if let Err(error) = write(&app, pipe, &manifest, &members) {
            // A client that left is no fault of anybody's.
            if !sender.is_closed() {
                tracing::error!(%error, "envoi d'un paquet interrompu");
                let _ = sender.blocking_send(Err(error));
            }
        }
    });
    Body::from_stream(futures::stream::poll_fn(move |context| receiver.poll_recv(context)))
}

fn write(app: &App, pipe: Pipe, manifest: &str, members: &[Member]) -> io::Result<()> {
    let mut pipe = pipe;
    let mut zip = Zip::new(&mut pipe);
    zip.member("manifest.xml", manifest.len() as u64)?;
    zip.write_all(manifest.as_bytes())?;
    let runtime = Handle::current();
    for member in members {
        zip.member(&member.name, member.payload.size_bytes)?;
        let whole = 0..member.payload.size_bytes;
        let mut content = runtime.block_on(app.store.read(&member.payload, whole)).map_err(io::Error::other)?;
        while let Some(bytes) = runtime.block_on(content.next()) {
            zip.write_all(&bytes.map_err(io::Error::other)?)?;
        }
    }
    zip.finish()?;
    pipe.flush()
}

struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: BytesMut,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = self.piece.split().freeze();
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
