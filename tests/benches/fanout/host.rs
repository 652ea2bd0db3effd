//! What a process asks of the host: a core, the time.

use std::time::Duration;

use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

/// The core of the server, among those that this process may use.
pub const OF_SERVER: usize = 0;
/// The core of the client.
pub const OF_CLIENT: usize = 1;

/// Keeps this process on one of the cores that it may use; on a machine with one core there is nothing to keep.
pub fn pin(place: usize) {
    if let Some(core) = cores().get(place) {
        let mut set = CpuSet::new();
        set.set(*core);
        sched_setaffinity(None, &set).unwrap();
    }
}

/// Returns who runs where.
pub fn pinning() -> &'static str {
    match cores().len() {
        0 | 1 => "There is one core only: server and client compete for it.",
        _ => "The server has one core, the client another.",
    }
}

fn cores() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU)
        .filter(|core| allowed.is_set(*core))
        .collect()
}

/// Returns the nanoseconds of a clock that all processes of this machine share.
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
