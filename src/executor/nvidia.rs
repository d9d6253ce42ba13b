//! What programs do on NVIDIA's GPUs, as `nvidia-smi` tells it.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use super::engine::Command;
use crate::event::Interrupt;
use crate::run::GpuUse;

/// A driver that is in trouble may never answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What runs on the GPUs.
#[derive(Debug, Default, PartialEq)]
pub struct Processes {
    /// The process, its GPU, and the bytes that it has there.
    running: Vec<(i32, String, u64)>,
    /// From 0 to 1, by GPU.
    utilizations: HashMap<String, f64>,
}

/// Asks `nvidia-smi`; `None` where it does not answer.
pub fn processes(program: &Path) -> Option<Processes> {
    let ask = |question: &str| {
        let mut command = Command::new(program.to_str()?, &[]).args([question, "--format=csv,noheader,nounits"]);
        command.limit = PATIENCE;
        let answer = command.run(&Interrupt::default(), |_| false).ok()?;
        answer.is_success.then_some(answer.stdout)
    };
    let running = ask("--query-compute-apps=pid,gpu_uuid,used_memory")?;
    let utilizations = ask("--query-gpu=gpu_uuid,utilization.gpu")?;
    Some(read(&running, &utilizations))
}

/// Numbers that the driver does not tell read `[N/A]`.
fn read(running: &str, utilizations: &str) -> Processes {
    let fields = |line: &'_ str| line.split(',').map(|field| field.trim().to_owned()).collect::<Vec<_>>();
    let process = |line: &str| match fields(line).as_slice() {
        // In MiB.
        [pid, gpu, memory] => Some((pid.parse().ok()?, gpu.clone(), memory.parse::<u64>().unwrap_or(0) << 20)),
        _ => None,
    };
    let utilization = |line: &str| match fields(line).as_slice() {
        [gpu, percent] => Some((gpu.clone(), percent.parse::<f64>().ok()? / 100.0)),
        _ => None,
    };
    Processes {
        running: running.lines().filter_map(process).collect(),
        utilizations: utilizations.lines().filter_map(utilization).collect(),
    }
}

/// What those of the processes do that are meant: their memory, and how busy the GPUs are on which they run. `None` where
/// none of them is on a GPU.
pub fn of(processes: &Processes, is_meant: impl Fn(i32) -> bool) -> Option<GpuUse> {
    let mine: Vec<_> = processes.running.iter().filter(|(pid, ..)| is_meant(*pid)).collect();
    if mine.is_empty() {
        return None;
    }
    let gpus: BTreeSet<&String> = mine.iter().map(|(_, gpu, _)| gpu).collect();
    let busy: Vec<f64> = gpus.iter().filter_map(|gpu| processes.utilizations.get(*gpu)).copied().collect();
    Some(GpuUse {
        peak_memory_bytes: mine.iter().map(|(.., bytes)| bytes).sum(),
        utilization: (!busy.is_empty()).then(|| busy.iter().sum::<f64>() / busy.len() as f64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_utilization_are_those_of_the_processes_in_question() {
        let running = "11, GPU-a, 1000\n12, GPU-b, 24\n13, GPU-b, [N/A]\n99, GPU-c, 5\n";
        let utilizations = "GPU-a, 90\nGPU-b, 30\nGPU-c, [N/A]\n";

        let processes = read(running, utilizations);

        let mine = of(&processes, |pid| pid < 20).unwrap();
        assert_eq!((mine.peak_memory_bytes, mine.utilization), (1024 << 20, Some(0.6)));
        assert_eq!(of(&processes, |pid| pid == 99).unwrap().utilization, None);
        assert_eq!(of(&processes, |pid| pid == 1), None);
    }
}
