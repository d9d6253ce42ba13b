//! The `mlx` program: everything is in the library.

fn main() -> std::process::ExitCode {
    mlx::cli::main()
}
