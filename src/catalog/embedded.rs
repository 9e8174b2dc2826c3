//! The catalog on sled 0.34.7, used within what it does well: one tree, one batch per lot of records with the cursor in
//! it, few small keys, no background flusher, and an opening that may fail.
//!
//! Agencies and tokens are few and asked for at every request: they are mirrored in memory at opening. sled's readers wait
//! while a batch is applied (a lock common to the whole process), which is tolerable for an idempotency key and would not
//! be for every credential.

use super::keys::{self, AGENCY, CURSOR, DELIVERY, REGISTER, TOKEN};
use super::standing::{self, Standing, Standings};
use super::transmissions::{self, Distinct, Listing, Rows, Transmission};
use super::{Agency, Catalog, CatalogError, Delivery, Prior, Register, Token};
use crate::package::ReferentialChange;
use crate::views::{
    Batch, Cursor, Entry, Event, OpenError, Opened, Shelf, ShelfError, View, ViewError, is_environment,
};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

const NAME: &str = "catalog";

/// Expired idempotency keys deleted per batch, beyond twice the batch's own length: a window's worth goes in the time it
/// takes to write it, and no batch takes long.
const PRUNED_MIN: usize = 64;

/// How the engine is set.
#[derive(Debug, Clone, Copy)]
pub struct CatalogOptions {
    /// sled's page cache, in bytes. What it keeps beside that grows with the number of keys.
    pub cache_bytes: u64,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        Self { cache_bytes: 16 << 20 }
    }
}

/// The catalog kept in the state directory.
pub struct EmbeddedCatalog {
    shelf: Shelf,
    options: CatalogOptions,
    /// `None` only after a reset that failed half-way.
    engine: RwLock<Option<Engine>>,
    mirror: RwLock<Mirror>,
}

/// sled on one generation of files. A reset opens the next generation beside it: deleting a million keys takes sled half a
/// minute, and its background threads may still write by path into a directory it has closed.
struct Engine {
    tree: sled::Db,
    dir: PathBuf,
    generation: u64,
}

/// What is held in memory.
struct Mirror {
    cursor: Cursor,
    clock_ms: u64,
    agencies: BTreeMap<String, Agency>,
    tokens: BTreeMap<String, Token>,
    registers: BTreeMap<String, Register>,
    deliveries: BTreeMap<u64, Delivery>,
    by_hash: HashMap<[u8; 32], String>,
}

impl EmbeddedCatalog {
    /// Opens the catalog under the state directory, or an empty one in place of one that does not open.
    pub fn open(state: &Path, options: CatalogOptions) -> Result<Opened<Self>, ShelfError> {
        let shelf = Shelf::lock(state, NAME, "/sled-0.34")?;
        let opened = shelf.open(|dir| open_engine(dir, options))?;
        let (engine, mirror) = opened.view;
        let view = Self { shelf, options, engine: RwLock::new(Some(engine)), mirror: RwLock::new(mirror) };
        Ok(Opened { view, set_aside: opened.set_aside })
    }

    fn mirror(&self) -> RwLockReadGuard<'_, Mirror> {
        self.mirror.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `call` on the engine, and holds what goes wrong against the catalog or the machine.
    fn on_engine<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, ViewError> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        let Some(engine) = &*engine else {
            return Err(ViewError::Damaged { view: NAME, cause: "une remise à zéro n'a pas abouti".into() });
        };
        self.shelf.inside(|| call(&engine.tree)).map_err(|error| self.blame(&error))
    }

    fn blame(&self, error: &sled::Error) -> ViewError {
        match diagnose(error) {
            OpenError::Environment(cause) => ViewError::Environment { view: NAME, cause },
            OpenError::Damaged(cause) => {
                self.shelf.mark_damaged(&cause);
                ViewError::Damaged { view: NAME, cause }
            }
        }
    }
}

