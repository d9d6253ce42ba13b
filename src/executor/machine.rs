//! What of this machine steps may take, and what of that is taken.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::env::find_program;
use crate::project::manifest::Step;
use crate::project::settings::MachineSettings;
use crate::run::Runs;
use crate::{Error, Result};

/// The variable by which CUDA is told which GPUs there are for a program.
pub const VISIBLE_GPUS: &str = "CUDA_VISIBLE_DEVICES";

/// Memory and GPUs of this machine, shared by all steps of this process. Processors are counted by who starts the steps.
///
/// What nobody said is looked for when a step first asks for it.
#[derive(Debug)]
pub struct Machine {
    memory_bytes: OnceLock<u64>,
    /// By the names that CUDA knows them by.
    gpus: OnceLock<Vec<String>>,
    nvidia_smi: OnceLock<Option<PathBuf>>,
    path: OsString,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    memory_bytes: u64,
    gpus: Vec<usize>,
    /// Somebody found too little.
    is_wanted: bool,
    listeners: HashMap<u64, Box<dyn Fn() + Send>>,
    next: u64,
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taken").field("memory_bytes", &self.memory_bytes).field("gpus", &self.gpus).finish()
    }
}

/// What a step needs of a machine besides processors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    pub memory_bytes: u64,
    pub gpus: u64,
}

/// What a step was given; given back when dropped.
#[derive(Debug, Default)]
pub struct Share {
    machine: Option<Arc<Machine>>,
    memory_bytes: u64,
    places: Vec<usize>,
    /// The names of its GPUs.
    pub gpus: Vec<String>,
}

/// A wish to hear when something is given back; withdrawn when dropped.
pub struct Listening {
    machine: Arc<Machine>,
    number: u64,
}

impl Machine {
    /// What is said of this machine, and else what is found. `visible` is what this process was told about GPUs; `path`
    /// leads to `nvidia-smi`.
    pub fn new(said: &MachineSettings, visible: Option<&OsStr>, path: &OsStr) -> Self {
        let told = visible.map(|visible| visible_gpus(&visible.to_string_lossy()));
        let gpus = said.gpus_of_variable.clone().or(told).or_else(|| said.gpus.clone());
        Self {
            memory_bytes: said.memory_bytes.map_or_else(OnceLock::new, OnceLock::from),
            gpus: gpus.map_or_else(OnceLock::new, OnceLock::from),
            nvidia_smi: OnceLock::new(),
            path: path.to_owned(),
            taken: Mutex::default(),
        }
    }

    /// The program that tells what GPUs do.
    pub fn nvidia_smi(&self) -> Option<&Path> {
        self.nvidia_smi.get_or_init(|| find_program("nvidia-smi", &self.path)).as_deref()
    }

    fn gpus(&self) -> &[String] {
        self.gpus.get_or_init(|| found_gpus(self.nvidia_smi()))
    }

    fn memory_bytes(&self) -> u64 {
        *self.memory_bytes.get_or_init(memory)
    }

    /// Refuses a step that asks for more than there is.
    pub fn check(&self, step: &Step) -> Result<()> {
        let resources = &step.resources;
        let asked = resources.memory_bytes.filter(|bytes| *bytes > self.memory_bytes());
        let (asked, there) = if let Some(asked) = asked {
            (format!("{} of memory", size(asked)), size(self.memory_bytes()))
        } else if resources.gpus > self.gpus_there(resources.gpus) {
            let there = self.gpus().len();
            let asked = if resources.gpus == 1 { "a GPU".into() } else { format!("{} GPUs", resources.gpus) };
            (asked, if there == 0 { "none".into() } else { there.to_string() })
        } else {
            return Ok(());
        };
        let message = format!("step `{}` asks for {asked}, and this machine has {there} ({})", step.name, step.place);
        Err(Error::usage(message).with_hint(
            "let an executor carry it out (`--executor NAME`), or ask for less; what the machine has can be said under \
             [machine] in .mlx/config.toml",
        ))
    }

