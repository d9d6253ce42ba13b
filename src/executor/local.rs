//! Runs a step's program on this machine, in its own process group, and leaves nothing of it behind.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::gauge::{Gauge, memory_kills};
use super::output::Output;
use super::usage::{Usage, own_peak_bytes};
use super::{End, Job, Report, orphans};
use crate::env::Launch;
use crate::event::Watch;
use crate::project::duration_text;
use crate::{Error, Result};

/// From the signal that asks a program to end to the one that ends it.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// Who waits so long for it to end is told what for.
const TOLD_AFTER: Duration = Duration::from_secs(1);
/// While a program is asked to end, a second Ctrl-C is looked for this often.
const TICK: Duration = Duration::from_millis(50);
/// What the program left in the background may print for so long after it ended.
const LINGER: Duration = Duration::from_millis(500);

/// Who prints so much at once prints more: then it waits in a larger pipe for a moment and is taken together, which costs the
/// program and this process less than to take turns all the time.
const MUCH_BYTES: usize = 4096;
const LARGE_BYTES: usize = 256 * 1024;
const PIPE_BYTES: libc::c_int = 1 << 20;
const MOMENT: Duration = Duration::from_millis(1);

/// Runs the program to its end, and ends whatever it left in its process group. Attempts are counted from 1; the log of the
/// first one begins anew.
pub fn run(job: &Job<'_>, attempt: u64, watch: Watch<'_>) -> Result<Report> {
    adopt_orphans();
    let started = Instant::now();
    let (mut running, pipe) = Running::start(job)?;
    let gauge = Gauge::start(running.pid, job.nvidia_smi.as_deref());
    let mut output = Output::new(job.step, &job.log, attempt, watch.events);
    let mut pipe = Some(pipe);
    let watched = watch_until_end(&mut running, &mut pipe, &mut output, job, watch);
    // Who was ended by the program itself may not have been taken note of, and is none that was left.
    let is_left = matches!(watched, Ok(None)) && orphans::going_on_in(running.pid) != Some(0);
    // From here on the main process is over, or something went wrong on our side: nobody of the group may live on.
    running.signal(Signal::KILL);
    // Before its number may become another group's.
    let seen = gauge.read();
    let usage = running.reap();
    // The program that was ended is the engine's; what it had started in the container has others above it.
    if let Some(launch) = &job.launch
        && !matches!((&watched, &usage), (Ok(None), Ok((status, ..))) if libc::WIFEXITED(*status))
    {
        end_container(launch, job.step, watch);
    }
    let ended = watched?;
    let (status, usage, killed) = usage?;
    if is_left && killed > 0 {
        watch.events.warn(format!("step `{}` left programs running when it ended; they were ended too", job.step));
    }
    let (last_lines, has_log, log) = output.finish();
    let end = ended.unwrap_or_else(|| match libc::WIFSIGNALED(status) {
        true => End::Signalled(libc::WTERMSIG(status)),
        false => End::Exited(libc::WEXITSTATUS(status)),
    });
    let kills = if end.is_killed() { seen.memory_kills.zip(memory_kills()) } else { None };
    Ok(Report {
        end,
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: usage.cpu_seconds,
        peak_memory_bytes: match usage.peak_memory_bytes.max(seen.peak_memory_bytes) {
            0 => usage.bound_bytes,
            peak => peak,
        },
        last_lines,
        has_log,
        log: log.map(Box::new),
        is_out_of_memory: kills.is_some_and(|(before, after)| after > before),
        io: usage.io,
        gpu: seen.gpu,
        attempts: 1,
    })
}

