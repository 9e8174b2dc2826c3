//! Attachments sent by pieces: each waits on the spool until all are there, then they are one file. A stop forgets them: the
//! sender begins again.

use super::super::body::Incoming;
use super::super::problem::Problem;
use super::super::services::App;
use super::super::transfers::{Arrival, Arriving, Form, Held, Spooled};
use super::FIELD_BYTES_MAX;
use crate::admission::Reason;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

/// Sessions open at once, all agencies together.
const SESSIONS_MAX: usize = 64;
/// Pieces of one file.
const PIECES_MAX: u32 = 20_000;
/// A session silent for longer is forgotten.
const SILENCE_MAX: Duration = Duration::from_secs(3_600);
/// Bytes copied at a time when the pieces are joined.
const COPY_BYTES: usize = 256 * 1024;

/// A piece received.
pub(super) struct Piece {
    session: String,
    security: String,
    name: String,
    /// From 1.
    index: u32,
    count: u32,
    content: Spooled,
}

/// Transfers whose attachments come by pieces.
#[derive(Debug, Default)]
pub(in crate::api) struct Sessions {
    open: Mutex<HashMap<String, Session>>,
}

#[derive(Debug)]
struct Session {
    security: String,
    agency: String,
    message: Spooled,
    pieces: BTreeMap<u32, Spooled>,
    touched: Instant,
}

impl Sessions {
    /// Opens a session for a bordereau: its identifier, and the word that goes with it.
    pub(super) fn open(&self, app: &App, agency: &str, message: Spooled) -> Result<(String, String), Problem> {
        let (id, security) = (random()?, random()?);
        let mut open = self.lock();
        let late: Vec<String> =
            open.iter().filter(|(_, s)| s.touched.elapsed() > SILENCE_MAX).map(|(id, _)| id.clone()).collect();
        for id in late {
            if let Some(session) = open.remove(&id) {
                session.discard(app);
            }
        }
        if open.len() >= SESSIONS_MAX {
            return Err(Problem::busy());
        }
        let session = Session {
            security: security.clone(),
            agency: agency.to_owned(),
            message,
            pieces: BTreeMap::new(),
            touched: Instant::now(),
        };
        open.insert(id.clone(), session);
        Ok((id, security))
    }

    /// Adds a piece; when it was the last one, the bordereau and its attachments.
    pub(super) async fn add(
        &self,
        app: &App,
        agency: &str,
        piece: Piece,
    ) -> Result<Option<(Spooled, Spooled)>, Problem> {
        let (name, count) = (piece.name.clone(), piece.count);
        let Some(session) = self.complete(app, agency, piece)? else { return Ok(None) };
        let joined = join(app, &name, &session).await;
        for part in session.pieces.values() {
            remove(app, part);
        }
        match joined {
            Ok(attachments) => Ok(Some((session.message, attachments))),
            Err(arrival) => {
                remove(app, &session.message);
                tracing::warn!(count, "des pièces jointes reçues par morceaux n'ont pu être réunies");
                Err(arrival.into())
            }
        }
    }

    fn complete(&self, app: &App, agency: &str, piece: Piece) -> Result<Option<Session>, Problem> {
        let mut open = self.lock();
        let Some(session) = open.get_mut(&piece.session).filter(|session| session.fits(agency, &piece)) else {
            remove(app, &piece.content);
            return Err(Problem::request(
                "session_identifier",
                "Session inconnue, expirée, ou morceau hors de sa suite : recommencez l'envoi.",
                "Unknown or expired session, or a piece out of it: send again.",
            ));
        };
        session.touched = Instant::now();
        if let Some(before) = session.pieces.insert(piece.index, piece.content) {
            remove(app, &before);
        }
        let total: u64 = session.pieces.values().map(|piece| piece.size_bytes).sum();
        let too_long = total > app.limits.body_bytes_max;
        let whole = session.pieces.len() == piece.count as usize;
        if !too_long && !whole {
            return Ok(None);
        }
        let Some(session) = open.remove(&piece.session) else { return Ok(None) };
        if too_long {
            session.discard(app);
            let bytes_max = app.limits.body_bytes_max;
            return Err(crate::admission::Refusal::new(Reason::BodyTooLarge { bytes_max }).into());
        }
        Ok(Some(session))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn fits(&self, agency: &str, piece: &Piece) -> bool {
        let known = bool::from(self.security.as_bytes().ct_eq(piece.security.as_bytes()));
        known && self.agency == agency && (1..=piece.count).contains(&piece.index) && piece.count <= PIECES_MAX
    }

    fn discard(&self, app: &App) {
        remove(app, &self.message);
        for piece in self.pieces.values() {
            remove(app, piece);
        }
    }
}

fn random() -> Result<String, Problem> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|e| Problem::internal(&e))?;
    Ok(hex::encode(bytes))
}

fn remove(app: &App, spooled: &Spooled) {
    // What cannot be deleted now is at the next start.
    let _ = std::fs::remove_file(app.operations.spool.join(&spooled.file));
}

async fn join(app: &App, name: &str, session: &Session) -> Result<Spooled, Arrival> {
    let spool = &app.operations.spool;
    let mut joined = Arriving::begin(spool, name).await?;
    for piece in session.pieces.values() {
        let mut file = tokio::fs::File::open(spool.join(&piece.file)).await.map_err(|e| Problem::internal(&e))?;
        loop {
            let mut buffer = bytes::BytesMut::with_capacity(COPY_BYTES);
            if file.read_buf(&mut buffer).await.map_err(|e| Problem::internal(&e))? == 0 {
                break;
            }
            joined.write(&buffer.freeze()).await?;
        }
    }
    joined.end().await
}

/// Reads a piece: its fields in any order.
pub(super) async fn receive(app: &App, headers: &HeaderMap, incoming: &mut Incoming) -> Result<Piece, Arrival> {
    let media = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut form = Form::new(media, incoming)?;
    let mut fields: HashMap<String, String> = HashMap::new();
    let mut content = None;
    let mut held = Held::new(&app.operations.spool);
    while let Some((field, name)) = form.part().await? {
        if field == "chunk_content" {
            let mut arriving = Arriving::begin(&app.operations.spool, &name).await?;
            while let Some(data) = form.data().await? {
                arriving.write(&data).await?;
            }
            let spooled = arriving.end().await?;
            held.hold(&spooled);
            content = Some(spooled);
        } else if fields.len() < 32 {
            let value = form.text(FIELD_BYTES_MAX).await?;
            fields.insert(field, value);
        } else {
            return Err(Reason::Multipart("trop de champs".into()).into());
        }
    }
    let content = content.ok_or(Reason::NoPayload)?;
    let piece = (|| {
        Some(Piece {
            session: fields.remove("session_identifier")?,
            security: fields.remove("security_identifier")?,
            name: fields.remove("file_name")?,
            index: fields.get("chunk_index")?.parse().ok()?,
            count: fields.get("number_of_chunks")?.parse().ok()?,
            content: content.clone(),
        })
    })();
    let piece = piece.ok_or_else(|| Reason::Multipart("champs du morceau absents ou illisibles".into()))?;
    held.keep();
    Ok(piece)
}
