//! Ports for the servers of tests, each for one of them as long as it is held.
//!
//! A port that the kernel gave and that was given back may be anybody's before the server has it: another test's, or one end
//! of some connection. So these lie outside of those that the kernel gives, and a locked file says whose they are.

use std::fs::{self, File};
use std::net::TcpListener;
use std::ops::Range;

/// A port that no other test takes while this is there.
pub struct Port {
    pub number: u16,
    _held: File,
}

impl Port {
    pub fn reserve() -> Self {
        let user = rustix::process::getuid().as_raw();
        let directory = std::env::temp_dir().join(format!("mlx-test-ports-{user}"));
        fs::create_dir_all(&directory).unwrap();
        let Range { start, end } = candidates();
        let first = std::process::id() * 31 % u32::from(end - start);
        let first = start + u16::try_from(first).unwrap();
        (first..end)
            .chain(start..first)
            .find_map(|number| {
                let held = File::create(directory.join(number.to_string())).unwrap();
                held.try_lock().ok()?;
                // Who is no test does not ask for the file.
                TcpListener::bind(("127.0.0.1", number)).ok()?;
                Some(Self { number, _held: held })
            })
            .expect("a port is free")
    }
}

/// Ports that the kernel gives nobody who does not ask for them.
fn candidates() -> Range<u16> {
    let given = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = given.split_whitespace().filter_map(|end| end.parse::<u16>().ok());
    match (ends.next(), ends.next()) {
        (Some(low), _) if low >= 11_000 => 10_000..low,
        (_, Some(high)) if high <= 64_000 => high + 1..u16::MAX,
        // As other systems have them.
        _ => 20_000..32_000,
    }
}
