//! The binary: parses and calls.

fn main() -> std::process::ExitCode {
    jidoka::cli::main().into()
}
