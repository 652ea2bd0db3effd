//! Access to the host: the core of a process, and the time.

use std::time::Duration;

use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

/// The core of the server, among those that this process may use.
pub const OF_SERVER: usize = 0;
/// The core of the client.
pub const OF_CLIENT: usize = 1;

/// Pins this process to one of the cores that it may use. Does nothing if there is no such core.
pub fn pin(index: usize) {
    if let Some(core) = cores().get(index) {
        let mut set = CpuSet::new();
        set.set(*core);
        sched_setaffinity(None, &set).unwrap();
    }
}

/// Returns a sentence about the cores of server and client.
pub fn pinning() -> &'static str {
    match cores().len() {
        0 | 1 => "There is only one core: server and client compete for it.",
        _ => "The server has one core, and the client has another.",
    }
}

fn cores() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU)
        .filter(|core| allowed.is_set(*core))
        .collect()
}

/// Returns the time in nanoseconds, by a clock that all processes of this machine share.
pub fn now() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// Returns the processor time that this process has used.
pub fn used() -> Duration {
    Duration::from_nanos(nanoseconds(ClockId::ProcessCPUTime))
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
