//! The binary: everything is in the library, [`archiland::cli`] reads the command line and dispatches.

/// Many small allocations on many threads, most freed by another one: the system's allocator took a sixth of a deposit.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    archiland::cli::main()
}
