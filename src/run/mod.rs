//! Runs: what one `mlx train` did, from what, and what came out.

mod record;

pub use record::{Host, MetricPoint, Outcome, Run, RunId, RunStep, Status};
