//! Root, whom the modes of files do not hinder, made to obey them: a model that is tried must not write to what was linked
//! into its directory.

use std::io;

/// See capability.h of Linux: to write where the mode says no, to read where it says no, to give capabilities up.
const DAC_OVERRIDE: u32 = 1;
const DAC_READ_SEARCH: u32 = 2;
const SETPCAP: u32 = 8;

/// Whether the modes of files hinder a program that is started with [`obey`].
pub fn bind() -> bool {
    !rustix::process::geteuid().is_root() || can_obey()
}

/// Whether this process runs as root and can start one that obeys modes; one that could not read what root reads would be
/// hindered too much.
pub fn can_obey() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    let has = |set: u64, capability: u32| set & (1 << capability) != 0;
    match (set("CapEff:"), set("CapInh:")) {
        (Some(effective), Some(inherited)) => {
            rustix::process::geteuid().is_root()
                && has(effective, SETPCAP)
                && has(effective, DAC_READ_SEARCH)
                && !has(inherited, DAC_OVERRIDE)
        }
        _ => false,
    }
}

/// Called between fork and exec: the program may not override modes.
pub fn obey() -> io::Result<()> {
    // SAFETY: a plain system call without pointers.
    match unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(DAC_OVERRIDE), 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
