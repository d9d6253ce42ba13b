//! Whether the executors of the manifest answer.

use super::{Check, Place};
use crate::event::Interrupt;
use crate::executor::Refusal;
use crate::pipeline;
use crate::project::Project;
use crate::project::manifest::Executor;

/// Asks each engine for its jobs, all of them at once. One that is reached from another machine only is nothing that is
/// missing here.
pub fn checks(project: &Project, place: &Place<'_>) -> Vec<Check> {
    std::thread::scope(|scope| {
        let executors = project.manifest.executors.iter();
        let asked: Vec<_> =
            executors.map(|(name, declared)| scope.spawn(move || check(name, declared, project, place))).collect();
        asked.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
    })
}

fn check(name: &str, declared: &Executor, project: &Project, place: &Place<'_>) -> Option<Check> {
    let name = format!("executor {name}");
    let elsewhere = "steps that name it can't be carried out from this machine";
    let engine = match pipeline::engine(declared, project, place.variable_names, place.variable) {
        Ok(engine) => engine?,
        Err(error) => return Some(Check::notice(name, error.to_string(), error.hint().unwrap_or(elsewhere))),
    };
    Some(match engine.query(&[], &Interrupt::default()) {
        Ok(_) => Check::good(name, "answers"),
        Err(Refusal::Refused(error)) => {
            let found = error.chain().collect::<Vec<_>>().join(": ");
            Check::notice(name, found, error.hint().unwrap_or(elsewhere))
        }
        Err(Refusal::Unreachable(why) | Refusal::Full(why)) => Check::notice(name, why, elsewhere),
        Err(Refusal::Interrupted) => return None,
    })
}
