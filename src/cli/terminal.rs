//! What people see: lines on standard output, errors and progress on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;
use std::io::Write;

/// One line on standard output.
pub(crate) fn say(line: impl Display) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}")
}

/// A heading on standard output.
pub(crate) fn title(text: impl Display) -> std::io::Result<()> {
    say(format_args!("\n── {text}"))
}

/// One line on standard error: what goes on, as opposed to the answer.
pub(crate) fn note(line: impl Display) {
    // Without a terminal to write to, the work goes on.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// An error, once, with its causes on the same line.
pub(crate) fn tell_error(error: &anyhow::Error) {
    note(format_args!("archiland : {error:#}"));
}

/// A progress bar in bytes, on standard error, silent when that is no terminal.
pub(crate) fn bytes_bar(total: u64, what: impl Into<String>) -> ProgressBar {
    bar(total, what, "{msg:<34!} {wide_bar} {bytes:>10} / {total_bytes} {bytes_per_sec:>12}")
}

/// A progress bar in items, on standard error, silent when that is no terminal.
pub(crate) fn items_bar(total: u64, what: impl Into<String>) -> ProgressBar {
    bar(total, what, "{msg:<34!} {wide_bar} {pos:>10} / {len} {per_sec:>12}")
}

fn bar(total: u64, what: impl Into<String>, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style).with_message(what.into())
}