    /// How many GPUs there are, for who asks for so many; who asks for none does not have them looked for.
    fn gpus_there(&self, asked: u64) -> u64 {
        if asked == 0 { 0 } else { self.gpus().len() as u64 }
    }

    /// Takes what is needed, or all where there is less on the whole; `None` as long as others have it.
    pub fn take(self: &Arc<Self>, needs: Needs) -> Option<Share> {
        if needs == Needs::default() {
            return Some(Share::default());
        }
        let all = if needs.memory_bytes == 0 { 0 } else { self.memory_bytes() };
        let memory_bytes = needs.memory_bytes.min(all);
        let gpus = usize::try_from(needs.gpus.min(self.gpus_there(needs.gpus))).unwrap_or(usize::MAX);
        let mut taken = self.taken();
        let free: Vec<usize> = match gpus {
            0 => Vec::new(),
            _ => (0..self.gpus().len()).filter(|place| !taken.gpus.contains(place)).take(gpus).collect(),
        };
        if taken.memory_bytes.saturating_add(memory_bytes) > all.max(taken.memory_bytes) || free.len() < gpus {
            taken.is_wanted = true;
            return None;
        }
        taken.memory_bytes += memory_bytes;
        taken.gpus.extend(&free);
        let names = free.iter().map(|place| self.gpus()[*place].clone()).collect();
        Some(Share { machine: Some(self.clone()), memory_bytes, places: free, gpus: names })
    }

    /// Calls `hear` whenever something is given back that somebody looked for in vain.
    pub fn listen(self: &Arc<Self>, hear: impl Fn() + Send + 'static) -> Listening {
        let mut taken = self.taken();
        let number = taken.next;
        taken.next += 1;
        taken.listeners.insert(number, Box::new(hear));
        Listening { machine: self.clone(), number }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(machine) = &self.machine else { return };
        let mut taken = machine.taken();
        taken.memory_bytes -= self.memory_bytes;
        taken.gpus.retain(|place| !self.places.contains(place));
        if std::mem::take(&mut taken.is_wanted) {
            taken.listeners.values().for_each(|hear| hear());
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.machine.taken().listeners.remove(&self.number);
    }
}

fn size(bytes: u64) -> String {
    let (number, unit) = match bytes as f64 {
        bytes if bytes >= 1e9 => (bytes / 1e9, "GB"),
        bytes => (bytes / 1e6, "MB"),
    };
    if number < 10.0 { format!("{number:.1} {unit}") } else { format!("{number:.0} {unit}") }
}

/// The GPUs that `CUDA_VISIBLE_DEVICES` names: up to the first name that is none, as CUDA reads it.
fn visible_gpus(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim);
    let is_name = |name: &&str| !name.is_empty() && !name.starts_with('-') && *name != "NoDevFiles";
    names.take_while(is_name).map(str::to_owned).collect()
}

/// As many names as the driver has GPUs. Where it tells of none, `nvidia-smi` is asked: not every driver shows itself there.
fn found_gpus(nvidia_smi: Option<&Path>) -> Vec<String> {
    let known = fs::read_dir("/proc/driver/nvidia/gpus").map_or(0, |entries| entries.flatten().count());
    let count = match (known, nvidia_smi) {
        (0, Some(program)) => {
            let output = std::process::Command::new(program).arg("--list-gpus").stdin(Stdio::null()).output();
            let is_gpu = |line: &&str| line.starts_with("GPU ");
            let listed = output.ok().filter(|output| output.status.success());
            listed.map_or(0, |output| String::from_utf8_lossy(&output.stdout).lines().filter(is_gpu).count())
        }
        (known, _) => known,
    };
    (0..count).map(|number| number.to_string()).collect()
}

