//! The command line: one file per command, which parses its arguments, calls the domain once and shows the result.

mod add;
mod bundle;
mod cache;
mod cat;
mod checkout;
mod compare;
mod completions;
mod console;
mod context;
mod dag;
mod deploy;
mod diff;
mod doctor;
mod ending;
mod env;
mod exec_step;
mod explain;
mod fetch;
mod gc;
mod get;
mod guard;
mod hook;
mod import;
mod init;
mod keys;
mod lineage;
mod logs;
mod ls;
mod merge_lock;
mod model;
mod output;
mod package;
mod predict;
mod pull;
mod push;
mod released;
mod releases;
mod remote;
mod rollback;
mod runs;
mod secrets;
mod serve;
mod status;
mod sweep;
mod table;
mod target;
mod targeted;
mod terminal;
mod train;
mod untrack;
mod update;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use context::Context;
pub use output::{Output, Render, Text};
pub use table::Table;

use crate::Result;

/// From a training script to a watched service in production
///
/// One manifest, `mlx.toml`, names the data, the steps, the models and the targets; mlx versions, trains, records,
/// packages, deploys and serves.
#[derive(Parser)]
#[command(name = "mlx", version, arg_required_else_help = true, infer_subcommands = false)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Args, Debug, Clone, Default)]
pub struct Global {
    /// Work as if started in this directory
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true, help_heading = "Global options")]
    work_directory: Option<PathBuf>,
    /// Print the result as one JSON document
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
    /// Print the result and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    quiet: bool,
    /// Say more about what is being done
    #[arg(short, long, global = true, help_heading = "Global options")]
    verbose: bool,
    /// Write what happens on the way to this file, one JSON object a line
    #[arg(long, value_name = "FILE", global = true, help_heading = "Global options")]
    events: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Init),
    Add(add::Add),
    Untrack(untrack::Untrack),
    Status(status::ShowStatus),
    Diff(diff::ShowDiff),
    Ls(ls::Ls),
    Cat(cat::Cat),
    Checkout(checkout::Checkout),
    Push(push::Push),
    Pull(pull::Pull),
    Fetch(fetch::Fetch),
    Remote(remote::Remote),
    Import(import::Import),
    Update(update::Update),
    Get(get::Get),
    Verify(verify::Verify),
    Gc(gc::Gc),
    Cache(cache::ShowCache),
    Train(train::Train),
    Sweep(sweep::Sweep),
    ExecStep(exec_step::ExecStep),
    Guard(guard::Guard),
    Dag(dag::ShowDag),
    Explain(explain::Explain),
    Env(env::Env),
    Runs(runs::Runs),
    Compare(compare::Compare),
    Logs(logs::Logs),
    Model(model::Model),
    Lineage(lineage::ShowLineage),
    Package(package::Package),
    Bundle(bundle::Bundle),
    Deploy(deploy::Deploy),
    Rollback(rollback::Rollback),
    Releases(releases::Releases),
    Target(target::Target),
    Serve(serve::Serve),
    Predict(predict::Predict),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Man(completions::Man),
    MergeLock(merge_lock::MergeLock),
    Hook(hook::Hook),
}

impl Command {
    fn run(self, cx: &mut Context) -> Result<()> {
        match self {
            Self::Init(command) => command.run(cx),
            Self::Add(command) => command.run(cx),
            Self::Untrack(command) => command.run(cx),
            Self::Status(command) => command.run(cx),
            Self::Diff(command) => command.run(cx),
            Self::Ls(command) => command.run(cx),
            Self::Cat(command) => command.run(cx),
            Self::Checkout(command) => command.run(cx),
            Self::Push(command) => command.run(cx),
            Self::Pull(command) => command.run(cx),
            Self::Fetch(command) => command.run(cx),
            Self::Remote(command) => command.run(cx),
            Self::Import(command) => command.run(cx),
            Self::Update(command) => command.run(cx),
            Self::Get(command) => command.run(cx),
            Self::Verify(command) => command.run(cx),
            Self::Gc(command) => command.run(cx),
            Self::Cache(command) => command.run(cx),
            Self::Train(command) => command.run(cx),
            Self::Sweep(command) => command.run(cx),
            Self::ExecStep(command) => command.run(cx),
            Self::Guard(command) => command.run(cx),
            Self::Dag(command) => command.run(cx),
            Self::Explain(command) => command.run(cx),
            Self::Env(command) => command.run(cx),
            Self::Runs(command) => command.run(cx),
            Self::Compare(command) => command.run(cx),
            Self::Logs(command) => command.run(cx),
            Self::Model(command) => command.run(cx),
            Self::Lineage(command) => command.run(cx),
            Self::Package(command) => command.run(cx),
            Self::Bundle(command) => command.run(cx),
            Self::Deploy(command) => command.run(cx),
            Self::Rollback(command) => command.run(cx),
            Self::Releases(command) => command.run(cx),
            Self::Target(command) => command.run(cx),
            Self::Serve(command) => command.run(cx),
            Self::Predict(command) => command.run(cx),
            Self::Doctor(command) => command.run(cx),
            Self::Completions(command) => command.run(cx),
            Self::Man(command) => command.run(cx),
            Self::MergeLock(command) => command.run(cx),
            Self::Hook(command) => command.run(cx),
        }
    }
}

/// Runs the program with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    // A store has a file open for each of its packs.
    crate::fs::allow_open_files(1 << 16);
    let result = Context::new(cli.global.clone()).and_then(|mut cx| {
        let result = cli.command.run(&mut cx);
        cx.close();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}