impl Catalog for EmbeddedCatalog {
    fn agency(&self, code: &str) -> Option<Agency> {
        self.mirror().agencies.get(code).cloned()
    }

    fn agencies(&self) -> Vec<Agency> {
        self.mirror().agencies.values().cloned().collect()
    }

    fn token_by_hash(&self, hash: &[u8; 32]) -> Option<Token> {
        let mirror = self.mirror();
        mirror.tokens.get(mirror.by_hash.get(hash)?).cloned()
    }

    fn token(&self, name: &str) -> Option<Token> {
        self.mirror().tokens.get(name).cloned()
    }

    fn tokens(&self, agency: Option<&str>) -> Vec<Token> {
        self.mirror().tokens.values().filter(|t| agency.is_none_or(|a| t.agency == a)).cloned().collect()
    }

    fn referentials(&self) -> Vec<Register> {
        self.mirror().registers.values().cloned().collect()
    }

    fn delivery(&self, index: u64) -> Option<Delivery> {
        self.mirror().deliveries.get(&index).cloned()
    }

    fn deliveries(&self, agency: Option<&str>) -> Vec<Delivery> {
        let mirror = self.mirror();
        mirror.deliveries.values().rev().filter(|d| agency.is_none_or(|a| d.agency == a)).cloned().collect()
    }

    fn standing(&self, archive: u64) -> Result<Option<Standing>, CatalogError> {
        self.on_engine(|tree| standing::get(tree, archive)).map_err(|e| CatalogError(e.to_string()))
    }

    fn prior(&self, agency: &str, idempotency: &[u8; 32]) -> Result<Option<Prior>, CatalogError> {
        let clock_ms = self.mirror().clock_ms;
        // Newest first: a retry usually follows closely.
        for epoch in keys::window_epochs(clock_ms).rev() {
            let found = self.on_engine(|tree| tree.get(keys::idempotency_key(epoch, idempotency)));
            let Some(value) = found.map_err(|e| CatalogError(e.to_string()))? else { continue };
            let (prior, used_ms, owner) =
                keys::parse_idempotency(&value).ok_or_else(|| CatalogError("valeur trop courte".into()))?;
            if used_ms >= keys::window_start(clock_ms) && owner == agency.as_bytes() {
                return Ok(Some(prior));
            }
        }
        Ok(None)
    }

    fn transmission(&self, number: u64) -> Result<Option<Transmission>, CatalogError> {
        self.on_engine(|tree| transmissions::get(tree, number)).map_err(|e| CatalogError(e.to_string()))
    }

    fn transmission_with(&self, agency: &str, what: &Distinct<'_>) -> Result<Option<u64>, CatalogError> {
        self.on_engine(|tree| transmissions::with(tree, agency, what)).map_err(|e| CatalogError(e.to_string()))
    }

    fn transmissions(&self, agency: &str, listing: &Listing<'_>) -> Result<Vec<Transmission>, CatalogError> {
        self.on_engine(|tree| transmissions::list(tree, agency, listing)).map_err(|e| CatalogError(e.to_string()))
    }
}

impl View for EmbeddedCatalog {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cursor(&self) -> Cursor {
        self.mirror().cursor
    }

    fn apply(&self, batch: &Batch) -> Result<(), ViewError> {
        let size = self.cursor().size;
        let entries = batch.after(size).ok_or(ViewError::Gap { view: NAME, first: batch.first(), size })?;
        if batch.end().size <= size {
            return Ok(());
        }
        let (change, writes) = {
            let mirror = self.mirror();
            let mut change = Change::new(&mirror);
            let mut writes = sled::Batch::default();
            for entry in entries {
                change.take(entry, &mut writes);
            }
            change.write(batch.end(), &mut writes);
            (change.into_parts(), writes)
        };
        let clock_ms = change.clock_ms;
        self.on_engine(|tree| {
            let mut writes = writes;
            let mut rows = Rows::new(tree);
            let mut standings = Standings::new(tree);
            for entry in entries {
                standings.take(entry)?;
                if let Event::Transmission(transmitted) = &entry.event {
                    rows.take(entry, transmitted, &mut writes)?;
                }
            }
            rows.write(&mut writes);
            standings.write(&mut writes);
            for expired in tree.range(keys::expired_keys(clock_ms)).keys().take(2 * entries.len() + PRUNED_MIN) {
                writes.remove(expired?);
            }
            tree.apply_batch(writes)
        })?;
        let mut mirror = self.mirror.write().unwrap_or_else(PoisonError::into_inner);
        mirror.take(change, batch.end());
        Ok(())
    }