/// The memory that this process and its children may have: that of the machine, or what their control group allows.
fn memory() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (top, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // A limit further up holds as well. In a container the path may be that of the host, and the top is its own.
        let place = Path::new(top).join(path.trim_start_matches('/'));
        let places = place.ancestors().take_while(|place| place.starts_with(top));
        let limit = |place: &Path| fs::read_to_string(place.join(file)).ok()?.trim().parse::<u64>().ok();
        places.filter_map(limit).min()
    });
    limits.chain([Runs::host().memory_bytes]).min().unwrap_or(u64::MAX)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::project::Manifest;

    /// A machine with so many bytes and GPUs.
    pub fn machine(memory_bytes: u64, gpus: usize) -> Arc<Machine> {
        let gpus = Some((0..gpus).map(|number| number.to_string()).collect());
        let said = MachineSettings { memory_bytes: Some(memory_bytes), gpus, ..MachineSettings::default() };
        Arc::new(Machine::new(&said, None, OsStr::new("")))
    }

    fn needs(memory_bytes: u64, gpus: u64) -> Needs {
        Needs { memory_bytes, gpus }
    }

    #[test]
    fn no_more_is_given_than_there_is_and_each_gpu_once() {
        let machine = machine(10, 3);
        let one = machine.take(needs(4, 2)).unwrap();
        assert!(machine.take(needs(0, 2)).is_none() && machine.take(needs(7, 0)).is_none());

        let other = machine.take(needs(6, 1)).unwrap();
        assert_eq!((&one.gpus, &other.gpus), (&vec!["0".to_owned(), "1".into()], &vec!["2".to_owned()]));
        drop(one);

        assert_eq!(machine.take(needs(4, 1)).unwrap().gpus, ["0"]);
    }

    #[test]
    fn who_asks_for_more_than_there_is_gets_all_and_is_told() {
        let machine = machine(2_000_000_000, 1);
        let all = machine.take(needs(99_000_000_000, 8)).unwrap();
        let step = |resources: &str| {
            let text = format!("[step.a]\ncmd = 'x'\nresources = {{ {resources} }}");
            Manifest::parse(text.as_bytes()).unwrap().steps.remove(0)
        };
        let error = |resources: &str| machine.check(&step(resources)).unwrap_err().to_string();

        assert_eq!(all.gpus, ["0"]);
        assert!(machine.take(needs(1, 0)).is_none());
        assert_eq!(error("gpus = 2"), "step `a` asks for 2 GPUs, and this machine has 1 (mlx.toml, line 1)");
        assert_eq!(
            error("memory = '3GB'"),
            "step `a` asks for 3.0 GB of memory, and this machine has 2.0 GB (mlx.toml, line 1)"
        );
        machine.check(&step("gpus = 1, memory = '2GB', cpus = 1000")).unwrap();
    }

    #[test]
    fn who_found_too_little_hears_when_something_is_given_back() {
        let machine = machine(1, 0);
        let (sender, receiver) = std::sync::mpsc::channel();
        let listening = machine.listen(move || sender.send(()).unwrap());

        drop(machine.take(needs(1, 0)));
        assert!(receiver.try_recv().is_err());
        let share = machine.take(needs(1, 0)).unwrap();
        assert!(machine.take(needs(1, 0)).is_none());
        drop(share);

        assert!(receiver.try_recv().is_ok());
        drop(listening);
    }

    #[test]
    fn what_cuda_is_told_to_see_is_all_there_is() {
        assert_eq!(visible_gpus("2,GPU-8932f937 , 0"), ["2", "GPU-8932f937", "0"]);
        assert_eq!(visible_gpus("1,-1,2"), ["1"]);
        assert!(visible_gpus("").is_empty() && visible_gpus("-1").is_empty());
        let said = MachineSettings { gpus: Some(vec!["7".into()]), ..MachineSettings::default() };
        let named = MachineSettings { gpus_of_variable: Some(vec!["8".into()]), ..said.clone() };

        let gpus = |said, visible| Machine::new(said, Some(OsStr::new(visible)), OsStr::new("")).gpus().to_vec();

        assert_eq!(gpus(&said, "3"), ["3"]);
        assert_eq!(gpus(&named, "3"), ["8"]);
        assert_eq!(Machine::new(&said, None, OsStr::new("")).gpus(), ["7"]);
    }
}
