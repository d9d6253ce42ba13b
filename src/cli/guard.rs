//! `mlx guard`: ends the programs of a run whose `mlx train` was killed, and those of a job whose worker was.

use clap::Args;

use super::Context;
use crate::Result;
use crate::executor;
use crate::pipeline::RUN_VARIABLE;
use crate::run::RunId;

/// End the programs of a run once nobody holds the other end of standard input, for `mlx train`
///
/// `mlx train` starts this beside itself and dismisses it at its end; when it is killed, this ends what it left. So do the
/// workers of jobs on engines.
#[derive(Args)]
#[command(hide = true, after_help = "Examples:\n  mlx guard 9be041c75f20 < PIPE")]
pub struct Guard {
    /// The run's id
    #[arg(required_unless_present = "job")]
    run: Option<RunId>,
    /// The name of a job, whose programs are meant
    #[arg(long, conflicts_with = "run")]
    job: Option<String>,
}

impl Guard {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        // Whoever ends all programs at once leaves this one time for its work.
        cx.catch_signals()?;
        let pipe = std::io::stdin().lock();
        match (self.run, self.job) {
            (Some(run), _) => executor::watch_over(pipe, RUN_VARIABLE, run.as_str()).map(drop),
            (None, Some(job)) => executor::watch_over_job(pipe, &job).map(drop),
            (None, None) => Ok(()),
        }
    }
}
