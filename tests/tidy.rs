//! The house rules a compiler does not know: which room may look into which, what is called from where, how long a file
//! may be. A failure names the file, the line and the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/source.rs"]
mod source;

use source::code_of;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, in the order of a document's life (`src/lib.rs`). A room imports from the ones before it, never after:
/// specifications know nobody, and only the daemon and the commands know the whole.
const ROOMS: &[&str] = &[
    "spec",
    "clock",
    "testing",
    "digest",
    "validation",
    "package",
    "config",
    "trust",
    "admission",
    "transfer",
    "producer",
    "store",
    "dissemination",
    "elimination",
    "sequencer",
    "timestamp",
    "evidence",
    "witness",
    "receipt",
    "verify",
    "report",
    "views",
    "catalog",
    "search",
    "audit",
    "api",
    "daemon",
    "samples",
    "demo",
    "cli",
];

/// Rooms that must not appear in what the daemon serves with, though they come early.
const APPARATUS: (&str, &[&str]) = ("testing", &["testing", "cli"]);

/// The longest file, in lines: more than one room in one, beyond.
const LINES_MAX: usize = 600;

/// What is called from its home only: the call, where its home is (path prefixes under `src/`), and why.
const BANNED: &[(&[&str], &[&str], &str)] = &[
    (
        &["SystemTime::now", "now_utc(", "now_local(", "Utc::now", "Timestamp::now"],
        &["clock.rs"],
        "the wall clock is read in clock.rs alone, so that tests can hold it still",
    ),
    (
        &["fs::rename(", "fs::hard_link("],
        &["store/", "sequencer/head/", "timestamp/files.rs", "views/", "producer/folder.rs"],
        "a file is put in place by the helper that fsyncs it and its directory",
    ),
    (
        // A literal is blanked when the call is looked for: `.expect(tag)` is a parser's own method.
        &[".unwrap()", ".expect( ", "panic!(", "todo!(", "unimplemented!(", "unreachable!("],
        &[],
        "an error is returned; hostile input must never stop the daemon",
    ),
    (
        &["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("],
        &["cli/", "main.rs"],
        "only the commands speak to a terminal; the daemon logs with fields",
    ),
    (&["process::exit(", "process::abort("], &["cli/", "main.rs"], "only main ends the process"),
    (
        &["reqwest::"],
        &["cli/", "store/", "timestamp/external.rs", "trust/", "witness/gather.rs"],
        "the archive calls nobody but its object store, and the authorities and witnesses it is told; commands call it",
    ),
    (
        &["env::var(", "env::var_os("],
        &["cli/", "config/", "timestamp/keyring.rs"],
        "the environment is read by the configuration, and by the keyring for systemd's credentials",
    ),
    (&["unsafe "], &[], "no unsafe code"),
    (&["#[allow(clippy::unwrap_used", "#[allow(clippy::expect_used", "#[allow(clippy::panic"], &[], "see the lints"),
];

#[test]
fn a_room_imports_only_from_the_rooms_before_it() {
    let mut faults = String::new();
    for file in rust_files("src") {
        let Some(room) = room_of(&file) else { continue };
        let Some(rank) = rank(&room) else { continue };
        for (line, imported) in imports(&code_of(&read(&file))) {
            let place = format!("{}:{line}", file.display());
            // Without a rank: a macro or an item of the root.
            let Some(other) = self::rank(&imported) else { continue };
            if other > rank {
                _ = writeln!(faults, "{place}: `{room}` looks into `{imported}`, which comes after it");
            } else if imported == APPARATUS.0 && !APPARATUS.1.contains(&room.as_str()) {
                _ = writeln!(faults, "{place}: `{imported}` is apparatus, not for `{room}`");
            }
        }
    }
    assert!(faults.is_empty(), "import direction (the table is ROOMS in tests/tidy.rs):\n{faults}");
}