    fn flush(&self) -> Result<(), ViewError> {
        self.on_engine(|tree| tree.flush().map(|_| ()))
    }

    fn reset(&self) -> Result<(), ViewError> {
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        let generation = engine.as_ref().map_or(0, |e| e.generation) + 1;
        if let Some(old) = engine.take() {
            drop(old.tree);
            let _ = fs::remove_dir_all(old.dir);
        }
        let dir = self.shelf.dir();
        let (new, mirror) =
            self.shelf.inside(|| open_generation(&dir, generation, self.options)).map_err(|e| match e {
                OpenError::Environment(cause) => ViewError::Environment { view: NAME, cause },
                OpenError::Damaged(cause) => ViewError::Damaged { view: NAME, cause },
            })?;
        *engine = Some(new);
        *self.mirror.write().unwrap_or_else(PoisonError::into_inner) = mirror;
        Ok(())
    }
}

/// What a batch changes in memory, applied only once the engine has it.
struct Change<'m> {
    mirror: &'m Mirror,
    parts: Parts,
}

#[derive(Default)]
struct Parts {
    clock_ms: u64,
    agencies: BTreeMap<String, Agency>,
    tokens: BTreeMap<String, Token>,
    registers: BTreeMap<String, Register>,
    deliveries: BTreeMap<u64, Delivery>,
}

impl<'m> Change<'m> {
    fn new(mirror: &'m Mirror) -> Self {
        Self { mirror, parts: Parts { clock_ms: mirror.clock_ms, ..Parts::default() } }
    }

    fn take(&mut self, entry: &Entry, writes: &mut sled::Batch) {
        self.parts.clock_ms = keys::tick(self.parts.clock_ms, entry.time_ms);
        let clock_ms = self.parts.clock_ms;
        match &entry.event {
            Event::Deposit(deposit) => {
                if let Some(idempotency) = &deposit.idempotency {
                    let prior = Prior { index: entry.index, content: deposit.content };
                    let key = keys::idempotency_key(keys::epoch(clock_ms), idempotency);
                    writes.insert(&key[..], keys::idempotency_value(&prior, clock_ms, &entry.agency));
                }
            }
            Event::Agency(agency) => {
                self.parts.agencies.insert(agency.code.clone(), agency.clone());
            }
            Event::TokenIssued(issued) => {
                // A name is never used twice by us; if the log says otherwise, a revocation is not undone by it.
                let revoked_ms = self.token(&issued.token).and_then(|t| t.revoked_ms);
                let token = Token {
                    token: issued.token.clone(),
                    agency: entry.agency.to_string(),
                    scopes: issued.scopes.clone(),
                    label: issued.label.clone(),
                    hash: issued.hash,
                    index: entry.index,
                    expires_ms: issued.expires.map(|at| at.unix_timestamp() * 1_000 + i64::from(at.millisecond())),
                    revoked_ms,
                    certificate: issued.certificate,
                };
                self.parts.tokens.insert(token.token.clone(), token);
            }
            Event::TokenRevoked(revoked) => {
                if let Some(mut token) = self.token(&revoked.token).cloned() {
                    token.revoked_ms.get_or_insert(entry.time_ms);
                    self.parts.tokens.insert(token.token.clone(), token);
                }
            }
            Event::Referential(change) => self.change(change, entry),
            Event::DeliveryRequested(asked) => {
                let (index, time_ms, agency) = (entry.index, entry.time_ms, entry.agency.to_string());
                let asked = (**asked).clone();
                let delivery =
                    Delivery { index, time_ms, agency, asked, authorization: None, given: 0, eliminated: None };
                self.parts.deliveries.insert(index, delivery);
            }
            Event::DeliveryAuthorization(answer) => {
                if let Some(mut delivery) = self.delivery(answer.request) {
                    // The first answer stands.
                    delivery.authorization.get_or_insert((answer.granted, answer.identifier.clone()));
                    self.parts.deliveries.insert(delivery.index, delivery);
                }
            }
            Event::Delivered(given) => {
                if let Some(mut delivery) = self.delivery(given.request) {
                    delivery.given += 1;
                    self.parts.deliveries.insert(delivery.index, delivery);
                }
            }
            Event::Eliminated(gone) => {
                if let Some(mut delivery) = self.delivery(gone.request) {
                    delivery.eliminated.get_or_insert(entry.index);
                    self.parts.deliveries.insert(delivery.index, delivery);
                }
            }
            Event::EliminationCompleted(done) => {
                if let Some(mut delivery) = self.delivery(done.request) {
                    delivery.given = 1;
                    self.parts.deliveries.insert(delivery.index, delivery);
                }
            }
            // Transmissions and the standing of archives have rows of their own.
            Event::Transmission(_) | Event::Modified(_) | Event::Nothing => {}
        }
    }

