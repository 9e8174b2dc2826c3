//! What several integration tests need. `mod support;` at the top of a test file brings it in.
//!
//! A test that needs an external program asks for it by name:
//!
//! ```ignore
//! if !support::require_tool("openssl") {
//!     return;
//! }
//! ```
//!
//! On a developer's machine without it the test says why it is skipped and passes; under `CI=true` it fails, so that
//! a promise proved with somebody else's program is never silently unproved.
#![allow(dead_code, unreachable_pub, clippy::panic, clippy::print_stderr)]

pub mod archive;
pub mod faults;
pub mod fsck;
pub mod unsigned;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Whether the program `name` is in `PATH`.
///
/// # Panics
///
/// Under `CI=true`, when it is missing.
pub fn require_tool(name: &str) -> bool {
    if find_tool(name).is_some() {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none_or(|value| value != "true"),
        "CI=true, and the program `{name}` is not in PATH: install it in .ci/run"
    );
    eprintln!("skipped: the program `{name}` is not in PATH (it is required when CI=true)");
    false
}

/// Where the program `name` is, looking through `PATH`.
pub fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

/// Runs `program` in `directory` and returns what it said, whether it liked it or not.
///
/// # Panics
///
/// When the program cannot be started.
pub fn run(directory: &Path, program: &str, arguments: &[&str]) -> Output {
    match Command::new(program).args(arguments).current_dir(directory).output() {
        Ok(output) => output,
        Err(error) => panic!("cannot run {program}: {error}"),
    }
}

/// Runs `program` in `directory` and returns its standard output.
///
/// # Panics
///
/// When it exits with a failure; the message carries the command and everything it printed.
pub fn run_ok(directory: &Path, program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = run(directory, program, arguments);
    assert!(output.status.success(), "{program} {} failed: {}", arguments.join(" "), said(&output));
    output.stdout
}

/// Both outputs of a program as text, for a message.
pub fn said(output: &Output) -> String {
    format!(
        "{} — stdout: {} — stderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout).trim(),
        String::from_utf8_lossy(&output.stderr).trim()
    )
}
