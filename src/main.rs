//! The binary: everything is in the library, [`archiland::cli`] reads the command line and dispatches.

fn main() -> std::process::ExitCode {
    archiland::cli::main()
}