    /// A change made from another list than the current one came too late, and has no effect.
    fn change(&mut self, change: &ReferentialChange, entry: &Entry) {
        let name = &change.referential;
        let current = self.parts.registers.get(name).or_else(|| self.mirror.registers.get(name));
        if current.map(|register| &register.change.after) == change.before.as_ref() && change.list().is_some() {
            let register = Register { change: change.clone(), index: entry.index, time_ms: entry.time_ms };
            self.parts.registers.insert(name.clone(), register);
        }
    }

    fn delivery(&self, index: u64) -> Option<Delivery> {
        self.parts.deliveries.get(&index).or_else(|| self.mirror.deliveries.get(&index)).cloned()
    }

    fn token(&self, name: &str) -> Option<&Token> {
        self.parts.tokens.get(name).or_else(|| self.mirror.tokens.get(name))
    }

    fn write(&self, end: Cursor, writes: &mut sled::Batch) {
        for (code, agency) in &self.parts.agencies {
            writes.insert(keys::named(AGENCY, code), json(agency));
        }
        for (name, token) in &self.parts.tokens {
            writes.insert(keys::named(TOKEN, name), json(token));
        }
        for (name, register) in &self.parts.registers {
            writes.insert(keys::named(REGISTER, name), json(register));
        }
        for (index, delivery) in &self.parts.deliveries {
            writes.insert(&keys::numbered(DELIVERY, *index)[..], json(delivery));
        }
        writes.insert(CURSOR, keys::cursor_value(end, self.parts.clock_ms));
    }

    fn into_parts(self) -> Parts {
        self.parts
    }
}

impl Mirror {
    fn empty() -> Self {
        Self {
            cursor: Cursor::start(),
            clock_ms: 0,
            agencies: BTreeMap::new(),
            tokens: BTreeMap::new(),
            registers: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            by_hash: HashMap::new(),
        }
    }

    fn take(&mut self, change: Parts, cursor: Cursor) {
        (self.cursor, self.clock_ms) = (cursor, change.clock_ms);
        self.agencies.extend(change.agencies);
        self.registers.extend(change.registers);
        self.deliveries.extend(change.deliveries);
        let mut renamed = false;
        for (name, token) in change.tokens {
            renamed |= self.tokens.get(&name).is_some_and(|old| old.hash != token.hash);
            self.index_token(&token);
            self.tokens.insert(name, token);
        }
        if renamed {
            // A name used twice, which we never do: find again who owns the hash it no longer has.
            self.index_tokens();
        }
    }