/// A command of these words, of which there is one at least.
fn words(words: &[OsString]) -> Command {
    let (program, arguments) = words.split_first().expect("a command line begins with its program");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Ends all that runs in the container of a program, and takes the container away.
fn end_container(launch: &Launch, step: &str, watch: Watch<'_>) {
    let mut command = words(&launch.end);
    let output = command.stdin(Stdio::null()).process_group(0).output();
    let trouble = match &output {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    watch.events.warn(format!("the container of step `{step}` may go on: {}", crate::fs::escape(trouble.as_bytes())));
}

/// Makes the program the first of a process group of its own. Where this process has a terminal, the program gets a session
/// of its own, too, and thus no terminal: one that asks there from another group (for a password, say) would be stopped and
/// never heard of again. So it is told that there is nobody to ask.
fn set_apart(command: &mut Command) {
    static HAS_TERMINAL: OnceLock<bool> = OnceLock::new();
    if !*HAS_TERMINAL.get_or_init(|| fs::File::open("/dev/tty").is_ok()) {
        // The standard library does this without copying this process.
        command.process_group(0);
        return;
    }
    // SAFETY: setsid(2) may be called between fork and exec, and nothing else is.
    unsafe {
        command.pre_exec(|| match libc::setsid() {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

/// A started program: the first process of a group of its own.
struct Running {
    pid: Pid,
    pidfd: OwnedFd,
    /// The most memory that this process itself had when the program was started, which the kernel takes for the program's.
    own_bytes: u64,
}

impl Running {
    /// Starts the program; what it prints comes out of the pipe.
    fn start(job: &Job<'_>) -> Result<(Self, io::PipeReader)> {
        let (reader, writer) = io::pipe().context("cannot create a pipe")?;
        rustix::io::ioctl_fionbio(&reader, true).context("cannot set up a pipe")?;
        let errors = writer.try_clone().context("cannot copy the end of a pipe")?;
        // An absolute path, so that the standard library can start it without copying this process.
        let mut command = match &job.launch {
            None => Command::new("/bin/sh"),
            Some(launch) => words(&launch.start),
        };
        command.arg("-c").arg(job.cmd).current_dir(&job.directory);
        set_apart(&mut command);
        command.stdin(Stdio::null()).stdout(writer).stderr(errors);
        command.envs(job.variables.iter().map(|(name, value)| (name, value)));
        let own_bytes = own_peak_bytes();
        let child = command.spawn().with_context(|| format!("cannot start the shell for step `{}`", job.step))?;
        let pid = Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Ok((Self { pid, pidfd, own_bytes }, reader)),
            Err(error) => {
                let _ = kill_process_group(pid, Signal::KILL);
                Err(Error::failed(format!("cannot watch the program of step `{}`: {error}", job.step))
                    .with_hint("mlx needs Linux 5.3 or newer"))
            }
        }
    }

    /// Asks the whole group to end, those too that were stopped.
    fn ask(&self, signal: Signal) {
        self.signal(signal);
        self.signal(Signal::CONT);
    }

    /// Sends a signal to the whole group. Until [`Running::reap`] the group's number can't belong to anybody else.
    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid, signal);
    }

    /// Waits until nobody of the group is left; all have ended or got a signal they can't refuse. Returns the status of the
    /// main process, what all of them took, and how many others that signal has ended.
    fn reap(self) -> Result<(i32, Usage, u64)> {
        let pid = self.pid.as_raw_pid();
        let mut usage = Usage::default();
        let Some(status) = usage.wait(libc::P_PID, pid, self.own_bytes)? else {
            return Err(Error::failed("the program of a step is gone"));
        };
        // Orphans of the group have become children of this process.
        let mut killed = 0;
        while let Some(status) = usage.wait(libc::P_PGID, pid, self.own_bytes)? {
            killed += u64::from(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL);
        }
        Ok((status, usage, killed))
    }
}

/// Orphans of a step become children of this process instead of init's, so that it can wait for their end.
fn adopt_orphans() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // Where the kernel refuses, orphans are killed all the same, and somebody else reaps them.
    ONCE.call_once(|| {
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    });
}

/// Why the program was asked to end, and when it will be made to.
struct Stop {
    cause: End,
    deadline: Instant,
}

/// Passes on what the program prints until its main process is over and, for a moment longer, what is still in the
/// pipe. Says why the program was asked to end, where it was. The pipe is taken away when nobody holds its other end.
fn watch_until_end(
    running: &mut Running,
    pipe: &mut Option<io::PipeReader>,
    output: &mut Output<'_>,
    job: &Job<'_>,
    watch: Watch<'_>,
) -> Result<Option<End>> {
    let bell = watch.interrupt.bell()?;
    let timeout = job.timeout.and_then(|timeout| Some((timeout, Instant::now().checked_add(timeout)?)));
    let mut stop: Option<Stop> = None;
    let mut is_told = false;
    let mut lingers_until: Option<Instant> = None;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let now = Instant::now();
        if watch.interrupt.is_urgent() {
            running.signal(Signal::KILL);
        }
        if stop.is_none() && watch.interrupt.is_requested() {
            running.ask(Signal::INT);
            stop = Some(Stop { cause: End::Interrupted, deadline: now + GRACE });
        }
        if let (None, Some((limit, at))) = (&stop, timeout)
            && now >= at
            && lingers_until.is_none()
        {
            running.ask(Signal::TERM);
            stop = Some(Stop { cause: End::TimedOut(limit), deadline: now + GRACE });
        }
        if let Some(Stop { cause, deadline }) = &stop {
            if now >= *deadline {
                running.signal(Signal::KILL);
            } else if !is_told && *cause == End::Interrupted && *deadline - now <= GRACE - TOLD_AFTER {
                is_told = true;
                let (step, grace) = (job.step, duration_text(GRACE));
                watch.events.note(format!("step `{step}` has {grace} to end by itself; Ctrl-C again ends it at once"));
            }
        }
        let is_over = lingers_until.is_some_and(|until| now >= until || stop.is_some() || pipe.is_none());
        if is_over {
            // What the kernel still holds is taken; what comes later has no reader.
            if let Some(reader) = pipe
                && drain(reader, output, &mut buffer)?
            {
                *pipe = None;
            }
            return Ok(stop.map(|stop| stop.cause));
        }

        let wake = match (&lingers_until, &stop, timeout) {
            (Some(until), ..) => Some(*until),
            (None, Some(stop), _) => Some(stop.deadline.min(now + TICK).max(now + Duration::from_millis(1))),
            (None, None, Some((_, at))) => Some(at),
            (None, None, None) => None,
        };
        let mut waits = Vec::with_capacity(3);
        if stop.is_none() {
            waits.push(PollFd::new(&bell, PollFlags::IN));
        }
        if lingers_until.is_none() {
            waits.push(PollFd::new(&running.pidfd, PollFlags::IN));
        }
        let reader = pipe.as_ref().map(AsFd::as_fd);
        waits.extend(reader.as_ref().map(|reader| PollFd::new(reader, PollFlags::IN)));
        wait(&mut waits, wake)?;
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let pipe_is_ready = reader.is_some() && waits.last().is_some_and(is_ready);
        let process_is_over =
            lingers_until.is_none() && waits[usize::from(stop.is_none())..].first().is_some_and(is_ready);

        if pipe_is_ready
            && let Some(reader) = pipe
            && read_some(reader, output, &mut buffer)?
        {
            *pipe = None;
        }
        if process_is_over {
            lingers_until = Some(Instant::now() + LINGER);
        }
    }
}

/// Waits until one of the descriptors has something to say or the time has come.
pub(super) fn wait(descriptors: &mut [PollFd<'_>], until: Option<Instant>) -> Result<()> {
    let timeout = until.map(|until| {
        let left = until.saturating_duration_since(Instant::now());
        Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(left.subsec_nanos()) }
    });
    match poll(descriptors, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(Error::failed(format!("cannot wait for a step: {error}"))),
    }
}

/// Reads once. Returns whether the pipe is at its end.
fn read_some(pipe: &mut io::PipeReader, output: &mut Output<'_>, buffer: &mut Vec<u8>) -> Result<bool> {
    match pipe.read(buffer) {
        Ok(0) => Ok(true),
        Ok(count) => {
            output.take(&buffer[..count])?;
            let has_more = count == buffer.len();
            if count >= MUCH_BYTES && buffer.len() < LARGE_BYTES {
                buffer.resize(LARGE_BYTES, 0);
                // SAFETY: a plain system call on an open descriptor; a failure leaves the pipe as it is.
                unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE_BYTES) };
            }
            if count >= MUCH_BYTES && !has_more {
                std::thread::sleep(MOMENT);
            }
            Ok(false)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(false),
        Err(error) => Err(error).context("cannot read what a step prints").map_err(Into::into),
    }
}

