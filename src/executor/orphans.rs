//! Programs that left the process group of their step, as daemons do, and are still there when all steps have ended.

use std::fs;
use std::path::Path;

use rustix::process::Pid;

use super::leftovers::end_leftovers;
use crate::Result;

/// Ends those whose environment holds `variable=value`. Returns how many. Whoever loses the process that started it becomes a
/// child of this one: so where there are no children but the `known` one, which is quick to see, nothing is looked for.
pub fn end_orphans(variable: &str, value: &str, known: Option<u32>) -> Result<u64> {
    match children() {
        Some(children) if children.iter().all(|child| Some(*child) == known) => Ok(0),
        _ => end_leftovers(variable, value),
    }
}

/// How many programs of this group go on without the one that started them; `None` where the kernel does not tell.
pub fn going_on_in(group: Pid) -> Option<usize> {
    Some(children()?.into_iter().filter(|child| goes_on_in(*child, group)).count())
}

/// Whether the process belongs to the group and does something, rather than wait for somebody to take note of its end: the
/// state and the group are the third and the fifth field of proc_pid_stat(5), behind a name that may hold anything.
fn goes_on_in(process: u32, group: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let mut fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    let (state, its) = (fields.next().unwrap_or("X"), fields.nth(1));
    !matches!(state, "Z" | "X") && its.and_then(|its| its.parse().ok()) == Some(group.as_raw_pid())
}

/// The processes that this one has to wait for; `None` where the kernel does not tell.
fn children() -> Option<Vec<u32>> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let list = read(&thread.path().join("children"))?;
        children.extend(list.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Some(children)
}

/// A thread that has ended meanwhile has no children any more.
fn read(list: &Path) -> Option<String> {
    match fs::read_to_string(list) {
        Ok(list) => Some(list),
        Err(_) if list.parent().is_some_and(|thread| !thread.exists()) => Some(String::new()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_any_thread_are_seen() {
        let mut child =
            std::thread::spawn(|| std::process::Command::new("sleep").arg("1000").spawn().unwrap()).join().unwrap();

        assert!(children().is_none_or(|children| children.contains(&child.id())));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(children().is_none_or(|children| !children.contains(&child.id())));
    }
}