#[test]
fn every_room_is_in_the_table_and_on_the_map() {
    let root = read(Path::new("src/lib.rs"));
    let declared: BTreeSet<_> = code_of(&root)
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix("pub mod ")?.trim_end_matches(';').to_owned()))
        .collect();
    assert!(!declared.is_empty());
    for room in &declared {
        assert!(rank(room).is_some(), "`{room}` is not in ROOMS (tests/tidy.rs): say where it stands");
        let told = root.contains(&format!("[`{room}`]")) || ["clock", "config", "testing"].contains(&room.as_str());
        assert!(told, "src/lib.rs tells the life of a document without `{room}`");
    }
}

#[test]
fn calls_stay_in_their_home() {
    let mut faults = String::new();
    let test_modules = test_modules();
    for file in rust_files("src").into_iter().filter(|file| !test_modules.iter().any(|module| file.starts_with(module)))
    {
        let inside = file.strip_prefix("src").unwrap().to_str().unwrap().to_owned();
        let code = code_of(&read(&file));
        for (calls, homes, why) in BANNED {
            if homes.iter().any(|home| inside.starts_with(home)) {
                continue;
            }
            for (number, line) in code.lines().enumerate() {
                for call in calls.iter().filter(|call| calls_it(line, call)) {
                    _ = writeln!(faults, "{}:{}: `{call}`: {why}", file.display(), number + 1);
                }
            }
        }
    }
    assert!(faults.is_empty(), "calls outside their home (the table is BANNED in tests/tidy.rs):\n{faults}");
}