/// Reads what is there now, as much as a pipe holds at most. Returns whether the pipe is at its end.
fn drain(pipe: &mut io::PipeReader, output: &mut Output<'_>, buffer: &mut [u8]) -> Result<bool> {
    for _ in 0..16 {
        match pipe.read(buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => output.take(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read what a step prints").map_err(Into::into),
        }
    }
    Ok(false)
}

#[cfg(test)]
pub mod tests {
    use std::path::Path;

    use super::*;
    use crate::event::{Interrupt, Recorder};

    /// A job that works in this directory.
    pub fn job<'j>(cmd: &'j str, directory: &Path) -> Job<'j> {
        Job {
            step: "a",
            cmd,
            launch: None,
            directory: directory.to_path_buf(),
            variables: vec![("GREETING".into(), "hello".into())],
            timeout: None,
            log: directory.join("logs/a.log"),
            nvidia_smi: None,
        }
    }

    fn report(cmd: &str, timeout: Option<Duration>, interrupt: &Interrupt) -> (Report, Recorder) {
        let dir = tempfile::tempdir().unwrap();
        let events = Recorder::default();
        let job = Job { timeout, ..job(cmd, dir.path()) };
        let report = run(&job, 1, Watch { events: &events, interrupt }).unwrap();
        (report, events)
    }

    #[test]
    fn output_exit_code_and_use_are_reported() {
        let (report, _) = report("echo $GREETING; echo oops >&2; exit 3", None, &Interrupt::default());

        assert_eq!(report.end, End::Exited(3));
        assert_eq!(report.last_lines, ["hello", "oops"]);
        assert!(report.has_log && report.peak_memory_bytes > 0);
    }

    #[test]
    fn what_its_processes_read_and_wrote_is_added_up() {
        let cmd = "head -c 3000000 /dev/zero > big; (cat big; cat big) > bigger; (sleep 0.2; cat big > late) & exit 0";

        let (report, _) = report(cmd, None, &Interrupt::default());

        assert!(report.io.read_bytes >= 12_000_000 && report.io.written_bytes >= 12_000_000, "{:?}", report.io);
    }

    #[test]
    fn the_memory_of_all_processes_counts_together() {
        let hold =
            "python3 -c 'import time; x = bytearray(60_000_000); open(\"held\", \"a\").write(\"x\"); time.sleep(100)'";
        let cmd = format!("{hold} & {hold} & until [ $(cat held | wc -c) = 2 ]; do sleep 0.02; done; sleep 0.4");

        let (report, _) = report(&cmd, None, &Interrupt::default());

        assert!(report.peak_memory_bytes > 115_000_000, "{}", report.peak_memory_bytes);
    }

    #[test]
    fn a_signal_is_told_from_an_exit_code() {
        assert_eq!(report("kill -9 $$", None, &Interrupt::default()).0.end, End::Signalled(9));
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let limit = Duration::from_millis(30);

        assert_eq!(report("sleep 1000", Some(limit), &Interrupt::default()).0.end, End::TimedOut(limit));
    }

    #[test]
    fn a_program_that_was_stopped_can_say_its_last_words() {
        let cmd = "trap 'echo last words; exit 0' TERM; kill -STOP $$; while :; do sleep 0.01; done";

        let (report, _) = report(cmd, Some(Duration::from_millis(100)), &Interrupt::default());

        assert_eq!(report.last_lines, ["last words"]);
    }

    #[test]
    fn an_urgent_interrupt_ends_a_program_that_refuses_to() {
        let interrupt = Interrupt::default();
        interrupt.request();
        interrupt.request();

        assert_eq!(report("trap '' INT; sleep 1000", None, &interrupt).0.end, End::Interrupted);
    }

    #[test]
    fn what_is_left_in_the_background_is_ended() {
        let (report, events) = report("sleep 1000 & echo $!", None, &Interrupt::default());

        let pid: u32 = report.last_lines[0].parse().unwrap();
        assert_eq!(report.end, End::Exited(0));
        assert!(events.events().iter().any(|event| matches!(event, crate::event::Event::Warning { .. })));
        assert!(!Path::new("/proc").join(pid.to_string()).exists());
    }
    #[test]
    fn only_programs_that_had_to_be_ended_are_told() {
        let is_told = |cmd: &str, timeout| {
            let (_, events) = report(cmd, timeout, &Interrupt::default());
            events.events().iter().any(|event| matches!(event, crate::event::Event::Warning { .. }))
        };

        assert!(is_told("sleep 1000 > /dev/null 2>&1 &", None), "its output goes elsewhere");
        assert!(!is_told("(sleep 0.05; echo late) & exit 0", None), "it ends by itself");
        assert!(!is_told("sleep 1000 & kill -9 $!; exec sleep 0.2", None), "the program ended it");
        let moment = Some(Duration::from_millis(30));
        assert!(!is_told("trap '' TERM; sleep 1000 & trap - TERM; wait", moment), "all of them are to end");
    }
}
