//! The place of a view on disk, and what happens when it cannot be opened: it is set aside with the reason, and an empty
//! one takes its place.
//!
//! In the state directory a view named `catalog` has:
//!
//! | name | what |
//! |---|---|
//! | `catalog/` | the engine's files |
//! | `catalog.lock` | held while a process uses the view: `rebuild` beside a running daemon is refused, not mixed in |
//! | `catalog.opening` | how many openings in a row did not come to an end |
//! | `catalog.fault` | why the next start must not trust `catalog/` |
//! | `catalog.aside-N/`, `catalog.aside-N.txt` | what was set aside, and why; the last two are kept |
//!
//! sled reports some damage by panicking. A panic aborts the daemon (`panic = "abort"`: a process that panicked is in no
//! known state), so it cannot be caught; but the panic hook still runs, and writes `catalog.fault` when the panic comes
//! out of the engine or out of a call into it. A killed process leaves no fault, so `kill -9` never costs a rebuild; an
//! opening that ends three times in a row without a word (stack overflow, the kernel's memory killer) does.

use std::cell::Cell;
use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use thiserror::Error;

/// Openings that may end without a word before the view is held responsible.
const SILENT_OPENINGS_MAX: u32 = 3;

/// How many views set aside are kept for whoever looks into the damage.
const ASIDE_KEPT: usize = 2;

/// A view's place on disk, locked for this process.
#[derive(Debug)]
pub struct Shelf {
    state: PathBuf,
    name: &'static str,
    _lock: File,
}

/// Why an engine did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// What is on disk cannot be used: set it aside.
    #[error("{0}")]
    Damaged(String),
    /// The machine refuses (space, rights, descriptors): setting aside would not help and would cost a rebuild.
    #[error("{0}")]
    Environment(String),
}

