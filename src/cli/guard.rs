//! `mlx guard`: ends the programs of a run whose `mlx train` was killed.

use clap::Args;

use super::Context;
use crate::Result;
use crate::executor;
use crate::pipeline::RUN_VARIABLE;
use crate::run::RunId;

/// End the programs of a run once nobody holds the other end of standard input, for `mlx train`
///
/// `mlx train` starts this beside itself and dismisses it at its end; when it is killed, this ends what it left.
#[derive(Args)]
#[command(hide = true, after_help = "Examples:\n  mlx guard 9be041c75f20 < PIPE")]
pub struct Guard {
    /// The run's id
    run: RunId,
}

impl Guard {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        // Whoever ends all programs at once leaves this one time for its work.
        cx.catch_signals()?;
        executor::watch_over(std::io::stdin().lock(), RUN_VARIABLE, self.run.as_str()).map(drop)
    }
}
