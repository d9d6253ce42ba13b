//! Looks now and then at what the process groups of running steps take: what is known only while they run.
//!
//! One thread looks for all steps, soon after one began and then ever less often, so that looking takes a small part of
//! one processor however many processes there are. What a step takes in the whole (processor time, input and output) is
//! told by the kernel when its processes end, and is not asked for here.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::nvidia;
use crate::run::GpuUse;

/// From the begin of a step to the first look at most, and between two looks in the end.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Looking takes one part of so many of the time.
const SHARE: u32 = 50;
/// GPUs are asked for this often.
const GPU_PAUSE: Duration = Duration::from_secs(5);

/// A process group that is looked at, until it is read.
pub struct Gauge {
    group: Pid,
}

/// What was seen of a process group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// The most that all its processes had at once; 0 where nobody looked.
    pub peak_memory_bytes: u64,
    pub gpu: Option<GpuUse>,
    /// How many programs the kernel had ended for want of memory, at the first look.
    pub memory_kills: Option<u64>,
}

#[derive(Default)]
struct State {
    groups: BTreeMap<i32, Group>,
    pause: Duration,
    has_thread: bool,
}

#[derive(Default)]
struct Group {
    seen: Seen,
    nvidia_smi: Option<PathBuf>,
    /// Of each look at its GPUs.
    utilizations: Vec<f64>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);
static BELL: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gauge {
    /// Looks at this group from now on, and at what it does on GPUs where there is a program that tells.
    pub fn start(group: Pid, nvidia_smi: Option<&Path>) -> Self {
        let mut guard = lock();
        let state = guard.get_or_insert_default();
        let is_first = state.groups.is_empty();
        let nvidia_smi = nvidia_smi.map(Path::to_path_buf);
        state.groups.insert(group.as_raw_pid(), Group { nvidia_smi, ..Group::default() });
        state.pause = PAUSES.0;
        if !state.has_thread {
            // Without it, less is known of the steps.
            state.has_thread = thread::Builder::new().name("gauge".into()).spawn(look).is_ok();
        } else if is_first {
            BELL.notify_one();
        }
        Self { group }
    }

    /// What was seen; nobody looks any more.
    pub fn read(self) -> Seen {
        let group = lock().as_mut().and_then(|state| state.groups.remove(&self.group.as_raw_pid()));
        let Group { mut seen, utilizations, .. } = group.unwrap_or_default();
        if let Some(gpu) = &mut seen.gpu
            && !utilizations.is_empty()
        {
            gpu.utilization = Some(utilizations.iter().sum::<f64>() / utilizations.len() as f64);
        }
        seen
    }
}

/// A look without [`Gauge::read`] ends here: the group is over.
impl Drop for Gauge {
    fn drop(&mut self) {
        if let Some(state) = lock().as_mut() {
            state.groups.remove(&self.group.as_raw_pid());
        }
    }
}

/// Looks until the process ends.
fn look() {
    let mut gpu = Gpu { due: Instant::now() + PAUSES.1, is_broken: false };
    let mut guard = lock();
    loop {
        let pause = guard.as_ref().filter(|state| !state.groups.is_empty()).map(|state| state.pause);
        let Some(pause) = pause else {
            guard = BELL.wait(guard).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        guard = BELL.wait_timeout(guard, pause).unwrap_or_else(PoisonError::into_inner).0;
        let Some(state) = guard.as_ref().filter(|state| !state.groups.is_empty()) else { continue };
        let groups: Vec<i32> = state.groups.keys().copied().collect();
        let tool = state.groups.values().find_map(|group| group.nvidia_smi.clone());
        drop(guard);
        let began = Instant::now();
        let members = members(&groups);
        let memory: HashMap<i32, u64> = members.iter().map(|(group, pids)| (*group, memory_of(pids))).collect();
        let on_gpus = tool.and_then(|tool| gpu.ask(&tool, &members));
        let kills = memory_kills();
        let cost = began.elapsed();
        guard = lock();
        let Some(state) = guard.as_mut() else { continue };
        for (group, of) in &mut state.groups {
            let bytes = memory.get(group).copied().unwrap_or(0);
            of.seen.peak_memory_bytes = of.seen.peak_memory_bytes.max(bytes);
            of.seen.memory_kills = of.seen.memory_kills.or(kills.filter(|_| memory.contains_key(group)));
            let Some(now) = on_gpus.as_ref().and_then(|on_gpus| on_gpus.get(group)) else { continue };
            of.utilizations.extend(now.utilization);
            let before = of.seen.gpu.map_or(0, |gpu| gpu.peak_memory_bytes);
            let peak_memory_bytes = before.max(now.peak_memory_bytes);
            of.seen.gpu = Some(GpuUse { peak_memory_bytes, utilization: None });
        }
        state.pause = (pause * 2).min(PAUSES.1).max(cost * SHARE);
    }
}

/// The processes of each of these groups.
fn members(groups: &[i32]) -> HashMap<i32, Vec<Pid>> {
    let mut members: HashMap<i32, Vec<Pid>> = HashMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return members };
    for entry in entries.flatten() {
        let pid: Option<i32> = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some((pid, number)) = pid.and_then(|number| Some((Pid::from_raw(number)?, number))) else { continue };
        // SAFETY: a plain system call. Threads of the kernel have no group, which is no failure here.
        let group = unsafe { libc::getpgid(number) };
        if groups.contains(&group) {
            members.entry(group).or_default().push(pid);
        }
    }
    members
}

/// The memory of one process is the most that it ever had. Several may share some, which counts in parts, as the kernel
/// divides it among them.
fn memory_of(pids: &[Pid]) -> u64 {
    let kib = |file: &str, pid: &Pid, key: &str| {
        let text = fs::read_to_string(format!("/proc/{}/{file}", pid.as_raw_pid())).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    let kib: u64 = match pids {
        [alone] => kib("status", alone, "VmHWM").unwrap_or(0),
        several => {
            let of_one = |pid| kib("smaps_rollup", pid, "Pss").or_else(|| kib("status", pid, "VmRSS")).unwrap_or(0);
            several.iter().map(of_one).sum()
        }
    };
    kib * 1024
}

/// How many programs of this process's control group the kernel has ended for want of memory; of the whole machine where
/// there are no such groups.
pub fn memory_kills() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_group = groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let file = match controllers {
            "" => format!("/sys/fs/cgroup{path}/memory.events"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                format!("/sys/fs/cgroup/memory{path}/memory.oom_control")
            }
            _ => return None,
        };
        kills_in(&file)
    });
    of_group.or_else(|| kills_in("/proc/vmstat"))
}

fn kills_in(file: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// When GPUs are asked for next.
struct Gpu {
    due: Instant,
    is_broken: bool,
}

impl Gpu {
    /// What each group does on GPUs, where it is time to ask and somebody answers.
    fn ask(&mut self, tool: &Path, members: &HashMap<i32, Vec<Pid>>) -> Option<HashMap<i32, GpuUse>> {
        if self.is_broken || Instant::now() < self.due {
            return None;
        }
        let began = Instant::now();
        let uses = nvidia::processes(tool);
        self.due = Instant::now() + GPU_PAUSE.max(began.elapsed() * SHARE);
        self.is_broken = uses.is_none();
        let uses = uses?;
        let of_group = |pids: &Vec<Pid>| nvidia::of(&uses, |pid| pids.iter().any(|known| known.as_raw_pid() == pid));
        Some(members.iter().filter_map(|(group, pids)| Some((*group, of_group(pids)?))).collect())
    }
}