/// Why a view cannot be had at all.
#[derive(Debug, Error)]
pub enum ShelfError {
    /// Another process uses it.
    #[error("la vue {view} est utilisée par un autre processus ({path}) ; arrêter l'autre archiland d'abord")]
    Busy {
        /// The view.
        view: &'static str,
        /// The lock file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("vue {view}, {path} : {cause}")]
    Io {
        /// The view.
        view: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// Not even an empty one opens, or the machine refuses.
    #[error("impossible d'ouvrir la vue {view} : {cause}")]
    Open {
        /// The view.
        view: &'static str,
        /// What the engine said.
        cause: String,
    },
}

/// A view opened, and what became of the one found on disk.
#[derive(Debug)]
pub struct Opened<T> {
    /// The view.
    pub view: T,
    /// Why the one on disk was set aside, when it was; the view is then empty.
    pub set_aside: Option<String>,
}

/// Whether an I/O error speaks of the machine rather than of the file's content.
pub fn is_environment(error: &io::Error) -> bool {
    use io::ErrorKind::{OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    matches!(error.kind(), StorageFull | PermissionDenied | ReadOnlyFilesystem | QuotaExceeded | OutOfMemory)
        || matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

impl Shelf {
    /// Takes the place of the view `name` under `state`. `engine` is how source paths of the engine's crates contain its
    /// name (`/sled-0.34`), to tell whose panic it is.
    pub fn lock(state: &Path, name: &'static str, engine: &'static str) -> Result<Self, ShelfError> {
        let path = state.join(format!("{name}.lock"));
        let io = |cause| ShelfError::Io { view: name, path: path.clone(), cause };
        fs::create_dir_all(state).map_err(io)?;
        let lock = File::options().create(true).append(true).open(&path).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ShelfError::Busy { view: name, path }),
            Err(TryLockError::Error(cause)) => return Err(io(cause)),
        }
        let shelf = Self { state: state.to_owned(), name, _lock: lock };
        watch_panics(Watched { name, engine, fault: shelf.beside("fault") });
        Ok(shelf)
    }

    /// Where the engine keeps its files.
    pub fn dir(&self) -> PathBuf {
        self.state.join(self.name)
    }

    /// Opens the view with `open`, given the engine's directory; on damage, sets it aside and opens an empty one.
    pub fn open<T>(&self, open: impl Fn(&Path) -> Result<T, OpenError>) -> Result<Opened<T>, ShelfError> {
        let mut set_aside = self.standing_fault();
        if let Some(reason) = &set_aside {
            self.set_aside(reason)?;
        }
        self.count_opening(true)?;
        let mut result = self.guarded(&open);
        if let (Err(OpenError::Damaged(reason)), None) = (&result, &set_aside) {
            self.set_aside(reason)?;
            set_aside = Some(reason.clone());
            result = self.guarded(&open);
        }
        self.count_opening(false)?;
        let view = result.map_err(|cause| ShelfError::Open { view: self.name, cause: cause.to_string() })?;
        // A panic that was caught has written a fault about the view that is now aside.
        remove_if_there(&self.beside("fault")).map_err(|cause| self.io("fault", cause))?;
        Ok(Opened { view, set_aside })
    }

    /// Runs a call into the engine so that a panic in it is held against the view.
    pub fn inside<T>(&self, call: impl FnOnce() -> T) -> T {
        let _inside = Inside::enter(self.name);
        call()
    }

    /// Marks the view so that the next start sets it aside. Best effort: the error at hand says the rest.
    pub fn mark_damaged(&self, reason: &str) {
        let _ = fs::write(self.beside("fault"), reason);
    }

    fn guarded<T>(&self, open: &impl Fn(&Path) -> Result<T, OpenError>) -> Result<T, OpenError> {
        let dir = self.dir();
        fs::create_dir_all(&dir).map_err(|e| OpenError::Environment(format!("{} : {e}", dir.display())))?;
        // Catches in tests and development builds; in a release the process aborts and the hook has written the fault.
        catch_unwind(AssertUnwindSafe(|| self.inside(|| open(&dir)))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(OpenError::Damaged(format!("panique à l'ouverture : {}", text.unwrap_or("sans message"))))
        })
    }

    fn standing_fault(&self) -> Option<String> {
        let fault = fs::read(self.beside("fault")).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let silent = self.openings() >= SILENT_OPENINGS_MAX;
        fault.or_else(|| silent.then(|| format!("{SILENT_OPENINGS_MAX} ouvertures de suite sans fin")))
    }

    fn openings(&self) -> u32 {
        fs::read_to_string(self.beside("opening")).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn count_opening(&self, begins: bool) -> Result<(), ShelfError> {
        let path = self.beside("opening");
        let done = if begins {
            fs::write(&path, (self.openings().saturating_add(1)).to_string())
        } else {
            remove_if_there(&path)
        };
        done.map_err(|cause| self.io("opening", cause))
    }

    fn set_aside(&self, reason: &str) -> Result<(), ShelfError> {
        let mut earlier = self.asides()?;
        let number = earlier.last().map_or(1, |last| last + 1);
        let aside = self.beside(&format!("aside-{number}"));
        let io = |cause| self.io(&format!("aside-{number}"), cause);
        match fs::rename(self.dir(), &aside) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(io(cause)),
            _ => {}
        }
        fs::write(self.beside(&format!("aside-{number}.txt")), reason).map_err(io)?;
        // Last, so that a crash in between sets the view aside again rather than opening it.
        remove_if_there(&self.beside("fault")).map_err(io)?;
        remove_if_there(&self.beside("opening")).map_err(io)?;
        tracing::warn!(view = self.name, reason, aside = %aside.display(), "vue mise de côté ; elle va être reconstruite");
        earlier.push(number);
        for old in &earlier[..earlier.len().saturating_sub(ASIDE_KEPT)] {
            let _ = fs::remove_dir_all(self.beside(&format!("aside-{old}")));
            let _ = fs::remove_file(self.beside(&format!("aside-{old}.txt")));
        }
        Ok(())
    }

    /// Numbers of the views set aside earlier, in order.
    fn asides(&self) -> Result<Vec<u64>, ShelfError> {
        let prefix = format!("{}.aside-", self.name);
        let listing = fs::read_dir(&self.state).map_err(|cause| self.io("aside", cause))?;
        let mut numbers: Vec<u64> =
            listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix(&prefix)?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn beside(&self, extension: &str) -> PathBuf {
        self.state.join(format!("{}.{extension}", self.name))
    }

    fn io(&self, extension: &str, cause: io::Error) -> ShelfError {
        ShelfError::Io { view: self.name, path: self.beside(extension), cause }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

struct Watched {
    name: &'static str,
    engine: &'static str,
    fault: PathBuf,
}

static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

thread_local! {
    static INSIDE: Cell<Option<&'static str>> = const { Cell::new(None) };
}

struct Inside(Option<&'static str>);

impl Inside {
    fn enter(name: &'static str) -> Self {
        Self(INSIDE.replace(Some(name)))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// From now on a panic of the engine writes the view's fault file, then does what panics did before.
fn watch_panics(watched: Watched) {
    static HOOK: Once = Once::new();
    let mut all = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|w| w.fault != watched.fault);
    all.push(watched);
    drop(all);
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let inside = INSIDE.try_with(Cell::get).ok().flatten();
            let file = panic.location().map_or("", |location| location.file());
            // try_lock: a panic while the list is held must not hang the abort.
            if let Ok(all) = WATCHED.try_lock() {
                for view in all.iter().filter(|w| inside == Some(w.name) || file.contains(w.engine)) {
                    let _ = fs::write(&view.fault, format!("panique du moteur : {panic}"));
                }
            }
            before(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn shelf(state: &Path, name: &'static str) -> Shelf {
        Shelf::lock(state, name, "/no-such-engine-").unwrap()
    }

    fn keep(dir: &Path) -> Result<String, OpenError> {
        let file = dir.join("data");
        let found = fs::read_to_string(&file).unwrap_or_default();
        if found == "rot" {
            return Err(OpenError::Damaged("données illisibles".into()));
        }
        fs::write(file, "good").map_err(|e| OpenError::Environment(e.to_string()))?;
        Ok(found)
    }

    #[test]
    fn a_damaged_view_is_set_aside_with_its_reason_and_the_last_two_are_kept() {
        let state = tempfile::tempdir().unwrap();
        let shelf = shelf(state.path(), "one");
        assert!(shelf.open(keep).unwrap().set_aside.is_none());
        for _ in 0..3 {
            fs::write(shelf.dir().join("data"), "rot").unwrap();
            let opened = shelf.open(keep).unwrap();
            assert_eq!((opened.view.as_str(), opened.set_aside.as_deref()), ("", Some("données illisibles")));
        }
        assert_eq!(shelf.asides().unwrap(), [2, 3]);
        assert_eq!(fs::read_to_string(shelf.beside("aside-3.txt")).unwrap(), "données illisibles");
        assert!(!shelf.beside("aside-1.txt").exists());
        assert_eq!(shelf.open(keep).unwrap().view, "good");
    }

    #[test]
    fn a_panic_at_opening_sets_aside_and_leaves_no_fault() {
        let state = tempfile::tempdir().unwrap();
        let shelf = shelf(state.path(), "two");
        shelf.open(keep).unwrap();
        let opened =
            shelf.open(|dir| if dir.join("data").exists() { panic!("moteur cassé") } else { keep(dir) }).unwrap();
        assert_eq!(opened.set_aside.as_deref(), Some("panique à l'ouverture : moteur cassé"));
        assert!(shelf.open(keep).unwrap().set_aside.is_none());
    }

    #[test]
    fn a_panic_in_a_later_call_is_found_at_the_next_start() {
        let state = tempfile::tempdir().unwrap();
        let shelf = shelf(state.path(), "three");
        shelf.open(keep).unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| shelf.inside(|| panic!("page illisible"))));
        assert!(caught.is_err());
        let opened = shelf.open(keep).unwrap();
        assert!(opened.set_aside.unwrap().contains("page illisible"));
        assert_eq!(opened.view, "");
    }

    #[test]
    fn openings_that_never_end_are_held_against_the_view_but_one_kill_is_not() {
        let state = tempfile::tempdir().unwrap();
        let shelf = shelf(state.path(), "four");
        shelf.open(keep).unwrap();
        shelf.count_opening(true).unwrap();
        assert!(shelf.open(keep).unwrap().set_aside.is_none());
        for _ in 0..SILENT_OPENINGS_MAX {
            shelf.count_opening(true).unwrap();
        }
        assert!(shelf.open(keep).unwrap().set_aside.is_some());
    }

    #[test]
    fn one_process_at_a_time_and_the_machine_is_not_the_views_fault() {
        let state = tempfile::tempdir().unwrap();
        let first = shelf(state.path(), "five");
        assert!(matches!(Shelf::lock(state.path(), "five", "/x-"), Err(ShelfError::Busy { .. })));
        let refused = first.open(|_| Err::<(), _>(OpenError::Environment("disque plein".into())));
        assert!(matches!(refused, Err(ShelfError::Open { .. })));
        assert!(first.asides().unwrap().is_empty());
    }
}