#[test]
fn files_are_short_and_introduce_themselves() {
    let mut faults = String::new();
    for file in rust_files("src").into_iter().chain(rust_files("tests")).chain(rust_files("bench")) {
        let text = read(&file);
        let lines = text.lines().count();
        if lines > LINES_MAX {
            _ = writeln!(faults, "{}: {lines} lines, more than one room in one (limit {LINES_MAX})", file.display());
        }
        // The targets of cargo-fuzz begin with their macro's attribute.
        if !text.starts_with("//!") && !text.starts_with("#!") {
            _ = writeln!(faults, "{}: begins without saying what it is for (`//!`)", file.display());
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn text_is_clean_and_names_no_machine() {
    // Taken apart, or this very file would be at fault.
    let machine = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/home", "/")];
    let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ign", "ore")];
    let mut faults = String::new();
    for file in files(Path::new(".")) {
        let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let script = file.starts_with(".ci");
        if !script && !["rs", "toml", "md", "sh", "yml"].contains(&extension) {
            continue;
        }
        let text = read(&file);
        for (number, line) in text.lines().enumerate() {
            let mut fault = |what: &str| _ = writeln!(faults, "{}:{}: {what}", file.display(), number + 1);
            if line != line.trim_end() {
                fault("space at the end of the line");
            }
            if machine.iter().any(|path| line.contains(path)) {
                fault("a path of somebody's machine");
            }
            if extension == "rs" && line.contains('\t') {
                fault("a tab");
            }
            if extension == "rs" && unfinished.iter().any(|mark| line.contains(mark)) {
                fault("unfinished, or switched off");
            }
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            _ = writeln!(faults, "{}: does not end with exactly one line break", file.display());
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

/// What stands at the top; anything else was left there by a run.
const TOP: &[&str] = &[
    ".git",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "SECURITY.md",
    "build.rs",
    "deny.toml",
    "rustfmt.toml",
];

#[test]
fn nothing_is_left_at_the_top() {
    let files = fs::read_dir(".").unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let names = files.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    let left: Vec<_> = names.filter(|name| !TOP.contains(&name.as_str())).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn policies_are_toml() {
    for file in files(Path::new("policies")).into_iter().filter(|file| file.extension().is_some_and(|e| e == "toml")) {
        if let Err(error) = read(&file).parse::<toml::Table>() {
            panic!("{}: {error}", file.display());
        }
    }
}

#[test]
fn every_fuzz_target_has_seeds_that_are_replayed() {
    let manifest = read(Path::new("tests/fuzz/Cargo.toml"));
    let replay = read(Path::new("tests/fuzz_replay.rs"));
    let targets = rust_files("tests/fuzz/fuzz_targets");
    assert!(!targets.is_empty(), "no fuzz target");
    for target in targets {
        let name = target.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(manifest.contains(&format!("name = \"{name}\"")), "tests/fuzz/Cargo.toml does not declare `{name}`");
        let seeds = files(&Path::new("tests/fuzz/corpus").join(&name));
        assert!(!seeds.is_empty(), "tests/fuzz/corpus/{name} holds no seed");
        assert!(replay.contains(&format!("\"{name}\"")), "tests/fuzz_replay.rs does not replay `{name}`");
    }
}

/// Files and directories that a `#[cfg(test)] mod name;` declares.
fn test_modules() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for file in rust_files("src") {
        let text = read(&file);
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let beside = file.parent().unwrap().to_owned();
        let directory = if ["mod", "lib", "main"].contains(&stem) { beside } else { beside.join(stem) };
        for after in text.split("#[cfg(test)]").skip(1) {
            let declaration = after.trim_start().split(['\n', '{']).next().unwrap();
            if let Some((_, name)) = declaration.split_once("mod ").filter(|_| declaration.ends_with(';')) {
                let module = directory.join(name.trim_end_matches(';'));
                found.extend([module.with_extension("rs"), module]);
            }
        }
    }
    found
}

/// The first directory or file under `src`, without extension; `None` for the root.
fn room_of(file: &Path) -> Option<String> {
    let first = file.strip_prefix("src").ok()?.components().next()?.as_os_str().to_str()?;
    let room = first.trim_end_matches(".rs");
    (!["lib", "main"].contains(&room)).then(|| room.to_owned())
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

/// The rooms named by `crate::…` or `archiland::…` paths, groups included, with their line.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for prefix in ["crate::", "archiland::"] {
        for (at, _) in code.match_indices(prefix) {
            let line = code[..at].matches('\n').count() + 1;
            let rest = &code[at + prefix.len()..];
            let names =
                if let Some(group) = rest.strip_prefix('{') { first_names(group) } else { vec![identifier(rest)] };
            found.extend(names.into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// The first name of each member of a `{…}` group, whose opening brace has been read.
fn first_names(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut start) = (Vec::new(), 1, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => start = true,
            c if start && !c.is_whitespace() => {
                names.push(identifier(&group[at..]));
                start = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether `line` has `call`, as a name of its own when it begins like one (`print!(` is not in `eprint!(`).
fn calls_it(line: &str, call: &str) -> bool {
    let named = call.starts_with(|c: char| c.is_alphanumeric());
    line.match_indices(call).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !named || before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

fn rust_files(directory: &str) -> Vec<PathBuf> {
    files(Path::new(directory)).into_iter().filter(|file| file.extension().is_some_and(|e| e == "rs")).collect()
}

/// Every file under a directory (none when it is not there), sorted, without build products and hidden directories.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = entry.path();
            let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
            if entry.file_type().unwrap().is_file() {
                found.push(path);
            } else if name != "target" && (!name.starts_with('.') || [".ci", ".cargo"].contains(&name.as_str())) {
                left.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn these_rules_bite() {
    let code = code_of("use crate::{spec::tlog, store};\nfn f() { crate::cli::main(); /* crate::api */ }\n");
    let names: Vec<_> = imports(&code).into_iter().map(|(line, name)| format!("{line}:{name}")).collect();
    assert_eq!(names, ["1:spec", "1:store", "2:cli"]);
    assert!(calls_it("x.unwrap()", ".unwrap()") && calls_it("std::fs::rename(a, b)", "fs::rename("));
    assert!(!calls_it("eprintln!(1)", "println!(") && calls_it(" println!(1)", "println!("));
    assert!(!calls_it("my_panic!(1)", "panic!("));
}