    /// A hash belongs to the token issued last with it: a certificate may be registered again under another name.
    fn index_token(&mut self, token: &Token) {
        let owner = self.by_hash.get(&token.hash).and_then(|name| self.tokens.get(name));
        if owner.is_none_or(|owner| owner.index <= token.index) {
            self.by_hash.insert(token.hash, token.token.clone());
        }
    }

    fn index_tokens(&mut self) {
        self.by_hash.clear();
        let tokens = std::mem::take(&mut self.tokens);
        for (name, token) in tokens {
            self.index_token(&token);
            self.tokens.insert(name, token);
        }
    }

    fn load(tree: &sled::Db) -> Result<Self, OpenError> {
        let mut mirror = Self::empty();
        let Some(cursor) = tree.get(CURSOR).map_err(|e| diagnose(&e))? else {
            if tree.is_empty() {
                return Ok(mirror);
            }
            return Err(OpenError::Damaged("des clés sans curseur".into()));
        };
        (mirror.cursor, mirror.clock_ms) = keys::parse_cursor(&cursor)
            .ok_or_else(|| OpenError::Damaged("curseur illisible ou d'un autre schéma".into()))?;
        for pair in tree.scan_prefix([AGENCY]) {
            let agency: Agency = read_json(pair)?;
            mirror.agencies.insert(agency.code.clone(), agency);
        }
        for pair in tree.scan_prefix([TOKEN]) {
            let token: Token = read_json(pair)?;
            mirror.tokens.insert(token.token.clone(), token);
        }
        for pair in tree.scan_prefix([REGISTER]) {
            let register: Register = read_json(pair)?;
            mirror.registers.insert(register.change.referential.clone(), register);
        }
        for pair in tree.scan_prefix([DELIVERY]) {
            let delivery: Delivery = read_json(pair)?;
            mirror.deliveries.insert(delivery.index, delivery);
        }
        mirror.index_tokens();
        Ok(mirror)
    }
}

/// Opens the newest generation in `dir` and removes the others.
fn open_engine(dir: &Path, options: CatalogOptions) -> Result<(Engine, Mirror), OpenError> {
    let environment = |e: std::io::Error| OpenError::Environment(format!("{} : {e}", dir.display()));
    let mut generations: Vec<u64> = fs::read_dir(dir)
        .map_err(environment)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix('g')?.parse().ok())
        .collect();
    generations.sort_unstable();
    let newest = generations.pop().unwrap_or(1);
    for old in generations {
        fs::remove_dir_all(dir.join(format!("g{old}"))).map_err(environment)?;
    }
    open_generation(dir, newest, options)
}

fn open_generation(dir: &Path, generation: u64, options: CatalogOptions) -> Result<(Engine, Mirror), OpenError> {
    let dir = dir.join(format!("g{generation}"));
    let config = sled::Config::new().path(&dir).cache_capacity(options.cache_bytes).flush_every_ms(None);
    let tree = config.open().map_err(|e| diagnose(&e))?;
    let mirror = Mirror::load(&tree)?;
    Ok((Engine { tree, dir, generation }, mirror))
}

fn diagnose(error: &sled::Error) -> OpenError {
    match error {
        sled::Error::Io(io) if is_environment(io) => OpenError::Environment(io.to_string()),
        other => OpenError::Damaged(other.to_string()),
    }
}

/// Agencies and tokens are maps of text and numbers: writing them as JSON has no failing case.
fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn read_json<T: serde::de::DeserializeOwned>(pair: sled::Result<(sled::IVec, sled::IVec)>) -> Result<T, OpenError> {
    let (key, value) = pair.map_err(|e| diagnose(&e))?;
    serde_json::from_slice(&value)
        .map_err(|e| OpenError::Damaged(format!("clé {} : {e}", String::from_utf8_lossy(&key))))
}
